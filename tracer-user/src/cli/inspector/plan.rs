//! Whose time has come, and will.
//!
//! Must not: read `/proc`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tracer_model::{
    delta::Change,
    event::inspection::Moment,
    ids::{BootNs, ProcKey},
    state::{Model, Phase},
};

use crate::{
    capture::inspect::{Pipes, Sockets},
    cli::launchers::Launchers,
};

/// Processes that are inspected at once, at most: the others of a command that leaves hundreds are like them.
pub(super) const MANY: usize = 128;

/// Looks at a process for the descriptors that its calls were refused on.
pub(super) const LOOKS: usize = 8;

#[derive(Default)]
pub(super) struct Plan {
    pub settling: BTreeSet<(BootNs, ProcKey)>,
    pub since: BTreeMap<ProcKey, (BootNs, Moment)>,
    /// The command has ended just now.
    pub root_ended: bool,
    /// Whose call on a terminal has failed just now, and who was looked at for that already, with the descriptor.
    pub refused: Vec<ProcKey>,
    pub refused_before: BTreeSet<(ProcKey, i32)>,
    /// When something of what is followed was forked, executed, adopted or ended last, or began a session.
    pub news: BootNs,
    /// Whoever was inspected when it had settled.
    pub settled: BTreeSet<ProcKey>,
    /// Pipes that the command wrote its output and errors to.
    pub outputs: Pipes,
    /// Where the machine is watched.
    pub watching: Option<Watching>,
}

/// What only watching needs.
#[derive(Default)]
pub(super) struct Watching {
    pub launchers: Launchers,
    /// Whoever was there at first was asked for.
    pub begun: bool,
    /// Who was asked for.
    pub queue: VecDeque<ProcKey>,
    /// Who was looked at; what was seen is not through yet.
    pub looked: BTreeSet<ProcKey>,
}

impl Plan {
    /// It settles at `at`. What it is then does not become less by what happens until then.
    pub fn settles(&mut self, process: ProcKey, at: BootNs, moment: Moment) {
        let before = self.forget(process).unwrap_or(moment);
        self.settling.insert((at, process));
        self.since.insert(process, (at, moment.min(before)));
    }

    /// What is watched is not recorded, and no rule asks then who listens.
    pub fn sockets(&self) -> Sockets {
        if self.watching.is_some() { Sockets::unwanted() } else { Sockets::default() }
    }

    /// A call on a descriptor was refused of which no look at the process tells.
    pub fn is_refused_anew(&mut self, caller: ProcKey, fd: i32) -> bool {
        let looks = self.refused_before.range((caller, i32::MIN)..=(caller, i32::MAX)).count();
        self.refused.len() < MANY && looks < LOOKS && self.refused_before.insert((caller, fd))
    }

    pub fn forget_refused(&mut self, process: ProcKey) {
        self.refused_before.retain(|(caller, _)| *caller != process);
    }

    pub fn forget(&mut self, process: ProcKey) -> Option<Moment> {
        let (at, moment) = self.since.remove(&process)?;
        self.settling.remove(&(at, process));
        Some(moment)
    }

    /// Nobody says who adopts it, and it may do nothing that shows that: it settles all the same.
    pub fn left_by_its_parent(&mut self, orphan: ProcKey, at: BootNs) {
        let settles = self.since.get(&orphan).is_some_and(|(_, moment)| *moment == Moment::Settled);
        if !settles && !self.settled.contains(&orphan) {
            self.settles(orphan, at, Moment::Settled);
        }
    }

    /// The next whose time has come, or who was asked for.
    pub fn next_due(&mut self, now: BootNs) -> Option<(ProcKey, Moment)> {
        if let Some(&(_, process)) = self.settling.first().filter(|(at, _)| *at <= now) {
            return self.forget(process).map(|moment| (process, moment));
        }
        self.watching.as_mut()?.queue.pop_front().map(|process| (process, Moment::Asked))
    }

    /// Who leads a session or was started by who adopts everybody has nobody above that ends; nor has who is started under a
    /// supervisor or by nohup, which execute it; and how whoever is found after a loss came to be was not seen.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes after which somebody settles")]
    pub fn watch(&mut self, change: &Change, at: BootNs, model: &Model) {
        let Some(watching) = &mut self.watching else { return };
        watching.launchers.observe(change);
        let adopts =
            |key: ProcKey| key.number.0 == 1 || model.process(key).is_some_and(|process| process.facts.subreaper);
        let process = match *change {
            Change::SessionBorn { leader: process, .. } | Change::Executed { process } => process,
            Change::Found { process, .. } if watching.begun => process,
            Change::Forked { child, parent } if adopts(parent) => child,
            _ => return,
        };
        self.settles(process, at, Moment::Asked);
    }
}

/// The children of a process that has ended, of whom it is not known who has adopted them.
pub(super) fn orphans(model: &Model, parent: ProcKey) -> impl Iterator<Item = ProcKey> {
    let children = model.process(parent).filter(|it| it.phase != Phase::Alive).into_iter();
    let children = children.flat_map(|parent| parent.children.iter().copied());
    children.filter(|key| model.process(*key).is_some_and(|it| it.parent_exited && it.phase == Phase::Alive))
}
