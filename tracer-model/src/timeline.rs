//! Lifetimes as intervals: process groups and sessions with their births, ends, members and terminals.
//!
//! An accumulator beside the model, owned by who wants the report: the model forgets what ended, this keeps it. Must not
//! keep what it is not asked for (single processes, signals), and must not format.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    delta::{Bounds, Change, Delta, GroupBirth, GroupEnd, OrphanCause, TtyChange},
    event::{Comm, Event},
    ids::{BootNs, PgrpKey, ProcKey, SessionKey, TtyKey},
    query,
    state::{Model, Process},
};

/// Life of one process group, as far as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupLife {
    /// The group.
    pub key: PgrpKey,
    /// Its session.
    pub session: SessionKey,
    /// How it came to be.
    pub birth: GroupBirth,
    /// When it was born, or found.
    pub from: BootNs,
    /// Its end; `None` when it lives on.
    pub end: Option<(Bounds, GroupEnd)>,
    /// Its members in the order in which they came, each stay on its own: those that are over are a bounded history.
    pub members: Vec<Membership>,
    /// Stays that are over and were forgotten, for there were too many.
    pub forgotten: usize,
    /// The account began when it was there already: who had been a member before is not known.
    pub partial: bool,
    /// When it was the foreground process group of a terminal.
    pub foreground: Vec<Interval<TtyKey>>,
    /// When it was orphaned, and by what.
    pub orphaned: Vec<Interval<OrphanCause>>,
    /// A member is (or descends from) the followed command.
    pub followed: bool,
}

/// A stay of a process in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// The process.
    pub process: ProcKey,
    /// Its last name while it was a member: hostile bytes.
    pub name: Comm,
    /// It joined, was forked into the group, or was found there.
    pub from: BootNs,
    /// It left.
    pub until: Option<BootNs>,
    /// It left by being reaped (`true`) or into another group.
    pub reaped: bool,
}

/// An interval with what it is about. Open while `until` is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval<T> {
    /// What.
    pub what: T,
    /// From.
    pub from: BootNs,
    /// Until.
    pub until: Option<BootNs>,
}

/// Life of one session, as far as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionLife {
    /// The session.
    pub key: SessionKey,
    /// Its leader, when that was seen.
    pub leader: Option<ProcKey>,
    /// The leader's last name: hostile bytes.
    pub name: Comm,
    /// When it was born, or found.
    pub from: BootNs,
    /// Its birth was seen.
    pub born: bool,
    /// When its leader exited while others were in it.
    pub leader_exited: Option<BootNs>,
    /// Its end; `None` when it lives on.
    pub until: Option<BootNs>,
    /// When it had a controlling terminal, and how that was lost.
    pub terminals: Vec<(Interval<TtyKey>, Option<TtyChange>)>,
    /// A process in it is (or descends from) the followed command.
    pub followed: bool,
}

/// The finished account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lives {
    /// Groups by first appearance.
    pub groups: Vec<GroupLife>,
    /// Sessions by first appearance.
    pub sessions: Vec<SessionLife>,
    /// Followed processes that have not been reaped, as a forest: [`query::left_behind`].
    pub left_behind: Vec<(ProcKey, usize)>,
}

/// How many stays that are over are remembered of each group, and how many intervals in the foreground, orphaned, or with a
/// terminal.
const HISTORY: usize = 4096;

/// The accumulator.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetimes {
    history: usize,
    groups: BTreeMap<PgrpKey, GroupLife>,
    sessions: BTreeMap<SessionKey, SessionLife>,
    /// The group that a process is in, of those here.
    member_of: BTreeMap<ProcKey, PgrpKey>,
    /// The group that is in the foreground of a terminal, of those here.
    foreground: BTreeMap<TtyKey, PgrpKey>,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifetimes {
    /// An empty account, with a history that is long enough for a report.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(HISTORY)
    }

    /// An empty account that remembers about as much of what is over in a group or session that lives on: at least `history`
    /// of each kind, and at most three times as much.
    #[must_use]
    pub fn with_history(history: usize) -> Self {
        Self {
            history,
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            member_of: BTreeMap::new(),
            foreground: BTreeMap::new(),
        }
    }

    /// Begins in the middle of a history, with those that live then: who was in a group before is not known, and who is in it
    /// was found there.
    pub fn begin_with(&mut self, model: &Model) {
        for process in model.processes() {
            self.place(process.key, model, model.now().at);
        }
        self.groups.values_mut().for_each(|life| life.partial = true);
    }

    /// Takes one event, what it changed, and the model after it.
    pub fn observe(&mut self, event: &Event, delta: &Delta, model: &Model) {
        for change in &delta.changes {
            self.observe_members(change, model, event.at);
            self.observe_group(change, model, event.at);
            self.observe_session(change, model, event.at);
        }
    }

    /// The account of one group so far.
    #[must_use]
    pub fn group_life(&self, key: PgrpKey) -> Option<&GroupLife> {
        self.groups.get(&key)
    }

    /// How many groups and sessions there is an account of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len() + self.sessions.len()
    }

    /// There is no account of any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets groups and sessions that have ended; returns how many of each were born before our eyes, or followed.
    pub fn forget_ended(&mut self) -> (usize, usize) {
        let (mut groups, mut sessions) = (0, 0);
        self.groups.retain(|_, life| {
            groups += usize::from(life.end.is_some() && (life.followed || life.birth != GroupBirth::Found));
            life.end.is_none()
        });
        self.sessions.retain(|_, life| {
            sessions += usize::from(life.until.is_some() && (life.followed || life.born));
            life.until.is_none()
        });
        (groups, sessions)
    }

    /// The account so far, with what is left behind now.
    #[must_use]
    pub fn finish(self, model: &Model) -> Lives {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        let mut sessions: Vec<_> = self.sessions.into_values().collect();
        groups.sort_by_key(|life| (life.from, life.key.life));
        sessions.sort_by_key(|life| (life.from, life.key.life));
        let name = |key: ProcKey| model.process(key).map(|process| process.comm.clone());
        for member in groups.iter_mut().flat_map(|life| &mut life.members).filter(|member| member.until.is_none()) {
            member.name = name(member.process).unwrap_or_default();
        }
        for life in &mut sessions {
            life.name = life.leader.and_then(name).unwrap_or_else(|| std::mem::take(&mut life.name));
        }
        Lives { groups, sessions, left_behind: query::left_behind(model) }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a reader of the few changes that move members")]
    fn observe_members(&mut self, change: &Change, model: &Model, at: BootNs) {
        match *change {
            Change::Forked { child: process, .. }
            | Change::Found { process, .. }
            | Change::Joined { process, .. }
            | Change::GroupBorn { leader: Some(process), .. } => self.place(process, model, at),
            Change::Reaped { process, bounds, .. } => self.leave(process, model, bounds.until, true),
            Change::Executed { process } => {
                if let Some(leader) = model.process(process) {
                    self.name_leader(leader);
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a reader of the few changes that concern a group as a whole")]
    fn observe_group(&mut self, change: &Change, model: &Model, at: BootNs) {
        match *change {
            Change::GroupBorn { group, .. } => {
                self.group(group, model);
            }
            Change::GroupEnded { group, end } => {
                let bounds = model.group(group).and_then(|group| group.ended).map(|(bounds, _)| bounds);
                if let Some(life) = self.groups.get_mut(&group) {
                    life.end = Some((bounds.unwrap_or(Bounds { after: at, until: at }), end));
                    close(life.orphaned.last_mut(), at);
                }
            }
            Change::Orphaned { group, cause, .. } => {
                let history = self.history;
                if let Some(life) = self.group(group, model) {
                    life.orphaned.push(Interval { what: cause, from: at, until: None });
                    trim(&mut life.orphaned, history, |interval| interval.until.is_some());
                }
            }
            Change::NoLongerOrphaned { group } => {
                close(self.groups.get_mut(&group).and_then(|life| life.orphaned.last_mut()), at);
            }
            Change::Foreground { tty, to, .. } => {
                self.set_foreground(tty, to.and_then(|to| to.group), model, at);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a reader of the few changes that concern a session")]
    fn observe_session(&mut self, change: &Change, model: &Model, at: BootNs) {
        match *change {
            Change::SessionBorn { session, .. } => {
                self.session(session, model);
            }
            Change::SessionEnded { session } => {
                if let Some(life) = self.sessions.get_mut(&session) {
                    life.until = Some(at);
                }
            }
            Change::SessionLeaderExited { session, .. } => {
                if let Some(life) = self.session(session, model) {
                    life.leader_exited = Some(at);
                }
            }
            Change::TtyGained { session, tty, .. } => {
                let history = self.history;
                if let Some(life) = self.session(session, model)
                    && !life.terminals.last().is_some_and(|(last, _)| last.what == tty && last.until.is_none())
                {
                    life.terminals.push((Interval { what: tty, from: at, until: None }, None));
                    trim(&mut life.terminals, history, |(interval, _)| interval.until.is_some());
                }
            }
            Change::TtyLost { session, tty, how } => {
                self.set_foreground(tty, None, model, at);
                if let Some((interval, lost)) = self.session(session, model).and_then(|life| life.terminals.last_mut())
                {
                    close(Some(interval), at);
                    *lost = how;
                }
            }
            _ => {}
        }
    }

    /// Puts a process into the group that the model has it in.
    fn place(&mut self, process: ProcKey, model: &Model, at: BootNs) {
        let Some(process) = model.process(process) else { return };
        let Some(group) = process.group else { return };
        if self.member_of.get(&process.key) == Some(&group) {
            return;
        }
        self.leave(process.key, model, at, false);
        let member =
            Membership { process: process.key, name: process.comm.clone(), from: at, until: None, reaped: false };
        let history = self.history;
        if let Some(life) = self.group(group, model) {
            life.members.push(member);
            life.forgotten += trim(&mut life.members, history, |stay| stay.until.is_some());
            life.followed |= process.followed;
            self.member_of.insert(process.key, group);
        }
        if process.followed
            && let Some(life) = process.session.and_then(|session| self.session(session, model))
        {
            life.followed = true;
        }
        self.name_leader(process);
    }

    /// Ends a stay.
    fn leave(&mut self, process: ProcKey, model: &Model, at: BootNs, reaped: bool) {
        let Some(life) = self.member_of.remove(&process).and_then(|group| self.groups.get_mut(&group)) else { return };
        let stays = life.members.iter_mut().rev();
        for stay in stays.filter(|stay| stay.process == process && stay.until.is_none()).take(1) {
            stay.until = Some(at);
            stay.reaped = reaped;
            if let Some(process) = model.process(process) {
                stay.name = process.comm.clone();
            }
        }
        if let Some(process) = model.process(process) {
            self.name_leader(process);
        }
    }

    /// Notes the name of a session's leader.
    fn name_leader(&mut self, process: &Process) {
        let life = process.session.and_then(|session| self.sessions.get_mut(&session));
        if let Some(life) = life.filter(|life| life.leader == Some(process.key)) {
            life.name = process.comm.clone();
        }
    }

    fn set_foreground(&mut self, tty: TtyKey, group: Option<PgrpKey>, model: &Model, at: BootNs) {
        let before = self.foreground.remove(&tty);
        if let Some(life) = before.and_then(|group| self.groups.get_mut(&group)) {
            close(life.foreground.iter_mut().rfind(|interval| interval.what == tty), at);
        }
        let history = self.history;
        if let Some(group) = group
            && let Some(life) = self.group(group, model)
            && !life.foreground.iter().rev().any(|interval| interval.what == tty && interval.until.is_none())
        {
            life.foreground.push(Interval { what: tty, from: at, until: None });
            trim(&mut life.foreground, history, |interval| interval.until.is_some());
            self.foreground.insert(tty, group);
        }
    }

    /// The account of a group, begun when it is new.
    fn group(&mut self, key: PgrpKey, model: &Model) -> Option<&mut GroupLife> {
        if let Entry::Vacant(vacant) = self.groups.entry(key) {
            let group = model.group(key)?;
            let mut life = GroupLife {
                key,
                session: group.session,
                birth: group.birth,
                from: group.first_seen,
                end: None,
                members: Vec::new(),
                forgotten: 0,
                partial: false,
                foreground: Vec::new(),
                orphaned: Vec::new(),
                followed: false,
            };
            if let Some(tty) = model.foreground_of(key) {
                life.foreground.push(Interval { what: tty, from: group.first_seen, until: None });
                self.foreground.insert(tty, key);
            }
            vacant.insert(life);
            self.session(group.session, model);
        }
        self.groups.get_mut(&key)
    }

    /// The account of a session, begun when it is new.
    fn session(&mut self, key: SessionKey, model: &Model) -> Option<&mut SessionLife> {
        if let Entry::Vacant(vacant) = self.sessions.entry(key) {
            let session = model.session(key)?;
            let leader = session.leader.and_then(|leader| model.process(leader));
            let from = session.first_seen;
            let terminals = session.tty.map(|tty| (Interval { what: tty, from, until: None }, None));
            let life = SessionLife {
                key,
                leader: session.leader,
                name: leader.map(|leader| leader.comm.clone()).unwrap_or_default(),
                from,
                born: session.born.is_some(),
                leader_exited: None,
                until: None,
                terminals: terminals.into_iter().collect(),
                followed: false,
            };
            vacant.insert(life);
        }
        self.sessions.get_mut(&key)
    }
}

/// Forgets the oldest of what is over, once in a while: looking every time would cost as much as there are members. Says how
/// many.
fn trim<T>(all: &mut Vec<T>, history: usize, is_over: impl Fn(&T) -> bool) -> usize {
    let before = all.len();
    if before > history.saturating_mul(2) && before.is_multiple_of(history.max(1)) {
        let mut surplus = all.iter().filter(|one| is_over(one)).count().saturating_sub(history);
        all.retain(|one| {
            let forgotten = surplus > 0 && is_over(one);
            surplus -= usize::from(forgotten);
            !forgotten
        });
    }
    before - all.len()
}

/// Ends an interval that is open.
fn close<T>(interval: Option<&mut Interval<T>>, at: BootNs) {
    if let Some(interval) = interval {
        interval.until.get_or_insert(at);
    }
}
