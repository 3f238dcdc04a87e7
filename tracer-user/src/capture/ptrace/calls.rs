//! ENTER and LEAVE of the watched calls.
//!
//! Must not: change the call, its arguments or its result.

use tracer_model::{
    event::{Call, EventKind, Leave, RawTask, State, WaitStatus, Waited},
    ids::{BootNs, Pid, Tid},
};

use super::{
    attributes::Pending,
    decode::{self, Begun, Quiet, Returned},
    process::{Open, Process, ShownBy, Subject},
    sys::{self, SyscallStop},
    tracer::Tracer,
};
use crate::capture::procfs;

/// `-EACCES`.
const EACCES: i64 = -13;

/// A call that has returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Its caller's process.
    pid: Pid,
    pub open: Open,
    /// The call, with what it answered.
    pub call: Call,
    pub ret: i64,
    waited: Option<Returned>,
}

impl Answer {
    /// Looks for the answers in the memory of the thread, which is held.
    pub fn of(pid: Pid, open: &Open, ret: i64, tid: Tid) -> Self {
        let (call, waited) = (decode::answered(&open.begun, ret, tid), decode::returned(&open.begun, ret, tid));
        Self { pid, open: *open, call, ret, waited }
    }
}

impl Tracer {
    /// A thread is at the entry to a call or at its return. With the filter only watched ones stop, and these at the return
    /// only if it was asked for.
    pub fn called(&mut self, tid: Tid) {
        match sys::syscall_stop(tid) {
            Ok(SyscallStop::Entry { arch, number, args }) => {
                let attributes = self.options.attributes;
                if let Some(pending) = attributes.and_then(|it| Pending::of(arch, number, args, tid, it)) {
                    if let Some(thread) = self.table.threads.get_mut(&tid) {
                        thread.attribute = Some(pending);
                    }
                    self.run_to_return(tid);
                } else if let Some(quiet) = Quiet::of(arch, number, args) {
                    self.quietly(tid, quiet);
                } else if let Some(begun) = self.watched(arch, number, args, tid) {
                    self.entered(tid, begun);
                } else {
                    self.run_on(tid, 0);
                }
            }
            Ok(SyscallStop::Exit { ret }) => self.left(tid, ret),
            // Killed meanwhile.
            Ok(SyscallStop::Neither) | Err(_) => self.run_on(tid, 0),
        }
    }

    /// A call begins that is no event.
    fn quietly(&mut self, tid: Tid, quiet: Quiet) {
        match quiet {
            Quiet::Renames => {
                if let Some(thread) = self.table.threads.get_mut(&tid) {
                    thread.renaming = true;
                }
                self.run_to_return(tid);
            }
            Quiet::SendsChildrenAway => {
                if let Some(process) = self.table.process_of_mut(tid) {
                    process.children_away = true;
                }
                self.run_on(tid, 0);
            }
        }
    }

    /// A watched call begins. What it changes is looked at before it goes on.
    fn entered(&mut self, tid: Tid, begun: Begun) {
        let Some(caller) = self.table.process_of(tid) else { return self.run_on(tid, 0) };
        let pid = caller.id.pid;
        let subject = if let Call::Setpgid { pid: number, .. } = begun.call
            && number != 0
        {
            match self.table.named(caller, number as u32) {
                Some(target) if target == pid => Subject::Caller,
                Some(target) => Subject::Other(target),
                None => Subject::Unknown,
            }
        } else {
            Subject::Caller
        };
        if decode::is_transfer(&begun.call) {
            return self.transfers(pid, tid, begun);
        }
        if matches!(begun.call, Call::TtyIoctl { .. }) {
            // Whether SIGTTOU is ignored or blocked decides how it ends.
            self.table.read_status(pid, self.around, tid);
        }
        if matches!(begun.call, Call::Setpgid { .. } | Call::Setsid) && self.postpone(pid, tid) {
            return;
        }
        if matches!(begun.call, Call::Setsid | Call::SetSubreaper { .. }) {
            self.stop_at_exit(tid, true);
        }
        let shown_by = self.shown_by(pid, tid, &begun, subject);
        let early = !decode::changes(&begun.call) && !self.table.must_read(pid);
        if early {
            self.enter(tid, shown_by);
        }
        let (state, target_unknown) = self.subject(pid, tid, subject);
        if !early {
            self.enter(tid, shown_by);
        }
        let kind = EventKind::Enter { call: begun.call, target_unknown };
        let entered = self.emit_call(pid, tid, state, kind);
        self.table.open_call(tid, Open { begun, entered, emitted: true, subject, shown_by });
    }

    /// The call, if it is one that is watched: without the filter every call stops.
    fn watched(&self, arch: u32, number: u64, args: [u64; 6], tid: Tid) -> Option<Begun> {
        let begun = decode::begun(arch, number, args, tid);
        begun.filter(|begun| self.options.tty_io || !decode::is_transfer(&begun.call))
    }

    /// Lets a thread make the call that it is at the entry to.
    fn enter(&mut self, tid: Tid, shown_by: ShownBy) {
        if shown_by == ShownBy::Stop { self.run_to_return(tid) } else { self.run_on(tid, 0) }
    }

    /// A read or a write begins. From the background of a terminal it may be refused.
    fn transfers(&mut self, pid: Pid, tid: Tid, begun: Begun) {
        if !self.is_background(pid, tid) {
            return self.run_on(tid, 0);
        }
        // Whether it is refused or stops depends on what is ignored and blocked.
        self.table.read_status(pid, self.around, tid);
        let (entered, shown_by) = ((self.queue.last(), self.now), ShownBy::Stop);
        self.table.open_call(tid, Open { begun, entered, emitted: false, subject: Subject::Caller, shown_by });
        self.run_to_return(tid);
    }

    /// A call returns. The thread goes on as soon as what it could change is read: its group and session it cannot, for that
    /// takes another call.
    fn left(&mut self, tid: Tid, ret: i64) {
        let Some(thread) = self.table.threads.get_mut(&tid) else { return self.run_on(tid, 0) };
        let (pid, renamed) = (thread.pid, std::mem::take(&mut thread.renaming));
        let pending = thread.attribute.take();
        if let Some((pending, wanted)) = pending.zip(self.options.attributes)
            && let Some(attribute) = pending.returned(ret, tid, wanted)
        {
            self.emit_call(pid, tid, None, EventKind::Attribute(attribute));
        }
        let open = self.table.close_call(tid);
        if renamed {
            // Now: it may make no other stop, and be gone when its end is heard of.
            self.table.read_again(pid);
        }
        let matters = |open: &Open| !decode::is_transfer(&open.begun.call) || decode::was_refused(ret);
        let Some(open) = open.filter(matters) else { return self.run_on(tid, 0) };
        let answer = Answer::of(pid, &open, ret, tid);
        let early = !self.table.must_read(pid);
        if early {
            self.run_on(tid, 0);
        }
        self.returned(tid, &answer);
        if !early {
            self.run_on(tid, 0);
        }
    }

    /// Tells of a return.
    pub fn returned(&mut self, tid: Tid, answer: &Answer) {
        let Answer { pid, open, call, ret, waited } = *answer;
        if let Some(process) = self.table.processes.get_mut(&pid).filter(|_| ret == 0)
            && let Call::SetSubreaper { on } = call
        {
            process.facts.subreaper = on != 0;
        }
        if let Subject::Other(target) = open.subject
            && ret == EACCES
            && let Some(target) = self.table.processes.get_mut(&target)
        {
            // It has executed a program, which may not have been reported yet.
            target.stale = true;
        }
        let waited = waited.map(|waited| self.waited(pid, waited));
        self.continued_by(pid, answer);
        let (state, target_unknown) = self.subject(pid, tid, open.subject);
        let (entered, enter_emitted) = (Some(open.entered), open.emitted);
        let leave = Leave { call, ret, entered, enter_emitted, target_unknown, waited };
        self.emit_call(pid, tid, state, EventKind::Leave(leave));
        if call.is_wait() {
            let ended = |status| matches!(status, WaitStatus::Exited(_) | WaitStatus::Killed { .. });
            let known = |status| ended(status) || matches!(status, WaitStatus::Unknown { .. });
            // Without a start its number is not one of ours.
            let named = |waited: &Waited| known(waited.status) && !waited.left_waitable && waited.child.start.0 != 0;
            let reaped = waited.filter(named);
            self.settle_children(pid, reaped.map(|waited| waited.child.pid));
        }
    }

    fn emit_call(
        &mut self,
        pid: Pid,
        tid: Tid,
        state: Option<State>,
        kind: EventKind,
    ) -> (tracer_model::ids::Seq, BootNs) {
        let Some(caller) = self.table.processes.get(&pid) else { return (self.queue.last(), self.now) };
        let (actor, comm) = (caller.task(tid), caller.comm.clone());
        self.emit(actor, comm, state, kind)
    }

    /// The state of whom a call is about, and whether that is the caller for want of better.
    fn subject(&mut self, pid: Pid, tid: Tid, subject: Subject) -> (Option<State>, bool) {
        let other = match subject {
            Subject::Caller => return (self.table.state(self.around, pid, tid), false),
            Subject::Other(target) if self.table.processes.contains_key(&target) => {
                self.table.state(self.around, target, Tid(target.0))
            }
            Subject::Other(target) => self.outsider(target),
            Subject::Unknown => None,
        };
        match other {
            Some(state) => (Some(state), false),
            None => (self.table.state(self.around, pid, tid), true),
        }
    }

    /// A process that is not traced.
    fn outsider(&mut self, pid: Pid) -> Option<State> {
        // The number can be that of a thread.
        let mut state = procfs::read(procfs::process_of(Tid(pid.0)).filter(|process| *process == pid)?)?;
        self.complete(&mut state);
        Some(state)
    }

    /// Whether a process is in the background of its terminal.
    fn is_background(&mut self, pid: Pid, tid: Tid) -> bool {
        self.table
            .state(self.around, pid, tid)
            .is_some_and(|state| state.tty.is_some_and(|tty| tty.foreground.number != state.pgrp.number))
    }

    fn waited(&self, waiter: Pid, returned: Returned) -> Waited {
        let waiter = self.table.processes.get(&waiter);
        let named = |waiter| self.table.named(waiter, returned.number).or_else(|| self.gone_elsewhere(waiter));
        let child = waiter.and_then(named);
        let known = child.and_then(|child| self.table.processes.get(&child)).map(|child| child.id);
        let number = Pid(returned.number);
        let child = known.unwrap_or(RawTask { pid: number, tid: Tid(number.0), start: BootNs(0) });
        Waited { child, status: returned.status, left_waitable: returned.left_waitable }
    }

    /// The child of a process inside of a pid namespace that is in one further inside and has just been reaped, if that is one:
    /// of the numbers that it had, the one for its parent is not known.
    fn gone_elsewhere(&self, parent: &Process) -> Option<Pid> {
        let inside = parent.namespace?.inum;
        let elsewhere = |child: &Pid| {
            let child = self.table.processes.get(child).and_then(|child| child.namespace);
            child.is_some_and(|namespace| namespace.inum != inside)
        };
        let mut gone = self.table.zombies(parent.id.pid).filter(elsewhere).filter(|child| sys::pgid(*child).is_none());
        gone.next().filter(|_| gone.next().is_none())
    }
}
