//! The numbers that stand for calls and enums in a `.sesstrace` recording, both ways.
//!
//! A number that this release does not know gives `None`: the event is then of an unknown kind, not damaged. Must not: give a
//! number a second meaning.

use tracer_model::{
    event::{Call, Coverage, Disposition, Facts, GapCause, SignalOrigin, SignalOutcome, TtyRequest, WaitStatus},
    ids::Signal,
};

use super::{super::task::FACTS, record};

const DISPOSITIONS: [Disposition; 3] = [Disposition::Default, Disposition::Ignored, Disposition::Handler];
const OUTCOMES: [SignalOutcome; 5] = [
    SignalOutcome::Delivered,
    SignalOutcome::Ignored,
    SignalOutcome::AlreadyPending,
    SignalOutcome::Overflow,
    SignalOutcome::InfoLost,
];
const CAUSES: [GapCause; 6] = [
    GapCause::MissingSequence,
    GapCause::Recursion,
    GapCause::UnpairedCall,
    GapCause::MapFull,
    GapCause::Malformed,
    GapCause::Late,
];

const COVERAGES: [Coverage; 3] = [Coverage::Some, Coverage::Followed, Coverage::All];

/// The place of a value in its table; one past the end for what is not in it, which tests rule out.
fn number<T: PartialEq>(table: &[T], value: &T) -> u32 {
    table.iter().position(|row| row == value).unwrap_or(table.len()) as u32
}

fn value<T: Copy>(table: &[T], number: u32) -> Option<T> {
    table.get(number as usize).copied()
}

pub(super) fn disposition(value: Disposition) -> u32 {
    number(&DISPOSITIONS, &value)
}
pub(super) fn to_disposition(number: u32) -> Option<Disposition> {
    value(&DISPOSITIONS, number)
}
pub(super) fn outcome(value: SignalOutcome) -> u32 {
    number(&OUTCOMES, &value)
}
pub(super) fn to_outcome(number: u32) -> Option<SignalOutcome> {
    value(&OUTCOMES, number)
}
pub(super) fn cause(value: GapCause) -> u32 {
    number(&CAUSES, &value)
}
pub(super) fn to_cause(number: u32) -> Option<GapCause> {
    value(&CAUSES, number)
}

pub(super) fn coverage(value: Coverage) -> u32 {
    number(&COVERAGES, &value)
}
pub(super) fn to_coverage(number: u32) -> Option<Coverage> {
    value(&COVERAGES, number)
}

/// Origin and `si_code`.
pub(super) fn origin(value: SignalOrigin) -> (u32, i32) {
    match value {
        SignalOrigin::Info(code) => (0, code),
        SignalOrigin::Kernel => (1, 0),
        SignalOrigin::KernelAsUser => (2, 0),
    }
}
pub(super) fn to_origin(number: u32, code: i32) -> Option<SignalOrigin> {
    match number {
        0 => Some(SignalOrigin::Info(code)),
        1 => Some(SignalOrigin::Kernel),
        2 => Some(SignalOrigin::KernelAsUser),
        _ => None,
    }
}

/// Status and value.
pub(super) fn status(value: WaitStatus) -> (u32, i64) {
    match value {
        WaitStatus::Exited(code) => (0, i64::from(code)),
        WaitStatus::Killed { signal, core } => (1 + u32::from(core), i64::from(signal.0)),
        WaitStatus::Stopped(signal) => (3, i64::from(signal.0)),
        WaitStatus::Continued => (4, 0),
        WaitStatus::Unknown { may_be_stop } => (5 + u32::from(may_be_stop), 0),
    }
}
pub(super) fn to_status(number: u32, value: i64) -> Option<WaitStatus> {
    let signal = || u32::try_from(value).ok().map(Signal);
    match number {
        0 => Some(WaitStatus::Exited(i32::try_from(value).ok()?)),
        1 | 2 => Some(WaitStatus::Killed { signal: signal()?, core: number == 2 }),
        3 => Some(WaitStatus::Stopped(signal()?)),
        4 => Some(WaitStatus::Continued),
        5 | 6 => Some(WaitStatus::Unknown { may_be_stop: number == 6 }),
        _ => None,
    }
}

/// A bit for each fact, the first of the table lowest.
pub(super) fn facts(mut facts: Facts) -> u32 {
    FACTS.iter().enumerate().fold(0, |bits, (place, (_, bit))| bits | u32::from(*bit(&mut facts)) << place)
}
pub(super) fn to_facts(bits: u32) -> Facts {
    let mut facts = Facts::default();
    for (place, (_, bit)) in FACTS.iter().enumerate() {
        *bit(&mut facts) = bits >> place & 1 == 1;
    }
    facts
}

/// A call as number and arguments.
pub(super) fn call(call: Call) -> record::Call {
    let make = |name, a: i64, b: i64, c: i64, d| record::Call { name, a, b, c, d };
    let three = |name, a: i32, b: i32, c: u32| make(name, i64::from(a), i64::from(b), i64::from(c), 0);
    let two = |name, a: i32, b: u32| make(name, i64::from(a), i64::from(b), 0, 0);
    match call {
        Call::Setpgid { pid, pgid } => make(1, i64::from(pid), i64::from(pgid), 0, 0),
        Call::Setsid => make(2, 0, 0, 0, 0),
        Call::Kill { target, signal } => two(3, target, signal),
        Call::Tkill { tid, signal } => two(4, tid, signal),
        Call::Tgkill { pid, tid, signal } => three(5, pid, tid, signal),
        Call::Sigqueue { pid, signal } => two(6, pid, signal),
        Call::Tgsigqueue { pid, tid, signal } => three(7, pid, tid, signal),
        Call::PidfdSendSignal { pidfd, signal, flags } => {
            make(8, i64::from(pidfd), i64::from(signal), i64::from(flags), 0)
        }
        Call::TtyIoctl { fd, request, arg, value } => {
            let request = TtyRequest::ALL.iter().find(|row| row.0 == request).map_or(0, |row| row.1);
            make(9, i64::from(fd), i64::from(request), i64::from(value), arg)
        }
        Call::Wait4 { pid, options } => two(10, pid, options),
        Call::Waitid { idtype, id, options } => make(11, i64::from(idtype), i64::from(id), i64::from(options), 0),
        Call::SetSubreaper { on } => make(12, 0, 0, 0, on),
        Call::SetParentDeathSignal { signal } => make(13, i64::from(signal), 0, 0, 0),
        Call::Vhangup => make(14, 0, 0, 0, 0),
        Call::Open => make(15, 0, 0, 0, 0),
        Call::Read { fd } => two(16, fd, 0),
        Call::Write { fd } => two(17, fd, 0),
    }
}

pub(super) fn to_call(call: record::Call) -> Option<Call> {
    let record::Call { name, a, b, c, d } = call;
    let int = |value: i64| i32::try_from(value).ok();
    let word = |value: i64| u32::try_from(value).ok();
    Some(match name {
        1 => Call::Setpgid { pid: int(a)?, pgid: int(b)? },
        2 => Call::Setsid,
        3 => Call::Kill { target: int(a)?, signal: word(b)? },
        4 => Call::Tkill { tid: int(a)?, signal: word(b)? },
        5 => Call::Tgkill { pid: int(a)?, tid: int(b)?, signal: word(c)? },
        6 => Call::Sigqueue { pid: int(a)?, signal: word(b)? },
        7 => Call::Tgsigqueue { pid: int(a)?, tid: int(b)?, signal: word(c)? },
        8 => Call::PidfdSendSignal { pidfd: int(a)?, signal: word(b)?, flags: word(c)? },
        9 => Call::TtyIoctl { fd: int(a)?, request: TtyRequest::from_number(word(b)?)?, arg: d, value: int(c)? },
        10 => Call::Wait4 { pid: int(a)?, options: word(b)? },
        11 => Call::Waitid { idtype: word(a)?, id: int(b)?, options: word(c)? },
        12 => Call::SetSubreaper { on: d },
        13 => Call::SetParentDeathSignal { signal: word(a)? },
        14 => Call::Vhangup,
        15 => Call::Open,
        16 => Call::Read { fd: int(a)? },
        17 => Call::Write { fd: int(a)? },
        _ => return None,
    })
}
