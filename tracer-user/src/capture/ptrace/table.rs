//! Who is traced: threads, the processes that they make up, and what is known of each.
//!
//! Must not: make a system call.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    os::fd::OwnedFd,
    time::Instant,
};

use tracer_model::{
    event::{Call, Comm, Facts, Namespace, RawTask, TtyState},
    ids::{BootNs, Pid, Seq, Signal, Tid, Uid},
};

use super::decode::Begun;

/// A traced thread.
#[derive(Debug)]
pub(super) struct Thread {
    /// Its process.
    pub pid: Pid,
    /// The watched call that it is in.
    pub open: Option<Open>,
    /// It is in a group stop.
    pub stopped: bool,
    /// It has begun to exit.
    pub exiting: bool,
    /// It is in a call that gives it another name.
    pub renaming: bool,
    /// When it was last let run: what it does now, it did later.
    pub resumed: BootNs,
}

impl Thread {
    pub fn new(pid: Pid) -> Self {
        Self { pid, open: None, stopped: false, exiting: false, renaming: false, resumed: BootNs(0) }
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
    /// The signal of the group stop that it is in; every thread has stopped.
    pub stopped: Option<Signal>,
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
            tty: None,
            stat: None,
            stale: false,
            comm: Comm::default(),
            uid: Uid::default(),
            namespace: None,
            facts: Facts::default(),
            forked: false,
            children_away: false,
            stopped: None,
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

    /// Every thread has begun to exit.
    pub fn is_exiting(&self) -> bool {
        self.exiting >= self.threads.len()
    }

    /// The process seen as one of its threads.
    pub fn task(&self, tid: Tid) -> RawTask {
        RawTask { tid, ..self.id }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub threads: BTreeMap<Tid, Thread>,
    pub processes: BTreeMap<Pid, Process>,
    /// Parent and child, for every process.
    family: BTreeSet<(Pid, Pid)>,
    /// Processes that have begun to exit and have not ended yet.
    pub exits: BTreeSet<Pid>,
    /// What was reported last of threads before the event that says who forked them, and since when they wait for it.
    pub early: BTreeMap<Tid, (i32, Instant)>,
    /// Who was reaped last, oldest first: a signal of theirs can come later.
    reaped: VecDeque<RawTask>,
    /// Processes that are not traced and whose number was met.
    strangers: BTreeSet<Pid>,
    /// Those of them who have not been shown yet.
    not_shown: Vec<Pid>,
    /// Parents that are not traced: each tells when it has exited, and its children have another parent.
    pub guardians: BTreeMap<Pid, OwnedFd>,
    /// Those of them that were asked in this round of stops.
    pub asked: BTreeSet<Pid>,
}

/// How many of those who were reaped are remembered.
const REAPED: usize = 1024;

impl Table {
    /// The process of a thread.
    pub fn process_of(&self, tid: Tid) -> Option<&Process> {
        self.processes.get(&self.threads.get(&tid)?.pid)
    }

    /// The process of a thread.
    pub fn process_of_mut(&mut self, tid: Tid) -> Option<&mut Process> {
        self.processes.get_mut(&self.threads.get(&tid)?.pid)
    }

    /// Who bears this number in the pid namespace of `caller`.
    pub fn named(&self, caller: &Process, number: u32) -> Option<Pid> {
        let Some(namespace) = caller.namespace else { return Some(Pid(number)) };
        let is_it =
            |process: &&Process| process.namespace.is_some_and(|own| own.inum == namespace.inum && own.pid.0 == number);
        self.processes.values().find(is_it).map(|process| process.id.pid)
    }

    /// Adds a process.
    pub fn insert(&mut self, process: Process) {
        self.remove(process.id.pid);
        self.family.insert((process.parent.pid, process.id.pid));
        self.processes.insert(process.id.pid, process);
    }

    /// Forgets a process.
    pub fn remove(&mut self, pid: Pid) -> Option<Process> {
        let process = self.processes.remove(&pid)?;
        self.exits.remove(&pid);
        self.family.remove(&(process.parent.pid, pid));
        if self.reaped.len() == REAPED {
            self.reaped.pop_front();
        }
        self.reaped.push_back(process.id);
        Some(process)
    }

    /// Who bears a number, or was the last to bear it.
    pub fn last_known(&self, pid: Pid) -> Option<RawTask> {
        let known = self.processes.get(&pid).map(|process| process.id);
        known.or_else(|| self.reaped.iter().rev().find(|reaped| reaped.pid == pid).copied())
    }

    /// Notes that a process which is not traced was met.
    pub fn meet(&mut self, stranger: Pid) {
        if stranger.0 != 0 && self.strangers.insert(stranger) {
            self.not_shown.push(stranger);
        }
    }

    /// Notes that a process was shown.
    pub fn note_shown(&mut self, pid: Pid) {
        self.strangers.insert(pid);
    }

    /// Those who were met and not shown yet.
    pub fn not_shown(&mut self) -> Vec<Pid> {
        std::mem::take(&mut self.not_shown)
    }

    /// A process has another parent.
    pub fn set_parent(&mut self, pid: Pid, parent: RawTask) {
        if let Some(process) = self.processes.get_mut(&pid) {
            self.family.remove(&(process.parent.pid, pid));
            self.family.insert((parent.pid, pid));
            process.parent = parent;
        }
    }

    /// The children of a process, zombies too.
    pub fn children(&self, pid: Pid) -> Vec<Pid> {
        self.family.range((pid, Pid(0))..=(pid, Pid(u32::MAX))).map(|(_, child)| *child).collect()
    }

    /// A thread has begun a watched call.
    pub fn open_call(&mut self, tid: Tid, open: Open) {
        self.close_call(tid);
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        thread.open = Some(open);
        if let Some(subject) = self.changed_by(tid, &open) {
            subject.unsettled += 1;
        }
    }

    /// A thread is in no watched call any more: the one that it was in.
    pub fn close_call(&mut self, tid: Tid) -> Option<Open> {
        let open = self.threads.get_mut(&tid)?.open.take()?;
        if let Some(subject) = self.changed_by(tid, &open) {
            subject.unsettled = subject.unsettled.saturating_sub(1);
            subject.unsure = true;
        }
        Some(open)
    }

    /// Whose group or session a call can change.
    fn changed_by(&mut self, tid: Tid, open: &Open) -> Option<&mut Process> {
        if !matches!(open.begun.call, Call::Setpgid { .. } | Call::Setsid) {
            return None;
        }
        match open.subject {
            Subject::Caller => self.process_of_mut(tid),
            Subject::Other(pid) => self.processes.get_mut(&pid),
            Subject::Unknown => None,
        }
    }

    /// Forgets a thread. Its process is kept.
    pub fn remove_thread(&mut self, tid: Tid) -> Option<Thread> {
        self.close_call(tid);
        let thread = self.threads.remove(&tid)?;
        if let Some(process) = self.processes.get_mut(&thread.pid)
            && process.threads.remove(&tid)
            && thread.exiting
        {
            process.exiting = process.exiting.saturating_sub(1);
        }
        Some(thread)
    }

    /// Whether a process has begun to exit and has not ended yet.
    pub fn somebody_exits(&self) -> bool {
        !self.exits.is_empty()
    }

    /// Whether a process is traced and alive.
    pub fn traces(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| !process.zombie)
    }

    /// Whether a process is traced and has executed nothing since it was forked.
    pub fn is_fork(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.forked)
    }

    /// Whether a process has exited and is not known to be reaped.
    pub fn is_zombie(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.zombie)
    }
}
