//! Whose look decides what a pipe is to a process whose launchers have ended: of everybody who has it, one that has no part in
//! the process, and one of its own that has the other end.
//!
//! Must not: read anything, or judge.

use std::collections::{BTreeMap, BTreeSet};

use tracer_model::{
    audit::is_kin,
    event::{Inspection, inspection::Descriptor},
    ids::ProcKey,
    state::Model,
};

use crate::capture::inspect::Holder;

/// Those whose inspections decide on the pipes of which these processes have one end: a few for each pipe, however many have
/// it.
pub fn deciding<'a>(
    model: &Model,
    looks: impl Iterator<Item = (ProcKey, &'a Inspection)>,
    holders: &[Holder],
) -> BTreeSet<ProcKey> {
    let mut of: BTreeMap<(u64, u64), Vec<(ProcKey, &Holder)>> = BTreeMap::new();
    for holder in holders {
        if let Some(process) = model.process_by_pid(holder.pid) {
            of.entry(holder.pipe).or_default().push((process.key, holder));
        }
    }
    let mut deciding = BTreeSet::new();
    for (key, look) in looks {
        for pipe in look.half_pipes() {
            let others = of.get(&(pipe.device, pipe.inode)).into_iter().flatten().filter(|(other, _)| *other != key);
            let kin = |other: &ProcKey| {
                model.process(key).zip(model.process(*other)).is_some_and(|(own, other)| is_kin(model, own, other))
            };
            let (kin, strangers): (Vec<_>, Vec<_>) = others.copied().partition(|(other, _)| kin(other));
            let other_end = kin.into_iter().find(|(_, holder)| is_other_end(pipe, holder));
            deciding.extend(strangers.first().into_iter().chain(&other_end).map(|(other, _)| *other));
        }
    }
    deciding
}

fn is_other_end(pipe: &Descriptor, holder: &Holder) -> bool {
    pipe.reads() && holder.writes || pipe.writes() && holder.reads
}

#[cfg(test)]
mod tests {
    use tracer_model::{
        dsl,
        event::{EventKind, RawTask},
        ids::{Pid, Tid},
    };

    use super::*;

    /// A daemon 40 that has the writing end of a pipe, with workers and strangers.
    fn model() -> (Model, Inspection) {
        let text = "
            snapshot 1 init {+init_parent pp=0}
            snapshot 40 daemon {pp=1 +leader}
            snapshot 41 worker {pp=40 pg=40 sid=40}
            snapshot 42 worker {pp=40 pg=40 sid=40}
            snapshot 50 bash {pp=1 +leader}
            snapshot 51 bash {pp=1 +leader}
            snapshot-end
            inspected 40 asked fd=7:pipe:10:77:w:pipe:[77]
        ";
        let (mut model, mut look) = (Model::default(), None);
        for event in dsl::parse(text).unwrap() {
            model.apply(&event);
            if let EventKind::Inspected(inspection) = event.kind {
                look = Some(*inspection);
            }
        }
        (model, look.unwrap())
    }

    fn decides(holders: &[(u32, bool, bool)]) -> Vec<u32> {
        let (model, look) = model();
        let task = |pid| RawTask { pid: Pid(pid), tid: Tid(pid), ..RawTask::default() };
        let holder = |(pid, reads, writes): &(u32, bool, bool)| Holder {
            pid: task(*pid).pid,
            pipe: (10, 77),
            reads: *reads,
            writes: *writes,
        };
        let holders: Vec<Holder> = holders.iter().map(holder).collect();
        let key = model.process_by_pid(Pid(40)).unwrap().key;
        deciding(&model, [(key, &look)].into_iter(), &holders).iter().map(|key| key.number.0).collect()
    }

    #[test]
    fn one_stranger_and_one_of_its_own_decide_however_many_there_are() {
        assert_eq!(decides(&[(40, false, true)]), [] as [u32; 0], "nobody but itself");
        assert_eq!(decides(&[(40, false, true), (41, false, true)]), [] as [u32; 0], "the same end says nothing");
        assert_eq!(decides(&[(40, false, true), (41, false, true), (42, true, false)]), [42]);
        let all = [(41, true, false), (42, true, false), (50, false, true), (51, true, false)];
        assert_eq!(decides(&all), [41, 50], "a stranger is found behind any number of its own");
    }
}
