//! What has begun and not ended, and so explains a difference: one row of [`INTERVALS`] each, with the kernel's reason. A row
//! holds for the process that the interval concerns, and for nobody else.
//!
//! Must not: excuse anything that is not in a row.

use super::{Entity, Fact};
use crate::{
    event::{Call, TtyRequest},
    ids::{Pid, ProcKey, Tid},
    state::{
        Model, Phase, Process,
        sends::{Taker, aims_at},
    },
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

/// An interval, and what it can change of whom.
#[derive(Debug)]
pub struct Row {
    /// What can differ of a process meanwhile: [`Fact::Existence`] is that the kernel has it no more.
    pub facts: &'static [Fact],
    /// What has begun.
    pub what: &'static str,
    /// Where the kernel makes the change, between the records of its begin and its end.
    pub kernel: &'static str,
    /// The interval, if it is open for this process.
    pub(crate) open: fn(&Model, &Process) -> Option<Interval>,
}

/// Everything that explains a difference.
pub const INTERVALS: &[Row] = &[
    Row {
        facts: &[Fact::Group, Fact::Session, Fact::SessionLeader, Fact::Link],
        what: "setpgid of the process, by itself or its parent, or its own setsid",
        kernel: "kernel/sys.c, setpgid, ksys_setsid: change_pid",
        open: moving,
    },
    Row {
        facts: &[Fact::Link],
        what: "setpgid or setsid that moves its parent",
        kernel: "kernel/exit.c, will_become_orphaned_pgrp: the parent's group and session count",
        open: |model, process| moving(model, parent(model, process)?),
    },
    Row {
        facts: &[Fact::Parent, Fact::Link, Fact::Existence],
        what: "the exit of its parent",
        kernel: "kernel/exit.c, forget_original_parent: another parent; a zombie is released if that one wants none, or waits",
        open: |model, process| exiting(parent(model, process)?),
    },
    Row {
        facts: &[Fact::Zombie, Fact::Link, Fact::Existence],
        what: "its own exit",
        kernel: "kernel/exit.c, exit_notify: a zombie, or released",
        open: |_, process| exiting(process),
    },
    Row {
        facts: &[Fact::Existence],
        what: "a wait of its parent, or of who may have adopted it, that means it",
        kernel: "kernel/exit.c, wait_task_zombie: release_task",
        open: waited_for,
    },
    Row {
        facts: &[Fact::Existence],
        what: "a reap by a parent whose calls no probe sees",
        kernel: "kernel/exit.c, release_task: has no tracepoint",
        open: |model, process| {
            parent(model, process).filter(|_| model.is_unattended(process)).map(|parent| Interval::Release(parent.key))
        },
    },
    Row {
        facts: &[Fact::Stopped],
        what: "a stop signal that was sent to it and has not stopped it",
        kernel: "kernel/signal.c, do_signal_stop: stopped before the last thread is switched away from",
        open: |_, process| process.book.last_stop.is_some().then_some(Interval::Stop(process.key)),
    },
    Row {
        facts: &[Fact::Stopped],
        what: "under ptrace, the end of its stop, until it runs",
        kernel: "kernel/signal.c, prepare_signal: nobody is told of a SIGCONT when it is sent",
        open: |model, process| {
            (model.is_seen_by_tracer() && process.stopped.is_some()).then_some(Interval::Stop(process.key))
        },
    },
    Row {
        facts: &[Fact::Stopped],
        what: "a call that sends a signal to it, to its group or to everybody",
        kernel: "kernel/signal.c, prepare_signal, complete_signal: a stop ends before signal_generate",
        open: signalled,
    },
    Row {
        facts: &[Fact::Stopped],
        what: "an exit that may orphan its group: of a member or of a member's parent",
        kernel: "kernel/exit.c, kill_orphaned_pgrp: SIGHUP and SIGCONT",
        open: orphaning,
    },
    Row {
        facts: &[Fact::Stopped, Fact::Terminal, Fact::Foreground],
        what: "the exit of its session's leader",
        kernel: "drivers/tty/tty_jobctrl.c, disassociate_ctty: SIGHUP and SIGCONT, and the terminal is gone",
        open: |model, process| exiting(leader(model, process)?),
    },
    Row {
        facts: &[Fact::Stopped, Fact::Terminal, Fact::Foreground],
        what: "TIOCNOTTY, TIOCVHANGUP or vhangup in its session",
        kernel: "drivers/tty/tty_jobctrl.c, disassociate_ctty; drivers/tty/tty_io.c, __tty_hangup",
        open: |model, process| {
            calls_in_session(model, process, |call| {
                call == Call::Vhangup || is_ioctl(call, TtyRequest::Hangup) || is_ioctl(call, TtyRequest::GiveUp)
            })
        },
    },
    Row {
        facts: &[Fact::Terminal, Fact::Foreground],
        what: "TIOCSCTTY or TIOCGPTPEER in its session",
        kernel: "drivers/tty/tty_jobctrl.c, __proc_set_tty",
        open: |model, process| {
            calls_in_session(model, process, |call| {
                is_ioctl(call, TtyRequest::SetControlling) || is_ioctl(call, TtyRequest::OpenPeer)
            })
        },
    },
    Row {
        facts: &[Fact::Terminal, Fact::Foreground],
        what: "TIOCSCTTY with argument 1 by another session's leader that has no terminal",
        kernel: "drivers/tty/tty_jobctrl.c, tiocsctty: session_clear_tty",
        open: stolen,
    },
    Row {
        facts: &[Fact::Terminal],
        what: "its own setsid",
        kernel: "kernel/sys.c, ksys_setsid: proc_clear_tty",
        open: |_, process| calls(process, |call| call == Call::Setsid),
    },
    Row {
        facts: &[Fact::Foreground],
        what: "TIOCSPGRP in its session",
        kernel: "drivers/tty/tty_jobctrl.c, tiocspgrp",
        open: |model, process| calls_in_session(model, process, |call| is_ioctl(call, TtyRequest::SetForeground)),
    },
];

/// An open interval that explains a difference of a process.
#[must_use]
pub fn explanation(model: &Model, known: &Process, fact: Fact) -> Option<Interval> {
    INTERVALS.iter().filter(|row| row.facts.contains(&fact)).find_map(|row| (row.open)(model, known))
}

/// An open interval that explains why the kernel has a process no more.
#[must_use]
pub fn explanation_of_absence(model: &Model, known: &Process) -> Option<Interval> {
    explanation(model, known, Fact::Existence)
}

/// An open interval of a process that explains a difference of the group, session or terminal that it is in.
pub(super) fn of_membership(model: &Model, known: &Process, entity: Entity, fact: Fact) -> Option<Interval> {
    of_members(entity, fact).iter().find_map(|fact| explanation(model, known, *fact))
}

/// What of its members makes a difference of a group, a session or a terminal.
fn of_members(entity: Entity, fact: Fact) -> &'static [Fact] {
    match (entity, fact) {
        (_, Fact::Orphaned) => &[Fact::Link],
        (_, Fact::Leader) => &[Fact::Zombie, Fact::Group, Fact::Session],
        (_, Fact::ForegroundExists) => &[Fact::Zombie, Fact::Group, Fact::Foreground],
        (_, Fact::Foreground) => &[Fact::Foreground],
        (_, Fact::Terminal) | (Entity::Terminal(_), _) => &[Fact::Terminal],
        (Entity::Session(_), _) => &[Fact::Session, Fact::Group],
        (Entity::Group(_) | Entity::Process(_), _) => &[Fact::Group],
    }
}

/// Whether something has begun and not ended that can change what is compared: on a busy machine that goes on without an event,
/// for longer than any event takes.
#[must_use]
pub fn is_open(model: &Model) -> bool {
    model
        .processes()
        .any(|process| exiting(process).is_some() || process.book.calls.values().any(|open| is_change(open.call)))
}

fn parent<'m>(model: &'m Model, process: &Process) -> Option<&'m Process> {
    process.parent.filter(|_| !process.parent_exited).and_then(|parent| model.process(parent))
}

fn leader<'m>(model: &'m Model, process: &Process) -> Option<&'m Process> {
    let session = process.session.and_then(|session| model.session(session))?;
    session.leader.and_then(|leader| model.process(leader))
}

/// The exit of a process, from EXIT until what DEAD tells is complete.
fn exiting(process: &Process) -> Option<Interval> {
    let is = matches!(process.phase, Phase::Exiting | Phase::Released)
        || process.book.exit().is_some_and(|exit| !exit.threads.is_empty());
    is.then_some(Interval::Exit(process.key))
}

/// A call that a process is in.
fn calls(process: &Process, is_it: impl Fn(Call) -> bool) -> Option<Interval> {
    process.book.calls.values().any(|open| is_it(open.call)).then_some(Interval::Call(process.key))
}

fn is_ioctl(call: Call, wanted: TtyRequest) -> bool {
    matches!(call, Call::TtyIoctl { request, .. } if request == wanted)
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

/// A wait that can reap a process.
fn waited_for(model: &Model, child: &Process) -> Option<Interval> {
    let waits = |waiter: &Process| calls(waiter, |call| means(call, waiter, child));
    if let Some(parent) = parent(model, child) {
        // Of an outsider only those calls are recorded that return a child that is followed, and no call's begin.
        let unseen = child.followed && !parent.followed;
        return waits(parent).or(unseen.then_some(Interval::Call(parent.key)));
    }
    // Whoever adopted it: a subreaper, or the init of a namespace.
    model.processes().filter(|it| it.adopts()).find_map(waits)
}

/// Whether a wait means a child, as far as its arguments tell (kernel/exit.c, `eligible_pid`).
fn means(call: Call, waiter: &Process, child: &Process) -> bool {
    let is_it = |number: i32| {
        let number = Pid(number.unsigned_abs());
        number == child.key.number || child.namespace.is_some_and(|inside| inside.pid == number)
    };
    let in_group = |number: i32| {
        let number = number.unsigned_abs();
        child.group.is_some_and(|group| group.number.0 == number)
            || child.namespace.is_some_and(|inside| inside.pgid.0 == number)
            || number == 0 && child.group == waiter.group
    };
    match call {
        Call::Wait4 { pid: -1, .. } | Call::Waitid { idtype: 0 | 3.., .. } => true,
        Call::Wait4 { pid: pid @ 1.., .. } | Call::Waitid { idtype: 1, id: pid, .. } => is_it(pid),
        Call::Wait4 { pid, .. } | Call::Waitid { idtype: 2, id: pid, .. } => in_group(pid),
        Call::Setpgid { .. }
        | Call::Setsid
        | Call::Kill { .. }
        | Call::Tkill { .. }
        | Call::Tgkill { .. }
        | Call::Sigqueue { .. }
        | Call::Tgsigqueue { .. }
        | Call::PidfdSendSignal { .. }
        | Call::TtyIoctl { .. }
        | Call::SetSubreaper { .. }
        | Call::SetParentDeathSignal { .. }
        | Call::Vhangup
        | Call::Open
        | Call::Read { .. }
        | Call::Write { .. } => false,
    }
}

/// A call that sends a signal to a process. What a pidfd stands for no record tells: it can be anybody.
fn signalled(model: &Model, process: &Process) -> Option<Interval> {
    let Process { key, group, namespace, .. } = *process;
    let taker = Taker { key, thread: Tid(key.number.0), group, namespace };
    model.processes().find_map(|sender| calls(sender, |call| aims_at(call, sender.group, &taker)))
}

/// An exit of a member of its group, or of the parent of one.
fn orphaning(model: &Model, process: &Process) -> Option<Interval> {
    let members = process.group.and_then(|group| model.group(group))?.members.iter();
    let mut members = members.filter_map(|member| model.process(*member));
    members.find_map(|member| exiting(member).or_else(|| exiting(parent(model, member)?)))
}

/// A call in a process's session.
fn calls_in_session(model: &Model, process: &Process, is_it: impl Fn(Call) -> bool) -> Option<Interval> {
    let members = model.processes().filter(|caller| caller.session.is_some() && caller.session == process.session);
    members.into_iter().find_map(|caller| calls(caller, &is_it))
}

/// A theft of a terminal: of which, the call does not say.
fn stolen(model: &Model, process: &Process) -> Option<Interval> {
    let steals = |call| matches!(call, Call::TtyIoctl { request: TtyRequest::SetControlling, arg: 1, .. });
    let thieves = model.processes().filter(|it| it.facts.session_leader && it.tty.is_none());
    process.tty.and_then(|_| thieves.into_iter().find_map(|thief| calls(thief, steals)))
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
