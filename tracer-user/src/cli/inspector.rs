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
    event::{Call, Comm, Event, EventKind, Inspection, RawTask, inspection::Moment},
    ids::{BootNs, Pid, ProcKey, Seq, Tid},
    state::{Model, Phase},
};

use super::{holders::deciding, launchers::Launchers};
use crate::{
    capture::{
        Item, boot_now,
        inspect::{self, Pipes, Sockets},
        procfs,
    },
    sink::Sink,
    trace_file::{Header, Summary},
};

/// A process has settled so long after its parent ended, as the rules have it.
const SETTLES_AFTER_NS: u64 = 1_000_000_000;

/// Processes that are inspected at once, at most: the others of a command that leaves hundreds are like them.
const MANY: usize = 128;

/// So long processes are looked at before what happened meanwhile is read: the probes' buffers are small.
const AT_ONCE_NS: u64 = 20_000_000;

/// Looks at a process for the descriptors that its calls were refused on.
const LOOKS: usize = 8;

/// Readers of what a command wrote that are looked for.
const READERS: usize = 4;

/// Whose time has come, and will.
#[derive(Clone, Default)]
pub struct Inspector(Rc<RefCell<Plan>>);

#[derive(Default)]
struct Plan {
    settling: BTreeSet<(BootNs, ProcKey)>,
    since: BTreeMap<ProcKey, (BootNs, Moment)>,
    /// The command has ended just now.
    root_ended: bool,
    /// Whose call on a terminal has failed just now, and who was looked at for that already, with the descriptor.
    refused: Vec<ProcKey>,
    refused_before: BTreeSet<(ProcKey, i32)>,
    /// When something of what is followed was forked, executed, adopted or ended last, or began a session.
    news: BootNs,
    /// Whoever was inspected when it had settled.
    settled: BTreeSet<ProcKey>,
    /// Pipes that the command wrote its output and errors to.
    outputs: Pipes,
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

    /// What is watched is not recorded, and no rule asks then who listens.
    fn sockets(&self) -> Sockets {
        if self.watching.is_some() { Sockets::unwanted() } else { Sockets::default() }
    }

    /// A call on a descriptor was refused of which no look at the process tells.
    fn is_refused_anew(&mut self, caller: ProcKey, fd: i32) -> bool {
        let looks = self.refused_before.range((caller, i32::MIN)..=(caller, i32::MAX)).count();
        self.refused.len() < MANY && looks < LOOKS && self.refused_before.insert((caller, fd))
    }

    fn forget_refused(&mut self, process: ProcKey) {
        self.refused_before.retain(|(caller, _)| *caller != process);
    }

    fn forget(&mut self, process: ProcKey) -> Option<Moment> {
        let (at, moment) = self.since.remove(&process)?;
        self.settling.remove(&(at, process));
        Some(moment)
    }

    /// Nobody says who adopts it, and it may do nothing that shows that: it settles all the same.
    fn left_by_its_parent(&mut self, orphan: ProcKey, at: BootNs) {
        let settles = self.since.get(&orphan).is_some_and(|(_, moment)| *moment == Moment::Settled);
        if !settles && !self.settled.contains(&orphan) {
            self.settles(orphan, at, Moment::Settled);
        }
    }

    /// The next whose time has come, or who was asked for.
    fn next_due(&mut self, now: BootNs) -> Option<(ProcKey, Moment)> {
        if let Some(&(_, process)) = self.settling.first().filter(|(at, _)| *at <= now) {
            return self.forget(process).map(|moment| (process, moment));
        }
        self.watching.as_mut()?.queue.pop_front().map(|process| (process, Moment::Asked))
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

/// Looks at processes that are inspected together.
struct Look<'a> {
    model: &'a Model,
    sockets: Sockets,
    last: &'a dyn Fn() -> Seq,
}

/// What was seen, and where among the events: what happens from then on is not in it.
struct Seen {
    seq: Seq,
    at: BootNs,
    inspection: Inspection,
}

impl Look<'_> {
    fn at(&mut self, key: ProcKey, moment: Moment) -> Option<Seen> {
        let process = self.model.process(key).filter(|process| process.phase == Phase::Alive)?;
        Some(self.of(RawTask { pid: key.number, tid: Tid(key.number.0), start: process.start }, moment))
    }

    fn of(&mut self, task: RawTask, moment: Moment) -> Seen {
        let (seq, at) = ((self.last)(), boot_now());
        Seen { seq, at, inspection: inspect::inspect(task, moment, &mut self.sockets) }
    }

    /// What the command left, and who waits for what that may still write.
    fn left(&mut self, outputs: &Pipes) -> Vec<Item> {
        let left = self.model.processes().filter(|it| it.followed && it.phase == Phase::Alive).map(|it| it.key);
        let left: Vec<ProcKey> = left.take(MANY).collect();
        let looks: Vec<Seen> = left.iter().filter_map(|key| self.at(*key, Moment::Left)).collect();
        let open = looks.iter().flat_map(|it| &it.inspection.descriptors).flat_map(|it| &it.open);
        let mut waiting = Vec::new();
        if open.into_iter().any(|it| it.writes() && outputs.has(it)) {
            let readers = inspect::holders(outputs).into_iter().filter(|it| it.reads).map(|it| it.pid);
            waiting.extend(readers.filter(|pid| left.iter().all(|key| key.number != *pid)));
            waiting.dedup();
            waiting.truncate(READERS);
        }
        let start = |pid| procfs::read_stat(pid).map_or(BootNs(0), |state| state.id.start);
        let tasks = waiting.into_iter().map(|pid| RawTask { pid, tid: Tid(pid.0), start: start(pid) });
        let waiting: Vec<Seen> = tasks.map(|task| self.of(task, Moment::Left)).collect();
        waiting.into_iter().chain(looks).map(item).collect()
    }

    /// Those whose time has come, behind whom they are compared with: their launchers, and who has a pipe of theirs.
    fn due(&mut self, plan: &mut Plan) -> Vec<Item> {
        let now = boot_now();
        let (mut items, mut looks, mut alone, mut pipes) = (Vec::new(), Vec::new(), Vec::new(), Pipes::default());
        for _ in 0..MANY {
            let in_time = looks.is_empty() || boot_now().since(now) < AT_ONCE_NS;
            let Some((key, moment)) = in_time.then(|| plan.next_due(now)).flatten() else { break };
            if moment == Moment::Settled {
                plan.settled.insert(key);
            }
            let launcher = plan.watching.as_mut().and_then(|it| it.launchers.not_inspected(key, self.model, now));
            items.extend(launcher.and_then(|it| self.at(it, Moment::Asked)).map(item));
            let Some(own) = self.at(key, moment) else { continue };
            if let Some(watching) = &mut plan.watching {
                watching.looked.insert(key);
                if watching.launchers.is_alone(key, self.model) {
                    pipes.add(own.inspection.half_pipes());
                    alone.push((key, looks.len()));
                }
            }
            looks.push(own);
        }
        let looked = alone.into_iter().filter_map(|(key, number)| Some((key, &looks.get(number)?.inspection)));
        let deciding = deciding(self.model, looked, &inspect::holders(&pipes));
        // What was seen of them goes before, and so it is with the number of what it explains.
        let before = looks.first().map(|it| it.seq);
        for seen in deciding.into_iter().filter_map(|key| self.at(key, Moment::Asked)) {
            items.push(item(Seen { seq: before.unwrap_or(seen.seq), ..seen }));
        }
        items.extend(looks.into_iter().map(item));
        items
    }
}

/// The children of a process that has ended, of whom it is not known who has adopted them.
fn orphans(model: &Model, parent: ProcKey) -> impl Iterator<Item = ProcKey> {
    let children = model.process(parent).filter(|it| it.phase != Phase::Alive).into_iter();
    let children = children.flat_map(|parent| parent.children.iter().copied());
    children.filter(|key| model.process(*key).is_some_and(|it| it.parent_exited && it.phase == Phase::Alive))
}

/// An event that belongs behind everything that had a number when it was read.
fn item(Seen { seq, at, inspection }: Seen) -> Item {
    Item::Unnumbered(Event {
        seq: Seq(seq.0.saturating_add(1)),
        at,
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

#[cfg(test)]
mod tests {
    use tracer_model::dsl;

    use super::*;

    /// What is waited for after these events, with the moment, when the machine is watched.
    fn waited_for(text: &str) -> Vec<(u32, Moment)> {
        let (mut inspector, mut model) = (Inspector::default(), Model::default());
        inspector.watch();
        for event in dsl::parse(text).unwrap() {
            let delta = model.apply(&event);
            inspector.event(&event, &delta, &model).unwrap();
        }
        let plan = inspector.0.borrow();
        plan.since.iter().map(|(key, (_, moment))| (key.number.0, *moment)).collect()
    }

    #[test]
    fn who_was_adopted_settles_and_so_does_an_orphan_that_nobody_is_known_to_have_adopted() {
        let daemon = "10: fork 11\n11: fork 12\n11: exit 0\n11: dead\n";
        let known = "snapshot 1 init {+init_parent pp=0}\nsnapshot 10 bash {pp=1 +leader}\nsnapshot-end\n";
        assert_eq!(waited_for(&format!("{known}{daemon}")), [(12, Moment::Settled)]);
        // Who is above 10, and could adopt, was not seen.
        let unknown = "snapshot 10 bash {pp=7 +leader}\nsnapshot-end partial\n";
        assert_eq!(waited_for(&format!("{unknown}{daemon}")), [(12, Moment::Settled)]);
        assert_eq!(waited_for(&format!("{unknown}{daemon}12: exit 0\n12: dead\n")), []);
    }

    #[test]
    fn a_refused_call_is_looked_at_once_for_each_descriptor_of_a_program() {
        let looked_at = |text: &str| {
            let (mut inspector, mut model) = (Inspector::default(), Model::default());
            model.follow(Pid(10));
            for event in dsl::parse(text).unwrap() {
                let delta = model.apply(&event);
                inspector.event(&event, &delta, &model).unwrap();
            }
            inspector.0.borrow().refused.len()
        };
        let shell = "snapshot 10 bash {pp=1 +leader}\nsnapshot-end partial\n";
        let call = |fd: u32| format!("10: ioctl({fd},TIOCSPGRP,0,10) = -25\n");
        assert_eq!(looked_at(&format!("{shell}{}{}", call(7), call(7))), 1);
        assert_eq!(looked_at(&format!("{shell}{}{}", call(7), call(8))), 2);
        assert_eq!(looked_at(&format!("{shell}{}10: exec /bin/cat\n{}", call(7), call(7))), 2);
        let all: String = (0..20).map(call).collect();
        assert_eq!(looked_at(&format!("{shell}{all}")), LOOKS);
    }
}
