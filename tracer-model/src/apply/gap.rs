//! Lost records, and the snapshots that heal what they left uncertain.
//!
//! A gap touches everything that is not seen after it. A snapshot sets what it shows, and the end of a complete one ends what
//! it does not show. Must not guess what happened in a gap.

use super::Cx;
use crate::{
    delta::{Bounds, Change, OrphanCause, ReapEvidence},
    event::{Coverage, Gap},
    ids::{ProcKey, Seq},
    state::{Knowledge, Model, Process},
};

/// How many gaps are told apart; later ones count with the last.
const GAPS: usize = 64;

impl Model {
    /// Records were lost.
    pub(super) fn gap(&mut self, cx: &mut Cx, gap: &Gap) {
        cx.push(Change::Gap { lost: gap.lost, cause: gap.cause });
        let bounds = Bounds { after: gap.from, until: gap.until };
        let full = self.gaps.len() >= GAPS;
        match self.gaps.last_mut() {
            Some(last) if full => {
                *last = (cx.event.seq, Bounds { after: last.1.after, until: last.1.until.max(bounds.until) });
            }
            Some(_) | None => self.gaps.push((cx.event.seq, bounds)),
        }
    }

    /// One process as the task iterator saw it. The actor is who reads the iterator.
    pub(super) fn snapshot(&mut self, cx: &mut Cx, args: &[Vec<u8>]) {
        let Some(key) = self.take_subject(cx) else { return };
        self.follow_with_parent(key);
        let Some(process) = self.processes.get_mut(&key) else { return };
        if !args.is_empty() {
            process.args = args.into();
        }
    }

    /// A child of who is followed is followed, and so are its own, whichever of them is shown first.
    fn follow_with_parent(&mut self, key: ProcKey) {
        let parent = self.processes.get(&key).filter(|it| !it.followed && !it.parent_exited).and_then(|it| it.parent);
        if !parent.and_then(|parent| self.processes.get(&parent)).is_some_and(|parent| parent.followed) {
            return;
        }
        let mut found = vec![key];
        while let Some(key) = found.pop() {
            if let Some(process) = self.processes.get_mut(&key).filter(|process| !process.followed) {
                process.followed = true;
                found.extend(process.children.iter().copied());
            }
        }
    }

    /// The iterator is through: what is alive here, was seen before it began and is not in it has ended, if it would be in it.
    pub(super) fn snapshot_end(&mut self, cx: &mut Cx, from: Seq, coverage: Coverage) {
        let shows = |process: &Process| match coverage {
            Coverage::Some => false,
            Coverage::Followed => process.followed,
            Coverage::All => true,
        };
        let gone = self.processes().filter(|process| process.seen.seq < from && shows(process));
        let gone: Vec<_> = gone.map(|process| (process.key, process.knowledge)).collect();
        for (key, knowledge) in gone {
            match knowledge {
                Knowledge::Seen => self.reap_unseen(cx, key, ReapEvidence::Snapshot),
                Knowledge::Referenced => self.forget_reference(cx, key),
            }
        }
        if coverage == Coverage::All {
            for group in self.groups.all_mut() {
                group.leader_reaped |= group.leader.is_none();
            }
            for session in self.sessions.all_mut() {
                session.leader_reaped |= session.leader.is_none();
            }
        }
        // Of the followed everything is known again; of others nothing is said but what their bundles say.
        if coverage != Coverage::Some {
            self.gaps.retain(|(seq, _)| *seq >= from);
        }
        self.settle_orphans(cx);
        for group in std::mem::take(&mut self.in_snapshot) {
            self.announce_orphan(cx, group, OrphanCause::Found);
        }
    }
}
