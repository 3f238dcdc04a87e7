//! The messages of a frame into events: the reverse of [`super::encode`].
//!
//! Takes whatever bytes it is given: what refers to nothing is [`Malformed`]. Must not: panic.

use prost::Message as _;
use tracer_model::{
    event::{Comm, Event, EventKind, Gap, Leave, Namespace, RawId, RawTask, SignalGenerated, State, TtyState, Waited},
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

use super::{
    leaf, numbers, record,
    wire::{Broken, Fields, Kept},
};
use crate::trace_file::{LONGEST_NAME, inspection::FileInspection};

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
    entered: Option<(Seq, BootNs, record::Call)>,
}

/// Tables of the frame that is being read.
pub(super) struct Decoder {
    seq: u64,
    at: u64,
    cpu: u16,
    actor: u32,
    tables: Tables,
    /// The last bundle of each task, but for the one that is the subject of `event`.
    states: Vec<Option<State>>,
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

/// A message, before its references are followed.
#[derive(Default)]
struct Head<'a> {
    seq: i64,
    at: i64,
    cpu: Option<u32>,
    actor: Option<u32>,
    actor_comm: Option<u32>,
    subject: Option<u32>,
    state: Option<&'a [u8]>,
    /// Field and value.
    content: Option<(u32, Kept<'a>)>,
    no_subject: bool,
    /// How many tasks are new.
    tasks: usize,
}

impl<'a> Head<'a> {
    /// Takes a message apart. New entries go to the tables.
    #[inline]
    fn of(message: &'a [u8], tables: &mut Tables) -> Result<Self, Malformed> {
        let (mut head, mut fields) = (Self::default(), Fields(message));
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => tables.new_string(value.bytes()?),
                2 => {
                    tables.new_task(value.bytes()?)?;
                    head.tasks += 1;
                }
                3 => tables.new_id(value.bytes()?)?,
                4 => tables.new_tty(value.bytes()?)?,
                5 => head.seq = value.signed()?,
                6 => head.at = value.signed()?,
                7 => head.cpu = Some(value.word()?),
                8 => head.actor = Some(value.word()?),
                9 => head.actor_comm = Some(value.word()?),
                10 => head.subject = Some(value.word()?),
                11 => head.state = Some(value.bytes()?),
                12..=29 | 31 | 32 => head.content = Some((field, value.keep()?)),
                30 => head.no_subject = value.flag()?,
                _ => value.skip()?,
            }
        }
        Ok(head)
    }
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

    /// The meaning of the next message.
    pub(super) fn decode(&mut self, message: &[u8]) -> Result<Decoded, Malformed> {
        let mut head = Head::of(message, &mut self.tables)?;
        if let Some((field @ 15..=18, kept)) = &mut head.content {
            let value = kept.value();
            match *field {
                15 if value.is_fixed() => return Ok(Decoded::Check),
                16 => return Ok(Decoded::Header(value.bytes()?.to_vec())),
                17 => return Ok(Decoded::Keyframe(record::Keyframe::decode(value.bytes()?)?)),
                18 => return Ok(Decoded::End(record::End::decode(value.bytes()?)?)),
                _ => {}
            }
        }
        Ok(if self.take(head)? { Decoded::Event } else { Decoded::Unknown })
    }

    /// Makes the event. Whether it is one that is known.
    #[inline]
    fn take(&mut self, head: Head) -> Result<bool, Malformed> {
        let seq = Seq(plus(self.seq.wrapping_add(1), head.seq));
        let at = BootNs(plus(self.at, head.at));
        (self.seq, self.at) = (seq.0, at.0);
        if let Some(cpu) = head.cpu {
            self.cpu = u16::try_from(cpu).map_err(|_| Malformed::Number)?;
        }
        if head.tasks > 0 {
            for new in self.tables.tasks.iter_mut().rev().take(head.tasks) {
                new.task.start = BootNs(plus(at.0, new.task.start.0.cast_signed()));
            }
            self.states.resize_with(self.tables.tasks.len(), || None);
        }
        self.actor = head.actor.unwrap_or(self.actor);
        let comm = match head.actor_comm {
            Some(comm) => Some(self.tables.comm(comm)?),
            None => None,
        };
        let actor = self.tables.told(self.actor)?;
        let (other, task) = (head.actor.is_some() || comm.is_some(), actor.task);
        if let Some(comm) = comm {
            actor.comm = comm;
        }
        if other {
            self.event.actor_comm.clone_from(&actor.comm);
        }
        (self.event.seq, self.event.at, self.event.cpu, self.event.actor) = (seq, at, self.cpu, task);
        let subject = (!head.no_subject).then(|| head.subject.unwrap_or(self.actor));
        self.turn_to(subject, head.state)?;
        let Some((field, mut kept)) = head.content else { return Ok(false) };
        let Some(kind) = self.kind(field, &mut kept, task, seq, at)? else { return Ok(false) };
        self.event.kind = kind;
        Ok(true)
    }

    /// Sets the subject of the event and its bundle: what it was, with the changes.
    #[inline]
    fn turn_to(&mut self, subject: Option<u32>, changes: Option<&[u8]>) -> Result<(), Malformed> {
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
            let like = changes.map(like).transpose()?.flatten();
            self.event.subject = match like {
                Some(like) => self.states.get(like as usize).cloned().flatten(),
                None => Some(State::default()),
            };
        }
        let state = self.event.subject.as_mut().ok_or(Malformed::Dangling("a bundle"))?;
        state.id = id;
        changes.map_or(Ok(()), |changes| self.tables.change(state, changes))
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
        let mut fields = Fields(changes);
        while let Some((field, value)) = fields.next()? {
            match field {
                2 => state.ino = self.id(value.word()?)?.ino,
                3 => state.parent = self.task(value.word()?)?,
                4 => state.pgrp = self.id(value.word()?)?,
                5 => state.session = self.id(value.word()?)?,
                6 => {
                    state.tty = match value.word()?.checked_sub(1) {
                        None => None,
                        Some(tty) => Some(*self.ttys.get(tty as usize).ok_or(Malformed::Dangling("a terminal"))?),
                    };
                }
                7 => state.signal_flags = value.word()?,
                8 => state.exit_state = value.word()?,
                9 => state.task_exit_state = value.word()?,
                10 => state.exit_code = value.signed_word()?,
                11 => state.group_exit_code = value.signed_word()?,
                12 => state.task_flags = value.word()?,
                13 => state.live = value.signed_word()?,
                14 => state.facts = numbers::to_facts(value.word()?),
                15 => state.comm = self.comm(value.word()?)?,
                16 => state.jobctl = value.word()?,
                17 => state.tty_old_pgrp = Pgid(value.word()?),
                18 => state.uid = Uid(value.word()?),
                19 => state.cgroup = value.number()?,
                20 => state.parent_pgrp = self.id(value.word()?)?,
                21 => state.parent_session = Sid(value.word()?),
                22 => {
                    let record::Namespace { inum, level, pid, pgid, sid } = record::Namespace::decode(value.bytes()?)?;
                    state.namespace = Some(Namespace { inum, level, pid: Pid(pid), pgid: Pgid(pgid), sid: Sid(sid) });
                }
                23 => {
                    if value.flag()? {
                        state.namespace = None;
                    }
                }
                _ => value.skip()?,
            }
        }
        Ok(())
    }
}

/// The task that the first bundle of another one is like.
fn like(changes: &[u8]) -> Result<Option<u32>, Malformed> {
    let (mut fields, mut like) = (Fields(changes), None);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            like = Some(value.word()?);
        } else {
            value.skip()?;
        }
    }
    Ok(like)
}

impl Decoder {
    /// What happened, by the number of the field and its value; `None` when a number in it is newer than this release.
    #[inline]
    fn kind(
        &mut self,
        field: u32,
        kept: &mut Kept,
        actor: RawTask,
        seq: Seq,
        at: BootNs,
    ) -> Result<Option<EventKind>, Malformed> {
        let value = kept.value();
        Ok(Some(match field {
            12 => {
                let enter = leaf::enter(value.bytes()?)?;
                let call = enter.call.unwrap_or_default();
                self.tables.told(self.actor)?.entered = Some((seq, at, call));
                let Some(call) = numbers::to_call(call) else { return Ok(None) };
                EventKind::Enter { call, target_unknown: enter.target_unknown }
            }
            13 => return self.leave(leaf::leave(value.bytes()?)?, seq, at),
            14 => return Ok(generated(leaf::signal_generated(value.bytes()?)?)),
            19 => EventKind::NewTask { flags: leaf::new_task(value.bytes()?)?.flags },
            20 => {
                let exec = record::Exec::decode(value.bytes()?)?;
                EventKind::Exec {
                    old_tid: exec.old_tid.map_or(actor.tid, Tid),
                    args: self.tables.strings(&exec.args)?,
                    truncated: exec.truncated,
                }
            }
            21 => EventKind::Exit { group_dead: value.flag()? },
            22 => EventKind::Dead,
            23 => EventKind::Stopped { signal: Signal(value.word()?) },
            24 => EventKind::Freed { task: self.tables.task(value.word()?)? },
            25 => {
                let signal = leaf::signal_delivered(value.bytes()?)?;
                let Some(disposition) = numbers::to_disposition(signal.disposition) else { return Ok(None) };
                EventKind::SignalDelivered { signal: Signal(signal.signal), code: signal.code, disposition }
            }
            26 => {
                let snapshot = record::Snapshot::decode(value.bytes()?)?;
                EventKind::Snapshot { args: self.tables.strings(&snapshot.args)? }
            }
            27 => {
                let end = record::SnapshotEnd::decode(value.bytes()?)?;
                let Some(coverage) = numbers::to_coverage(end.coverage) else { return Ok(None) };
                EventKind::SnapshotEnd { from: Seq(plus(seq.0, end.from)), coverage }
            }
            28 => EventKind::ClockAnchor { unix_ns: value.signed()? },
            29 => {
                let gap = record::Gap::decode(value.bytes()?)?;
                let Some(cause) = numbers::to_cause(gap.cause) else { return Ok(None) };
                EventKind::Gap(Gap {
                    from: BootNs(plus(at.0, gap.from)),
                    until: BootNs(plus(at.0, gap.until)),
                    lost: gap.lost,
                    cause,
                    probes: gap.probes.into_iter().map(|probe| (probe.name, probe.lost)).collect(),
                })
            }
            31 => EventKind::Continued,
            32 => {
                let Some(inspection) = FileInspection::from_json(value.bytes()?) else { return Ok(None) };
                EventKind::Inspected(Box::new(inspection))
            }
            _ => return Err(Broken.into()),
        }))
    }

    fn leave(&mut self, leave: record::Leave, seq: Seq, at: BootNs) -> Result<Option<EventKind>, Malformed> {
        let enter = self.tables.told(self.actor)?.entered;
        let last = || enter.ok_or(Malformed::Dangling("a call"));
        let call = leave.call.map_or_else(|| last().map(|enter| enter.2), Ok)?;
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
        let Some(call) = numbers::to_call(call) else { return Ok(None) };
        let usual = waited.map_or(0, |waited| i64::from(waited.child.pid.0));
        Ok(Some(EventKind::Leave(Leave {
            call,
            ret: leave.ret.unwrap_or(usual),
            entered,
            enter_emitted: leave.paired.is_some() != leave.emitted_differs,
            target_unknown: leave.target_unknown,
            waited,
        })))
    }
}

fn generated(signal: record::SignalGenerated) -> Option<EventKind> {
    Some(EventKind::SignalGenerated(SignalGenerated {
        signal: Signal(signal.signal),
        origin: numbers::to_origin(signal.origin, signal.code)?,
        process_directed: signal.process_directed,
        outcome: numbers::to_outcome(signal.outcome)?,
        disposition: numbers::to_disposition(signal.disposition)?,
        blocked: signal.blocked,
        at_delivery: signal.at_delivery,
    }))
}
