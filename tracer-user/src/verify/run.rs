//! One observation of everything, as it waits for the model to get there.
//!
//! Must not: judge a difference.

use std::collections::BTreeSet;

use tracer_model::{
    compare::{self, Census, Entity},
    ids::{BootNs, Pid, ProcKey, Seq},
    state::{Knowledge, Model, Phase, Process},
};

use super::{Whose, comparison::Whom};
use crate::capture::{Observation, procfs};

/// One observation of everything.
#[derive(Debug)]
pub(super) struct Run {
    observations: Vec<Observation>,
    /// Of these have been compared.
    pub next: usize,
    /// Whatever had ended when it was over has a number up to this.
    until: Seq,
    /// No number was given out for anything else while it was made.
    undisturbed: bool,
    /// Nothing happened while it was made, nor just before, and nothing was under way.
    pub quiet: bool,
    /// Processes that the model had when it began.
    expected: BTreeSet<ProcKey>,
}

impl Run {
    pub fn new(since: Seq, until: Seq, mut observations: Vec<Observation>) -> Self {
        observations.sort_by_key(|observation| observation.seq);
        // An iterator's records have numbers of their own; who looks at `/proc` gives none out.
        let numbers = observations.iter().map(|observation| observation.seq.0);
        let numbered = numbers.zip(since.0 + 1..).all(|(number, expected)| number == expected);
        let unnumbered = |observation: &Observation| observation.since == since && observation.seq == since;
        let undisturbed = numbered || until == since && observations.iter().all(unnumbered);
        // What has a number of its own among those of the events is not late.
        let until = if numbered { since } else { until };
        Self { observations, next: 0, until, undisturbed, quiet: false, expected: BTreeSet::new() }
    }

    pub fn first_seq(&self) -> Seq {
        self.observations.first().map_or(Seq(0), |observation| observation.seq)
    }

    /// Number and time of the last observation.
    pub fn last(&self) -> (Seq, BootNs) {
        self.observations.last().map(|observation| (observation.seq, observation.at)).unwrap_or_default()
    }

    /// The model has got to where this run begins. `told`: who is there for one side alone, and that is a divergence: nothing is
    /// under way with them.
    pub fn begin(&mut self, model: &Model, whose: Whose, last_event_at: BootNs, quiet_ns: u64, told: &BTreeSet<Whom>) {
        let begun = self.observations.first().map_or(BootNs(0), |observation| observation.at);
        let is_expected = |process: &&Process| {
            process.knowledge == Knowledge::Seen
                && process.phase != Phase::Reaped
                && (whose == Whose::Everyone || process.followed)
        };
        self.expected = model.processes().filter(is_expected).map(|process| process.key).collect();
        let under_way = compare::is_open(model)
            || self.shows_a_reap(model, told)
            || self.shows_a_fork(model, whose == Whose::Everyone, told);
        let settled = !under_way && !model.has_open_gap();
        self.quiet = self.undisturbed && settled && begun.since(last_event_at) >= quiet_ns;
    }

    /// Whether it shows this process.
    pub fn shows(&self, pid: Pid, start: BootNs) -> bool {
        let mut all = self.observations.iter().map(|observation| &observation.state.id);
        all.any(|id| id.pid == pid && id.start == start)
    }

    fn shown(&self) -> BTreeSet<Pid> {
        self.observations.iter().map(|observation| observation.state.id.pid).collect()
    }

    /// Whether a zombie is no more whose parent waits, or whose reap nothing tells: one that is still there can stay for long, and
    /// nothing is under way with it.
    fn shows_a_reap(&self, model: &Model, told: &BTreeSet<Whom>) -> bool {
        let shown = self.shown();
        let gone = self.expected.iter().filter(|key| !shown.contains(&key.number));
        let gone = gone.filter_map(|key| model.process(*key));
        let gone = gone.filter(|known| !told.contains(&(Entity::Process(known.key.number), known.start)));
        gone.into_iter().any(|known| known.is_zombie() && compare::explanation_of_absence(model, known).is_some())
    }

    /// Whether somebody is shown whom the model does not have: who is in the process table before the record of the fork is being
    /// made (`kernel/fork.c`, `copy_process`). A virtual processor can be away for long in between.
    fn shows_a_fork(&self, model: &Model, everyone: bool, told: &BTreeSet<Whom>) -> bool {
        self.observations.iter().map(|observation| &observation.state).any(|state| {
            let concerns = everyone || model.process_by_pid(state.parent.pid).is_some_and(|parent| parent.followed);
            let whom = (Entity::Process(state.id.pid), state.id.start);
            concerns && state.exit_state == 0 && !told.contains(&whom) && compare::known(model, state).is_none()
        })
    }

    /// The next observation, if the model has got there.
    pub fn take(&mut self, seq: Seq) -> Option<Observation> {
        let next = self.observations.get(self.next).filter(|next| next.seq < seq)?;
        self.next += 1;
        Some(next.clone())
    }

    /// Everything in it has been compared, and the model has got past it.
    pub fn is_over(&self, seq: Seq) -> bool {
        self.next >= self.observations.len() && self.last().0 < seq && self.until < seq
    }

    /// Processes that the model has had all the while and that were not shown, and of these, those that are there all the same:
    /// some kernels keep a process from the task iterator, and one that is in `/proc` is there.
    pub fn missing(&self, model: &Model) -> (Vec<ProcKey>, BTreeSet<Pid>) {
        let shown = self.shown();
        let (mut missing, mut hidden) = (Vec::new(), BTreeSet::new());
        for key in self.expected.iter().filter(|key| !shown.contains(&key.number)) {
            let Some(known) = model.process(*key).filter(|known| known.phase != Phase::Reaped) else { continue };
            let there = procfs::read(key.number);
            if there.is_some_and(|state| procfs::same_tick(state.id.start, known.start)) {
                hidden.insert(key.number);
            } else {
                missing.push(*key);
            }
        }
        (missing, hidden)
    }

    /// Every process at one instant. `None` when something happened while they were looked at.
    pub fn census(&self, hidden: BTreeSet<Pid>) -> Option<Census<'_>> {
        let states = self.observations.iter().map(|observation| &observation.state);
        self.undisturbed.then(|| Census::new(states, hidden))
    }
}
