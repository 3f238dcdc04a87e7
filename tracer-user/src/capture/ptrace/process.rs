//! What is known of a traced thread, of the call that it is in, and of a process.
//!
//! Must not: make a system call.

use std::{collections::BTreeSet, fs::File};

use tracer_model::{
    event::{Comm, Facts, Namespace, RawTask, TtyState},
    ids::{BootNs, Pid, Seq, Signal, Tid, Uid},
};

use super::{attributes::Pending, decode::Begun};

/// A traced thread.
#[derive(Debug)]
pub(super) struct Thread {
    /// Its process.
    pub pid: Pid,
    /// The watched call that it is in.
    pub open: Option<Open>,
    /// It is in a group stop: the last number that was given out before this was told.
    pub stopped: Option<Seq>,
    /// It has begun to exit.
    pub exiting: bool,
    /// It is in a call that gives it another name.
    pub renaming: bool,
    /// It is in a call that changes an attribute of its process.
    pub attribute: Option<Pending>,
    /// It stops before it exits.
    pub stops_at_exit: bool,
    /// When the stop was handled from which it was last let run: what it does now, it did later.
    pub resumed: BootNs,
}

impl Thread {
    pub fn new(pid: Pid) -> Self {
        Self {
            pid,
            open: None,
            stopped: None,
            exiting: false,
            renaming: false,
            attribute: None,
            stops_at_exit: true,
            resumed: BootNs(0),
        }
    }
}

/// A watched call that has not returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub begun: Begun,
    /// The number and the time of the ENTER.
    pub entered: (Seq, BootNs),
    /// The ENTER is an event.
    pub emitted: bool,
    /// Whose state the events carry.
    pub subject: Subject,
    /// What shows that it has returned.
    pub shown_by: ShownBy,
}

/// What shows the return of a call, and what it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownBy {
    /// A stop of its own.
    Stop,
    /// This process has another group: that which it leads.
    Group(Pid),
    /// The next stop of the thread: the signal that ends a wait.
    Signal,
}

/// Whom a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Caller,
    Other(Pid),
    /// A number that nobody has, or nobody that we can see.
    Unknown,
}

/// A traced process, until it is reaped.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Process {
    /// Its leader thread.
    pub id: RawTask,
    pub parent: RawTask,
    pub pgrp: u32,
    pub session: u32,
    /// Calls in progress that can change its group or session.
    pub unsettled: u32,
    /// Such a call has ended since its group and session were asked for.
    pub unsure: bool,
    /// One of them is setsid: otherwise the session is what it was.
    pub leaving: bool,
    pub tty: Option<TtyState>,
    /// `/proc/PID/stat`, kept open while it must be read often.
    pub stat: Option<File>,
    /// Its parent or its name may have changed without our seeing it.
    pub stale: bool,
    pub comm: Comm,
    pub uid: Uid,
    pub namespace: Option<Namespace>,
    pub facts: Facts,
    /// It has not executed a program since it was forked.
    pub forked: bool,
    /// Its children may be in another pid namespace than itself.
    pub children_away: bool,
    /// It may have children that are not traced, or whose end sends it another signal than SIGCHLD.
    pub odd_children: bool,
    /// The signal of the group stop that its threads are going into, or are in.
    pub stop_signal: Option<Signal>,
    /// Every thread has stopped.
    pub stopped: bool,
    /// Its living threads.
    pub threads: BTreeSet<Tid>,
    /// How many of these have begun to exit.
    pub exiting: usize,
    /// The code of the thread that exited last, as wait(2) has it.
    pub exit_code: i32,
    /// It has exited and is not known to be reaped.
    pub zombie: bool,
}

impl Process {
    /// One of which nothing is known but its number; with one thread.
    pub fn new(pid: Pid) -> Self {
        Self {
            id: RawTask { pid, tid: Tid(pid.0), start: BootNs(0) },
            parent: RawTask::default(),
            pgrp: 0,
            session: 0,
            unsettled: 0,
            unsure: true,
            leaving: true,
            tty: None,
            stat: None,
            stale: false,
            comm: Comm::default(),
            uid: Uid::default(),
            namespace: None,
            facts: Facts::default(),
            forked: false,
            children_away: false,
            odd_children: false,
            stop_signal: None,
            stopped: false,
            threads: BTreeSet::from([Tid(pid.0)]),
            exiting: 0,
            exit_code: 0,
            zombie: false,
        }
    }

    /// Its group and session are those that were last asked for: every call that changes them stops, its own and those of its
    /// parent, which has no say after an exec (kernel/sys.c, `setpgid`).
    pub fn is_settled(&self, parent_traced: bool) -> bool {
        self.unsettled == 0 && !self.unsure && (parent_traced || !self.forked)
    }

    /// It is in no group stop any more.
    pub fn goes_on(&mut self) {
        (self.stop_signal, self.stopped) = (None, false);
    }

    /// Every thread has begun to exit.
    pub fn is_exiting(&self) -> bool {
        self.exiting >= self.threads.len()
    }

    /// The process seen as one of its threads.
    pub fn task(&self, tid: Tid) -> RawTask {
        RawTask { tid, ..self.id }
    }
}
