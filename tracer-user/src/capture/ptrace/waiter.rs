//! The waiter, whose stops are of interest and nothing else. SIGSTOP cannot be caught, and no descriptor tells of it: a consumer
//! that knows of it must be its tracer, or look again and again.
//!
//! Must not: make events, or change what a signal does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use libc::c_int;
use nix::errno::Errno;

use tracer_model::ids::{Pid, Tid};

use super::{stops::Stop, sys, tracer::Tracer};

/// The waiter, while it is traced for its stops.
#[derive(Debug)]
pub(super) struct Waiter {
    tid: Tid,
    is_stopped: Arc<AtomicBool>,
}

impl Tracer {
    /// Has the consumer woken whenever the waiter stops. It has one thread.
    pub fn watch_waiter(&mut self, waiter: Pid, is_stopped: Arc<AtomicBool>) -> Result<(), Errno> {
        let tid = Tid(waiter.0);
        sys::seize_for_stops(tid)?;
        self.waiter = Some(Waiter { tid, is_stopped });
        Ok(())
    }

    /// A state change of the waiter. False: it is somebody else's.
    pub fn waiter_changed(&mut self, tid: Tid, word: c_int) -> bool {
        let Some(waiter) = self.waiter.as_ref().filter(|waiter| waiter.tid == tid) else { return false };
        let stop = Stop::of(word);
        let is_stopped = matches!(stop, Stop::Group(_));
        if waiter.is_stopped.swap(is_stopped, Ordering::Relaxed) != is_stopped {
            self.queue.wake();
        }
        // It was killed meanwhile, if one of these fails.
        let _ = match stop {
            Stop::Ended => {
                self.waiter = None;
                Ok(())
            }
            Stop::Group(_) => sys::listen(tid),
            Stop::Signal(signal) => sys::cont(tid, signal),
            Stop::Syscall
            | Stop::Forked { .. }
            | Stop::Executed
            | Stop::Exiting
            | Stop::Seccomp
            | Stop::Trap
            | Stop::Other => sys::cont(tid, 0),
        };
        true
    }
}
