//! Processes that have exited and whose reap no traced wait will show: their parent is not traced. Each is asked after
//! through a pidfd, which cannot mean a later process with the same number.
//!
//! Must not: claim more than that a process has been reaped by now.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracer_model::ids::Pid;

use super::sys;

/// Who is asked after.
#[derive(Debug, Default)]
pub(super) struct Zombies {
    watched: Mutex<BTreeMap<Pid, OwnedFd>>,
    any: AtomicBool,
}

impl Zombies {
    /// Asks after a process from now on.
    pub fn watch(&self, pid: Pid, pidfd: OwnedFd) {
        self.change(|watched| watched.insert(pid, pidfd));
    }

    /// Nobody is asked after.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// Those who have been reaped, once each.
    pub fn reaped(&self) -> Vec<Pid> {
        self.change(|watched| {
            let reaped: Vec<Pid> =
                watched.iter().filter(|(_, pidfd)| sys::is_reaped(pidfd)).map(|(pid, _)| *pid).collect();
            watched.retain(|pid, _| !reaped.contains(pid));
            reaped
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Pid, OwnedFd>) -> T) -> T {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut watched);
        self.any.store(!watched.is_empty(), Ordering::Relaxed);
        result
    }
}
