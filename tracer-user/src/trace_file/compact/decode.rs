//! The messages of a frame into events: the reverse of [`super::encode`].
//!
//! Takes whatever bytes it is given: what refers to nothing is [`Malformed`]. Must not: panic.

use prost::Message as _;
use tracer_model::{
    event::{Comm, Event, EventKind, Gap, Leave, Namespace, RawId, RawTask, SignalGenerated, State, TtyState, Waited},
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

use super::{
    numbers,
    record::{self, Changes, Content, Record},
};

/// A message that no writer makes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a message that is no protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
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

impl Decoder {
    /// The meaning of the next message. Events are large: they are made where they are to be.
    pub(super) fn decode(&mut self, message: &[u8], event: &mut Option<Event>) -> Result<Decoded, Malformed> {
        let mut record = Record::decode(message)?;
        Ok(match record.content.take() {
            Some(Content::Header(json)) => Decoded::Header(json),
            Some(Content::Keyframe(keyframe)) => Decoded::Keyframe(keyframe),
            Some(Content::End(end)) => Decoded::End(end),
            Some(Content::Check(_)) => Decoded::Check,
            content => {
                self.event(record, content, event)?;
                if event.is_some() { Decoded::Event } else { Decoded::Unknown }
            }
        })
    }

    fn event(&mut self, record: Record, content: Option<Content>, out: &mut Option<Event>) -> Result<(), Malformed> {
        let seq = Seq(plus(self.seq.wrapping_add(1), record.seq));
        let at = BootNs(plus(self.at, record.at));
        (self.seq, self.at) = (seq.0, at.0);
        if let Some(cpu) = record.cpu {
            self.cpu = u16::try_from(cpu).map_err(|_| Malformed::Number)?;
        }
        self.tables.define(&record, self.at)?;
        self.states.resize_with(self.tables.tasks.len(), || None);
        self.tables.strings.extend(record.strings);
        self.actor = record.actor.unwrap_or(self.actor);
        if let Some(comm) = record.actor_comm {
            let comm = Comm(self.tables.string(comm)?.to_vec());
            self.tables.told(self.actor)?.comm = comm;
        }
        let subject = (!record.no_subject).then(|| record.subject.unwrap_or(self.actor));
        if let Some(subject) = subject {
            self.subject(subject, record.state.as_ref())?;
        }
        let actor = self.tables.told(self.actor)?;
        let (actor, actor_comm, cpu) = (actor.task, actor.comm.clone(), self.cpu);
        let kind = match content {
            Some(content) => self.kind(content, actor, seq, at)?,
            None => None,
        };
        let Some(kind) = kind else { return Ok(()) };
        let subject = subject.and_then(|task| self.states.get(task as usize)).cloned().flatten();
        *out = Some(Event { seq, at, cpu, actor, actor_comm, subject, kind });
        Ok(())
    }

    /// Sets the bundle of a subject: what it was, with the changes.
    fn subject(&mut self, task: u32, changes: Option<&Changes>) -> Result<(), Malformed> {
        let Self { tables, states, .. } = self;
        let id = tables.task(task)?;
        let known = states.get(task as usize).is_some_and(Option::is_some);
        let first = match changes.and_then(|changes| changes.like) {
            _ if known => None,
            None => Some(State::default()),
            Some(like) => states.get(like as usize).cloned().flatten(),
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
    /// New entries of the tables.
    fn define(&mut self, record: &Record, at: u64) -> Result<(), Malformed> {
        for task in &record.tasks {
            let pid = sum(self.tasks.last().map_or(0, |last| last.task.pid.0), task.pid)?;
            let start = BootNs(plus(at, task.start));
            let task = RawTask { pid: Pid(pid), tid: Tid(task.tid.unwrap_or(pid)), start };
            self.tasks.push(Told { task, ..Told::default() });
        }
        for id in &record.ids {
            let last = self.ids.last().copied().unwrap_or_default();
            self.ids.push(RawId { number: sum(last.number, id.number)?, ino: plus(last.ino, id.ino) });
        }
        for tty in &record.ttys {
            let foreground = self.id(tty.foreground)?;
            self.ttys.push(TtyState {
                tty: RawTty { major: tty.major, minor: tty.minor, instance: tty.instance },
                foreground,
                foreground_empty: tty.foreground_empty,
                session: Sid(tty.session),
            });
        }
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

    fn change(&self, state: &mut State, changes: &Changes) -> Result<(), Malformed> {
        if let Some(id) = changes.id {
            state.ino = self.id(id)?.ino;
        }
        for (place, id) in [
            (&mut state.pgrp, changes.pgrp),
            (&mut state.session, changes.session),
            (&mut state.parent_pgrp, changes.parent_pgrp),
        ] {
            set(place, id.map(|id| self.id(id)).transpose()?);
        }
        set(&mut state.parent, changes.parent.map(|task| self.task(task)).transpose()?);
        if let Some(tty) = changes.tty {
            state.tty = match tty.checked_sub(1) {
                None => None,
                Some(tty) => Some(*self.ttys.get(tty as usize).ok_or(Malformed::Dangling("a terminal"))?),
            };
        }
        if let Some(comm) = changes.comm {
            state.comm = Comm(self.string(comm)?.to_vec());
        }
        set(&mut state.signal_flags, changes.signal_flags);
        set(&mut state.exit_state, changes.exit_state);
        set(&mut state.task_exit_state, changes.task_exit_state);
        set(&mut state.exit_code, changes.exit_code);
        set(&mut state.group_exit_code, changes.group_exit_code);
        set(&mut state.task_flags, changes.task_flags);
        set(&mut state.live, changes.live);
        set(&mut state.facts, changes.facts.map(numbers::to_facts));
        set(&mut state.jobctl, changes.jobctl);
        set(&mut state.tty_old_pgrp, changes.tty_old_pgrp.map(Pgid));
        set(&mut state.uid, changes.uid.map(Uid));
        set(&mut state.cgroup, changes.cgroup);
        set(&mut state.parent_session, changes.parent_session.map(Sid));
        if let Some(record::Namespace { inum, level, pid, pgid, sid }) = changes.namespace {
            state.namespace = Some(Namespace { inum, level, pid: Pid(pid), pgid: Pgid(pgid), sid: Sid(sid) });
        } else if changes.no_namespace {
            state.namespace = None;
        }
        Ok(())
    }
}

impl Decoder {
    /// What happened; `None` when a number in it is newer than this release.
    fn kind(&mut self, content: Content, actor: RawTask, seq: Seq, at: BootNs) -> Result<Option<EventKind>, Malformed> {
        Ok(Some(match content {
            Content::NewTask(new) => EventKind::NewTask { flags: new.flags },
            Content::Exec(exec) => EventKind::Exec {
                old_tid: exec.old_tid.map_or(actor.tid, Tid),
                args: self.tables.strings(&exec.args)?,
                truncated: exec.truncated,
            },
            Content::Exit(group_dead) => EventKind::Exit { group_dead },
            Content::Dead(_) => EventKind::Dead,
            Content::Stopped(signal) => EventKind::Stopped { signal: Signal(signal) },
            Content::Continued(_) => EventKind::Continued,
            Content::Freed(task) => EventKind::Freed { task: self.tables.task(task)? },
            Content::SignalGenerated(signal) => return Ok(generated(signal)),
            Content::SignalDelivered(signal) => {
                let Some(disposition) = numbers::to_disposition(signal.disposition) else { return Ok(None) };
                EventKind::SignalDelivered { signal: Signal(signal.signal), code: signal.code, disposition }
            }
            Content::Enter(enter) => {
                let call = enter.call.unwrap_or_default();
                self.tables.told(self.actor)?.entered = Some((seq, at, call));
                let Some(call) = numbers::to_call(call) else { return Ok(None) };
                EventKind::Enter { call, target_unknown: enter.target_unknown }
            }
            Content::Leave(leave) => return self.leave(leave, seq, at),
            Content::Snapshot(snapshot) => EventKind::Snapshot { args: self.tables.strings(&snapshot.args)? },
            Content::SnapshotEnd(end) => {
                let Some(coverage) = numbers::to_coverage(end.coverage) else { return Ok(None) };
                EventKind::SnapshotEnd { from: Seq(plus(seq.0, end.from)), coverage }
            }
            Content::ClockAnchor(unix_ns) => EventKind::ClockAnchor { unix_ns },
            Content::Gap(gap) => {
                let Some(cause) = numbers::to_cause(gap.cause) else { return Ok(None) };
                EventKind::Gap(Gap {
                    from: BootNs(plus(at.0, gap.from)),
                    until: BootNs(plus(at.0, gap.until)),
                    lost: gap.lost,
                    cause,
                    probes: gap.probes.into_iter().map(|probe| (probe.name, probe.lost)).collect(),
                })
            }
            Content::Check(_) | Content::Header(_) | Content::Keyframe(_) | Content::End(_) => return Ok(None),
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

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
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
