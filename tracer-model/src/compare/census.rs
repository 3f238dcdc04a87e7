//! Process groups, sessions and terminals as such: what follows of them from all processes as the kernel had them at one
//! instant, beside the model at that instant.
//!
//! Must not: compare processes, which [`super::process`] does, or be made of processes that were read at different instants.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Comparison, Fact, Interval, Value, interval, link};
use crate::{
    delta::LeaderState,
    event::{EXIT_DEAD, EXIT_ZOMBIE, RawId, State},
    ids::{Pgid, Pid, ProcKey, RawTty, Sid},
    state::{Knowledge, Model, Orphaned, Process, ProcessGroup, Session, Terminal, same_ino},
};

/// What a difference is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// A process.
    Process(Pid),
    /// A process group.
    Group(Pgid),
    /// A session.
    Session(Sid),
    /// A controlling terminal.
    Terminal(RawTty),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "{pid}"),
            Self::Group(pgid) => write!(f, "group {}", pgid.0),
            Self::Session(sid) => write!(f, "session {}", sid.0),
            Self::Terminal(tty) => write!(f, "terminal {tty}"),
        }
    }
}

/// What the comparison of one of them came to.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What was compared.
    pub entity: Entity,
    /// Where it differs.
    pub comparison: Comparison,
    /// Processes whose open intervals explain that: of those that only one side has, or of every member.
    concerned: BTreeSet<Pid>,
    /// Of these, whom the kernel does not have.
    absent: BTreeSet<Pid>,
}

impl Compared {
    /// An interval that explains a difference.
    #[must_use]
    pub fn explanation(&self, model: &Model, fact: Fact) -> Option<Interval> {
        let known = self.concerned.iter().filter_map(|pid| model.process_by_pid(*pid));
        known.into_iter().find_map(|process| {
            if self.absent.contains(&process.key.number) {
                interval::explanation_of_absence(model, process)
            } else {
                interval::of_membership(model, process, self.entity, fact)
            }
        })
    }
}

/// All processes of the machine, or of what is followed, as the kernel had them at one instant.
#[derive(Debug)]
pub struct Census<'a> {
    by_pid: BTreeMap<Pid, &'a State>,
    groups: BTreeMap<u32, Vec<&'a State>>,
    sessions: BTreeMap<u32, Vec<&'a State>>,
    terminals: BTreeMap<RawTty, Vec<&'a State>>,
    /// Processes that are there and were not shown, or were being released.
    unsure: BTreeSet<Pid>,
}

impl<'a> Census<'a> {
    /// Of these processes. `hidden` are there as well, and nothing is known of them.
    pub fn new(states: impl IntoIterator<Item = &'a State>, hidden: BTreeSet<Pid>) -> Self {
        let mut census = Self {
            by_pid: BTreeMap::new(),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            terminals: BTreeMap::new(),
            unsure: hidden,
        };
        for state in states {
            if state.exit_state & EXIT_DEAD != 0 || state.facts.unreadable {
                census.unsure.insert(state.id.pid);
                continue;
            }
            census.by_pid.insert(state.id.pid, state);
            census.groups.entry(state.pgrp.number).or_default().push(state);
            census.sessions.entry(state.session.number).or_default().push(state);
            if let Some(tty) = state.tty {
                census.terminals.entry(tty.tty).or_default().push(state);
            }
        }
        census
    }

    /// Compares every group, session and terminal of processes that `counts`. `strangers`: so do those that the model does not
    /// know.
    pub fn compare(&self, model: &Model, counts: impl Fn(&Process) -> bool, strangers: bool) -> Vec<Compared> {
        let known = |pid: Pid| model.process_by_pid(pid).filter(|known| known.knowledge == Knowledge::Seen);
        let shown = |state: &&&State| known(state.id.pid).map_or(strangers, &counts);
        let view = View { census: self, model, counts: &counts, strangers };
        let mut all = Vec::new();
        let groups = model.groups().filter_map(|group| view.group(group));
        let sessions = model.sessions().filter_map(|session| view.session(session));
        let terminals = model.terminals().filter_map(|terminal| view.terminal(terminal));
        all.extend(groups.chain(sessions).chain(terminals));
        // What only the kernel has.
        for (&number, members) in &self.groups {
            let members: BTreeSet<Pid> = members.iter().filter(shown).map(|state| state.id.pid).collect();
            if model.group_by_pgid(Pgid(number)).is_none_or(|group| group.ended.is_some()) && !members.is_empty() {
                all.push(unknown(Entity::Group(Pgid(number)), number, members));
            }
        }
        for (&number, members) in &self.sessions {
            let members: BTreeSet<Pid> = members.iter().filter(shown).map(|state| state.id.pid).collect();
            if !model.sessions().any(|session| session.key.number == Sid(number)) && !members.is_empty() {
                all.push(unknown(Entity::Session(Sid(number)), number, members));
            }
        }
        all
    }

    /// A leader's state, by its number. `member`: whether a process belongs to what it leads.
    fn leader(&self, number: u32, member: impl Fn(&State) -> bool) -> Option<LeaderState> {
        if self.unsure.contains(&Pid(number)) {
            return None;
        }
        Some(match self.by_pid.get(&Pid(number)) {
            None => LeaderState::Reaped,
            Some(state) if !member(state) => LeaderState::MovedAway,
            Some(state) if state.exit_state & EXIT_ZOMBIE != 0 && state.facts.single_thread => LeaderState::Zombie,
            Some(_) => LeaderState::Alive,
        })
    }
}

/// Something that the model does not have.
fn unknown(entity: Entity, number: u32, concerned: BTreeSet<Pid>) -> Compared {
    let mut comparison = Comparison::default();
    comparison.add(Fact::Existence, Value::None, Value::Number(number));
    Compared { entity, comparison, concerned, absent: BTreeSet::new() }
}

/// Existence and members. False when there is nothing else to compare.
fn existence(number: u32, ours: &BTreeSet<Pid>, theirs: &BTreeSet<Pid>, into: &mut Comparison) -> bool {
    if theirs.is_empty() {
        into.add(Fact::Existence, Value::Number(number), Value::None);
        return false;
    }
    into.compared += 1;
    let of = |pid: Option<&Pid>| pid.map_or(Value::None, |pid| Value::Number(pid.0));
    into.add(Fact::Members, of(ours.difference(theirs).next()), of(theirs.difference(ours).next()));
    true
}

fn leader(model: LeaderState, kernel: Option<LeaderState>, into: &mut Comparison) {
    match (model, kernel) {
        (LeaderState::Unknown, _) | (_, None) => into.undecided += 1,
        (model, Some(kernel)) => into.add(Fact::Leader, Value::Leader(model), Value::Leader(kernel)),
    }
}

/// A census beside a model.
struct View<'a, F> {
    census: &'a Census<'a>,
    model: &'a Model,
    counts: &'a F,
    strangers: bool,
}

impl<F: Fn(&Process) -> bool> View<'_, F> {
    /// Those members of the model's that are compared. `None`: of one of them the census knows nothing.
    fn members<'k>(&self, keys: impl Iterator<Item = &'k ProcKey>) -> Option<BTreeSet<Pid>> {
        let mut members = BTreeSet::new();
        for process in keys.filter_map(|key| self.model.process(*key)) {
            if self.census.unsure.contains(&process.key.number) || process.knowledge != Knowledge::Seen {
                return None;
            }
            if (self.counts)(process) {
                members.insert(process.key.number);
            }
        }
        Some(members)
    }

    /// The kernel's, those that are compared.
    fn shown(&self, states: Option<&Vec<&State>>) -> BTreeSet<Pid> {
        let counts = |pid: &Pid| self.model.process_by_pid(*pid).map_or(self.strangers, self.counts);
        states.into_iter().flatten().map(|state| state.id.pid).filter(counts).collect()
    }

    fn group(&self, group: &ProcessGroup) -> Option<Compared> {
        let number = group.key.number.0;
        let ours = self.members(group.members.iter()).filter(|members| !members.is_empty())?;
        let all = self.census.groups.get(&number);
        let theirs = self.shown(all);
        let mut comparison = Comparison::default();
        if existence(number, &ours, &theirs, &mut comparison) {
            let member = |state: &State| state.pgrp.number == number;
            leader(self.model.leader_state(group), self.census.leader(number, member), &mut comparison);
            let links = self.links(all.into_iter().flatten());
            match (group.orphaned, links) {
                (Orphaned::Unknown, _) | (_, None) => comparison.undecided += 1,
                (status, Some(links)) => {
                    comparison.add(Fact::Orphaned, Value::Is(status == Orphaned::Yes), Value::Is(!links));
                }
            }
        }
        Some(self.compared(Entity::Group(group.key.number), comparison, &ours, &theirs, number))
    }

    fn session(&self, session: &Session) -> Option<Compared> {
        let number = session.key.number.0;
        let groups: Vec<&ProcessGroup> = session.groups.iter().filter_map(|key| self.model.group(*key)).collect();
        let ours =
            self.members(groups.iter().flat_map(|group| &group.members)).filter(|members| !members.is_empty())?;
        let all = self.census.sessions.get(&number);
        let theirs = self.shown(all);
        let mut comparison = Comparison::default();
        if existence(number, &ours, &theirs, &mut comparison) {
            let shown = self.census.leader(number, |state| state.session.number == number);
            leader(self.model.session_leader_state(session), shown, &mut comparison);
            let has = all.into_iter().flatten().filter_map(|state| state.tty).find(|tty| tty.session.0 == number);
            let has = has.map(|tty| tty.tty);
            let knows = session.tty.map(|tty| self.as_shown(tty.tty));
            let value = |tty: Option<RawTty>| tty.map_or(Value::None, Value::Tty);
            comparison.add(Fact::Terminal, value(knows), value(has));
        }
        Some(self.compared(Entity::Session(session.key.number), comparison, &ours, &theirs, number))
    }

    fn terminal(&self, terminal: &Terminal) -> Option<Compared> {
        let tty = self.as_shown(terminal.key.tty);
        let ours = self.members(terminal.users.iter()).filter(|users| !users.is_empty())?;
        let all = self.census.terminals.get(&tty);
        let theirs = self.shown(all);
        let mut comparison = Comparison::default();
        let number = terminal.session.map_or(0, |session| session.number.0);
        if existence(number, &ours, &theirs, &mut comparison)
            && let Some(has) = all.into_iter().flatten().find_map(|state| state.tty)
        {
            let value = |number| if number == 0 { Value::None } else { Value::Number(number) };
            comparison.add(Fact::Session, value(number), value(has.session.0));
            if has.session.0 != 0 {
                let identity = |id: RawId| (id.number, id.ino);
                let (left, right) = super::lives(identity(terminal.foreground_id), identity(has.foreground));
                comparison.add(Fact::Foreground, left, right);
                if left == right
                    && let Some(exists) = self.exists(has.foreground)
                {
                    let known = terminal.foreground.is_some_and(|foreground| !foreground.empty);
                    comparison.add(Fact::ForegroundExists, Value::Is(known), Value::Is(exists));
                }
            }
        }
        Some(self.compared(Entity::Terminal(tty), comparison, &ours, &theirs, number))
    }

    /// Whether a group has a member. `None` when it may be one of whom nothing is known.
    fn exists(&self, group: RawId) -> Option<bool> {
        let members = self.census.groups.get(&group.number).into_iter().flatten();
        let found = members.into_iter().any(|member| same_ino(member.pgrp.ino, group.ino));
        (found || self.census.unsure.is_empty()).then_some(found)
    }

    /// Whether a member keeps a group from being orphaned; `None` when that cannot be told.
    fn links<'s>(&self, members: impl Iterator<Item = &'s &'s State>) -> Option<bool> {
        let mut none = Some(false);
        for state in members {
            match link(state).or_else(|| self.link_by_census(state)) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => none = None,
            }
        }
        none
    }

    /// The same where a bundle has not the parent's group: it is in the census.
    fn link_by_census(&self, state: &State) -> Option<bool> {
        let parent = self.census.by_pid.get(&state.parent.pid)?;
        let same_group = parent.pgrp.number == state.pgrp.number && same_ino(parent.pgrp.ino, state.pgrp.ino);
        Some(!same_group && parent.session.number == state.session.number)
    }

    /// A terminal as the census names it: `/proc` does not tell instances of devpts apart.
    fn as_shown(&self, tty: RawTty) -> RawTty {
        let coarse = RawTty { instance: 0, ..tty };
        if self.census.terminals.contains_key(&coarse) { coarse } else { tty }
    }

    fn compared(
        &self,
        entity: Entity,
        comparison: Comparison,
        ours: &BTreeSet<Pid>,
        theirs: &BTreeSet<Pid>,
        leader: u32,
    ) -> Compared {
        let (mut concerned, mut absent) = (BTreeSet::new(), BTreeSet::new());
        if !comparison.differences.is_empty() {
            concerned.extend(ours.symmetric_difference(theirs));
            if comparison.differences.iter().any(|it| !matches!(it.fact, Fact::Existence | Fact::Members)) {
                concerned.extend(ours.union(theirs));
                concerned.insert(Pid(leader));
            }
            absent = concerned.iter().filter(|pid| !self.census.by_pid.contains_key(pid)).copied().collect();
        }
        Compared { entity, comparison, concerned, absent }
    }
}
