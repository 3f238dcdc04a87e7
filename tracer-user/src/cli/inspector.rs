//! Decides who is inspected and when, while a capture goes on: the command before it is executed, what is left when it has
//! ended and who waits for that, and everything that was reparented and has settled. Where the machine is watched, also whoever
//! leads a session or was started by the first process, launchers to compare with, and whoever is asked for.
//!
//! A sink notes whose time has come; the engine reads `/proc` and feeds what it saw to the recording like any event. Must not:
//! judge.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    rc::Rc,
};

use tracer_model::{
    delta::{Change, Delta, Refusal},
    event::{
        Call, Comm, Event, EventKind, Inspection, RawTask,
        inspection::{Moment, Target},
    },
    ids::{BootNs, Pid, ProcKey, Seq, Tid},
    state::{Model, Phase},
};

use super::launchers::Launchers;
use crate::{
    capture::{Item, boot_now, inspect, procfs},
    sink::Sink,
    trace_file::{Header, Summary},
};

/// A process has settled so long after its parent ended, as the rules have it.
const SETTLES_AFTER_NS: u64 = 1_000_000_000;

/// Processes that are inspected at once, at most: the others of a command that leaves hundreds are like them.
const MANY: usize = 128;

/// Readers of what a command wrote that are looked for.
const READERS: usize = 4;

/// Processes that have an end of a pipe of one whose launchers have ended, that are looked at.
const HOLDERS: usize = 8;

/// Whose time has come, and will.
#[derive(Clone, Default)]
pub struct Inspector(Rc<RefCell<Plan>>);

#[derive(Default)]
struct Plan {
    settling: BTreeSet<(BootNs, ProcKey)>,
    since: BTreeMap<ProcKey, (BootNs, Moment)>,
    /// The command has ended just now.
    root_ended: bool,
    /// Whose call on a terminal has failed just now, and who was looked at for that already.
    refused: Vec<ProcKey>,
    refused_before: BTreeSet<ProcKey>,
    /// When something of what is followed was forked, executed, adopted or ended last, or began a session.
    news: BootNs,
    /// Whoever was inspected when it had settled.
    settled: BTreeSet<ProcKey>,
    /// Pipes that the command wrote its output and errors to.
    outputs: Vec<(u64, u64)>,
    /// Where the machine is watched.
    watching: Option<Watching>,
}

/// What only watching needs.
#[derive(Default)]
struct Watching {
    launchers: Launchers,
    /// Whoever was there at first was asked for.
    begun: bool,
    /// Who was asked for.
    queue: VecDeque<ProcKey>,
    /// Who was looked at; what was seen is not through yet.
    looked: BTreeSet<ProcKey>,
}

impl Plan {
    /// It settles at `at`. What it is then does not become less by what happens until then.
    fn settles(&mut self, process: ProcKey, at: BootNs, moment: Moment) {
        let before = self.forget(process).unwrap_or(moment);
        self.settling.insert((at, process));
        self.since.insert(process, (at, moment.min(before)));
    }

    fn forget(&mut self, process: ProcKey) -> Option<Moment> {
        let (at, moment) = self.since.remove(&process)?;
        self.settling.remove(&(at, process));
        Some(moment)
    }

    fn take_due(&mut self, now: BootNs) -> Vec<(ProcKey, Moment)> {
        let mut due = Vec::new();
        while let Some(&(at, process)) = self.settling.first()
            && at <= now
            && due.len() < MANY
        {
            due.extend(self.forget(process).map(|moment| (process, moment)));
        }
        if let Some(watching) = &mut self.watching {
            let many = watching.queue.len().min(MANY);
            due.extend(watching.queue.drain(..many).map(|process| (process, Moment::Asked)));
        }
        due
    }

    /// Who leads a session or was started by who adopts everybody has nobody above that ends; nor has who is started under a
    /// supervisor or by nohup, which execute it; and how whoever is found after a loss came to be was not seen.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes after which somebody settles")]
    fn watch(&mut self, change: &Change, at: BootNs, model: &Model) {
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

impl Inspector {
    /// The inspection of the process that is about to become the command.
    pub fn launch(&self, root: Pid, last: Seq) -> Item {
        let start = procfs::read_stat(root).map_or(BootNs(0), |state| state.id.start);
        let task = RawTask { pid: root, tid: Tid(root.0), start };
        let inspection = inspect::inspect(task, Moment::Launch);
        let outputs = [1, 2].into_iter().filter_map(|fd| inspection.descriptor(fd));
        let pipes = outputs.filter(|it| it.target == Target::Pipe).map(|it| (it.device, it.inode));
        self.0.borrow_mut().outputs = pipes.collect();
        item(inspection, last)
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

    /// What is to be read now.
    pub fn due(&self, model: &Model, last: impl Fn() -> Seq) -> Vec<Item> {
        let mut plan = self.0.borrow_mut();
        let refused = std::mem::take(&mut plan.refused).into_iter();
        let refused = refused.filter_map(|key| look(model, key, Moment::Refused));
        let mut items: Vec<Item> = refused.map(|it| item(it, last())).collect();
        if std::mem::take(&mut plan.root_ended) {
            let left = model.processes().filter(|it| it.followed && it.phase == Phase::Alive).map(|it| it.key);
            let left: Vec<ProcKey> = left.take(MANY).collect();
            let inspections: Vec<Inspection> = left.iter().filter_map(|key| look(model, *key, Moment::Left)).collect();
            if inspections.iter().any(|it| holds(it, &plan.outputs)) {
                let waiting = inspect::readers(&plan.outputs, READERS);
                let strangers = waiting.into_iter().filter(|pid| left.iter().all(|key| key.number != *pid));
                let start = |pid| procfs::read_stat(pid).map_or(BootNs(0), |state| state.id.start);
                let tasks = strangers.map(|pid| RawTask { pid, tid: Tid(pid.0), start: start(pid) });
                items.extend(tasks.map(|task| item(inspect::inspect(task, Moment::Left), last())));
            }
            items.extend(inspections.into_iter().map(|it| item(it, last())));
        }
        let now = boot_now();
        for (key, moment) in plan.take_due(now) {
            if moment == Moment::Settled {
                plan.settled.insert(key);
            }
            let launcher = plan.watching.as_mut().and_then(|it| it.launchers.not_inspected(key, model, now));
            items.extend(launcher.and_then(|it| look(model, it, Moment::Asked)).map(|it| item(it, last())));
            let Some(own) = look(model, key, moment) else { continue };
            let alone = plan.watching.as_ref().is_some_and(|it| it.launchers.is_alone(key, model));
            let pipes = if alone { own.half_pipes() } else { Vec::new() };
            if !pipes.is_empty() {
                let holders = inspect::holders(&pipes, HOLDERS, |_| true).into_iter().filter(|pid| *pid != key.number);
                let holders = holders.filter_map(|pid| look(model, model.process_by_pid(pid)?.key, Moment::Asked));
                items.extend(holders.map(|it| item(it, last())));
            }
            if let Some(watching) = &mut plan.watching {
                watching.looked.insert(key);
            }
            items.push(item(own, last()));
        }
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
        let followed = model.processes().filter(|it| it.followed && !plan.settled.contains(&it.key));
        let asked = followed.take(MANY).filter_map(|it| look(model, it.key, Moment::Asked));
        asked.map(|it| item(it, last())).collect()
    }
}

fn look(model: &Model, key: ProcKey, moment: Moment) -> Option<Inspection> {
    let process = model.process(key).filter(|process| process.phase == Phase::Alive)?;
    let task = RawTask { pid: key.number, tid: Tid(key.number.0), start: process.start };
    Some(inspect::inspect(task, moment))
}

/// It can write to one of these pipes.
fn holds(inspection: &Inspection, pipes: &[(u64, u64)]) -> bool {
    let open = inspection.descriptors.iter().flat_map(|it| &it.open);
    open.into_iter().any(|it| it.writes() && pipes.contains(&(it.device, it.inode)))
}

/// An event that belongs behind everything that had a number when it was read.
fn item(inspection: Inspection, last: Seq) -> Item {
    Item::Unnumbered(Event {
        seq: Seq(last.0.saturating_add(1)),
        at: boot_now(),
        cpu: 0,
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind: EventKind::Inspected(Box::new(inspection)),
    })
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
        let followed = |key: ProcKey| model.process(key).is_some_and(|process| process.followed);
        for change in &delta.changes {
            let news = matches!(*change,
                Change::Forked { child: process, .. } | Change::Executed { process } | Change::Exited { process, .. }
                | Change::Reparented { process, .. } | Change::GroupBorn { leader: Some(process), .. } if followed(process));
            if news {
                plan.news = plan.news.max(event.at);
            }
            let settled = BootNs(event.at.0.saturating_add(SETTLES_AFTER_NS));
            plan.watch(change, settled, model);
            if let Change::Reparented { process, .. } = *change {
                plan.settles(process, settled, Moment::Settled);
            } else if let Change::Refused { call: Call::TtyIoctl { .. }, reason: Refusal::NotControllingTty, .. } =
                *change
                && let Some(caller) = delta.by.filter(|caller| followed(*caller))
                && plan.refused.len() < MANY
                && plan.refused_before.insert(caller)
            {
                plan.refused.push(caller);
            } else if let Change::Exited { process, .. } = *change {
                plan.forget(process);
                plan.settled.remove(&process);
                if let Some(watching) = &mut plan.watching {
                    watching.looked.remove(&process);
                }
                plan.refused_before.remove(&process);
                plan.root_ended |= model.followed_root() == Some(process);
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}
