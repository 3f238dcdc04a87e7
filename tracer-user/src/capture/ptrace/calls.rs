//! ENTER and LEAVE of the watched calls.
//!
//! Must not: change the call, its arguments or its result.

use tracer_model::{
    event::{Call, EventKind, Leave, RawTask, State, WaitStatus, Waited},
    ids::{BootNs, Pid, Tid},
};

use super::{
    bundle,
    decode::{self, Begun, Returned},
    sys::{self, SyscallStop},
    table::{Open, Subject},
    tracer::Tracer,
};
use crate::capture::{boot_now, procfs};

impl Tracer {
    /// A thread is at the entry to a call or at its return. With the filter only watched ones stop, and these at the return
    /// only if it was asked for.
    pub fn called(&mut self, tid: Tid) {
        let asked = match sys::syscall_stop(tid) {
            Ok(SyscallStop::Entry { arch, number, args }) => {
                let renaming = decode::renames(arch, number, args);
                if let Some(thread) = self.table.threads.get_mut(&tid) {
                    thread.renaming = renaming;
                }
                let begun = decode::begun(arch, number, args, tid);
                renaming || begun.is_some_and(|begun| self.entered(tid, begun))
            }
            Ok(SyscallStop::Exit { ret }) => {
                self.left(tid, ret);
                false
            }
            // Killed meanwhile.
            Ok(SyscallStop::Neither) | Err(_) => false,
        };
        if asked {
            // To its return.
            let _ = sys::syscall(tid, 0);
        } else {
            self.run_on(tid, 0);
        }
    }

    /// A watched call begins. Says whether its return matters.
    fn entered(&mut self, tid: Tid, begun: Begun) -> bool {
        let Some(caller) = self.table.process_of(tid) else { return false };
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
        if decode::is_transfer(&begun.call) && !self.is_background(pid, tid) {
            return false;
        }
        if matches!(begun.call, Call::TtyIoctl { .. })
            && let (around, Some(process)) = (self.around, self.table.processes.get_mut(&pid))
        {
            // Whether SIGTTOU is ignored or blocked decides how it ends.
            bundle::read_status(process, around, tid);
        }
        let emitted = !decode::is_transfer(&begun.call);
        let entered = if emitted {
            let (state, target_unknown) = self.subject(pid, tid, subject);
            let kind = EventKind::Enter { call: begun.call, target_unknown };
            self.emit_call(pid, tid, state, kind)
        } else {
            (self.queue.last(), boot_now())
        };
        if let Some(thread) = self.table.threads.get_mut(&tid) {
            thread.open = Some(Open { begun, entered, emitted, subject });
        }
        true
    }

    /// A call returns.
    fn left(&mut self, tid: Tid, ret: i64) {
        let Some(thread) = self.table.threads.get_mut(&tid) else { return };
        if std::mem::take(&mut thread.renaming)
            && let Some(process) = self.table.process_of_mut(tid)
        {
            process.stale = true;
            return;
        }
        let Some(thread) = self.table.threads.get_mut(&tid) else { return };
        let (pid, Some(open)) = (thread.pid, thread.open.take()) else { return };
        if decode::is_transfer(&open.begun.call) && !decode::was_refused(ret) {
            return;
        }
        if let Call::SetSubreaper { on } = open.begun.call
            && ret == 0
            && let Some(process) = self.table.processes.get_mut(&pid)
        {
            process.facts.subreaper = on != 0;
        }
        let waited = decode::returned(&open.begun, ret, tid).map(|returned| self.waited(pid, returned));
        let (state, target_unknown) = self.subject(pid, tid, open.subject);
        let leave = Leave {
            call: decode::answered(&open.begun, ret, tid),
            ret,
            entered: Some(open.entered),
            enter_emitted: open.emitted,
            target_unknown,
            waited,
        };
        self.emit_call(pid, tid, state, EventKind::Leave(leave));
        if decode::is_wait(&open.begun.call) {
            let ended = |status| matches!(status, WaitStatus::Exited(_) | WaitStatus::Killed { .. });
            let known = |status| ended(status) || matches!(status, WaitStatus::Unknown { .. });
            let reaped = waited.filter(|waited| known(waited.status) && !waited.left_waitable);
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
        let Some(caller) = self.table.processes.get(&pid) else { return (self.queue.last(), boot_now()) };
        let (actor, comm) = (caller.task(tid), caller.comm.clone());
        self.emit(actor, comm, state, kind)
    }

    /// The state of whom a call is about, and whether that is the caller for want of better.
    fn subject(&mut self, pid: Pid, tid: Tid, subject: Subject) -> (Option<State>, bool) {
        let other = match subject {
            Subject::Caller => return (self.table.state(self.around, pid, tid), false),
            Subject::Other(target) if self.table.processes.contains_key(&target) => {
                if let Some(target) = self.table.processes.get_mut(&target) {
                    // It runs: what it has just executed decides how the call ends, and may not have been reported yet.
                    target.stale = true;
                }
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
        let mut state = procfs::read(bundle::process_of(Tid(pid.0)).filter(|process| *process == pid)?)?;
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
        let child = waiter.and_then(|waiter| self.table.named(waiter, returned.number));
        let known = child.and_then(|child| self.table.processes.get(&child)).map(|child| child.id);
        let number = Pid(returned.number);
        let child = known.unwrap_or(RawTask { pid: number, tid: Tid(number.0), start: BootNs(0) });
        Waited { child, status: returned.status, left_waitable: returned.left_waitable }
    }
}
