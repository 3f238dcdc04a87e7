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

use super::{
    bundle::{self, Dispositions},
    sys,
    tracer::Tracer,
};

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
    pub fn signalled(&mut self, tid: Tid, number: c_int) {
        let signal = Signal(number as u32);
        if let Ok(info) = sys::signal_info(tid)
            // Otherwise it is in another stop by now, for it was killed.
            && info.si_signo == number
            && is_watched(signal, info.si_code)
        {
            self.taken(tid, signal, &info);
        }
        self.run_on(tid, number);
    }

    fn taken(&mut self, tid: Tid, signal: Signal, info: &libc::siginfo_t) {
        let Some(pid) = self.table.threads.get(&tid).map(|thread| thread.pid) else { return };
        let around = self.around;
        let Some(process) = self.table.processes.get_mut(&pid) else { return };
        let dispositions = bundle::read_status(process, around, tid).unwrap_or_default();
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
        if let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| !thread.stopped) {
            thread.stopped = true;
            let pid = thread.pid;
            let stopped = |tid: &Tid| self.table.threads.get(tid).is_some_and(|it| it.stopped || it.exiting);
            let all = self.table.processes.get(&pid).is_some_and(|process| process.threads.iter().all(stopped));
            if let Some(process) = self.table.processes.get_mut(&pid).filter(|_| all) {
                process.stopped = Some(signal);
            }
            self.emit_own(pid, tid, EventKind::Stopped { signal });
        }
        // Killed meanwhile, if it fails.
        let _ = sys::listen(tid);
    }

    /// A thread is new, was interrupted, or its group stop is over. The signal that ended the stop will be taken next, if it
    /// is not blocked.
    ///
    /// It may be the exit of a process that ended the stop (the orphan rule, kernel/exit.c `exit_notify`), which is reported
    /// a moment later: that comes first, and the thread is held until it does.
    pub fn trapped(&mut self, tid: Tid) {
        if self.table.threads.get(&tid).is_some_and(|thread| thread.stopped) && self.table.somebody_exits() {
            self.held.tids.push(tid);
            self.held.since.get_or_insert_with(Instant::now);
            return;
        }
        self.goes_on(tid);
    }

    /// Lets those go on who were held for somebody's exit, when nobody is exiting any more or it takes too long.
    pub fn release_held(&mut self, now: bool) {
        let long = self.held.since.is_some_and(|since| since.elapsed() > HOLD_AT_MOST);
        if now || long || !self.table.somebody_exits() {
            for tid in std::mem::take(&mut self.held).tids {
                self.goes_on(tid);
            }
        }
    }

    fn goes_on(&mut self, tid: Tid) {
        if let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| !thread.exiting)
            && std::mem::take(&mut thread.stopped)
            && let Some(process) = self.table.process_of_mut(tid)
        {
            process.stopped = None;
            let pid = process.id.pid;
            self.emit_own(pid, tid, EventKind::Continued);
        }
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
