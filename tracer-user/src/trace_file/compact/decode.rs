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
    wire::{Broken, Fields, Value},
};
use crate::trace_file::inspection::FileInspection;

/// A message that no writer makes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a message that is no protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error(transparent)]
    Wire(#[from] Broken),
    #[error("a reference to {0} that the frame does not have")]
    Dangling(&'static str),
    #[error("a number of a process that is none")]
    Number,
}

/// What a message said.
#[derive(Debug)]
pub(super) enum Decoded {
    /// An event, which is where [`Decoder::decode`] was told to put it.
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
#[derive(Default)]
pub(super) struct Decoder {
    seq: u64,
    at: u64,
    cpu: u16,
    actor: u32,
    tables: Tables,
    /// The last bundle of each task.
    states: Vec<Option<State>>,
}

#[derive(Default)]
struct Tables {
    strings: Vec<Vec<u8>>,
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
    content: Option<(u32, Value<'a>)>,
    no_subject: bool,
    /// How many tasks are new.
    tasks: usize,
}

impl<'a> Head<'a> {
    /// Takes a message apart. New entries go to the tables.
    fn of(message: &'a [u8], tables: &mut Tables) -> Result<Self, Malformed> {
        let (mut head, mut fields) = (Self::default(), Fields(message));
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => tables.strings.push(value.bytes()?.to_vec()),
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
                12..=29 | 31 | 32 => head.content = Some((field, value)),
                30 => head.no_subject = value.word()? != 0,
                _ => {}
            }
        }
        Ok(head)
    }
}

impl Decoder {
    /// The meaning of the next message. Events are large: they are made where they are to be, in place of one that was there.
    pub(super) fn decode(&mut self, message: &[u8], event: &mut Option<Event>) -> Result<Decoded, Malformed> {
        let head = Head::of(message, &mut self.tables)?;
        Ok(match head.content {
            Some((15, Value::Fixed(_))) => Decoded::Check,
            Some((16, value)) => Decoded::Header(value.bytes()?.to_vec()),
            Some((17, value)) => Decoded::Keyframe(record::Keyframe::decode(value.bytes()?)?),
            Some((18, value)) => Decoded::End(record::End::decode(value.bytes()?)?),
            _ if self.event(&head, event)? => Decoded::Event,
            _ => Decoded::Unknown,
        })
    }

    /// Whether it is one that is known.
    fn event(&mut self, head: &Head, out: &mut Option<Event>) -> Result<bool, Malformed> {
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
        if let Some(comm) = head.actor_comm {
            let comm = Comm(self.tables.string(comm)?.into());
            self.tables.told(self.actor)?.comm = comm;
        }
        let subject = (!head.no_subject).then(|| head.subject.unwrap_or(self.actor));
        if let Some(subject) = subject {
            self.subject(subject, head.state)?;
        }
        let actor = self.tables.told(self.actor)?;
        let actor = actor.task;
        let Some(content) = head.content else { return Ok(false) };
        let Some(kind) = self.kind(content, actor, seq, at)? else { return Ok(false) };
        let subject = subject.and_then(|task| self.states.get(task as usize)?.as_ref());
        let (cpu, comm) = (self.cpu, &self.tables.told(self.actor)?.comm);
        if let Some(event) = out {
            (event.seq, event.at, event.cpu, event.actor, event.kind) = (seq, at, cpu, actor, kind);
            event.actor_comm.clone_from(comm);
            match (&mut event.subject, subject) {
                (Some(place), Some(state)) => place.clone_from(state),
                (place, state) => *place = state.cloned(),
            }
        } else {
            *out = Some(Event { seq, at, cpu, actor, actor_comm: comm.clone(), subject: subject.cloned(), kind });
        }
        Ok(true)
    }

    /// Sets the bundle of a subject: what it was, with the changes.
    fn subject(&mut self, task: u32, changes: Option<&[u8]>) -> Result<(), Malformed> {
        let Self { tables, states, .. } = self;
        let id = tables.task(task)?;
        let known = states.get(task as usize).is_some_and(Option::is_some);
        let first = if known {
            None
        } else {
            let like = changes.map(like).transpose()?.flatten();
            like.map_or_else(|| Some(State::default()), |like| states.get(like as usize).cloned().flatten())
        };
        let place = states.get_mut(task as usize).ok_or(Malformed::Dangling("a task"))?;
        let state = match first {
            Some(first) => place.insert(first),
            None => place.as_mut().ok_or(Malformed::Dangling("a bundle"))?,
        };
        state.id = id;
        changes.map_or(Ok(()), |changes| tables.change(state, changes))
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

    fn string(&self, string: u32) -> Result<&[u8], Malformed> {
        self.strings.get(string as usize).map(Vec::as_slice).ok_or(Malformed::Dangling("a string"))
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
                15 => state.comm = Comm(self.string(value.word()?)?.into()),
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
                23 if value.word()? != 0 => state.namespace = None,
                _ => {}
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
        }
    }
    Ok(like)
}

impl Decoder {
    /// What happened, by the number of the field and its value; `None` when a number in it is newer than this release.
    fn kind(
        &mut self,
        (field, value): (u32, Value),
        actor: RawTask,
        seq: Seq,
        at: BootNs,
    ) -> Result<Option<EventKind>, Malformed> {
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
