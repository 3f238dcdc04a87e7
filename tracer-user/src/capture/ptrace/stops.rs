//! Every state change that wait(2) reports, to the one place that handles it.
//!
//! Must not: emit events.

use std::time::Instant;

use libc::c_int;

use tracer_model::ids::{Signal, Tid};

use super::{
    sys,
    tracer::{Mode, Tracer},
};

/// What a status word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Exited or killed: the thread is gone.
    Ended,
    /// Before it takes a signal.
    Signal(c_int),
    /// At the entry to or the exit from a call.
    Syscall,
    /// A new thread or process was made.
    Forked {
        vfork: bool,
    },
    Executed,
    Exiting,
    /// Held by seccomp, at the entry to a watched call.
    Seccomp,
    /// `PTRACE_EVENT_STOP` with a stop signal: a group stop.
    Group(Signal),
    /// `PTRACE_EVENT_STOP` otherwise: new, interrupted, or at the end of a group stop.
    Trap,
    /// One that was not asked for.
    Other,
}

impl Stop {
    pub fn of(word: c_int) -> Self {
        if !libc::WIFSTOPPED(word) {
            return Self::Ended;
        }
        let signal = libc::WSTOPSIG(word);
        match word >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Self::Syscall,
            0 => Self::Signal(signal),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_CLONE => Self::Forked { vfork: false },
            libc::PTRACE_EVENT_VFORK => Self::Forked { vfork: true },
            libc::PTRACE_EVENT_EXEC => Self::Executed,
            libc::PTRACE_EVENT_EXIT => Self::Exiting,
            libc::PTRACE_EVENT_SECCOMP => Self::Seccomp,
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Self::Trap,
            libc::PTRACE_EVENT_STOP => Self::Group(Signal(signal as u32)),
            _ => Self::Other,
        }
    }
}

impl Tracer {
    /// A state change of a thread whose events matter.
    pub fn captured(&mut self, tid: Tid, word: c_int) {
        if !self.table.threads.contains_key(&tid) {
            // Who forked it is going to say so, or dies before it can. It stays in this stop, unless it is killed.
            let early = self.table.early.entry(tid).or_insert_with(|| (word, Instant::now()));
            early.0 = word;
            return;
        }
        let stop = Stop::of(word);
        self.counts.count(stop, self.options.seccomp);
        self.look_for_returns();
        let returned = self.return_before(tid, stop, word);
        if let Stop::Signal(signal) = stop {
            return self.signalled(tid, signal, returned);
        }
        if let Some(answer) = returned {
            self.returned(tid, &answer);
        }
        match stop {
            Stop::Ended => self.ended(tid, word),
            Stop::Syscall | Stop::Seccomp => self.called(tid),
            Stop::Forked { vfork } => self.forked(tid, vfork),
            Stop::Executed => self.executed(tid),
            Stop::Exiting => self.exiting(tid),
            Stop::Group(signal) => self.group_stopped(tid, signal),
            Stop::Trap => self.trapped(tid),
            Stop::Signal(_) | Stop::Other => self.run_on(tid, 0),
        }
    }

    /// A state change that another one of the same thread followed before it was handled: the thread was killed, and whatever
    /// it is asked or told now is about the later stop. Nothing came of what it was about to do, except that it has executed
    /// a program.
    pub fn overtaken(&mut self, tid: Tid, word: c_int) {
        let stop = Stop::of(word);
        if stop == Stop::Executed && self.mode == Mode::Capturing {
            self.replaced(tid, tid);
        } else if stop == Stop::Ended {
            // Another thread has got the number since.
            self.handle(tid, word);
        }
    }

    /// A state change that is no event any more: the thread does what it would have done.
    pub fn served(&mut self, tid: Tid, word: c_int) {
        match Stop::of(word) {
            Stop::Ended => {}
            Stop::Signal(signal) => self.run_on(tid, signal),
            Stop::Group(_) => drop(sys::listen(tid)),
            Stop::Syscall
            | Stop::Forked { .. }
            | Stop::Executed
            | Stop::Exiting
            | Stop::Seccomp
            | Stop::Trap
            | Stop::Other => self.run_on(tid, 0),
        }
    }

    /// The occasion to let go of a thread. A stop that it was in before goes on.
    pub fn let_go(&mut self, tid: Tid, word: c_int) {
        let stop = Stop::of(word);
        if let Stop::Forked { .. } = stop
            && let Ok(child) = sys::message(tid)
        {
            let child = Tid(child as u32);
            // It stops by itself before it runs.
            self.attached.insert(child);
        }
        self.attached.remove(&tid);
        let signal = if let Stop::Signal(signal) = stop { signal } else { 0 };
        if stop != Stop::Ended {
            // One that was killed meanwhile is free already.
            let _ = sys::detach(tid, signal);
        }
    }

    /// Keeps the set of attached threads.
    pub fn note_attached(&mut self, tid: Tid, word: c_int) {
        match Stop::of(word) {
            Stop::Ended => {
                self.attached.remove(&tid);
            }
            Stop::Executed => {
                if let Ok(old) = sys::message(tid)
                    && old != u64::from(tid.0)
                {
                    self.attached.remove(&Tid(old as u32));
                }
                self.attached.insert(tid);
            }
            Stop::Signal(_)
            | Stop::Syscall
            | Stop::Forked { .. }
            | Stop::Exiting
            | Stop::Seccomp
            | Stop::Group(_)
            | Stop::Trap
            | Stop::Other => {
                self.attached.insert(tid);
            }
        }
    }
}
