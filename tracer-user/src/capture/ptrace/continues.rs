//! Who goes on because of a call. SIGCONT ends a stop when it is sent (kernel/signal.c, `prepare_signal`), and who was stopped
//! shows that only when it gets a processor: on a busy machine long after the call has returned.
//!
//! Must not: take a stop for over that can have begun after the call.

use tracer_model::{
    event::{Call, EventKind, WaitStatus, Waited},
    ids::{Pid, Seq, Signal, Tid},
};

use super::{calls::Answer, process::Process, tracer::Tracer};

impl Tracer {
    /// A call has returned: tells who goes on of those that were stopped when it began.
    pub fn continued_by(&mut self, pid: Pid, answer: &Answer, waited: Option<Waited>) {
        let before = answer.open.entered.0;
        match (waited, answer.call.signal()) {
            // Reported until it is waited for or stopped again (kernel/exit.c, `wait_task_continued`).
            (Some(waited), _) if waited.status == WaitStatus::Continued => self.stop_is_over(waited.child.pid, before),
            (None, Some(Signal::CONT)) if answer.ret == 0 => {
                for target in self.sent_to(pid, &answer.call) {
                    self.stop_is_over(target, before);
                }
            }
            _ => {}
        }
    }

    /// Whom a call of a process has certainly sent SIGCONT.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other calls send nothing")]
    fn sent_to(&self, pid: Pid, call: &Call) -> Vec<Pid> {
        let Some(caller) = self.table.processes.get(&pid) else { return Vec::new() };
        let number = match *call {
            Call::Kill { target: 0, .. } => return self.members(caller, caller.pgrp),
            Call::Kill { target: group @ ..=-2, .. } => return self.members(caller, group.unsigned_abs()),
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

    /// The members of a group in the session of a process, in which everybody may continue everybody (kernel/signal.c,
    /// `check_kill_permission`).
    fn members(&self, caller: &Process, group: u32) -> Vec<Pid> {
        let sure = caller.namespace.is_none() && caller.is_settled(true);
        let is_in = |it: &&Process| it.pgrp == group && it.session == caller.session && it.is_settled(true);
        self.table.processes.values().filter(|_| sure).filter(is_in).map(|member| member.id.pid).collect()
    }

    /// The stop of a process is over if it had been told of by then.
    fn stop_is_over(&mut self, pid: Pid, before: Seq) {
        let Some(process) = self.table.processes.get(&pid) else { return };
        let stopped = |tid: &Tid| self.table.threads.get(tid).and_then(|thread| thread.stopped);
        let threads: Vec<Tid> = process.threads.iter().copied().filter(|tid| stopped(tid).is_some()).collect();
        if threads.iter().filter_map(stopped).all(|told| told < before) {
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
