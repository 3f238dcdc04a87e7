//! What becomes of a difference: settled, or a divergence.
//!
//! Must not: feed the model, or take the word of anything but an interval that is open for an excuse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tracer_model::{
    compare::{self, Census, Difference, Entity, Fact, Value},
    delta::Delta,
    event::{Event, EventKind, State},
    ids::{BootNs, Pid, ProcKey, Seq},
    state::Model,
};

use super::{
    Counts, Divergence, Excuse, SETTLE_NS, Whose,
    excuse::{self, Records},
    run::Run,
};
use crate::capture::Observation;

/// Nothing happened for so long before a quiet point.
const QUIET_NS: u64 = 10_000_000;
/// Events that are remembered, to be shown with a divergence.
const REMEMBERED: usize = 1 << 14;
/// Events shown with a divergence.
const SHOWN: usize = 12;
/// Divergences that are kept; all are counted.
const KEPT: usize = 64;

/// Whose difference: of a process with its start.
pub(super) type Whom = (Entity, BootNs);

/// A difference that may go away.
#[derive(Clone, Copy, Debug)]
struct Pending {
    difference: Difference,
    excuse: Excuse,
    since: BootNs,
    /// The observation that showed it first.
    seq: Seq,
    /// It has been reported.
    reported: bool,
}

/// What is compared, and what became of the differences.
#[derive(Debug)]
pub(super) struct Comparison {
    whose: Whose,
    runs: VecDeque<Run>,
    pending: BTreeMap<(Whom, Fact), Pending>,
    records: Records,
    recent: VecDeque<Event>,
    last_event_at: BootNs,
    /// When the last quiet point was over.
    quiet_at: BootNs,
    counts: Counts,
    divergences: Vec<Divergence>,
}

impl Comparison {
    pub fn new(whose: Whose) -> Self {
        Self {
            whose,
            runs: VecDeque::new(),
            pending: BTreeMap::new(),
            records: Records::default(),
            recent: VecDeque::new(),
            last_event_at: BootNs(0),
            quiet_at: BootNs(0),
            counts: Counts::default(),
            divergences: Vec::new(),
        }
    }

    /// What was done, and what was found.
    pub fn take_result(&mut self) -> (Counts, Vec<Divergence>) {
        self.counts.unsettled = self.pending.values().filter(|pending| !pending.reported).count() as u64;
        (std::mem::take(&mut self.counts), std::mem::take(&mut self.divergences))
    }

    /// Whether a divergence was found.
    pub fn has_diverged(&self) -> bool {
        self.counts.divergences > 0
    }

    /// When everything was last compared at a quiet point.
    pub fn quiet_at(&self) -> BootNs {
        self.quiet_at
    }

    /// Whether everything that was observed has been compared.
    pub fn is_idle(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes what was observed, to be compared when the model has got there. `since` is the last number that was given out
    /// before, `until` the last one when whatever had ended by then had got one.
    pub fn observed(&mut self, since: Seq, until: Seq, observations: Vec<Observation>) {
        if !observations.is_empty() {
            self.runs.push_back(Run::new(since, until, observations));
        }
    }

    /// Remembers an event.
    pub fn note(&mut self, event: &Event, delta: &Delta) {
        if let EventKind::Gap(gap) = &event.kind {
            self.counts.lost += gap.lost;
        }
        self.records.note(event.seq, delta);
        if !matches!(
            event.kind,
            EventKind::Snapshot { .. } | EventKind::SnapshotEnd { .. } | EventKind::ClockAnchor { .. }
        ) {
            self.last_event_at = self.last_event_at.max(event.at);
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
    }

    /// The model has got to `seq`: compares every observation before it.
    pub fn advance(&mut self, seq: Seq, model: &Model) {
        while let Some(run) = self.runs.front_mut() {
            if run.next == 0 && run.first_seq() < seq {
                run.begin(model, self.whose, self.last_event_at, QUIET_NS, &told(&self.pending));
            }
            if let Some(observation) = run.take(seq) {
                let quiet = run.quiet;
                self.compare(&observation, model, quiet);
            } else if run.is_over(seq) {
                let Some(run) = self.runs.pop_front() else { return };
                self.conclude(&run, model);
            } else {
                return;
            }
        }
    }

    /// Compares one process.
    fn compare(&mut self, observation: &Observation, model: &Model, quiet: bool) {
        let kernel = &observation.state;
        if !self.concerns(model, kernel) {
            return;
        }
        let whom = (Entity::Process(kernel.id.pid), kernel.id.start);
        let Some(comparison) = compare::process(model, kernel, observation.stop_known) else {
            self.counts.in_release += 1;
            return;
        };
        // Looked at between two numbers, it may have been seen before or after what happened between them.
        let touched = observation.since != observation.seq
            && model.process_by_pid(kernel.id.pid).is_none_or(|known| known.seen.seq > observation.since);
        if touched {
            return;
        }
        self.counts.processes += 1;
        self.counts.facts += comparison.compared;
        self.counts.undecided += comparison.undecided;
        let still: Vec<Fact> = comparison.differences.iter().map(|difference| difference.fact).collect();
        self.settle(whom, &still, observation.at, model);
        for difference in comparison.differences {
            let excuse = excuse::of_process(model, kernel.id.pid, difference);
            self.differs(whom, difference, excuse, (observation.seq, observation.at, quiet));
        }
    }

    fn concerns(&self, model: &Model, kernel: &State) -> bool {
        let followed = |pid: Pid| model.process_by_pid(pid).is_some_and(|known| known.followed);
        match self.whose {
            Whose::Everyone => true,
            Whose::Followed => {
                followed(kernel.id.pid) || model.process_by_pid(kernel.id.pid).is_none() && followed(kernel.parent.pid)
            }
        }
    }

    /// Those differences that are no more are settled, of a process if by what their excuse promised.
    fn settle(&mut self, whom: Whom, still: &[Fact], at: BootNs, model: &Model) {
        let gone: Vec<Fact> = self
            .pending
            .range((whom, Fact::Existence)..=(whom, Fact::Orphaned))
            .map(|((_, fact), _)| *fact)
            .filter(|fact| !still.contains(fact))
            .collect();
        for fact in gone {
            let Some(pending) = self.pending.remove(&(whom, fact)) else { continue };
            if pending.reported {
                continue;
            }
            // A group is looked at as such only when nothing happens: that may be long after it settled.
            let Entity::Process(pid) = whom.0 else { continue };
            self.counts.settled(pending.excuse, at.since(pending.since));
            if pending.excuse == Excuse::Record && !self.was_recorded(pid, pending, model) {
                self.diverge(whom.0, pending.difference, (pending.seq, pending.since, false), None);
            }
        }
    }

    /// Whether the record that a change was waiting for has come.
    fn was_recorded(&self, pid: Pid, pending: Pending, model: &Model) -> bool {
        let Some(process) = model.process_by_pid(pid) else { return true };
        self.records.came(process, pending.difference.fact, pending.seq)
    }

    /// A difference: new, or not gone yet.
    fn differs(
        &mut self,
        whom: Whom,
        difference: Difference,
        excuse: Option<Excuse>,
        (seq, at, quiet): (Seq, BootNs, bool),
    ) {
        let key = (whom, difference.fact);
        let before = self.pending.get(&key).copied().filter(|pending| pending.difference == difference);
        if let Some(pending) = before {
            let age = at.since(pending.since);
            let limit = pending.excuse.limit();
            if (quiet || age > limit) && !pending.reported {
                self.diverge(whom.0, difference, (seq, at, quiet), Some((pending.excuse, age)));
                self.pending.insert(key, Pending { reported: true, ..pending });
            }
            return;
        }
        let Some(excuse) = excuse.filter(|_| !quiet) else {
            self.diverge(whom.0, difference, (seq, at, quiet), excuse.map(|excuse| (excuse, 0)));
            self.pending.insert(key, Pending { difference, excuse: Excuse::Call, since: at, seq, reported: true });
            return;
        };
        *self.counts.in_flight.entry(excuse).or_default() += 1;
        self.pending.insert(key, Pending { difference, excuse, since: at, seq, reported: false });
    }

    fn diverge(
        &mut self,
        whose: Entity,
        difference: Difference,
        (seq, at, quiet): (Seq, BootNs, bool),
        excused: Option<(Excuse, u64)>,
    ) {
        self.counts.divergences += 1;
        if self.divergences.len() < KEPT {
            let events = self.events_about(whose, difference, seq);
            self.divergences.push(Divergence { whose, difference, seq, at, excused, quiet, events });
        }
    }

    /// The last events that a process is in: of a group or a session, the process in which it differs, or its leader.
    fn events_about(&self, whose: Entity, difference: Difference, seq: Seq) -> Vec<Event> {
        let member = |value| if let Value::Number(number) = value { Some(Pid(number)) } else { None };
        let differs = || member(difference.model).or_else(|| member(difference.kernel));
        let pid = match whose {
            Entity::Process(pid) => pid,
            Entity::Group(_) | Entity::Session(_) | Entity::Terminal(_) if difference.fact == Fact::Members => {
                differs().unwrap_or_default()
            }
            Entity::Group(pgid) => Pid(pgid.0),
            Entity::Session(sid) => Pid(sid.0),
            Entity::Terminal(_) => differs().unwrap_or_default(),
        };
        let about = |event: &&Event| {
            let subject = event.subject.as_ref().map(|state| state.id.pid);
            let freed = matches!(event.kind, EventKind::Freed { task } if task.pid == pid);
            let waited =
                matches!(&event.kind, EventKind::Leave(leave) if leave.waited.is_some_and(|it| it.child.pid == pid));
            event.seq <= seq && (event.actor.pid == pid || subject == Some(pid) || freed || waited)
        };
        let mut events: Vec<Event> = self.recent.iter().rev().filter(about).take(SHOWN).cloned().collect();
        events.reverse();
        events
    }

    /// The end of a run: who was not in it, and at a quiet point the groups.
    fn conclude(&mut self, run: &Run, model: &Model) {
        self.counts.checks += 1;
        self.counts.quiet += u64::from(run.quiet);
        let (seq, at) = run.last();
        if run.quiet {
            self.quiet_at = at;
        }
        let (missing, hidden) = run.missing(model);
        for key in missing {
            self.missing(key, model, (seq, at, run.quiet));
        }
        if let Some(census) = run.census(hidden) {
            self.entities(&census, model, (seq, at, run.quiet));
        }
        self.forget_the_gone(run, model, at);
        let oldest = self.pending.values().filter(|pending| !pending.reported).map(|pending| pending.seq).min();
        self.records.forget_until(oldest.unwrap_or(seq).min(seq));
    }

    /// The model has a process that the kernel did not show.
    fn missing(&mut self, key: ProcKey, model: &Model, place: (Seq, BootNs, bool)) {
        let Some(known) = model.process(key) else { return };
        let whom = (Entity::Process(key.number), known.start);
        self.counts.processes += 1;
        self.counts.facts += 1;
        let difference = Difference { fact: Fact::Existence, model: Value::Number(key.number.0), kernel: Value::None };
        let excuse = excuse::of_absence(model, known);
        self.differs(whom, difference, excuse, place);
    }

    /// Groups, sessions and terminals, at an instant at which nothing happened.
    fn entities(&mut self, census: &Census<'_>, model: &Model, (seq, at, quiet): (Seq, BootNs, bool)) {
        let everyone = self.whose == Whose::Everyone;
        let mut seen = BTreeSet::new();
        for compared in census.compare(model, |process| everyone || process.followed, everyone) {
            let whom = (compared.entity, BootNs(0));
            seen.insert(compared.entity);
            match compared.entity {
                Entity::Process(_) => self.counts.processes += 1,
                Entity::Group(_) => self.counts.groups += 1,
                Entity::Session(_) => self.counts.sessions += 1,
                Entity::Terminal(_) => self.counts.terminals += 1,
            }
            self.counts.facts += compared.comparison.compared;
            self.counts.undecided += compared.comparison.undecided;
            let still: Vec<Fact> = compared.comparison.differences.iter().map(|difference| difference.fact).collect();
            self.settle(whom, &still, at, model);
            for difference in &compared.comparison.differences {
                let excuse = excuse::of_entity(model, &compared, *difference);
                self.differs(whom, *difference, excuse, (seq, at, quiet));
            }
        }
        let gone: Vec<Whom> = self.pending.keys().map(|(whom, _)| *whom).collect();
        for whom in gone {
            if !matches!(whom.0, Entity::Process(_)) && !seen.contains(&whom.0) {
                self.settle(whom, &[], at, model);
            }
        }
    }

    /// Differences of processes that neither side has any more are settled.
    fn forget_the_gone(&mut self, run: &Run, model: &Model, at: BootNs) {
        let (counts, mut gone) = (&mut self.counts, Vec::new());
        self.pending.retain(|((whose, start), _), pending| {
            let Entity::Process(pid) = whose else { return true };
            let there = model.process_by_pid(*pid).is_some_and(|known| known.start == *start);
            let shown = pending.difference.fact == Fact::Existence && pending.difference.kernel != Value::None;
            let age = at.since(pending.since);
            if there || shown && (age <= SETTLE_NS || run.shows(*pid, *start)) {
                return true;
            }
            if !pending.reported {
                counts.settled(pending.excuse, age);
                gone.push((*pid, *pending));
            }
            false
        });
        // A process that was shown and that the model never had is no more: if it never came to be known, its records are
        // missing.
        for (pid, pending) in gone {
            let never = pending.difference.model == Value::None && pending.difference.fact == Fact::Existence;
            let seen = self.recent.iter().any(|event| {
                event.seq > pending.seq && event.subject.as_ref().is_some_and(|state| state.id.pid == pid)
            });
            if never && !seen && pending.excuse == Excuse::Record {
                let place = (pending.seq, pending.since, false);
                self.diverge(Entity::Process(pid), pending.difference, place, None);
            }
        }
    }
}

/// Whose existence is a divergence.
fn told(pending: &BTreeMap<(Whom, Fact), Pending>) -> BTreeSet<Whom> {
    let told = pending.iter().filter(|((_, fact), pending)| pending.reported && *fact == Fact::Existence);
    told.map(|((whom, _), _)| *whom).collect()
}
