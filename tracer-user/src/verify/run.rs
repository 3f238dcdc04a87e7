//! One observation of everything, as it waits for the model to get there.
//!
//! Must not: judge a difference.

use std::collections::{BTreeMap, BTreeSet};

use tracer_model::{
    compare,
    event::RawId,
    ids::{BootNs, Pid, ProcKey, Seq},
    state::{Knowledge, Model, Phase},
};

use super::Whose;
use crate::capture::{Observation, procfs};

/// One observation of everything.
#[derive(Debug)]
pub(super) struct Run {
    observations: Vec<Observation>,
    /// Of these have been compared.
    pub next: usize,
    /// No number was given out for anything else while it was made.
    undisturbed: bool,
    /// Nothing happened while it was made, nor just before.
    pub quiet: bool,
    /// Processes that the model had when it began.
    expected: BTreeSet<ProcKey>,
}

impl Run {
    pub fn new(last: Seq, mut observations: Vec<Observation>) -> Self {
        observations.sort_by_key(|observation| observation.seq);
        let numbers = observations.iter().map(|observation| observation.seq.0);
        let exact = observations.iter().all(|observation| observation.since == observation.seq);
        let undisturbed = if exact {
            numbers.zip(last.0 + 1..).all(|(number, expected)| number == expected)
        } else {
            numbers.min() == Some(last.0) && observations.last().is_some_and(|observation| observation.seq == last)
        };
        Self { observations, next: 0, undisturbed, quiet: false, expected: BTreeSet::new() }
    }

    pub fn first_seq(&self) -> Seq {
        self.observations.first().map_or(Seq(0), |observation| observation.seq)
    }

    /// Number and time of the last observation.
    pub fn last(&self) -> (Seq, BootNs) {
        self.observations.last().map(|observation| (observation.seq, observation.at)).unwrap_or_default()
    }

    /// The model has got to where this run begins.
    pub fn begin(&mut self, model: &Model, whose: Whose, last_event_at: BootNs, quiet_ns: u64) {
        let begun = self.observations.first().map_or(BootNs(0), |observation| observation.at);
        self.quiet = self.undisturbed && begun.since(last_event_at) >= quiet_ns;
        let is_expected = |process: &&tracer_model::state::Process| {
            process.knowledge == Knowledge::Seen
                && process.phase != Phase::Reaped
                && (whose == Whose::Everyone || process.followed)
        };
        self.expected = model.processes().filter(is_expected).map(|process| process.key).collect();
    }

    /// The next observation, if the model has got there.
    pub fn take(&mut self, seq: Seq) -> Option<Observation> {
        let next = self.observations.get(self.next).filter(|next| next.seq < seq)?;
        self.next += 1;
        Some(next.clone())
    }

    /// Everything in it has been compared, and the model has got past it.
    pub fn is_over(&self, seq: Seq) -> bool {
        self.next >= self.observations.len() && self.last().0 < seq
    }

    /// Processes that the model has had all the while and that were not shown. Some kernels keep a process from the task
    /// iterator: one that is in `/proc` is there.
    pub fn missing(&self, model: &Model) -> Vec<ProcKey> {
        let shown: BTreeSet<Pid> = self.observations.iter().map(|observation| observation.state.id.pid).collect();
        let is_missing = |key: &&ProcKey| {
            let known = model.process(**key).filter(|known| known.phase != Phase::Reaped);
            let hidden = || {
                procfs::read(key.number)
                    .is_some_and(|state| known.is_some_and(|known| procfs::same_tick(state.id.start, known.start)))
            };
            known.is_some() && !shown.contains(&key.number) && !hidden()
        };
        self.expected.iter().filter(is_missing).copied().collect()
    }

    /// Every group, and whether a member keeps it from being orphaned; `None` when that cannot be told.
    pub fn groups(&self) -> Vec<(RawId, Option<bool>)> {
        let mut groups: BTreeMap<RawId, Option<bool>> = BTreeMap::new();
        for state in self.observations.iter().map(|observation| &observation.state) {
            if state.pgrp.number == 0 {
                continue;
            }
            let links = groups.entry(state.pgrp).or_insert(Some(false));
            *links = match (*links, compare::link(state)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        groups.into_iter().collect()
    }
}
