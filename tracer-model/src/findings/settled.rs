//! Processes that have settled: whoever forked them has ended, another process is their parent, and a second has passed.
//!
//! That is when a daemon should be one. Must not: judge.

use super::{
    Evidence, Now,
    waiting::{SECOND, Waiting, after},
};
use crate::{
    delta::Change,
    ids::{BootNs, ProcKey},
};

/// The processes that are about to settle.
#[derive(Debug, Default)]
pub(super) struct Settling(Waiting<ProcKey, Option<Evidence>>);

/// One that has.
pub(super) struct Settled {
    pub process: ProcKey,
    /// Who forked it.
    pub launcher: ProcKey,
    pub at: BootNs,
    /// Its new parent.
    pub reparented: Option<Evidence>,
}

impl Settling {
    /// Takes an event.
    pub fn event(&mut self, now: &Now<'_>) {
        for change in now.changes() {
            if let Change::Reparented { process, .. } = *change {
                self.0.put(process, after(now.at, SECOND), now.evidence_of(change));
            } else if let Change::Exited { process, .. } = *change {
                self.0.take(process);
            }
        }
    }

    /// When the next may have settled.
    pub fn next(&self) -> BootNs {
        self.0.next()
    }

    /// Those that have settled.
    pub fn due(&mut self, now: &Now<'_>) -> Vec<Settled> {
        let due = self.0.due(now.at).into_iter();
        due.filter_map(|(process, at, reparented)| settled(now, process, at, reparented)).collect()
    }

    /// Those that are about to at the end of the capture.
    pub fn end(&mut self, now: &Now<'_>) -> Vec<Settled> {
        let rest = self.0.rest().into_iter();
        rest.filter_map(|(process, at, reparented)| settled(now, process, at, reparented)).collect()
    }
}

fn settled(now: &Now<'_>, process: ProcKey, at: BootNs, reparented: Option<Evidence>) -> Option<Settled> {
    let launcher = now.memory.life(process)?.launcher?;
    (now.is_alive(process) && now.has_ended(launcher)).then_some(Settled { process, launcher, at, reparented })
}
