//! Decides who is inspected and when, while a capture goes on: the command before it is executed, what is left when it has
//! ended and who waits for that, and everything that was reparented and has settled. Where the machine is watched, also whoever
//! leads a session or was started by the first process, launchers to compare with, and whoever is asked for.
//!
//! A sink notes whose time has come; the engine reads `/proc` and feeds what it saw to the recording like any event. Must not:
//! judge.

mod look;
mod plan;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::BTreeSet, io, rc::Rc};

use tracer_model::{
    delta::{Change, Delta, Refusal},
    event::{Call, Event, EventKind, RawTask, inspection::Moment},
    ids::{BootNs, Pid, ProcKey, Seq, Tid},
    state::Model,
};

use self::{
    look::{Look, Seen, item},
    plan::{MANY, Plan, Watching, orphans},
};
use crate::{
    capture::{
        Item, boot_now,
        inspect::{self, Sockets},
        procfs,
    },
    sink::Sink,
    trace_file::{Header, Summary},
};

/// A process has settled so long after its parent ended, as the rules have it.
const SETTLES_AFTER_NS: u64 = 1_000_000_000;

/// Whose time has come, and will.
#[derive(Clone, Default)]
pub struct Inspector(Rc<RefCell<Plan>>);

impl Inspector {
    /// The inspection of the process that is about to become the command.
    pub fn launch(&self, root: Pid, seq: Seq) -> Item {
        let at = boot_now();
        let start = procfs::read_stat(root).map_or(BootNs(0), |state| state.id.start);
        let task = RawTask { pid: root, tid: Tid(root.0), start };
        let inspection = inspect::inspect(task, Moment::Launch, &mut Sockets::default());
        self.0.borrow_mut().outputs.add([1, 2].into_iter().filter_map(|fd| inspection.descriptor(fd)));
        item(Seen { seq, at, inspection })
    }

    /// From now on the whole machine is watched.
    pub fn watch(&self) {
        self.0.borrow_mut().watching = Some(Watching::default());
    }

    /// Who was to be inspected, and is not yet, as far as a sink has heard.
    pub fn waiting(&self) -> BTreeSet<ProcKey> {
        let plan = self.0.borrow();
        let queued = plan.watching.iter().flat_map(|it| it.queue.iter().chain(&it.looked)).copied();
        plan.since.keys().copied().chain(queued).collect()
    }

    /// These are to be inspected soon.
    pub fn queue(&self, processes: impl IntoIterator<Item = ProcKey>) {
        if let Some(watching) = &mut self.0.borrow_mut().watching {
            watching.begun = true;
            watching.queue.extend(processes);
        }
    }

    /// The time of these has come, unless they were looked at or asked for already.
    pub fn hurry(&self, processes: impl IntoIterator<Item = ProcKey>, now: BootNs) {
        let mut plan = self.0.borrow_mut();
        for process in processes {
            let is_asked = |it: &Watching| it.looked.contains(&process) || it.queue.contains(&process);
            if plan.since.contains_key(&process) || !plan.watching.as_ref().is_some_and(is_asked) {
                plan.settles(process, now, Moment::Asked);
            }
        }
    }

    /// Somebody's time has come.
    pub fn is_due(&self, now: BootNs) -> bool {
        let plan = self.0.borrow();
        let queued = plan.watching.as_ref().is_some_and(|it| !it.queue.is_empty());
        queued || plan.settling.first().is_some_and(|(at, _)| *at <= now)
    }

    /// What is to be read now.
    pub fn due(&self, model: &Model, last: impl Fn() -> Seq) -> Vec<Item> {
        let mut plan = self.0.borrow_mut();
        let mut look = Look { model, sockets: plan.sockets(), last: &last };
        let refused = std::mem::take(&mut plan.refused).into_iter();
        let mut items: Vec<Item> = refused.filter_map(|key| look.at(key, Moment::Refused)).map(item).collect();
        if std::mem::take(&mut plan.root_ended) {
            items.extend(look.left(&plan.outputs));
        }
        items.extend(look.due(&mut plan));
        items
    }

    /// Whether nothing is about to settle, and nothing has happened for as long as that takes.
    pub fn is_quiet(&self) -> bool {
        let plan = self.0.borrow();
        plan.settling.is_empty() && boot_now().since(plan.news) > SETTLES_AFTER_NS + SETTLES_AFTER_NS / 4
    }

    /// The inspections of everything that is followed, lives and was not inspected when it settled: somebody asks.
    pub fn ask(&self, model: &Model, last: impl Fn() -> Seq) -> Vec<Item> {
        let plan = self.0.borrow();
        let mut look = Look { model, sockets: plan.sockets(), last: &last };
        let followed = model.processes().filter(|it| it.followed && !plan.settled.contains(&it.key));
        followed.take(MANY).filter_map(|it| look.at(it.key, Moment::Asked)).map(item).collect()
    }
}

impl Sink for Inspector {
    fn takes_findings(&self) -> bool {
        false
    }

    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        let mut plan = self.0.borrow_mut();
        if let (EventKind::Inspected(_), Some(process), Some(watching)) =
            (&event.kind, delta.subject, &mut plan.watching)
        {
            watching.looked.remove(&process);
        }
        // What was seen when it had settled is so no more.
        if let (EventKind::Attribute(attribute), Some(process)) = (&event.kind, delta.by)
            && attribute.terminal().is_some()
        {
            plan.settled.remove(&process);
        }
        let followed = |key: ProcKey| model.process(key).is_some_and(|process| process.followed);
        let settled = BootNs(event.at.0.saturating_add(SETTLES_AFTER_NS));
        for orphan in delta.subject.into_iter().flat_map(|parent| orphans(model, parent)) {
            plan.left_by_its_parent(orphan, settled);
        }
        for change in &delta.changes {
            let news = matches!(*change,
                Change::Forked { child: process, .. } | Change::Executed { process } | Change::Exited { process, .. }
                | Change::Reparented { process, .. } | Change::GroupBorn { leader: Some(process), .. } if followed(process));
            if news {
                plan.news = plan.news.max(event.at);
            }
            plan.watch(change, settled, model);
            if let Change::Reparented { process, .. } = *change {
                plan.settles(process, settled, Moment::Settled);
            } else if let Change::Refused {
                call: Call::TtyIoctl { fd, .. }, reason: Refusal::NotControllingTty, ..
            } = *change
                && let Some(caller) = delta.by.filter(|caller| followed(*caller))
                && plan.is_refused_anew(caller, fd)
            {
                plan.refused.push(caller);
            } else if let Change::Executed { process } = *change {
                plan.forget_refused(process);
            } else if let Change::Exited { process, .. } = *change {
                plan.forget(process);
                plan.settled.remove(&process);
                if let Some(watching) = &mut plan.watching {
                    watching.looked.remove(&process);
                }
                plan.forget_refused(process);
                plan.root_ended |= model.followed_root() == Some(process);
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}
