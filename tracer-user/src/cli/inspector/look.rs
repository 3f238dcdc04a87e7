//! Looks at those whose time has come, and makes events of what is seen.
//!
//! Must not: decide whose time has come.

use tracer_model::{
    event::{Comm, Event, EventKind, Inspection, RawTask, inspection::Moment},
    ids::{BootNs, ProcKey, Seq, Tid},
    state::{Model, Phase},
};

use super::plan::{MANY, Plan, Watching};
use crate::{
    capture::{
        Item, boot_now,
        inspect::{self, Pipes, Sockets},
        procfs,
    },
    cli::holders::deciding,
};

/// So long processes are looked at before what happened meanwhile is read: the probes' buffers are small.
const AT_ONCE_NS: u64 = 20_000_000;

/// Readers of what a command wrote that are looked for.
const READERS: usize = 4;

/// Looks at processes that are inspected together.
pub(super) struct Look<'a> {
    pub model: &'a Model,
    pub sockets: Sockets,
    pub last: &'a dyn Fn() -> Seq,
}

/// What was seen, and where among the events: what happens from then on is not in it.
pub(super) struct Seen {
    pub seq: Seq,
    pub at: BootNs,
    pub inspection: Inspection,
}

impl Look<'_> {
    pub fn at(&mut self, key: ProcKey, moment: Moment) -> Option<Seen> {
        let process = self.model.process(key).filter(|process| process.phase == Phase::Alive)?;
        Some(self.of(RawTask { pid: key.number, tid: Tid(key.number.0), start: process.start }, moment))
    }

    pub fn of(&mut self, task: RawTask, moment: Moment) -> Seen {
        let (seq, at) = ((self.last)(), boot_now());
        Seen { seq, at, inspection: inspect::inspect(task, moment, &mut self.sockets) }
    }

    /// What the command left, and who waits for what that may still write.
    pub fn left(&mut self, outputs: &Pipes) -> Vec<Item> {
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
        // What was seen of them goes before, and so it is with the number of what it explains: something may have happened between.
        let before = looks.first().map(|it| it.seq);
        let waiting = tasks.map(|task| self.of(task, Moment::Left));
        let waiting: Vec<Seen> = waiting.map(|seen| Seen { seq: before.unwrap_or(seen.seq), ..seen }).collect();
        waiting.into_iter().chain(looks).map(item).collect()
    }

    /// The nearest launcher that lives and was not looked at lately. One that has begun to exit shows that only when it is read.
    fn launcher(&mut self, process: ProcKey, watching: &mut Watching, now: BootNs) -> Option<Seen> {
        loop {
            let launcher = watching.launchers.not_inspected(process, self.model, now)?;
            let seen = self.at(launcher, Moment::Asked)?;
            if seen.inspection.is_of_the_living() {
                return Some(seen);
            }
            watching.launchers.ends(launcher);
        }
    }

    /// Those whose time has come, behind whom they are compared with: their launchers, and who has a pipe of theirs.
    pub fn due(&mut self, plan: &mut Plan) -> Vec<Item> {
        let now = boot_now();
        let (mut items, mut looks, mut alone, mut pipes) = (Vec::new(), Vec::new(), Vec::new(), Pipes::default());
        for _ in 0..MANY {
            let in_time = looks.is_empty() || boot_now().since(now) < AT_ONCE_NS;
            let Some((key, moment)) = in_time.then(|| plan.next_due(now)).flatten() else { break };
            if moment == Moment::Settled {
                plan.settled.insert(key);
            }
            items.extend(plan.watching.as_mut().and_then(|it| self.launcher(key, it, now)).map(item));
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

/// An event that belongs behind everything that had a number when it was read.
pub(super) fn item(Seen { seq, at, inspection }: Seen) -> Item {
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
