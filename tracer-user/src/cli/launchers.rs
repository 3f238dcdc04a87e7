//! Who forked whom, through ancestors that have ended: what a process that has settled is compared with is the nearest of them
//! that lives.
//!
//! Bounded: of processes that have been reaped, the last few thousand. Must not: judge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tracer_model::{
    delta::Change,
    ids::{BootNs, ProcKey},
    state::Model,
};

/// Reaped processes that are remembered.
const REAPED: usize = 4096;
/// Ancestors that are gone through.
const ABOVE: usize = 16;
/// An inspection of a launcher is good for so long.
const GOOD_FOR_NS: u64 = 1_000_000_000;

/// The launchers of processes whose fork was seen.
#[derive(Default)]
pub struct Launchers {
    of: BTreeMap<ProcKey, ProcKey>,
    reaped: VecDeque<ProcKey>,
    /// When a launcher was inspected.
    looked: BTreeMap<ProcKey, BootNs>,
    /// Who has begun to exit, as a look showed.
    ending: BTreeSet<ProcKey>,
}

impl Launchers {
    /// Takes a change.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that say who launched whom")]
    pub fn observe(&mut self, change: &Change) {
        match *change {
            Change::Forked { child, parent } => drop(self.of.insert(child, parent)),
            Change::Exited { process, .. } => self.forget_looks(process),
            Change::Reaped { process, .. } => {
                // Of who is found to be gone no end is told.
                self.forget_looks(process);
                self.reaped.push_back(process);
                if self.reaped.len() > REAPED
                    && let Some(oldest) = self.reaped.pop_front()
                {
                    self.of.remove(&oldest);
                }
            }
            _ => {}
        }
    }

    fn forget_looks(&mut self, process: ProcKey) {
        self.looked.remove(&process);
        self.ending.remove(&process);
    }

    /// The nearest launcher of a process that lives and adopts nobody, if it was not inspected lately: it is now.
    pub fn not_inspected(&mut self, process: ProcKey, model: &Model, now: BootNs) -> Option<ProcKey> {
        let launcher = self.living(process, model)?;
        let good = self.looked.get(&launcher).is_some_and(|at| now.since(*at) < GOOD_FOR_NS);
        if good {
            return None;
        }
        self.looked.insert(launcher, now);
        Some(launcher)
    }

    /// A look has shown that it has begun to exit: it is nobody to compare with.
    pub fn ends(&mut self, process: ProcKey) {
        self.ending.insert(process);
    }

    /// Its fork was seen, and none of its launchers lives but who adopts everybody.
    pub fn is_alone(&self, process: ProcKey, model: &Model) -> bool {
        self.of.contains_key(&process) && self.living(process, model).is_none()
    }

    fn living(&self, process: ProcKey, model: &Model) -> Option<ProcKey> {
        let above = |key: &ProcKey| self.of.get(key).copied();
        std::iter::successors(above(&process), above)
            .take(ABOVE)
            .find(|key| model.launches(*key) && !self.ending.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use tracer_model::{dsl, ids::Pid};

    use super::*;

    #[test]
    fn it_is_the_nearest_that_has_not_begun_to_exit() {
        let (mut launchers, mut model) = (Launchers::default(), Model::default());
        let history = "snapshot 10 bash {pp=1 +leader}\nsnapshot-end\n10: fork 11\n11: fork 12\n12: fork 13\n";
        for event in dsl::parse(history).unwrap() {
            model.apply(&event).changes.iter().for_each(|change| launchers.observe(change));
        }
        let own = model.processes().find(|it| it.key.number == Pid(13)).unwrap().key;
        let mut next = || {
            let launcher = launchers.not_inspected(own, &model, BootNs(1))?;
            launchers.ends(launcher);
            Some(launcher.number.0)
        };
        assert_eq!([next(), next(), next(), next()], [Some(12), Some(11), Some(10), None]);
    }
}
