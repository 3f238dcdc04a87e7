//! Bytes of the probes to events: the one place where a record gets its meaning. Total: what cannot be understood becomes a
//! gap of cause [`GapCause::Malformed`].
//!
//! Must not: look at anything but the record and the calls it pairs; know about scope, rings or files.

mod attribute;
mod calls;
mod state;

use std::collections::BTreeSet;

use tracer_common::{
    ParseError, Record, Wire as _,
    record::{
        Exec, FLAG_ARGS_TRUNCATED, FLAG_ENTER_MISSING, FLAG_PREVIOUS_LEAVE_MISSING, FLAG_TARGET_UNKNOWN, Header,
        RECORDS,
    },
};
use tracer_model::{
    event::{
        Disposition, Event, EventKind, Gap, GapCause, RawTask, SignalGenerated, SignalOrigin, SignalOutcome, State,
    },
    ids::{BootNs, Seq, Signal, Tid},
};

use self::state::comm;
use crate::capture::strings;

/// What one record is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is an event, and each is moved at once")]
pub enum Decoded {
    /// An event.
    Event {
        /// It.
        event: Event,
        /// The gap that it proves: a call of its thread that has only one end.
        unpaired: Option<Event>,
    },
    /// A record that is no event: a thread of the snapshot.
    Skip(Seq),
    /// Not even a sequence number. Its number will be missed.
    Nothing,
}

/// Decodes the records of one capture.
#[derive(Debug)]
pub struct Decoder {
    /// When the probes were attached: a call that began before has no ENTER, and nothing was lost.
    attached_at: BootNs,
    /// Threads whose one call from before has returned.
    excused: BTreeSet<RawTask>,
}

impl Decoder {
    /// For probes that were attached at this time.
    #[must_use]
    pub fn new(attached_at: BootNs) -> Self {
        Self { attached_at, excused: BTreeSet::new() }
    }

    /// Decodes one ring buffer entry.
    pub fn decode(&mut self, bytes: &[u8]) -> Decoded {
        let record = match tracer_common::parse(bytes) {
            Ok(record) => record,
            Err(error) => return unparsed(bytes, error),
        };
        let header = record.header();
        let (flags, kind, state) = (header.flags, header.kind, subject(&record));
        if matches!(&record, Record::Snapshot(one) if one.state.id.tid != one.state.id.tgid) {
            return Decoded::Skip(Seq(header.seq));
        }
        let mut event = event_of(header, state.map(|state| state::state(state, flags)));
        match meaning(&record) {
            Some(meaning) => event.kind = meaning,
            None => return malformed(&event, name(kind)),
        }
        let unpaired = self.unpaired(&event, flags);
        Decoded::Event { event, unpaired }
    }

    /// The gap behind an ENTER or EXIT whose thread had not returned from its previous call, or a LEAVE that was never
    /// entered.
    fn unpaired(&mut self, event: &Event, flags: u32) -> Option<Event> {
        let call = match &event.kind {
            EventKind::Enter { .. } | EventKind::Exit { .. } if flags & FLAG_PREVIOUS_LEAVE_MISSING != 0 => "leave",
            EventKind::Leave(_) if flags & FLAG_ENTER_MISSING != 0 && !self.excuse(event.actor) => "enter",
            EventKind::NewTask { .. }
            | EventKind::Exec { .. }
            | EventKind::Exit { .. }
            | EventKind::Dead
            | EventKind::Stopped { .. }
            | EventKind::Continued
            | EventKind::Freed { .. }
            | EventKind::SignalGenerated(_)
            | EventKind::SignalDelivered { .. }
            | EventKind::Enter { .. }
            | EventKind::Leave(_)
            | EventKind::Snapshot { .. }
            | EventKind::SnapshotEnd { .. }
            | EventKind::ClockAnchor { .. }
            | EventKind::Gap(_)
            | EventKind::Attribute(_)
            | EventKind::Inspected(_) => return None,
        };
        // Nothing bounds the lost half better than the life of the process within the capture.
        let from = event.actor.start.max(self.attached_at);
        Some(gap(event, from, GapCause::UnpairedCall, call))
    }

    /// Whether a LEAVE without ENTER is that of a call from before the capture: at most one for each thread.
    fn excuse(&mut self, actor: RawTask) -> bool {
        actor.start < self.attached_at && self.excused.insert(actor)
    }
}

/// An event about to get its kind.
fn event_of(header: &Header, subject: Option<State>) -> Event {
    Event {
        seq: Seq(header.seq),
        at: BootNs(header.at),
        cpu: header.cpu,
        actor: state::task(header.actor),
        actor_comm: comm(&header.actor_comm),
        subject: subject.map(Box::new),
        kind: EventKind::Dead,
    }
}

/// A gap at this event, by the same actor.
fn gap(event: &Event, from: BootNs, cause: GapCause, probe: &str) -> Event {
    let probes = vec![(probe.to_owned(), 1)];
    let kind = EventKind::Gap(Gap { from: from.min(event.at), until: event.at, lost: 1, cause, probes });
    Event { subject: None, kind, ..event.clone() }
}

/// A record whose bytes make no sense takes its number as a gap.
fn malformed(event: &Event, probe: &str) -> Decoded {
    let event = gap(event, event.at, GapCause::Malformed, probe);
    Decoded::Event { event, unpaired: None }
}

/// What can be said of bytes that are no record.
fn unparsed(bytes: &[u8], error: ParseError) -> Decoded {
    if let Some(header) = Header::read(bytes) {
        let probe = match error {
            ParseError::Short { .. } => name(header.kind).to_owned(),
            ParseError::UnknownKind { kind } => format!("kind {kind}"),
        };
        return malformed(&event_of(&header, None), &probe);
    }
    let number = |at: usize| bytes.get(at..).and_then(u64::read);
    match number(0) {
        Some(seq) => {
            let header = Header { seq, at: number(8).unwrap_or(0), ..NO_HEADER };
            malformed(&event_of(&header, None), "record without a header")
        }
        None => Decoded::Nothing,
    }
}

const NO_HEADER: Header = Header {
    seq: 0,
    at: 0,
    kind: 0,
    cpu: 0,
    flags: 0,
    actor: tracer_common::record::TaskId { tgid: 0, tid: 0, start: 0 },
    actor_comm: [0; 16],
};

/// Name of a kind of record.
fn name(kind: u16) -> &'static str {
    RECORDS.iter().find(|row| row.0 == kind).map_or("record", |row| row.1)
}

/// The bundle, of the kinds that have one.
fn subject(record: &Record) -> Option<&tracer_common::record::State> {
    match record {
        Record::NewTask(record) => Some(&record.state),
        Record::Exec(record) => Some(&record.state),
        Record::Exit(record) => Some(&record.state),
        Record::Dead(record) => Some(&record.state),
        Record::Stopped(record) => Some(&record.state),
        Record::Freed(_) | Record::Attribute(_) => None,
        Record::SignalGenerated(record) => Some(&record.state),
        Record::SignalDelivered(record) => Some(&record.state),
        Record::Enter(record) => Some(&record.state),
        Record::Leave(record) => Some(&record.state),
        Record::Snapshot(record) => Some(&record.state),
    }
}

/// What happened. `None` when a number in the record is none that the probes write.
fn meaning(record: &Record) -> Option<EventKind> {
    Some(match record {
        Record::NewTask(record) => EventKind::NewTask { flags: record.clone_flags },
        Record::Exec(record) => exec(record),
        Record::Exit(record) => EventKind::Exit { group_dead: record.group_dead != 0 },
        Record::Dead(_) => EventKind::Dead,
        // JOBCTL_STOP_SIGMASK: the signal of the latest stop (kernel/signal.c, `do_signal_stop`).
        Record::Stopped(record) => {
            let of_process = record.state.group_exit_code as u32 & 0x7f;
            EventKind::Stopped { signal: signal(record.state.jobctl & 0xffff).or_else(|| signal(of_process))? }
        }
        Record::Freed(record) => EventKind::Freed { task: state::task(record.id) },
        Record::SignalGenerated(record) => EventKind::SignalGenerated(SignalGenerated {
            signal: signal(record.signal)?,
            origin: *[SignalOrigin::KernelAsUser, SignalOrigin::Kernel, SignalOrigin::Info(record.code)]
                .get(record.info_kind as usize)?,
            process_directed: record.process_directed != 0,
            outcome: *OUTCOMES.get(record.result as usize)?,
            disposition: disposition(record.disposition)?,
            blocked: record.blocked != 0,
            at_delivery: false,
        }),
        Record::SignalDelivered(record) => EventKind::SignalDelivered {
            signal: signal(record.signal)?,
            code: record.code,
            disposition: disposition(record.disposition)?,
        },
        Record::Enter(record) => EventKind::Enter {
            call: calls::call(record.call, &record.args, record.value)?,
            target_unknown: record.header.flags & FLAG_TARGET_UNKNOWN != 0,
        },
        Record::Leave(record) => EventKind::Leave(calls::leave(record)?),
        Record::Snapshot(_) => EventKind::Snapshot { args: Vec::new() },
        Record::Attribute(record) => EventKind::Attribute(attribute::attribute(record)?),
    })
}

/// `TRACE_SIGNAL_*` (include/trace/events/signal.h), by number.
const OUTCOMES: [SignalOutcome; 5] = [
    SignalOutcome::Delivered,
    SignalOutcome::Ignored,
    SignalOutcome::AlreadyPending,
    SignalOutcome::Overflow,
    SignalOutcome::InfoLost,
];

fn signal(number: u32) -> Option<Signal> {
    (1..=64).contains(&number).then_some(Signal(number))
}

fn disposition(number: u32) -> Option<Disposition> {
    [Disposition::Default, Disposition::Ignored, Disposition::Handler].get(number as usize).copied()
}

fn exec(record: &Exec) -> EventKind {
    let args = record.args.get(..record.args_len as usize).unwrap_or(&record.args);
    EventKind::Exec {
        old_tid: Tid(record.old_tid),
        args: strings(args),
        truncated: record.header.flags & FLAG_ARGS_TRUNCATED != 0,
    }
}

#[cfg(test)]
mod tests;
