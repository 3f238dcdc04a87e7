//! What the timeline and the live output have in common: events become lines, lifetimes and counts of losses.
//!
//! Must not: write, or decide how a line looks.

use std::collections::BTreeMap;

use tracer_model::{
    delta::{Change, Delta, LeaderRace, OrphanCause, RaceWinner},
    event::{Call, Event, EventKind, GapCause},
    ids::{BootNs, PgrpKey, Pid, Tid},
    state::Model,
    timeline::Lifetimes,
};

use super::{
    Style,
    phrase::{Scene, has_living_members},
    row::{Row, Rows},
};
use crate::trace_file::{Header, PTRACE, Scope};

/// Events told so far.
#[derive(Debug)]
pub(super) struct Story {
    pub style: Style,
    /// Time 0.
    pub base: BootNs,
    /// The tracer let one call go at a time (ptrace).
    pub serialised: bool,
    /// The process whose descendants are followed.
    pub root: Option<Pid>,
    pub lives: Lifetimes,
    pub races: [Tally; 3],
    pub losses: Losses,
    /// Groups and sessions that ended and are told no more, for there are too many.
    pub forgotten: (usize, usize),
    /// Groups that were orphaned while members lived, and since when.
    pub orphaned: BTreeMap<PgrpKey, BootNs>,
    /// Groups all of whose members have exited, and since when.
    zombies_since: BTreeMap<PgrpKey, BootNs>,
    /// Calls that threads are in.
    calls: BTreeMap<Tid, Call>,
    rows: Rows,
}

/// Who can be first, in the order in which that is told.
pub(super) const WINNERS: [RaceWinner; 3] = [RaceWinner::Child, RaceWinner::Parent, RaceWinner::Undecided];

/// Races that the same side won.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub races: usize,
    /// The smallest margin, ns.
    pub closest: Option<u64>,
    /// Second calls that were refused.
    pub refused: usize,
}

impl Tally {
    fn count(&mut self, race: &LeaderRace) {
        self.races += 1;
        self.closest = self.closest.into_iter().chain(race.margin).min();
        self.refused += usize::from(race.errno != 0);
    }
}

/// What was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Lost records by cause.
    pub causes: BTreeMap<GapCause, u64>,
    /// From the beginning of the first gap to the end of the last.
    pub within: Option<(BootNs, BootNs)>,
}

impl Story {
    /// Nothing told yet. `kept`: lines stay here until the end.
    pub(super) fn new(header: &Header, style: Style, kept: bool) -> Self {
        let root = match header.scope {
            Scope::All => None,
            Scope::Tree { root, .. } => Some(root),
        };
        Self {
            style,
            base: header.boot_ns,
            serialised: header.backend == PTRACE,
            root,
            lives: Lifetimes::new(),
            races: WINNERS.map(|_| Tally::default()),
            forgotten: (0, 0),
            losses: Losses::default(),
            orphaned: BTreeMap::new(),
            zombies_since: BTreeMap::new(),
            calls: BTreeMap::new(),
            rows: if kept { Rows::kept() } else { Rows::default() },
        }
    }

    /// Begins in the middle: who lives, and what calls they are in.
    pub(super) fn begin_with(&mut self, model: &Model) {
        self.lives.begin_with(model);
        self.calls.extend(model.open_calls());
    }

    /// Tells one event.
    pub(super) fn tell(&mut self, event: &Event, delta: &Delta, model: &Model) {
        self.lives.observe(event, delta, model);
        self.losses.observe(event);
        let Self { style, base, serialised, root, ref lives, ref zombies_since, .. } = *self;
        let inside = self.calls.get(&event.actor.tid).copied();
        self.rows.add(&Scene { event, delta, model, lives, zombies_since, inside, root, base, serialised, style });
        self.follow_calls(event);
        for change in &delta.changes {
            self.note(change, model, event.at);
        }
        if !self.rows.are_kept() {
            self.forget(delta);
        }
    }

    /// Which calls threads are in.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are neither a beginning nor an end of a call")]
    fn follow_calls(&mut self, event: &Event) {
        match event.kind {
            EventKind::Enter { call, .. } => {
                self.calls.insert(event.actor.tid, call);
            }
            EventKind::Leave(_) | EventKind::Exit { .. } => {
                self.calls.remove(&event.actor.tid);
            }
            _ => {}
        }
    }

    /// Keeps what is told later.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that are told later are few")]
    fn note(&mut self, change: &Change, model: &Model, at: BootNs) {
        match *change {
            Change::LeaderRace(race) => {
                let mut tallies = WINNERS.iter().zip(&mut self.races);
                if let Some((_, tally)) = tallies.find(|(winner, _)| **winner == race.winner) {
                    tally.count(&race);
                }
            }
            Change::HeldByZombies { group } => {
                self.zombies_since.entry(group).or_insert(at);
            }
            Change::Orphaned { group, cause, .. }
                if cause != OrphanCause::Found && has_living_members(model, group) =>
            {
                self.orphaned.entry(group).or_insert(at);
            }
            // Somebody alive joined it, or nobody is left.
            Change::Joined { group, .. } | Change::GroupEnded { group, .. } => {
                self.zombies_since.remove(&group);
            }
            _ => {}
        }
    }

    /// Forgets what no line will need: what is told as it comes may go on for weeks.
    fn forget(&mut self, delta: &Delta) {
        let mut ended = false;
        for change in &delta.changes {
            if let Change::GroupEnded { group, .. } = change {
                self.orphaned.remove(group);
            }
            ended |= matches!(change, Change::GroupEnded { .. } | Change::SessionEnded { .. });
        }
        if ended {
            self.lives.forget_ended();
        }
    }

    /// The older half of the lines, when there are more than `most`. With them goes what is remembered of groups and sessions that
    /// have ended: a recording can be longer than any memory.
    pub(super) fn surplus(&mut self, most: usize) -> Option<Vec<Row>> {
        let rows = self.rows.surplus(most)?;
        let (groups, sessions) = self.lives.forget_ended();
        self.forgotten = (self.forgotten.0 + groups, self.forgotten.1 + sessions);
        let Self { lives, orphaned, .. } = self;
        orphaned.retain(|group, _| lives.group_life(*group).is_some());
        Some(rows)
    }

    /// How many lines, and accounts of groups, are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.rows.len() + self.lives.len() + self.orphaned.len() + self.zombies_since.len() + self.calls.len()
    }

    /// The lines so far, which are no longer kept.
    pub(super) fn take_rows(&mut self) -> Vec<Row> {
        self.rows.take()
    }
}

impl Losses {
    pub(super) fn observe(&mut self, event: &Event) {
        if let EventKind::Gap(gap) = &event.kind {
            let lost = self.causes.entry(gap.cause).or_default();
            *lost = lost.saturating_add(gap.lost);
            let (from, until) = self.within.unwrap_or((gap.from, gap.until));
            self.within = Some((from.min(gap.from), until.max(gap.until)));
        }
    }
}
