//! Who goes on because of a call. SIGCONT ends a stop when it is sent (kernel/signal.c, `prepare_signal`), and who was stopped
//! shows that only when it gets a processor: on a busy machine long after the call has returned.
//!
//! Must not: take a stop for over that can have begun after the call.

use tracer_model::{
    event::{Call, EventKind},
    ids::{Pid, Seq, Signal, Tid},
};

use super::{calls::Answer, process::Process, sys, tracer::Tracer};

impl Tracer {
    /// A call has returned: tells who goes on of those that were stopped when it began.
    pub fn continued_by(&mut self, pid: Pid, answer: &Answer) {
        if answer.ret == 0 && answer.call.signal() == Some(Signal::CONT) {
            for target in self.sent_to(pid, &answer.call) {
                self.stop_is_over(target, answer.open.entered.0);
            }
        }
    }

    /// Whom a call of a process has certainly sent SIGCONT.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other calls send nothing")]
    fn sent_to(&self, pid: Pid, call: &Call) -> Vec<Pid> {
        let Some(caller) = self.table.processes.get(&pid) else { return Vec::new() };
        let number = match *call {
            Call::Kill { target: 0, .. } => return self.members(caller, sys::pgid(pid)),
            Call::Kill { target: group @ ..=-2, .. } => {
                return self.members(caller, self.table.named(caller, group.unsigned_abs()).map(|leader| leader.0));
            }
            Call::Kill { target: number @ 1.., .. }
            | Call::Tkill { tid: number, .. }
            | Call::Tgkill { tid: number, .. }
            | Call::Sigqueue { pid: number, .. }
            | Call::Tgsigqueue { tid: number, .. } => number,
            // Every process that there is, if it may; or whoever is behind a descriptor.
            _ => return Vec::new(),
        };
        let thread = self.table.named(caller, number.unsigned_abs());
        let thread = thread.and_then(|thread| self.table.threads.get(&Tid(thread.0)));
        thread.map(|thread| thread.pid).into_iter().collect()
    }

    /// Who is stopped of a group in the session of a process, in which everybody may continue everybody (kernel/signal.c,
    /// `check_kill_permission`). Who is stopped and has executed a program is moved by nobody: the kernel can be asked now.
    fn members(&self, caller: &Process, group: Option<u32>) -> Vec<Pid> {
        let session = sys::sid(caller.id.pid).filter(|_| caller.unsettled == 0);
        let stopped = |it: &&Process| it.threads.iter().any(|tid| self.told_to_stop(*tid).is_some()) && !it.forked;
        let is_in = |pid: &Pid| sys::pgid(*pid) == group && sys::sid(*pid) == session;
        let stopped = self.table.processes.values().filter(stopped).map(|it| it.id.pid);
        if group.is_none() || session.is_none() { Vec::new() } else { stopped.filter(is_in).collect() }
    }

    fn told_to_stop(&self, tid: Tid) -> Option<Seq> {
        self.table.threads.get(&tid)?.stopped
    }

    /// The stop of a process is over if it had been told of by then.
    fn stop_is_over(&mut self, pid: Pid, before: Seq) {
        let Some(process) = self.table.processes.get(&pid) else { return };
        let threads: Vec<Tid> =
            process.threads.iter().copied().filter(|tid| self.told_to_stop(*tid).is_some()).collect();
        if threads.iter().filter_map(|tid| self.told_to_stop(*tid)).all(|told| told < before) {
            for tid in threads {
                self.goes_on(tid);
            }
        }
    }

    /// A thread is in its group stop no more.
    pub fn goes_on(&mut self, tid: Tid) {
        if let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| !thread.exiting)
            && thread.stopped.take().is_some()
            && let Some(process) = self.table.process_of_mut(tid)
        {
            process.goes_on();
            let pid = process.id.pid;
            self.emit_own(pid, tid, EventKind::Continued);
        }
    }
}
