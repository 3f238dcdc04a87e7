//! The messages of a frame into events: the reverse of [`super::encode`].
//!
//! Takes whatever bytes it is given: what refers to nothing is [`Malformed`]. Must not: panic.

use prost::Message as _;
use tracer_model::{
    event::{
        Call, Comm, Event, EventKind, Gap, Leave, Namespace, RawId, RawTask, SignalGenerated, State, TtyState, Waited,
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

use super::{
    leaf, numbers, record,
    wire::{Broken, Fields, Wire},
};
use crate::trace_file::{LONGEST_NAME, attribute::FileAttribute, inspection::FileInspection};

/// A message that no writer makes. Plain data: whatever reads a number can give it, and must not have to drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Wire(#[from] Broken),
    #[error("a reference to {0} that the frame does not have")]
    Dangling(&'static str),
    #[error("a number of a process that is none")]
    Number,
    #[error("a name that is too long")]
    Name,
}

impl From<prost::DecodeError> for Malformed {
    fn from(_: prost::DecodeError) -> Self {
        Self::Wire(Broken)
    }
}

/// What a message said.
#[derive(Debug)]
pub(super) enum Decoded {
    /// That of [`Decoder::event`].
    Event,
    /// An event of a kind, or with a number in it, that this release does not know.
    Unknown,
    Header(Vec<u8>),
    Keyframe(record::Keyframe),
    End(record::End),
    Check,
}

#[derive(Default)]
struct Told {
    task: RawTask,
    comm: Comm,
    /// Its last ENTER; `None` for a call that this release does not know.
    entered: Option<(Seq, BootNs, Option<Call>)>,
}

/// Tables of the frame that is being read.
pub(super) struct Decoder {
    seq: u64,
    at: u64,
    cpu: u16,
    actor: u32,
    tables: Tables,
    /// The last bundle of each task, but for the one that is the subject of `event`.
    states: Vec<Option<Box<State>>>,
    subject: Option<u32>,
    /// The last event: it is made where the one before was, because it is large.
    event: Event,
}

#[derive(Default)]
struct Tables {
    /// The strings, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    tasks: Vec<Told>,
    ids: Vec<RawId>,
    ttys: Vec<TtyState>,
}

fn plus(from: u64, difference: i64) -> u64 {
    from.wrapping_add(difference.cast_unsigned())
}

fn sum(from: u32, difference: i64) -> Result<u32, Malformed> {
    i64::from(from).checked_add(difference).and_then(|sum| u32::try_from(sum).ok()).ok_or(Malformed::Number)
}

impl Default for Decoder {
    fn default() -> Self {
        let event = Event {
            seq: Seq(0),
            at: BootNs(0),
            cpu: 0,
            actor: RawTask::default(),
            actor_comm: Comm::default(),
            subject: None,
            kind: EventKind::Dead,
        };
        Self { seq: 0, at: 0, cpu: 0, actor: 0, tables: Tables::default(), states: Vec::new(), subject: None, event }
    }
}

impl Decoder {
    /// A frame begins. Its tables are empty, and have the room of those before.
    pub(super) fn begin(&mut self) {
        let Self { seq, at, cpu, actor, tables, states, subject, event } = self;
        (*seq, *at, *cpu, *actor, *subject) = (0, 0, 0, 0, None);
        let Tables { text, ends, tasks, ids, ttys } = tables;
        text.clear();
        ends.clear();
        tasks.clear();
        ids.clear();
        ttys.clear();
        states.clear();
        (event.subject, event.actor_comm) = (None, Comm::default());
    }

    /// The last event that was decoded.
    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// The meaning of the next message. Its fields stand in any order: references are followed once all are read.
    pub(super) fn decode(&mut self, message: &[u8]) -> Result<Decoded, Malformed> {
        let mut fields = Fields::of(message);
        let (mut seq, mut at, mut cpu) = (0, 0, u32::from(self.cpu));
        let (mut comm, mut subject, mut state, mut no_subject) = (None, None, &[][..], false);
        let (mut other, mut tasks) = (false, 0);
        let mut content = None;
        while let Some((field, wire)) = fields.next() {
            match field {
                1 => self.tables.new_string(fields.bytes(wire)),
                2 => {
                    self.tables.new_task(fields.bytes(wire))?;
                    tasks += 1;
                }
                3 => self.tables.new_id(fields.bytes(wire))?,
                4 => self.tables.new_tty(fields.bytes(wire))?,
                5 => seq = fields.signed(wire),
                6 => at = fields.signed(wire),
                7 => cpu = fields.word(wire),
                8 => (self.actor, other) = (fields.word(wire), true),
                9 => comm = Some(fields.word(wire)),
                10 => subject = Some(fields.word(wire)),
                11 => state = fields.bytes(wire),
                12..=29 | 31..=33 => {
                    content = Some((field, wire, fields));
                    fields.skip(wire);
                }
                30 => no_subject = fields.flag(wire),
                _ => fields.skip(wire),
            }
        }
        fields.end()?;
        if let Some((field @ 15..=18, wire, value)) = content
            && let Some(other) = no_event(field, wire, value)?
        {
            return Ok(other);
        }
        self.cpu = u16::try_from(cpu).map_err(|_| Malformed::Number)?;
        (self.seq, self.at) = (plus(self.seq.wrapping_add(1), seq), plus(self.at, at));
        (self.event.seq, self.event.at, self.event.cpu) = (Seq(self.seq), BootNs(self.at), self.cpu);
        if tasks > 0 {
            self.new_tasks(tasks);
        }
        self.turn_to_actor(other, comm)?;
        self.turn_to(if no_subject { None } else { Some(subject.unwrap_or(self.actor)) }, state)?;
        let Some((field, wire, value)) = content else { return Ok(Decoded::Unknown) };
        Ok(if self.kind(field, wire, value)? { Decoded::Event } else { Decoded::Unknown })
    }

    /// The last of the tasks are new: when each began is told beside the time of the event.
    fn new_tasks(&mut self, count: usize) {
        for new in self.tables.tasks.iter_mut().rev().take(count) {
            new.task.start = BootNs(plus(self.at, new.task.start.0.cast_signed()));
        }
        self.states.resize_with(self.tables.tasks.len(), || None);
    }

    /// Sets the actor of the event: another one than before, or by another name.
    #[inline]
    fn turn_to_actor(&mut self, mut other: bool, comm: Option<u32>) -> Result<(), Malformed> {
        let Self { tables, event, actor, .. } = self;
        if let Some(comm) = comm {
            let comm = tables.comm(comm)?;
            tables.told(*actor)?.comm = comm;
            other = true;
        }
        let actor = tables.told(*actor)?;
        event.actor = actor.task;
        if other {
            event.actor_comm.clone_from(&actor.comm);
        }
        Ok(())
    }

    /// Sets the subject of the event and its bundle: what it was, with the changes.
    #[inline]
    fn turn_to(&mut self, subject: Option<u32>, changes: &[u8]) -> Result<(), Malformed> {
        if subject != self.subject {
            let before = self.subject.take().and_then(|task| self.states.get_mut(task as usize));
            if let Some(place) = before {
                *place = self.event.subject.take();
            }
            self.event.subject = None;
            if let Some(task) = subject {
                let place = self.states.get_mut(task as usize).ok_or(Malformed::Dangling("a task"))?;
                self.event.subject = place.take();
                self.subject = subject;
            }
        }
        let Some(task) = subject else { return Ok(()) };
        let id = self.tables.task(task)?;
        if self.event.subject.is_none() {
            self.event.subject = match like(changes)? {
                Some(like) => self.states.get(like as usize).cloned().flatten(),
                None => Some(Box::default()),
            };
        }
        let state = self.event.subject.as_mut().ok_or(Malformed::Dangling("a bundle"))?;
        state.id = id;
        if changes.is_empty() { Ok(()) } else { self.tables.change(state, changes) }
    }
}

impl Tables {
    /// A new task. It began so long after the event, which is not known yet.
    fn new_task(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let task = leaf::task(bytes)?;
        let pid = sum(self.tasks.last().map_or(0, |last| last.task.pid.0), task.pid)?;
        let start = BootNs(task.start.cast_unsigned());
        let task = RawTask { pid: Pid(pid), tid: Tid(task.tid.unwrap_or(pid)), start };
        self.tasks.push(Told { task, ..Told::default() });
        Ok(())
    }

    fn new_id(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let id = leaf::id(bytes)?;
        let last = self.ids.last().copied().unwrap_or_default();
        self.ids.push(RawId { number: sum(last.number, id.number)?, ino: plus(last.ino, id.ino) });
        Ok(())
    }

    fn new_tty(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let tty = leaf::tty(bytes)?;
        let foreground = self.id(tty.foreground)?;
        self.ttys.push(TtyState {
            tty: RawTty { major: tty.major, minor: tty.minor, instance: tty.instance },
            foreground,
            foreground_empty: tty.foreground_empty,
            session: Sid(tty.session),
        });
        Ok(())
    }

    fn told(&mut self, task: u32) -> Result<&mut Told, Malformed> {
        self.tasks.get_mut(task as usize).ok_or(Malformed::Dangling("a task"))
    }

    fn task(&self, task: u32) -> Result<RawTask, Malformed> {
        self.tasks.get(task as usize).map(|told| told.task).ok_or(Malformed::Dangling("a task"))
    }

    fn new_string(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        self.ends.push(self.text.len());
    }

    fn string(&self, string: u32) -> Result<&[u8], Malformed> {
        let end = self.ends.get(string as usize);
        let begin = (string as usize).checked_sub(1).and_then(|before| self.ends.get(before));
        let bytes = end.and_then(|end| self.text.get(begin.copied().unwrap_or(0)..*end));
        bytes.ok_or(Malformed::Dangling("a string"))
    }

    fn comm(&self, string: u32) -> Result<Comm, Malformed> {
        let name = self.string(string)?;
        if name.len() > LONGEST_NAME { Err(Malformed::Name) } else { Ok(Comm(name.into())) }
    }

    fn strings(&self, strings: &[u32]) -> Result<Vec<Vec<u8>>, Malformed> {
        strings.iter().map(|string| self.string(*string).map(<[u8]>::to_vec)).collect()
    }

    fn id(&self, id: u32) -> Result<RawId, Malformed> {
        self.ids.get(id as usize).copied().ok_or(Malformed::Dangling("an id"))
    }

    /// What is other in a bundle.
    fn change(&self, state: &mut State, changes: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::of(changes);
        while let Some((field, wire)) = fields.next() {
            match field {
                2 => state.ino = self.id(fields.word(wire))?.ino,
                3 => state.parent = self.task(fields.word(wire))?,
                4 => state.pgrp = self.id(fields.word(wire))?,
                5 => state.session = self.id(fields.word(wire))?,
                6 => {
                    state.tty = match fields.word(wire).checked_sub(1) {
                        None => None,
                        Some(tty) => Some(*self.ttys.get(tty as usize).ok_or(Malformed::Dangling("a terminal"))?),
                    };
                }
                7 => state.signal_flags = fields.word(wire),
                8 => state.exit_state = fields.word(wire),
                9 => state.task_exit_state = fields.word(wire),
                10 => state.exit_code = fields.signed_word(wire),
                11 => state.group_exit_code = fields.signed_word(wire),
                12 => state.task_flags = fields.word(wire),
                13 => state.live = fields.signed_word(wire),
                14 => state.facts = numbers::to_facts(fields.word(wire)),
                15 => state.comm = self.comm(fields.word(wire))?,
                16 => state.jobctl = fields.word(wire),
                17 => state.tty_old_pgrp = Pgid(fields.word(wire)),
                18 => state.uid = Uid(fields.word(wire)),
                19 => state.cgroup = fields.number(wire),
                20 => state.parent_pgrp = self.id(fields.word(wire))?,
                21 => state.parent_session = Sid(fields.word(wire)),
                22 => {
                    let record::Namespace { inum, level, pid, pgid, sid } =
                        record::Namespace::decode(fields.bytes(wire))?;
                    state.namespace = Some(Namespace { inum, level, pid: Pid(pid), pgid: Pgid(pgid), sid: Sid(sid) });
                }
                23 => {
                    if fields.flag(wire) {
                        state.namespace = None;
                    }
                }
                _ => fields.skip(wire),
            }
        }
        Ok(fields.end()?)
    }
}

/// The task that the first bundle of another one is like.
fn like(changes: &[u8]) -> Result<Option<u32>, Malformed> {
    let (mut fields, mut like) = (Fields::of(changes), None);
    while let Some((field, wire)) = fields.next() {
        if field == 1 {
            like = Some(fields.word(wire));
        } else {
            fields.skip(wire);
        }
    }
    fields.end()?;
    Ok(like)
}

/// A message that is no event, by the number of its field; `None` for a field of another type than a check has.
fn no_event(field: u32, wire: Wire, mut value: Fields) -> Result<Option<Decoded>, Malformed> {
    Ok(match field {
        15 if wire.is_fixed() => Some(Decoded::Check),
        16 => Some(Decoded::Header(value.bytes(wire).to_vec())),
        17 => Some(Decoded::Keyframe(record::Keyframe::decode(value.bytes(wire))?)),
        18 => Some(Decoded::End(record::End::decode(value.bytes(wire))?)),
        _ => None,
    })
}

impl Decoder {
    /// Sets what happened, by the number of the field and its value. `false`: a number in it is newer than this release. What is
    /// frequent is made in its place.
    #[inline]
    fn kind(&mut self, field: u32, wire: Wire, mut value: Fields) -> Result<bool, Malformed> {
        let Event { seq, at, .. } = self.event;
        match field {
            12 => {
                let enter = leaf::enter(value.bytes(wire))?;
                let call = numbers::to_call(enter.call.unwrap_or_default());
                self.tables.told(self.actor)?.entered = Some((seq, at, call));
                let Some(call) = call else { return Ok(false) };
                self.event.kind = EventKind::Enter { call, target_unknown: enter.target_unknown };
            }
            13 => {
                let Some(leave) = self.leave(&leaf::leave(value.bytes(wire))?)? else { return Ok(false) };
                self.event.kind = EventKind::Leave(leave);
            }
            14 => {
                let Some(signal) = generated(&leaf::signal_generated(value.bytes(wire))?) else { return Ok(false) };
                self.event.kind = EventKind::SignalGenerated(signal);
            }
            19 => self.event.kind = EventKind::NewTask { flags: leaf::new_task(value.bytes(wire))?.flags },
            21 => self.event.kind = EventKind::Exit { group_dead: value.flag(wire) },
            22 => self.event.kind = EventKind::Dead,
            23 => self.event.kind = EventKind::Stopped { signal: Signal(value.word(wire)) },
            24 => self.event.kind = EventKind::Freed { task: self.tables.task(value.word(wire))? },
            25 => {
                let signal = leaf::signal_delivered(value.bytes(wire))?;
                let Some(disposition) = numbers::to_disposition(signal.disposition) else { return Ok(false) };
                self.event.kind =
                    EventKind::SignalDelivered { signal: Signal(signal.signal), code: signal.code, disposition };
            }
            31 => self.event.kind = EventKind::Continued,
            _ => {
                let Some(kind) = self.rare(field, wire, &mut value)? else { return Ok(false) };
                self.event.kind = kind;
            }
        }
        value.sound()?;
        Ok(true)
    }

    /// The other kinds.
    #[inline(never)]
    fn rare(&self, field: u32, wire: Wire, value: &mut Fields) -> Result<Option<EventKind>, Malformed> {
        let Event { seq, at, .. } = self.event;
        Ok(Some(match field {
            20 => {
                let exec = record::Exec::decode(value.bytes(wire))?;
                EventKind::Exec {
                    old_tid: exec.old_tid.map_or(self.event.actor.tid, Tid),
                    args: self.tables.strings(&exec.args)?,
                    truncated: exec.truncated,
                }
            }
            26 => {
                let snapshot = record::Snapshot::decode(value.bytes(wire))?;
                EventKind::Snapshot { args: self.tables.strings(&snapshot.args)? }
            }
            27 => {
                let end = record::SnapshotEnd::decode(value.bytes(wire))?;
                let Some(coverage) = numbers::to_coverage(end.coverage) else { return Ok(None) };
                EventKind::SnapshotEnd { from: Seq(plus(seq.0, end.from)), coverage }
            }
            28 => EventKind::ClockAnchor { unix_ns: value.signed(wire) },
            29 => {
                let gap = record::Gap::decode(value.bytes(wire))?;
                let Some(cause) = numbers::to_cause(gap.cause) else { return Ok(None) };
                EventKind::Gap(Gap {
                    from: BootNs(plus(at.0, gap.from)),
                    until: BootNs(plus(at.0, gap.until)),
                    lost: gap.lost,
                    cause,
                    probes: gap.probes.into_iter().map(|probe| (probe.name, probe.lost)).collect(),
                })
            }
            32 => {
                let Some(inspection) = FileInspection::from_json(value.bytes(wire)) else { return Ok(None) };
                EventKind::Inspected(Box::new(inspection))
            }
            33 => {
                let Some(attribute) = FileAttribute::from_json(value.bytes(wire)) else { return Ok(None) };
                EventKind::Attribute(attribute)
            }
            _ => return Err(Broken.into()),
        }))
    }

    fn leave(&mut self, leave: &record::Leave) -> Result<Option<Leave>, Malformed> {
        let Event { seq, at, .. } = self.event;
        let enter = self.tables.told(self.actor)?.entered;
        let last = || enter.ok_or(Malformed::Dangling("a call"));
        let call = match leave.call {
            Some(call) => numbers::to_call(call),
            None => last()?.2,
        };
        let entered = match (leave.paired, leave.entered) {
            (Some(shift), _) => {
                let (seq, at, _) = last()?;
                Some((seq, BootNs(plus(at.0, shift))))
            }
            (None, Some(entered)) => Some((Seq(plus(seq.0, entered.seq)), BootNs(plus(at.0, entered.at)))),
            (None, None) => None,
        };
        let waited = match leave.waited {
            None => None,
            Some(waited) => {
                let Some(status) = numbers::to_status(waited.status, waited.value) else { return Ok(None) };
                Some(Waited { child: self.tables.task(waited.child)?, status, left_waitable: waited.left_waitable })
            }
        };
        let Some(call) = call else { return Ok(None) };
        let usual = waited.map_or(0, |waited| i64::from(waited.child.pid.0));
        Ok(Some(Leave {
            call,
            ret: leave.ret.unwrap_or(usual),
            entered,
            enter_emitted: leave.paired.is_some() != leave.emitted_differs,
            target_unknown: leave.target_unknown,
            waited,
        }))
    }
}

fn generated(signal: &record::SignalGenerated) -> Option<SignalGenerated> {
    Some(SignalGenerated {
        signal: Signal(signal.signal),
        origin: numbers::to_origin(signal.origin, signal.code)?,
        process_directed: signal.process_directed,
        outcome: numbers::to_outcome(signal.outcome)?,
        disposition: numbers::to_disposition(signal.disposition)?,
        blocked: signal.blocked,
        at_delivery: signal.at_delivery,
    })
}
