//! Orphaned process groups, by the kernel's own rule (kernel/exit.c, `will_become_orphaned_pgrp`).
//!
//! A group is orphaned when no member, zombies without threads aside, has a parent that is in another group of the same
//! session and is not the initial namespace's init. Each member's part is kept in counters of its group and recomputed when
//! the member, its parent, or the group or session of either changes. Must not move or end anything.

use crate::{
    apply::Cx,
    delta::{Change, GroupBirth, OrphanCause},
    ids::{PgrpKey, ProcKey},
    state::{Model, Orphaned, Process, Qualifies},
};

impl Model {
    /// Whether this process keeps its group from being orphaned.
    fn qualifies(&self, process: &Process) -> Qualifies {
        if process.group.is_none() || !process.counts_for_orphan_rule() {
            return Qualifies::No;
        }
        // Process 0, the parent of the init of a namespace, is in no session that anything else is in.
        let Some(parent) = process.parent else { return Qualifies::No };
        // Whoever adopts it may be in the same session: not known until it is seen.
        let parent = if process.parent_exited { None } else { self.processes.get(&parent) };
        let Some(parent) = parent else { return Qualifies::Unknown };
        if parent.book.is_global_init == Some(true) {
            return Qualifies::No;
        }
        match (parent.group, parent.session) {
            (Some(group), Some(_)) if Some(group) == process.group => Qualifies::No,
            // What its children's bundles say of it decides whether it is the init that does not count.
            (Some(_), Some(session)) if Some(session) == process.session && parent.may_be_global_init() => {
                Qualifies::Unknown
            }
            (Some(_), Some(session)) if Some(session) == process.session => Qualifies::Yes,
            (Some(_), Some(_)) => Qualifies::No,
            _ => self.qualifies_by_own_bundle(process),
        }
    }

    /// The same by what the process's own last bundle says of its parent, of which no bundle was seen.
    fn qualifies_by_own_bundle(&self, process: &Process) -> Qualifies {
        let group = process.group.and_then(|group| self.groups.get(&group));
        let (Some(job), Some(group)) = (process.book.parent_job, group) else { return Qualifies::Unknown };
        // Both numbers were read at one instant, at which no two groups have the same.
        let same_group = job.pgrp.pgid() == group.key.number;
        if !same_group && job.session == group.session.number { Qualifies::Yes } else { Qualifies::No }
    }

    /// Counts a process anew in its group. `cause` is what changed it.
    pub(crate) fn requalify(&mut self, cx: &mut Cx, key: ProcKey, cause: OrphanCause) {
        let Some(process) = self.processes.get(&key) else { return };
        let now = self.qualifies(process);
        self.count(cx, key, now, cause);
    }

    /// Counts the children of a process anew.
    pub(crate) fn requalify_children(&mut self, cx: &mut Cx, key: ProcKey, cause: OrphanCause) {
        let Some(process) = self.processes.get(&key).filter(|process| !process.children.is_empty()) else { return };
        let children = process.children.clone();
        for child in children {
            self.requalify(cx, child, cause);
        }
    }

    /// Takes a process that leaves its group out of the count.
    pub(crate) fn uncount(&mut self, cx: &mut Cx, key: ProcKey) {
        self.count(cx, key, Qualifies::No, OrphanCause::Found);
    }

    fn count(&mut self, cx: &mut Cx, key: ProcKey, now: Qualifies, cause: OrphanCause) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        let before = std::mem::replace(&mut process.book.qualifies, now);
        if before == now {
            return;
        }
        let Some(group) = process.group.and_then(|group| self.groups.get_mut(&group)) else { return };
        match before {
            Qualifies::Yes => group.qualifying = group.qualifying.saturating_sub(1),
            Qualifies::Unknown => group.undecided = group.undecided.saturating_sub(1),
            Qualifies::No => {}
        }
        match now {
            Qualifies::Yes => group.qualifying += 1,
            Qualifies::Unknown => group.undecided += 1,
            Qualifies::No => {}
        }
        cx.touch(group.key, cause);
    }

    /// Sets the status of every group that was touched and says what became orphaned. While a snapshot is read, groups are
    /// incomplete: what is orphaned is said at its end.
    pub(crate) fn settle_orphans(&mut self, cx: &mut Cx) {
        if cx.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut cx.touched);
        touched.sort_unstable_by_key(|(group, _)| *group);
        for (key, cause) in touched.drain(..) {
            let Some(group) = self.groups.get_mut(&key).filter(|group| group.ended.is_none()) else { continue };
            group.orphaned = group.orphan_status();
            if cx.is_snapshot() {
                self.in_snapshot.insert(key);
            } else if group.born == Some(cx.event.at) && group.birth != GroupBirth::Found {
                // Born so, it did not become so.
                group.announced = group.is_orphaned();
            } else {
                self.announce_orphan(cx, key, cause);
            }
        }
        cx.touched = touched;
    }

    /// Says that a group became orphaned, or is no longer. Of a group of zombies nothing is said: nobody in it can notice.
    pub(crate) fn announce_orphan(&mut self, cx: &mut Cx, key: PgrpKey, cause: OrphanCause) {
        let Some(group) = self.groups.get_mut(&key).filter(|group| group.living > 0) else { return };
        match (group.announced, group.orphaned) {
            (false, Orphaned::Yes) => {
                group.announced = true;
                let stopped = |member: &&ProcKey| self.processes.get(member).is_some_and(|it| it.stopped.is_some());
                let stopped_members = group.members.iter().filter(stopped).count();
                if let OrphanCause::Exit(exiting) = cause
                    && stopped_members > 0
                    && let Some(exiting) = self.processes.get_mut(&exiting)
                {
                    exiting.book.exit_mut().expected.insert(key);
                }
                cx.push(Change::Orphaned { group: key, cause, stopped_members });
            }
            (true, Orphaned::No) => {
                group.announced = false;
                cx.push(Change::NoLongerOrphaned { group: key });
            }
            (true, Orphaned::Yes | Orphaned::Unknown) | (false, Orphaned::No | Orphaned::Unknown) => {}
        }
    }
}
