//! Zombies of whose reap nothing tells ([`Model::is_unattended`]) but the release of their memory, for which the
//! kernel has no limit. So the kernel is asked: a number that is free was reaped (kernel/exit.c, `release_task`).
//!
//! Must not: ask after a zombie whose parent waits for it.

use std::collections::{BTreeSet, VecDeque};

use tracer_model::{
    event::{Comm, Event, EventKind, RawTask},
    ids::{BootNs, Pid, Seq, Tid},
    state::Model,
};

use crate::capture::Source;

/// How often is asked.
const EVERY_NS: u64 = 100_000_000;

/// Who is asked after.
#[derive(Debug, Default)]
pub(super) struct Unattended {
    zombies: BTreeSet<Pid>,
    asked_at: BootNs,
    /// Whose number was free, when, and the last number that an event had by then: what tells of the reap may be on its way.
    free: VecDeque<(Seq, BootNs, RawTask)>,
}

impl Unattended {
    /// Takes note of a zombie.
    pub fn note(&mut self, event: &Event) {
        if let Some(subject) = event.subject.as_ref().filter(|subject| subject.exit_state != 0) {
            self.zombies.insert(subject.id.pid);
        }
    }

    /// Asks, when it is time.
    pub fn ask_sometimes(&mut self, now: BootNs, source: &dyn Source, model: &Model) {
        if now.since(self.asked_at) >= EVERY_NS {
            self.ask(now, source, model);
        }
    }

    /// Asks.
    pub fn ask(&mut self, now: BootNs, source: &dyn Source, model: &Model) {
        self.asked_at = now;
        let free = &mut self.free;
        self.zombies.retain(|pid| {
            let zombie = model.process_by_pid(*pid).filter(|process| process.is_zombie());
            let Some(zombie) = zombie else { return false };
            let task = RawTask { pid: *pid, tid: Tid(pid.0), start: zombie.start };
            if model.is_unattended(zombie) && source.is_gone(task) {
                // Whatever its parent called before it was gone has a number by now.
                free.push_back((source.last_seq(), now, task));
                return false;
            }
            true
        });
    }

    /// The next whose reap is told by nothing else, all events before `next` being known.
    pub fn released(&mut self, next: Seq, model: &Model) -> Option<Event> {
        while self.free.front().is_some_and(|(seq, ..)| *seq < next) {
            let (last, at, task) = self.free.pop_front()?;
            let known = model.process_by_pid(task.pid).filter(|process| process.start == task.start);
            if known.is_some_and(|process| process.is_zombie() && model.is_unattended(process)) {
                return Some(Event {
                    seq: Seq(last.0 + 1),
                    at,
                    cpu: 0,
                    actor: RawTask::default(),
                    actor_comm: Comm::default(),
                    subject: None,
                    kind: EventKind::Freed { task },
                });
            }
        }
        None
    }
}
