//! Signals, as they are taken; stops and continues.
//!
//! A signal is first seen when its target is about to take it, so one stop yields both the sending and the delivery. Must not:
//! keep a signal from its target, or run a thread that is stopped for job control.

use std::time::{Duration, Instant};

use libc::c_int;

use tracer_model::{
    event::{Comm, Disposition, EventKind, RawTask, SignalGenerated, SignalOrigin, SignalOutcome},
    ids::{BootNs, Pid, Signal, Tid},
};

use super::{bundle::Dispositions, calls::Answer, sys, tracer::Tracer};

/// `si_code` of what a process sends: kill, sigqueue, tgkill (include/uapi/asm-generic/siginfo.h). And of what the kernel
/// sends: `SI_KERNEL`.
const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;

/// `CLD_STOPPED` and `CLD_CONTINUED`: the only child statuses that are events of their own.
const CHILD_STOPPED_OR_CONTINUED: std::ops::RangeInclusive<i32> = 5..=6;
const CHILD_CODES: std::ops::RangeInclusive<i32> = 1..=6;

/// Those of job control, whoever sends them.
const WATCHED: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::KILL,
    Signal::TERM,
    Signal::CONT,
    Signal::STOP,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::WINCH,
];

/// Ignored when the disposition is the default (signal(7)).
const IGNORED_BY_DEFAULT: [Signal; 4] = [Signal::CHLD, Signal::CONT, Signal(libc::SIGURG as u32), Signal::WINCH];

fn is_watched(signal: Signal, code: i32) -> bool {
    let child = signal == Signal::CHLD && CHILD_STOPPED_OR_CONTINUED.contains(&code);
    WATCHED.contains(&signal) || child || matches!(code, SI_USER | SI_QUEUE | SI_TKILL)
}

/// An exit can be slow (a terminal is drained), and whoever was continued must not wait for that.
const HOLD_AT_MOST: Duration = Duration::from_millis(10);

/// Threads that are held at the end of a stop until whoever is exiting has exited.
#[derive(Debug, Default)]
pub(super) struct Held {
    tids: Vec<Tid>,
    since: Option<Instant>,
}

impl Held {
    pub fn is_empty(&self) -> bool {
        self.tids.is_empty()
    }
}

impl Tracer {
    /// A thread is about to take a signal, and takes it.
    /// It may have interrupted a call, or ended it, with this answer.
    pub fn signalled(&mut self, tid: Tid, number: c_int, returned: Option<Answer>) {
        let signal = Signal(number as u32);
        // If it has another number, the thread is in another stop by now, for it was killed.
        let info = sys::signal_info(tid).ok().filter(|info| info.si_signo == number);
        if let Some(info) = &info {
            self.note_odd_child(tid, signal, info);
        }
        let taken = info.filter(|info| is_watched(signal, info.si_code));
        let pid = self.table.threads.get(&tid).map(|thread| thread.pid);
        let early = taken.is_none() && !pid.is_some_and(|pid| self.table.must_read(pid));
        if early {
            self.run_on(tid, number);
        }
        if let Some(answer) = returned {
            self.returned(tid, &answer);
        }
        if let Some(info) = &taken {
            self.taken(tid, signal, info);
        }
        if !early {
            self.run_on(tid, number);
        }
    }

    /// Notes that a process has a child of which nothing else is seen.
    fn note_odd_child(&mut self, tid: Tid, signal: Signal, info: &libc::siginfo_t) {
        if signal == Signal::CHLD
            && CHILD_CODES.contains(&info.si_code)
            && let Some(process) = self.table.process_of(tid)
        {
            // SAFETY: these codes have a sender.
            let child = self.table.named(process, unsafe { info.si_pid() } as u32);
            if child.is_none_or(|child| self.table.last_known(child).is_none())
                && let Some(process) = self.table.process_of_mut(tid)
            {
                process.odd_children = true;
            }
        }
    }

    fn taken(&mut self, tid: Tid, signal: Signal, info: &libc::siginfo_t) {
        let Some(pid) = self.table.threads.get(&tid).map(|thread| thread.pid) else { return };
        let around = self.around;
        // It was killed, and takes nothing any more.
        let Some(dispositions) = self.table.read_status(pid, around, tid) else { return };
        let code = info.si_code;
        let (sender, sender_comm) = self.sender(pid, signal, info);
        let disposition = disposition(&dispositions, signal);
        let dropped = match disposition {
            Disposition::Ignored => true,
            Disposition::Default => IGNORED_BY_DEFAULT.contains(&signal),
            Disposition::Handler => false,
        };
        let generated = SignalGenerated {
            signal,
            origin: if code == SI_KERNEL { SignalOrigin::Kernel } else { SignalOrigin::Info(code) },
            process_directed: code != SI_TKILL,
            outcome: if dropped { SignalOutcome::Ignored } else { SignalOutcome::Delivered },
            disposition,
            blocked: dispositions.blocks(signal),
            at_delivery: true,
        };
        let state = self.table.state(around, pid, tid);
        self.emit(sender, sender_comm, state, EventKind::SignalGenerated(generated));
        if !dropped {
            self.emit_own(pid, tid, EventKind::SignalDelivered { signal, code, disposition });
        }
    }

    /// Who sent a signal: the siginfo says it for what processes send, and for what children are sent for. It has a number in
    /// the namespace of the target, 0 for one that is not visible there.
    fn sender(&self, target: Pid, signal: Signal, info: &libc::siginfo_t) -> (RawTask, Comm) {
        let child = signal == Signal::CHLD && CHILD_CODES.contains(&info.si_code);
        let nobody = (RawTask::default(), Comm::default());
        if !child && !matches!(info.si_code, SI_USER | SI_QUEUE | SI_TKILL) {
            return nobody;
        }
        // SAFETY: these codes have a sender.
        let number = unsafe { info.si_pid() };
        let Some(target) = self.table.processes.get(&target).filter(|_| number > 0) else { return nobody };
        let Some(pid) = self.table.named(target, number as u32) else { return nobody };
        match (self.table.processes.get(&pid), self.table.last_known(pid)) {
            (Some(process), _) => (process.id, process.comm.clone()),
            (None, Some(reaped)) => (reaped, Comm::default()),
            (None, None) => (RawTask { pid, tid: Tid(pid.0), start: BootNs(0) }, Comm::default()),
        }
    }

    /// A thread has stopped for job control, and stays so. That it is in the same stop still is no news.
    pub fn group_stopped(&mut self, tid: Tid, signal: Signal) {
        let told = self.queue.last();
        if let Some(thread) = self.table.threads.get_mut(&tid)
            && let pid = thread.pid
            && thread.stopped.replace(told).is_none()
        {
            let all = self.table.stands_still(pid);
            if let Some(process) = self.table.processes.get_mut(&pid) {
                (process.stop_signal, process.stopped) = (Some(signal), all);
            }
            self.emit_own(pid, tid, EventKind::Stopped { signal });
        }
        // Killed meanwhile, if it fails.
        let _ = sys::listen(tid);
    }

    /// A thread is new, was interrupted, or its group stop is over. The signal that ended the stop will be taken next, if it
    /// is not blocked.
    ///
    /// It may be the exit of a process that ended the stop (the orphan rule, kernel/exit.c `exit_notify`). That comes first, and
    /// the thread is held until it has been told: until all is handled that can be fetched by now, for the end of the process is
    /// among that (the kernel signals and ends under one lock), and until nobody is exiting.
    pub fn trapped(&mut self, tid: Tid) {
        if self.table.threads.get(&tid).is_some_and(|thread| thread.stopped.is_some()) {
            self.held.tids.push(tid);
            self.held.since.get_or_insert_with(Instant::now);
            return;
        }
        self.runs_on(tid);
    }

    /// Lets those go on who were held for somebody's exit, when nobody is exiting any more or it takes too long.
    pub fn release_held(&mut self, now: bool) {
        let long = self.held.since.is_some_and(|since| since.elapsed() > HOLD_AT_MOST);
        if now || long || !self.table.somebody_exits() {
            for tid in std::mem::take(&mut self.held).tids {
                self.runs_on(tid);
            }
        }
    }

    fn runs_on(&mut self, tid: Tid) {
        self.goes_on(tid);
        let pid = self.table.threads.get(&tid).map(|thread| thread.pid);
        self.stop_at_exit(tid, pid.is_none_or(|pid| self.must_stop_at_exit(pid)));
        self.run_on(tid, 0);
    }
}

fn disposition(dispositions: &Dispositions, signal: Signal) -> Disposition {
    if dispositions.ignores(signal) {
        Disposition::Ignored
    } else if dispositions.catches(signal) {
        Disposition::Handler
    } else {
        Disposition::Default
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;
    use crate::capture::ptrace::tracer::tests::{told, tracer};

    #[test]
    fn what_a_process_does_with_a_signal_is_not_told_when_it_cannot_be_read() {
        // More than there can be.
        let nobody = Tid(1 << 23);
        let mut tracer = tracer(Some(nobody));
        // SAFETY: all zeroes is a valid siginfo_t: it was sent with kill by nobody that is visible.
        let info = unsafe { MaybeUninit::<libc::siginfo_t>::zeroed().assume_init() };
        tracer.taken(nobody, Signal::TERM, &info);
        assert_eq!(told(&tracer), []);
    }
}
