//! Leader races: parent and child both call setpgid for the child's new group, and one is first.
//!
//! Decided from the order of ENTER and LEAVE and from the state at each ENTER (the bundle there is the state before the
//! call). Where the calls overlap and both saw the old group, nothing tells, and nothing is said.

use crate::{
    apply::Cx,
    delta::{Change, GroupBirth, LeaderRace, RaceWinner},
    event::{Leave, RawId},
    ids::ProcKey,
    state::{FirstSetpgid, Model, OpenCall},
};

/// `EACCES`: the child has executed a program.
const EACCES: i64 = 13;

impl Model {
    /// A setpgid with arguments `pid` and `pgid` returned; its subject is the target, after the call.
    pub(crate) fn leader_race(&mut self, cx: &mut Cx, leave: &Leave, args: (i32, i32), entered: Option<OpenCall>) {
        let (Some(caller), Some(target)) = (cx.delta.by, cx.delta.subject) else { return };
        if leave.target_unknown {
            return;
        }
        let Some(process) = self.processes.get(&target) else { return };
        let Some(group) = process.group.filter(|group| group.number.0 == target.number.0) else { return };
        let own_group = args.1 == 0 || args.1 == args.0 || args.0 == 0;
        if !own_group || (leave.ret != 0 && leave.ret != -EACCES) {
            return;
        }
        let ino = self.groups.get(&group).map_or(0, |group| group.ino);
        let saw_group = entered.is_some_and(|open| open.found_in(RawId { number: group.number.0, ino }));
        let first = process.book.first_setpgid.as_deref().copied().filter(|first| first.group == group);
        match first {
            None if leave.ret == 0 && self.was_made_by_setpgid(target) => {
                let first = FirstSetpgid { group, caller, left: cx.stamp(), saw_group };
                self.set_first(target, Some(first));
            }
            Some(first) if first.caller != caller => {
                self.set_first(target, None);
                // A child that leads its group and calls setpgid long after its exec races with nobody.
                if caller != target || self.processes.get(&target).is_some_and(|child| child.not_yet_execed) {
                    let race = LeaderRace {
                        serialised: self.taken.is_some(),
                        ..decide(&first, target, caller, leave, saw_group)
                    };
                    cx.push(Change::LeaderRace(race));
                }
            }
            Some(_) | None => {}
        }
    }

    fn was_made_by_setpgid(&self, leader: ProcKey) -> bool {
        let group =
            self.processes.get(&leader).and_then(|leader| leader.group).and_then(|group| self.groups.get(&group));
        group.is_some_and(|group| matches!(group.birth, GroupBirth::BySelf | GroupBirth::ByParent { .. }))
    }

    fn set_first(&mut self, target: ProcKey, first: Option<FirstSetpgid>) {
        if let Some(process) = self.processes.get_mut(&target) {
            process.book.first_setpgid = first.map(Box::new);
        }
    }
}

/// The second call of a race returned: who was first, and by how much.
fn decide(first: &FirstSetpgid, child: ProcKey, second: ProcKey, leave: &Leave, second_saw: bool) -> LeaderRace {
    let by = |caller: ProcKey| if caller == child { RaceWinner::Child } else { RaceWinner::Parent };
    let apart = leave.entered.filter(|(seq, _)| *seq > first.left.seq);
    let (winner, margin) = match apart {
        Some((_, entered)) => (by(first.caller), Some(entered.since(first.left.at))),
        None if first.saw_group => (by(second), None),
        None if second_saw => (by(first.caller), None),
        None => (RaceWinner::Undecided, None),
    };
    let parent = if first.caller == child { second } else { first.caller };
    let errno = i32::try_from(leave.ret.saturating_neg()).unwrap_or(i32::MAX);
    LeaderRace { group: first.group, child, parent, winner, margin, serialised: false, errno }
}
