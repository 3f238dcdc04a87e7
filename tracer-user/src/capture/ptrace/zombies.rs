//! Processes that have exited and whose reap no traced wait will show: their parent is not traced. Each is asked after
//! through a pidfd, which cannot mean a later process with the same number.
//!
//! Must not: claim more than that a process has been reaped by now.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use tracer_model::ids::Pid;

use super::sys;

/// Who is asked after.
#[derive(Debug, Default)]
pub(super) struct Zombies {
    watched: BTreeMap<Pid, OwnedFd>,
}

impl Zombies {
    /// Asks after a process from now on.
    pub fn watch(&mut self, pid: Pid, pidfd: OwnedFd) {
        self.watched.insert(pid, pidfd);
    }

    /// Nobody is asked after.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Those who have been reaped, once each.
    pub fn reaped(&mut self) -> Vec<Pid> {
        self.watched.extract_if(.., |_, pidfd| sys::is_reaped(pidfd)).map(|(pid, _)| pid).collect()
    }
}
