//! What has begun and not ended, and so explains a difference: ENTER to LEAVE of a call that can make it, EXIT to DEAD, a stop
//! signal that was sent and has not stopped yet.
//!
//! Must not: excuse anything else.

use super::Fact;
use crate::{
    event::{Call, State, TtyRequest},
    ids::ProcKey,
    state::{Model, Phase, Process},
};

/// What has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// A call of this process, from ENTER to LEAVE.
    Call(ProcKey),
    /// The exit of this process, from EXIT to DEAD.
    Exit(ProcKey),
    /// A stop, from the signal to the switch away; and its end, which shows itself to a tracer when the process runs.
    Stop(ProcKey),
    /// A reap by a process whose calls are not seen, until the kernel was asked after it.
    Release(ProcKey),
}

/// Whether something has begun and not ended that can change what is compared: on a busy machine that goes on without an event,
/// for longer than any event takes.
#[must_use]
pub fn is_open(model: &Model) -> bool {
    model.processes().any(|process| {
        exiting(model, Some(process.key)).is_some() || process.book.calls.values().any(|open| is_change(open.call))
    })
}

/// An open interval that explains a difference of a process.
#[must_use]
pub fn explanation(model: &Model, kernel: &State, fact: Fact) -> Option<Interval> {
    let known = model.process_by_pid(kernel.id.pid)?;
    match fact {
        Fact::Group | Fact::Session | Fact::SessionLeader => moving(model, known),
        Fact::Parent | Fact::Link => exiting(model, known.parent)
            .or_else(|| exiting(model, Some(known.key)))
            .or_else(|| moving(model, known))
            .or_else(|| known.parent.and_then(|parent| model.process(parent)).and_then(|parent| moving(model, parent)))
            .or_else(|| exiting(model, model.process_by_pid(kernel.parent.pid).map(|parent| parent.key))),
        Fact::Zombie => exiting(model, Some(known.key)),
        Fact::Stopped => stopping(model, known),
        Fact::Terminal | Fact::Foreground => terminal_change(model, known, fact),
        Fact::Existence | Fact::ForegroundExists | Fact::Members | Fact::Leader | Fact::Orphaned => None,
    }
}

/// An open interval that explains why the kernel has a process no more.
#[must_use]
pub fn explanation_of_absence(model: &Model, known: &Process) -> Option<Interval> {
    let parent = known.parent.filter(|_| !known.parent_exited).and_then(|parent| model.process(parent));
    let waiter = match parent {
        Some(parent) => Some(parent).filter(|parent| waits(parent)),
        // Whoever adopted it.
        None => model.processes().find(|process| waits(process)),
    };
    let hidden = || parent.filter(|_| model.is_unattended(known)).map(|parent| Interval::Release(parent.key));
    exiting(model, Some(known.key)).or_else(|| waiter.map(|waiter| Interval::Call(waiter.key))).or_else(hidden)
}

/// An open interval of a process, or of its parent, that explains a difference of the group, session or terminal that it is
/// in.
pub(super) fn of_membership(model: &Model, known: &Process, fact: Fact) -> Option<Interval> {
    let parent = known.parent.and_then(|parent| model.process(parent));
    let is_of_terminal = matches!(fact, Fact::Terminal | Fact::Foreground | Fact::Session | Fact::Members);
    let terminal = || is_of_terminal.then(|| terminal_change(model, known, Fact::Foreground)).flatten();
    moving(model, known)
        .or_else(|| exiting(model, Some(known.key)))
        .or_else(|| parent.and_then(|parent| moving(model, parent).or_else(|| exiting(model, Some(parent.key)))))
        .or_else(terminal)
}

/// Whether a process is in a call that may reap.
fn waits(process: &Process) -> bool {
    process.book.calls.values().any(|open| open.call.is_wait())
}

/// The exit of a process, from EXIT until what DEAD tells is complete.
fn exiting(model: &Model, key: Option<ProcKey>) -> Option<Interval> {
    let process = model.process(key?)?;
    let is = matches!(process.phase, Phase::Exiting | Phase::Released)
        || process.book.exit().is_some_and(|exit| !exit.threads.is_empty());
    is.then_some(Interval::Exit(process.key))
}

/// A setpgid or setsid that moves a process.
fn moving(model: &Model, process: &Process) -> Option<Interval> {
    let callers = [Some(process.key), process.parent];
    let callers = callers.into_iter().flatten().filter_map(|caller| model.process(caller));
    let moves = |caller: &&Process| {
        caller.book.calls.values().any(|open| {
            matches!(open.call, Call::Setpgid { .. }) && open.target == process.key
                || open.call == Call::Setsid && caller.key == process.key
        })
    };
    callers.into_iter().find(moves).map(|caller| Interval::Call(caller.key))
}

/// A signal on its way: sent and not yet effective, or effective and its record to come.
fn stopping(model: &Model, process: &Process) -> Option<Interval> {
    // To a tracer the end of a stop shows itself when the process runs, if it does not know who sent the SIGCONT.
    let ends_unseen = model.is_seen_by_tracer() && process.stopped.is_some();
    if process.book.last_stop.is_some() || ends_unseen {
        return Some(Interval::Stop(process.key));
    }
    let sends = |sender: &&Process| sender.book.calls.values().any(|open| open.call.is_kill());
    let sender = model.processes().find(sends).map(|sender| Interval::Call(sender.key));
    sender.or_else(|| model.processes().find_map(|sender| exiting(model, Some(sender.key))))
}

/// A call that changes a group, a session or a terminal, or that stops or continues.
fn is_change(call: Call) -> bool {
    let of_terminal = |request| {
        matches!(
            request,
            TtyRequest::SetForeground
                | TtyRequest::SetControlling
                | TtyRequest::Hangup
                | TtyRequest::GiveUp
                | TtyRequest::OpenPeer
        )
    };
    call.is_kill()
        || matches!(call, Call::Setpgid { .. } | Call::Setsid | Call::Vhangup)
        || matches!(call, Call::TtyIoctl { request, .. } if of_terminal(request))
}

/// A call or an exit that changes the terminal of a process's session.
fn terminal_change(model: &Model, process: &Process, fact: Fact) -> Option<Interval> {
    let leader = process.session.and_then(|session| model.session(session)).and_then(|session| session.leader);
    let changes =
        |caller: &&Process| caller.book.calls.values().any(|open| changes_terminal(open.call, caller, process, fact));
    exiting(model, leader).or_else(|| model.processes().find(changes).map(|caller| Interval::Call(caller.key)))
}

/// Whether a call of `caller` can change the terminal of a process, or its foreground group.
fn changes_terminal(call: Call, caller: &Process, process: &Process, fact: Fact) -> bool {
    let same_session = caller.session == process.session;
    if let Call::TtyIoctl { request, arg, .. } = call {
        return match request {
            TtyRequest::SetForeground => fact == Fact::Foreground && same_session,
            // With argument 1 it takes the terminal of any session.
            TtyRequest::SetControlling => arg == 1 || same_session,
            TtyRequest::Hangup | TtyRequest::GiveUp | TtyRequest::OpenPeer => same_session,
            TtyRequest::GetForeground
            | TtyRequest::GetSession
            | TtyRequest::SetWindowSize
            | TtyRequest::Inject
            | TtyRequest::Signal => false,
        };
    }
    call == Call::Vhangup && same_session || call == Call::Setsid && caller.key == process.key
}
