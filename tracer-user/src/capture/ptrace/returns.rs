//! Returns of calls that need no stop of their own, for something else shows them. Each stop that is not made spares the
//! waking of one thread by another, twice.
//!
//! Must not: take a call for done that may have been refused, or that a kill may have kept from being made.

use std::time::{Duration, Instant};

use libc::c_int;

use tracer_model::{
    event::Call,
    ids::{Pid, Tid},
};

use super::{
    calls::Answer,
    decode::{self, Begun, WaitFor},
    process::{Open, Process, ShownBy, Subject},
    stops::Stop,
    sys,
    tracer::Tracer,
};
use crate::capture::procfs;

/// `-ECHILD` and `-EACCES`.
const ECHILD: i64 = -10;
const EACCES: i64 = -13;

/// Whoever has not done by then what the kernel cannot refuse was refused it by somebody else.
const DONE_WITHIN: Duration = Duration::from_secs(1);

/// Threads that are held before they change the group of a process that another one is about to change: which of them did it
/// could not be told.
#[derive(Debug, Default)]
pub(super) struct Postponed {
    tids: Vec<Tid>,
    since: Option<Instant>,
}

impl Postponed {
    pub fn is_empty(&self) -> bool {
        self.tids.is_empty()
    }
}

impl Tracer {
    /// What will show the return of a call that begins: a stop, unless it is certain that something else will.
    pub fn shown_by(&self, pid: Pid, tid: Tid, begun: &Begun, subject: Subject) -> ShownBy {
        // One that does one thing at a time, in our pid namespace, and stops only where it is told to.
        let plain = |it: &Process| it.threads.len() == 1 && it.namespace.is_none();
        if !self.options.seccomp || !self.table.processes.get(&pid).is_some_and(plain) {
            ShownBy::Stop
        } else if let Some(group) = self.makes_group(pid, begun, subject) {
            ShownBy::Group(group)
        } else if self.ends_with_a_signal(pid, tid, begun) {
            ShownBy::Signal
        } else {
            ShownBy::Stop
        }
    }

    /// Whom a setpgid makes the leader of its group, if the kernel has no reason to refuse that (kernel/sys.c, `setpgid`): a
    /// process itself, whether or not it is already; or a child that is not, and that has executed nothing. Should that do so
    /// at this very moment, the call is refused, and the group is not the child's.
    fn makes_group(&self, pid: Pid, begun: &Begun, subject: Subject) -> Option<Pid> {
        let Call::Setpgid { pgid, .. } = begun.call else { return None };
        let target = match subject {
            Subject::Caller => pid,
            Subject::Other(child) => child,
            Subject::Unknown => return None,
        };
        let (caller, process) = (self.table.processes.get(&pid)?, self.table.processes.get(&target)?);
        let child = || {
            process.parent.pid == pid
                && process.forked
                && !process.zombie
                && process.threads.len() == 1
                && process.namespace.is_none()
                && process.session == caller.session
                && process.is_settled(true)
                && process.pgrp != target.0
                && !caller.facts.auto_reaps_children
        };
        let certain = !self.modules_refuse
            && (pgid == 0 || pgid == target.0 as i32)
            && !process.leaving
            && process.session != target.0
            && (target == pid || child());
        certain.then_some(target)
    }

    /// Whether a wait can only end with a signal to its caller, which stops before it takes it. A child that it waits for is
    /// alive: the end of a child is reported here before its parent knows of it (kernel/exit.c, `wait_task_zombie`), and then
    /// the parent gets SIGCHLD (kernel/signal.c, `do_notify_parent`), unless it ignores that, and then no child is left.
    fn ends_with_a_signal(&self, pid: Pid, tid: Tid, begun: &Begun) -> bool {
        let Some(process) = self.table.processes.get(&pid) else { return false };
        let alive = match decode::waits_for_ends(&begun.call) {
            Some(WaitFor::Any) => self.table.has_child(pid) && self.table.zombies(pid).next().is_none(),
            Some(WaitFor::Child(child)) => {
                let child = self.table.processes.get(&child);
                child.is_some_and(|child| child.parent.pid == pid && !child.zombie)
            }
            None => false,
        };
        alive
            && begun.registers_show_return()
            && !process.odd_children
            && !process.facts.subreaper
            && !process.facts.auto_reaps_children
            && sys::blocked_signals(tid).is_ok_and(|blocked| blocked >> (libc::SIGCHLD - 1) & 1 == 0)
    }

    /// How the call that a thread was in has ended, if this stop is the first to show it. Looks at the thread, so that it is to
    /// be asked before that is let go on.
    pub fn return_before(&mut self, tid: Tid, stop: Stop, word: c_int) -> Option<Answer> {
        let thread = self.table.threads.get(&tid)?;
        let (pid, open) = (thread.pid, thread.open?);
        match open.shown_by {
            ShownBy::Stop => None,
            ShownBy::Group(group) => {
                let killed = was_killed(tid, stop, word);
                // It has ended of its own accord since, and was released at once.
                let gone = group == pid && !killed && sys::pgid(pid).is_none();
                let answer = if gone { Some(self.leads(pid, tid, &open, group)) } else { None };
                if let Some(answer) = answer.or_else(|| self.seen_to_lead(pid, tid, &open, group)) {
                    return Some(answer);
                }
                self.table.close_call(tid);
                let executed = group != pid && procfs::read_stat(group).is_some_and(|child| !child.not_yet_execed());
                // Otherwise it was refused, with an error that nobody knows.
                self.modules_refuse |= !killed && !executed;
                (!killed && executed).then(|| Answer::of(pid, &open, EACCES, tid))
            }
            ShownBy::Signal => {
                let answer = self.woken(pid, &open, tid, stop, word).map(|ret| Answer::of(pid, &open, ret, tid));
                self.table.close_call(tid);
                answer
            }
        }
    }

    /// What a wait returned that was to end with a signal.
    fn woken(&self, pid: Pid, open: &Open, tid: Tid, stop: Stop, word: c_int) -> Option<i64> {
        let in_it = matches!(stop, Stop::Signal(_) | Stop::Trap | Stop::Group(_));
        if let Some(ret) = Some(tid).filter(|_| in_it).and_then(|tid| sys::returning(tid, open.begun.number)) {
            return Some(ret);
        }
        (!was_killed(tid, stop, word) && !self.table.has_child(pid)).then_some(ECHILD)
    }

    fn seen_to_lead(&mut self, pid: Pid, tid: Tid, open: &Open, group: Pid) -> Option<Answer> {
        sys::pgid(group).filter(|pgrp| *pgrp == group.0)?;
        Some(self.leads(pid, tid, open, group))
    }

    fn leads(&mut self, pid: Pid, tid: Tid, open: &Open, group: Pid) -> Answer {
        self.table.close_call(tid);
        if let Some(process) = self.table.processes.get_mut(&group).filter(|process| process.unsettled == 0) {
            (process.pgrp, process.unsure) = (group.0, process.leaving);
        }
        Answer::of(pid, open, 0, tid)
    }

    /// Tells of the calls that are seen to have returned although their thread has not stopped since.
    pub fn look_for_returns(&mut self) {
        for tid in self.table.unseen.clone() {
            if let Some((pid, open)) = self.table.threads.get(&tid).and_then(|thread| Some((thread.pid, thread.open?)))
                && let ShownBy::Group(group) = open.shown_by
                && let Some(answer) = self.seen_to_lead(pid, tid, &open, group)
            {
                self.returned(tid, &answer);
            }
        }
    }

    /// A process has executed a program. A parent that has not moved it by now cannot any more.
    pub fn cannot_be_moved(&mut self, pid: Pid) {
        while let Some((tid, parent, open)) = self.table.mover(pid) {
            self.table.close_call(tid);
            self.returned(tid, &Answer::of(parent, &open, EACCES, tid));
        }
    }

    /// Holds a thread before a call that changes the group of its process, if somebody else is about to do so. Whether it did.
    pub fn postpone(&mut self, pid: Pid, tid: Tid) -> bool {
        let postponed = self.table.mover(pid).is_some();
        if postponed {
            self.postponed.tids.push(tid);
            self.postponed.since.get_or_insert_with(Instant::now);
        }
        postponed
    }

    /// Lets those make their call who were held before it, if the other one has made its own, or in any case.
    pub fn resume_postponed(&mut self, now: bool) {
        if self.postponed.is_empty() {
            return;
        }
        let Postponed { tids, since } = std::mem::take(&mut self.postponed);
        for tid in tids {
            let Some(pid) = self.table.threads.get(&tid).map(|thread| thread.pid) else { continue };
            if now || since.is_some_and(|since| since.elapsed() > DONE_WITHIN) {
                self.modules_refuse |= !now;
                while let Some((mover, ..)) = self.table.mover(pid) {
                    self.table.close_call(mover);
                }
            }
            if self.table.mover(pid).is_none() {
                self.called(tid);
            } else {
                self.postponed.tids.push(tid);
                self.postponed.since = since;
            }
        }
    }

    /// Whether a thread is to stop before it exits. Its end is enough where nobody else feels its exit: it has no child to be
    /// adopted, no session and no terminal to be lost, and no other thread. The exit of such a process can still orphan its
    /// own group; who is continued by that is held until its end has been told ([`Tracer::trapped`]).
    pub fn must_stop_at_exit(&self, pid: Pid) -> bool {
        self.table.processes.get(&pid).is_none_or(|process| {
            !self.options.seccomp
                || process.threads.len() != 1
                || process.session == pid.0
                || process.tty.is_some()
                || process.namespace.is_some()
                || process.facts.subreaper
                || self.table.has_child(pid)
        })
    }

    /// Says whether a thread that is held is to stop before it exits.
    pub fn stop_at_exit(&mut self, tid: Tid, wanted: bool) {
        if let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| thread.stops_at_exit != wanted) {
            // One that was killed meanwhile stops as it did, or not at all.
            let _ = sys::set_options(tid, wanted);
            thread.stops_at_exit = wanted;
        }
    }
}

/// Whether a thread may have been killed in the call that it was in before this stop.
fn was_killed(tid: Tid, stop: Stop, word: c_int) -> bool {
    let exiting = || sys::message(tid).map_or(true, |code| code & 0x7f != 0);
    stop == Stop::Ended && !libc::WIFEXITED(word) || stop == Stop::Exiting && exiting()
}
