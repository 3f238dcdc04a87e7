//! The model beside the kernel: observations that the model was never told of, each compared with the state that the model
//! had at the very number that the observation bears.
//!
//! Must not: feed the model, print, or know which source observes. What a fact is worth is judged in
//! [`tracer_model::compare`]; what becomes of a difference, in [`comparison`].

mod comparison;
mod excuse;
mod mutate;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use excuse::{Excuse, RECORDS, Unannounced};
pub use mutate::Mutation;
pub use report::{report, too_many_in_flight};

use std::{collections::BTreeMap, io, time::Duration};

use tracer_model::{
    compare::{Difference, Entity},
    delta::Delta,
    event::Event,
    ids::{BootNs, Seq},
    state::Model,
};

use self::{comparison::Comparison, mutate::Mutator};
use crate::{
    capture::{Item, Observation},
    sink::{Check, Sink},
    trace_file::{Header, Summary},
};

/// A difference that an open interval explains must be gone by then.
pub const SETTLE_NS: u64 = 100_000_000;
/// A difference after a loss must be gone by then: the model is resynchronised.
pub const HEAL_NS: u64 = 1_000_000_000;

/// Whose state is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of every process.
    Everyone,
    /// That of the followed processes.
    Followed,
}

/// A difference that nothing excuses.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Whose.
    pub whose: Entity,
    /// The difference.
    pub difference: Difference,
    /// The number and the time of the observation.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    /// Why it was excused at first, and for how long, ns.
    pub excused: Option<(Excuse, u64)>,
    /// At a quiet point.
    pub quiet: bool,
    /// The last events about the process before the observation.
    pub events: Vec<Event>,
}

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Observations of everything.
    pub checks: u64,
    /// Of these, at quiet points.
    pub quiet: u64,
    /// Processes compared.
    pub processes: u64,
    /// Process groups compared.
    pub groups: u64,
    /// Sessions compared.
    pub sessions: u64,
    /// Controlling terminals compared.
    pub terminals: u64,
    /// Facts compared.
    pub facts: u64,
    /// Facts that the model says it does not know.
    pub undecided: u64,
    /// Processes that were being released when they were looked at.
    pub in_release: u64,
    /// Differences that were excused, by why.
    pub in_flight: BTreeMap<Excuse, u64>,
    /// The longest that one took to settle, ns.
    pub longest: u64,
    /// Those that had settled, or whose process was gone, when they were looked at again, which was later than they may last: for
    /// how long they did is not known.
    pub looked_late: u64,
    /// Differences that were in flight at the end.
    pub unsettled: u64,
    /// Divergences.
    pub divergences: u64,
    /// Records that were lost.
    pub lost: u64,
    /// Everything was compared at a quiet point after the end was wanted.
    pub at_rest: bool,
}

impl Counts {
    /// A difference was gone when it was looked at again, so many ns after it was seen first.
    fn settled(&mut self, excuse: Excuse, age: u64) {
        if age <= excuse.limit() {
            self.longest = self.longest.max(age);
        } else {
            self.looked_late += 1;
        }
    }

    /// Processes, groups, sessions and terminals compared.
    #[must_use]
    pub fn entities(&self) -> u64 {
        self.processes + self.groups + self.sessions + self.terminals
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whose state is compared.
    pub whose: Whose,
    /// How often, at least.
    pub every: Duration,
    /// How long to wait for a quiet point at the end.
    pub rest: Duration,
    /// What is swallowed, for a check of the check.
    pub mutation: Option<Mutation>,
}

/// The outcome.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done.
    pub counts: Counts,
    /// What was found, as far as it was kept.
    pub divergences: Vec<Divergence>,
    /// What was swallowed.
    pub swallowed: Option<String>,
}

/// What takes the outcome.
pub type Conclude = Box<dyn FnOnce(Outcome) -> io::Result<()>>;

/// The comparison, as a sink.
pub struct Checker {
    comparison: Comparison,
    mutator: Mutator,
    every: u64,
    observed_at: BootNs,
    rest: u64,
    /// When the end was wanted.
    ending: Option<BootNs>,
    conclude: Option<Conclude>,
}

impl Checker {
    /// A new check. `conclude` takes the outcome at its end.
    #[must_use]
    pub fn new(options: &Options, conclude: Conclude) -> Self {
        let comparison = Comparison::new(options.whose);
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (every, rest) = (ns(options.every), ns(options.rest));
        let mutator = Mutator::new(options.mutation);
        Self { comparison, mutator, every, observed_at: BootNs(0), rest, ending: None, conclude: Some(conclude) }
    }
}

impl Sink for Checker {
    fn takes_findings(&self) -> bool {
        false
    }

    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, _: &Model) -> io::Result<()> {
        self.comparison.note(event, delta);
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        let Some(conclude) = self.conclude.take() else { return Ok(()) };
        let at_rest = self.ending.is_some_and(|ending| self.comparison.quiet_at() > ending);
        let (counts, divergences) = self.comparison.take_result();
        let counts = Counts { at_rest, ..counts };
        conclude(Outcome { counts, divergences, swallowed: self.mutator.swallowed() })
    }

    fn check(&mut self) -> Option<&mut dyn Check> {
        Some(self)
    }
}

impl Check for Checker {
    fn pass(&mut self, item: Item) -> Item {
        self.mutator.pass(item, !self.comparison.has_diverged())
    }

    fn every(&self) -> Duration {
        Duration::from_nanos(self.every)
    }

    fn is_due(&mut self, now: BootNs) -> bool {
        // One at a time: what is observed is compared when the model has got there.
        let due = self.comparison.is_idle() && now.since(self.observed_at) >= self.every;
        if due {
            self.observed_at = now;
        }
        due
    }

    fn observed(&mut self, since: Seq, until: Seq, observations: Vec<Observation>) {
        self.comparison.observed(since, until, observations);
    }

    fn reached(&mut self, seq: Seq, model: &Model) {
        self.comparison.advance(seq, model);
    }

    fn is_to_go_on(&mut self, now: BootNs) -> bool {
        let ending = *self.ending.get_or_insert(now);
        self.comparison.quiet_at() <= ending && now.since(ending) < self.rest
    }
}
