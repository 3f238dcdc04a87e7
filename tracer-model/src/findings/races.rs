//! Races and how close they were: for each kind how often it went well and how often not, and by how much.
//!
//! A race that is lost once in a thousand runs shows in the margins of those that it did not lose. One more kind is a variant
//! of [`Race`], a row of [`RACES`], and the place in [`Races::take`] that knows both events. Must not: judge.

use std::collections::{BTreeMap, VecDeque};

use super::{
    lately::Lately,
    words::{Span, Words, say},
};
use crate::{
    delta::{Change, Delta, Refusal},
    event::{Call, Event, EventKind},
    ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, Seq},
    state::Model,
};

/// Races that are not over are remembered up to this number.
const OPEN: usize = 1024;
/// A group that comes into being later than this after its name was used was not meant, ns.
const SOON: u64 = 1_000_000_000;

/// A kind of race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Race {
    /// A process joins a process group before the group's leader is reaped.
    Join,
    /// A parent moves its child into a group before the child executes a program.
    Setpgid,
    /// A process group exists before it is joined, signalled or given the terminal.
    Birth,
}

/// What is to be said of a kind of race.
#[derive(Debug)]
pub struct RaceKind {
    /// It.
    pub race: Race,
    /// The rule that reports a loss.
    pub rule: &'static str,
    /// Its name: `join`.
    pub name: &'static str,
    /// What races against what; the first should win.
    pub order: &'static str,
    /// What is counted, one and several: `pipeline`, `pipelines`.
    pub unit: (&'static str, &'static str),
    /// What is said of the order that was meant, around the time between the two events.
    won: (&'static str, &'static str),
    /// And of the other.
    lost: (&'static str, &'static str),
}

impl RaceKind {
    /// That whose loss a rule reports.
    #[must_use]
    pub fn of_rule(rule: &str) -> Option<&'static Self> {
        RACES.iter().find(|kind| kind.rule == rule)
    }

    /// How often it was lost, and how close it was when it was not: `3 of 812 pipelines; closest success 7 µs`.
    #[must_use]
    pub fn tally(&self, outcomes: &Outcomes) -> Words {
        let all = outcomes.count();
        let unit = if all == 1 { self.unit.0 } else { self.unit.1 };
        let count = format!("{} of {all} {unit}", outcomes.lost.count);
        let closest = outcomes.won.closest.map(|closest| say!["; closest success ", Span(closest.margin)]);
        say![count, closest]
    }

    /// What one outcome was: `the leader was reaped 41 µs before the join`.
    #[must_use]
    pub fn told(&self, won: bool, margin: u64) -> Words {
        let (before, after) = if won { self.won } else { self.lost };
        say![before, " ", Span(margin), " ", after]
    }
}

/// Every kind.
pub const RACES: &[RaceKind] = &[
    RaceKind {
        race: Race::Join,
        rule: "JC102",
        name: "join",
        order: "the last member joins, then the leader is reaped",
        unit: ("pipeline", "pipelines"),
        won: ("the last member joined", "before the leader was reaped"),
        lost: ("the leader was reaped", "before the join"),
    },
    RaceKind {
        race: Race::Setpgid,
        rule: "JC101",
        name: "setpgid",
        order: "the parent moves its child, then the child executes a program",
        unit: ("child", "children"),
        won: ("the parent moved its child", "before that executed a program"),
        lost: ("the child had executed a program", "before its parent moved it"),
    },
    RaceKind {
        race: Race::Birth,
        rule: "JC104",
        name: "birth",
        order: "a process group is made, then its number is used",
        unit: ("process group", "process groups"),
        won: ("the process group was made", "before its number was used"),
        lost: ("the number was used", "before there was a process group of it"),
    },
];

/// The closest of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closest {
    /// Between the two events, ns.
    pub margin: u64,
    /// The second of them.
    pub seq: Seq,
    /// Its time.
    pub at: BootNs,
}

/// How often, and how close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Margins {
    /// How often.
    pub count: u64,
    /// The closest.
    pub closest: Option<Closest>,
    /// How often the margin was at least 2ⁿ ns and less than 2ⁿ⁺¹, by n (0 also for none).
    pub by_power: BTreeMap<u32, u64>,
}

impl Margins {
    fn add(&mut self, closest: Closest) {
        self.count += 1;
        *self.by_power.entry(closest.margin.checked_ilog2().unwrap_or(0)).or_default() += 1;
        if self.closest.is_none_or(|known| (known.margin, known.seq) > (closest.margin, closest.seq)) {
            self.closest = Some(closest);
        }
    }
}

/// Both outcomes of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// In the order that was meant.
    pub won: Margins,
    /// In the other.
    pub lost: Margins,
}

impl Outcomes {
    /// Races that are over.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.won.count + self.lost.count
    }
}

/// The races of what has been seen.
#[derive(Clone, Debug, Default)]
pub struct Races {
    outcomes: BTreeMap<Race, Outcomes>,
    /// The last join of groups whose leader is not reaped: when.
    joined: Lately<Pgid, (PgrpKey, BootNs), OPEN>,
    /// Groups that were joined in time, as far as was seen: somebody may come too late yet, and a pipeline counts once.
    won: Lately<PgrpKey, Closest, OPEN>,
    /// Groups of which a loss was counted.
    lost: VecDeque<PgrpKey>,
    /// Races that were forgotten before they were over, for too many others.
    uncounted: BTreeMap<Race, u64>,
    /// Children that were moved and have not executed a program: when.
    moved: Lately<ProcKey, BootNs, OPEN>,
    /// Groups that nobody has named yet: when they were made.
    born: Lately<PgrpKey, BootNs, OPEN>,
    /// Numbers of groups that were named too early: when.
    named: Lately<Pgid, BootNs, OPEN>,
}

impl Races {
    /// The outcomes of one kind.
    #[must_use]
    pub fn of(&self, race: Race) -> Outcomes {
        let mut outcomes = self.outcomes.get(&race).cloned().unwrap_or_default();
        if race == Race::Join {
            self.won.values().for_each(|closest| outcomes.won.add(*closest));
        }
        outcomes
    }

    /// Races of this kind that were forgotten before they were over, for too many others.
    #[must_use]
    pub fn uncounted(&self, race: Race) -> u64 {
        self.uncounted.get(&race).copied().unwrap_or(0)
    }

    /// Races of this kind that are not over: so far they were won.
    #[must_use]
    pub fn open(&self, race: Race) -> usize {
        match race {
            Race::Join => self.joined.len(),
            Race::Setpgid => self.moved.len(),
            Race::Birth => self.born.len(),
        }
    }

    /// How often a race of which this rule reports the loss was lost, where there was more than one.
    #[must_use]
    pub fn tally(&self, rule: &str) -> Option<Words> {
        let kind = RaceKind::of_rule(rule)?;
        let outcomes = self.of(kind.race);
        (outcomes.count() > 1).then(|| kind.tally(&outcomes))
    }

    /// Takes a change; `executed` is when the subject of a refused call executed a program.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that races are about")]
    pub(super) fn take(
        &mut self,
        change: &Change,
        (event, delta, executed): (&Event, &Delta, Option<BootNs>),
        model: &Model,
    ) {
        let at = event.at;
        match *change {
            Change::GroupBorn { group, leader: Some(leader), .. } => {
                self.moved_by_parent(leader, delta, model, at);
                let forgotten = self.born.put(group, at);
                self.forgot(Race::Birth, forgotten.is_some());
                if let Some(named) = self.named.take(group.number).filter(|named| at.since(*named) <= SOON) {
                    self.born.take(group);
                    self.over(Race::Birth, false, at.since(named), event);
                }
            }
            Change::Joined { process, group, .. } => {
                self.moved_by_parent(process, delta, model, at);
                let forgotten = self.joined.put(group.number, (group, at));
                self.forgot(Race::Join, forgotten.is_some());
                self.used(group, event);
            }
            Change::Foreground { to: Some(to), by: Some(_), .. } => {
                if let Some(group) = to.group {
                    self.used(group, event);
                }
            }
            Change::Executed { process } => {
                if let Some(moved) = self.moved.take(process) {
                    self.over(Race::Setpgid, true, at.since(moved), event);
                }
            }
            Change::Reaped { process, bounds, .. } => {
                self.moved.take(process);
                let number = Pgid(process.number.0);
                let led = |group: PgrpKey| model.group(group).is_none_or(|group| group.leader == Some(process));
                if self.joined.get(number).is_some_and(|(group, _)| led(*group))
                    && let Some((group, joined)) = self.joined.take(number)
                {
                    // So much at least: it was reaped between the two.
                    let reaped = if bounds.after > joined { bounds.after } else { bounds.until };
                    let closest = Closest { margin: reaped.since(joined), seq: event.seq, at: event.at };
                    if let Some(decided) = self.won.put(group, closest) {
                        self.outcomes.entry(Race::Join).or_default().won.add(decided);
                    }
                }
            }
            Change::GroupEnded { group, .. } => {
                if self.joined.get(group.number).is_some_and(|(joined, _)| *joined == group) {
                    self.joined.take(group.number);
                }
                self.born.take(group);
            }
            Change::Refused { call, reason, .. } => self.refused((call, reason), (event, delta, executed), model),
            _ => {}
        }
    }

    fn moved_by_parent(&mut self, child: ProcKey, delta: &Delta, model: &Model, at: BootNs) {
        let process = model.process(child);
        if delta.by.is_some_and(|by| process.is_some_and(|child| child.parent == Some(by) && child.not_yet_execed)) {
            let forgotten = self.moved.put(child, at);
            self.forgot(Race::Setpgid, forgotten.is_some());
        }
    }

    /// Somebody uses the number of a group.
    fn used(&mut self, group: PgrpKey, event: &Event) {
        if let Some(born) = self.born.take(group) {
            self.over(Race::Birth, true, event.at.since(born), event);
        }
    }

    fn refused(
        &mut self,
        refused: (Call, Refusal),
        (event, delta, executed): (&Event, &Delta, Option<BootNs>),
        model: &Model,
    ) {
        let EventKind::Leave(leave) = &event.kind else { return };
        let began = leave.entered.map_or(event.at, |(_, at)| at);
        match refused {
            (Call::Setpgid { .. }, Refusal::GroupEnded { group, ended }) if !self.lost.contains(&group) => {
                self.won.take(group);
                self.lost.push_back(group);
                if self.lost.len() > OPEN {
                    self.lost.pop_front();
                }
                self.over(Race::Join, false, began.since(ended.until), event);
            }
            (Call::Setpgid { .. }, Refusal::ExecutedBefore) => {
                if let Some(executed) = executed {
                    self.over(Race::Setpgid, false, began.since(executed), event);
                }
            }
            (Call::Setpgid { pgid: number @ 1.., .. }, Refusal::GroupNotYet)
            | (Call::Kill { target: number @ ..=-2, .. }, Refusal::NoSuchGroup) => {
                let number = number.unsigned_abs();
                if model.process_by_pid(Pid(number)).is_some_and(|leader| leader.parent == delta.by) {
                    self.named.put(Pgid(number), began);
                }
            }
            _ => {}
        }
    }

    fn forgot(&mut self, race: Race, forgotten: bool) {
        if forgotten {
            *self.uncounted.entry(race).or_default() += 1;
        }
    }

    fn over(&mut self, race: Race, won: bool, margin: u64, event: &Event) {
        let outcomes = self.outcomes.entry(race).or_default();
        let margins = if won { &mut outcomes.won } else { &mut outcomes.lost };
        margins.add(Closest { margin, seq: event.seq, at: event.at });
    }
}

impl super::Findings {
    /// The races of what has been seen, with their margins.
    #[must_use]
    pub fn races(&self) -> &Races {
        &self.memory().races
    }
}
