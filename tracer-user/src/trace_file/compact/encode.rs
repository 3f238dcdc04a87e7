//! Events into the messages of a frame: tables, differences to what stood before, references.
//!
//! The tables begin empty with each frame, so that a frame can be read alone. Must not: know of bytes or files.

use std::collections::HashMap;

use tracer_model::{
    event::{Comm, Event, EventKind, Leave, Namespace, RawId, RawTask, State, TtyState, Waited},
    ids::{BootNs, Seq},
};

use super::{
    numbers,
    record::{self, Changes, Content, Record},
};
use crate::trace_file::{attribute::FileAttribute, inspection::FileInspection};

/// What the frame has said of a task.
#[derive(Default)]
struct Told {
    comm: Comm,
    state: Option<State>,
    entered: Option<(Seq, BootNs, record::Call)>,
}

/// Tables of the frame that is being written.
#[derive(Default)]
pub(super) struct Encoder {
    seq: u64,
    at: u64,
    cpu: u16,
    actor: u32,
    strings: HashMap<Vec<u8>, u32>,
    tasks: HashMap<RawTask, u32>,
    told: Vec<Told>,
    last_pid: u32,
    ids: HashMap<RawId, u32>,
    last_id: RawId,
    ttys: HashMap<TtyState, u32>,
}

/// `value` minus `from`, for numbers that may be anything: the difference wraps.
fn minus(value: u64, from: u64) -> i64 {
    value.wrapping_sub(from).cast_signed()
}

impl Encoder {
    /// The message of the next event.
    pub(super) fn encode(&mut self, event: &Event) -> Record {
        let Event { seq, at, cpu, actor, actor_comm, subject, kind } = event;
        let mut record = Record {
            seq: minus(seq.0, self.seq.wrapping_add(1)),
            at: minus(at.0, self.at),
            cpu: (*cpu != self.cpu).then_some(u32::from(*cpu)),
            ..Record::default()
        };
        (self.seq, self.at, self.cpu) = (seq.0, at.0, *cpu);
        let task = self.task(*actor, &mut record);
        record.actor = (task != self.actor).then_some(task);
        self.actor = task;
        if self.told(task).is_some_and(|told| told.comm != *actor_comm) {
            record.actor_comm = Some(self.string(&actor_comm.0, &mut record));
            if let Some(told) = self.told(task) {
                told.comm.clone_from(actor_comm);
            }
        }
        match subject {
            Some(state) => self.subject(state, &mut record),
            None => record.no_subject = true,
        }
        let content = self.content(event, kind, &mut record);
        record.content = Some(content);
        record
    }

    fn told(&mut self, task: u32) -> Option<&mut Told> {
        self.told.get_mut(task as usize)
    }

    /// The entry of a task, new or old.
    fn task(&mut self, task: RawTask, record: &mut Record) -> u32 {
        if let Some(place) = self.tasks.get(&task) {
            return *place;
        }
        let place = self.told.len() as u32;
        self.tasks.insert(task, place);
        self.told.push(Told::default());
        record.tasks.push(record::Task {
            pid: i64::from(task.pid.0) - i64::from(self.last_pid),
            tid: (task.tid.0 != task.pid.0).then_some(task.tid.0),
            start: minus(task.start.0, self.at),
        });
        self.last_pid = task.pid.0;
        place
    }

    /// The entry of a string, new or old.
    pub(super) fn string(&mut self, bytes: &[u8], record: &mut Record) -> u32 {
        if let Some(place) = self.strings.get(bytes) {
            return *place;
        }
        let place = self.strings.len() as u32;
        self.strings.insert(bytes.to_vec(), place);
        record.strings.push(bytes.to_vec());
        place
    }

    fn strings(&mut self, args: &[Vec<u8>], record: &mut Record) -> Vec<u32> {
        args.iter().map(|arg| self.string(arg, record)).collect()
    }

    fn id(&mut self, id: RawId, record: &mut Record) -> u32 {
        if let Some(place) = self.ids.get(&id) {
            return *place;
        }
        let place = self.ids.len() as u32;
        self.ids.insert(id, place);
        record.ids.push(record::Id {
            number: i64::from(id.number) - i64::from(self.last_id.number),
            ino: minus(id.ino, self.last_id.ino),
        });
        self.last_id = id;
        place
    }

    fn tty(&mut self, tty: TtyState, record: &mut Record) -> u32 {
        if let Some(place) = self.ttys.get(&tty) {
            return *place;
        }
        let foreground = self.id(tty.foreground, record);
        let place = self.ttys.len() as u32;
        self.ttys.insert(tty, place);
        record.ttys.push(record::Tty {
            major: tty.tty.major,
            minor: tty.tty.minor,
            instance: tty.tty.instance,
            foreground,
            foreground_empty: tty.foreground_empty,
            session: tty.session.0,
        });
        place
    }

    /// The subject's bundle as what it changes.
    fn subject(&mut self, state: &State, record: &mut Record) {
        let subject = self.task(state.id, record);
        record.subject = (subject != self.actor).then_some(subject);
        let mut changes = Changes::default();
        let before = self.told(subject).and_then(|told| told.state.take());
        let before = before.unwrap_or_else(|| {
            let parent = self.tasks.get(&state.parent).copied();
            let like = parent.filter(|parent| self.told(*parent).is_some_and(|told| told.state.is_some()));
            changes.like = like;
            like.and_then(|like| self.told(like)?.state.clone()).unwrap_or_default()
        });
        self.changes(&before, state, &mut changes, record);
        record.state = (changes != Changes::default()).then_some(changes);
        if let Some(told) = self.told(subject) {
            // The allocation of the name is used again.
            let mut kept = before;
            kept.clone_from(state);
            told.state = Some(kept);
        }
    }

    fn changes(&mut self, before: &State, state: &State, changes: &mut Changes, record: &mut Record) {
        let own = |state: &State| RawId { number: state.id.pid.0, ino: state.ino };
        let mut id = |old: RawId, new: RawId| (old != new).then(|| self.id(new, record));
        changes.id = id(own(before), own(state));
        changes.pgrp = id(before.pgrp, state.pgrp);
        changes.session = id(before.session, state.session);
        changes.parent_pgrp = id(before.parent_pgrp, state.parent_pgrp);
        if before.parent != state.parent {
            changes.parent = Some(self.task(state.parent, record));
        }
        if before.tty != state.tty {
            changes.tty = Some(state.tty.map_or(0, |tty| self.tty(tty, record).saturating_add(1)));
        }
        if before.comm != state.comm {
            changes.comm = Some(self.string(&state.comm.0, record));
        }
        changes.signal_flags = changed(before.signal_flags, state.signal_flags);
        changes.exit_state = changed(before.exit_state, state.exit_state);
        changes.task_exit_state = changed(before.task_exit_state, state.task_exit_state);
        changes.exit_code = changed(before.exit_code, state.exit_code);
        changes.group_exit_code = changed(before.group_exit_code, state.group_exit_code);
        changes.task_flags = changed(before.task_flags, state.task_flags);
        changes.live = changed(before.live, state.live);
        changes.facts = changed(before.facts, state.facts).map(numbers::facts);
        changes.jobctl = changed(before.jobctl, state.jobctl);
        changes.tty_old_pgrp = changed(before.tty_old_pgrp.0, state.tty_old_pgrp.0);
        changes.uid = changed(before.uid.0, state.uid.0);
        changes.cgroup = changed(before.cgroup, state.cgroup);
        changes.parent_session = changed(before.parent_session.0, state.parent_session.0);
        if before.namespace != state.namespace {
            changes.namespace = state.namespace.map(namespace);
            changes.no_namespace = state.namespace.is_none();
        }
    }

    fn content(&mut self, event: &Event, kind: &EventKind, record: &mut Record) -> Content {
        match kind {
            EventKind::NewTask { flags } => Content::NewTask(record::NewTask { flags: *flags }),
            EventKind::Exec { old_tid, args, truncated } => Content::Exec(record::Exec {
                old_tid: (*old_tid != event.actor.tid).then_some(old_tid.0),
                args: self.strings(args, record),
                truncated: *truncated,
            }),
            EventKind::Exit { group_dead } => Content::Exit(*group_dead),
            EventKind::Dead => Content::Dead(record::Nothing {}),
            EventKind::Stopped { signal } => Content::Stopped(signal.0),
            EventKind::Continued => Content::Continued(record::Nothing {}),
            EventKind::Freed { task } => Content::Freed(self.task(*task, record)),
            EventKind::SignalGenerated(signal) => {
                let (origin, code) = numbers::origin(signal.origin);
                Content::SignalGenerated(record::SignalGenerated {
                    signal: signal.signal.0,
                    origin,
                    code,
                    process_directed: signal.process_directed,
                    outcome: numbers::outcome(signal.outcome),
                    disposition: numbers::disposition(signal.disposition),
                    blocked: signal.blocked,
                    at_delivery: signal.at_delivery,
                })
            }
            EventKind::SignalDelivered { signal, code, disposition } => {
                Content::SignalDelivered(record::SignalDelivered {
                    signal: signal.0,
                    code: *code,
                    disposition: numbers::disposition(*disposition),
                })
            }
            EventKind::Enter { call, target_unknown } => {
                let call = numbers::call(*call);
                let actor = self.actor;
                if let Some(told) = self.told(actor) {
                    told.entered = Some((event.seq, event.at, call));
                }
                Content::Enter(record::Enter { call: Some(call), target_unknown: *target_unknown })
            }
            EventKind::Leave(leave) => Content::Leave(self.leave(event, leave, record)),
            EventKind::Snapshot { args } => Content::Snapshot(record::Snapshot { args: self.strings(args, record) }),
            EventKind::SnapshotEnd { from, coverage } => Content::SnapshotEnd(record::SnapshotEnd {
                from: minus(from.0, event.seq.0),
                coverage: numbers::coverage(*coverage),
            }),
            EventKind::ClockAnchor { unix_ns } => Content::ClockAnchor(*unix_ns),
            EventKind::Inspected(inspection) => Content::Inspected(FileInspection::to_json(inspection)),
            EventKind::Attribute(attribute) => Content::Attribute(FileAttribute::to_json(*attribute)),
            EventKind::Gap(gap) => Content::Gap(record::Gap {
                from: minus(gap.from.0, event.at.0),
                until: minus(gap.until.0, event.at.0),
                lost: gap.lost,
                cause: numbers::cause(gap.cause),
                probes: gap
                    .probes
                    .iter()
                    .map(|(name, lost)| record::Probe { name: name.clone(), lost: *lost })
                    .collect(),
            }),
        }
    }

    fn leave(&mut self, event: &Event, leave: &Leave, record: &mut Record) -> record::Leave {
        let Leave { call, ret, entered, enter_emitted, target_unknown, waited } = leave;
        let call = numbers::call(*call);
        let actor = self.actor;
        let enter = self.told(actor).and_then(|told| told.entered);
        let paired = entered
            .zip(enter)
            .filter(|((seq, _), (enter, ..))| seq == enter)
            .map(|((_, at), (_, enter, _))| minus(at.0, enter.0));
        let usual = waited.map_or(0, |waited| i64::from(waited.child.pid.0));
        record::Leave {
            call: (enter.map(|enter| enter.2) != Some(call)).then_some(call),
            ret: (*ret != usual).then_some(*ret),
            paired,
            entered: entered
                .filter(|_| paired.is_none())
                .map(|(seq, at)| record::Entered { seq: minus(seq.0, event.seq.0), at: minus(at.0, event.at.0) }),
            emitted_differs: *enter_emitted != paired.is_some(),
            target_unknown: *target_unknown,
            waited: waited.map(|waited| self.waited(waited, record)),
        }
    }

    fn waited(&mut self, waited: Waited, record: &mut Record) -> record::Waited {
        let (status, value) = numbers::status(waited.status);
        let child = self.task(waited.child, record);
        record::Waited { child, status, value, left_waitable: waited.left_waitable }
    }
}

fn changed<T: Copy + PartialEq>(before: T, now: T) -> Option<T> {
    (before != now).then_some(now)
}

fn namespace(namespace: Namespace) -> record::Namespace {
    let Namespace { inum, level, pid, pgid, sid } = namespace;
    record::Namespace { inum, level, pid: pid.0, pgid: pgid.0, sid: sid.0 }
}
