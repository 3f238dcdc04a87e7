//! Who is above a process, and who may have started it.

use super::{Model, Phase, Process};
use crate::ids::ProcKey;

/// Above one process there are seldom as many, and what comes from anywhere may claim to be a circle.
const MOST: usize = 64;

impl Model {
    /// The parent of a process, the parent of that, and so on, as far as they are known: no more than 64.
    pub fn ancestors(&self, process: ProcKey) -> impl Iterator<Item = &Process> {
        let parent = |process: &Process| self.process(process.parent?);
        std::iter::successors(self.process(process).and_then(parent), move |it| parent(it)).take(MOST)
    }

    /// It lives, and starts processes rather than adopt them.
    #[must_use]
    pub fn launches(&self, process: ProcKey) -> bool {
        let process = self.process(process).filter(|process| process.phase == Phase::Alive);
        process.is_some_and(|process| process.key.number.0 > 1 && !process.facts.subreaper)
    }

    /// The parent of a process, unless it has ended or that one adopts everybody: it forked the process.
    #[must_use]
    pub fn launching_parent(&self, process: ProcKey) -> Option<ProcKey> {
        let process = self.process(process).filter(|it| !it.parent_exited && !it.facts.parent_is_init)?;
        process.parent.filter(|parent| self.launches(*parent))
    }
}
