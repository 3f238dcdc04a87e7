//! Answers about the state as it is now: the process list, the tree of sessions, what was left behind.
//!
//! Pure readers of [`Model`]; must not keep anything between calls and must not format for a terminal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    sync::Arc,
};

use crate::{
    delta::{ForegroundGroup, LeaderState},
    event::Comm,
    ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, RawTty, SessionKey, Sid, TtyKey},
    state::{Knowledge, Model, Orphaned, Phase, Process},
};

/// One line of `ps -H`, with the columns that ps(1) lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct PsRow {
    /// The process.
    pub key: ProcKey,
    /// Its number.
    pub pid: Pid,
    /// Number of its real parent, 0 for none.
    pub ppid: Pid,
    /// That parent has exited, and who adopted the process was not seen yet.
    pub parent_exited: bool,
    /// Its process group.
    pub pgid: Pgid,
    /// Its session.
    pub sid: Sid,
    /// What `tcgetpgrp` returns on its controlling terminal: -1 without one, 0 without a foreground group.
    pub tpgid: i64,
    /// Its controlling terminal.
    pub tty: Option<RawTty>,
    /// Its state.
    pub state: PsState,
    /// Its name: hostile bytes.
    pub comm: Comm,
    /// Its arguments: hostile bytes; empty when they were not captured.
    pub args: Arc<[Vec<u8>]>,
    /// State of its group's leader.
    pub leader: LeaderState,
    /// Whether its group is orphaned.
    pub orphaned: Orphaned,
    /// Ancestors above it in the list.
    pub depth: usize,
}

/// The state column. It shows as ps(1) shows it, with these differences. Whether a process runs or sleeps (`R`, `S`, `D`,
/// `I`) is not in the events: that is a middle dot. `<`, `N` and `L` (priority, locked pages) are not known either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the independent flag letters of ps(1)")]
pub struct PsState {
    /// How far the process has got in its life.
    pub phase: Phase,
    /// Stopped for job control.
    pub stopped: bool,
    /// Session leader.
    pub session_leader: bool,
    /// More than one thread.
    pub multi_threaded: bool,
    /// Member of the foreground process group of its controlling terminal.
    pub foreground: bool,
}

impl fmt::Display for PsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.phase {
            Phase::Zombie | Phase::Released => 'Z',
            Phase::Reaped => 'X',
            Phase::Alive | Phase::Exiting if self.stopped => 'T',
            Phase::Alive | Phase::Exiting => '·',
        };
        let mut letters = String::from(letter);
        let flags = [(self.session_leader, 's'), (self.multi_threaded, 'l'), (self.foreground, '+')];
        flags.iter().filter(|(on, _)| *on).try_for_each(|(_, letter)| letters.write_char(*letter))?;
        f.pad(&letters)
    }
}

/// The process list in the order of `ps -H`: parents before their children, siblings and roots by start time. Processes that
/// are only referenced are not in it.
#[must_use]
pub fn ps(model: &Model) -> Vec<PsRow> {
    ps_of(model, |_| true)
}

/// [`ps`] of some processes: a process stands below its parent when both are among them.
#[must_use]
pub fn ps_of(model: &Model, select: impl Fn(&Process) -> bool) -> Vec<PsRow> {
    let listed = model.processes().filter(|process| process.knowledge == Knowledge::Seen && select(process));
    let listed = listed.map(|process| process.key);
    let row = |(key, depth)| model.process(key).map(|process| ps_row(model, process, depth));
    forest(model, listed).into_iter().filter_map(row).collect()
}

fn ps_row(model: &Model, process: &Process, depth: usize) -> PsRow {
    let tty = process.tty.and_then(|key| model.terminal(key));
    let group = process.group.and_then(|key| model.group(key));
    let foreground = tty.and_then(|tty| tty.foreground);
    PsRow {
        key: process.key,
        pid: process.key.number,
        ppid: process.parent.map_or(Pid(0), |parent| parent.number),
        parent_exited: process.parent_exited,
        pgid: process.group.map_or(Pgid(0), |group| group.number),
        sid: process.session.map_or(Sid(0), |session| session.number),
        tpgid: tty.map_or(-1, |_| foreground.map_or(0, |group| i64::from(group.number.0))),
        tty: tty.map(|tty| tty.key.tty),
        state: PsState {
            phase: process.phase,
            stopped: process.stopped.is_some(),
            session_leader: process.facts.session_leader,
            multi_threaded: !process.facts.single_thread,
            foreground: process.group.is_some() && foreground.and_then(|group| group.group) == process.group,
        },
        comm: process.comm.clone(),
        args: process.args.clone(),
        leader: group.map_or(LeaderState::Unknown, |group| model.leader_state(group)),
        orphaned: group.map_or(Orphaned::Unknown, |group| group.orphaned),
        depth,
    }
}

/// Orders processes as a forest by their parents; siblings by start time, then number. Gives each with its depth.
fn forest(model: &Model, processes: impl Iterator<Item = ProcKey>) -> Vec<(ProcKey, usize)> {
    let age = |key: ProcKey| (model.process(key).map_or(BootNs(0), |process| process.start), key);
    let all: BTreeSet<(BootNs, ProcKey)> = processes.map(age).collect();
    let keys: BTreeSet<ProcKey> = all.iter().map(|(_, key)| *key).collect();
    let parent = |key: ProcKey| model.process(key).and_then(|process| process.parent);
    let mut children: BTreeMap<Option<ProcKey>, Vec<ProcKey>> = BTreeMap::new();
    for (_, key) in &all {
        children.entry(parent(*key).filter(|parent| keys.contains(parent))).or_default().push(*key);
    }
    let mut rows = Vec::with_capacity(all.len());
    let mut listed = BTreeSet::new();
    // Contradicting events can make a ring of parents, which has no root: its members come last, as roots.
    let roots = children.get(&None).into_iter().flatten().copied();
    for root in roots.chain(all.iter().map(|(_, key)| *key)) {
        let mut stack = vec![(root, 0)];
        while let Some((key, depth)) = stack.pop() {
            if listed.insert(key) {
                rows.push((key, depth));
                let below = children.get(&Some(key)).into_iter().flatten().rev();
                stack.extend(below.map(|child| (*child, depth + 1)));
            }
        }
    }
    rows
}

/// A session with its process groups.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionView {
    /// The session.
    pub key: SessionKey,
    /// State of its leader.
    pub leader: LeaderState,
    /// Its controlling terminal.
    pub tty: Option<TtyKey>,
    /// That terminal's foreground group, which may not exist, or be in another session.
    pub foreground: Option<ForegroundGroup>,
    /// Its groups, by number.
    pub groups: Vec<GroupView>,
}

/// A process group with its processes.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupView {
    /// The group.
    pub key: PgrpKey,
    /// State of its leader.
    pub leader: LeaderState,
    /// Whether it is orphaned.
    pub orphaned: Orphaned,
    /// The terminal whose foreground group it is: not always that of its session.
    pub foreground_of: Option<TtyKey>,
    /// Its members as a forest: each with its depth below a member of the group.
    pub processes: Vec<(ProcKey, usize)>,
}

/// Session → process group → processes.
#[must_use]
pub fn tree(model: &Model) -> Vec<SessionView> {
    let session_view = |session: &crate::state::Session| SessionView {
        key: session.key,
        leader: model.session_leader_state(session),
        tty: session.tty,
        foreground: session.tty.and_then(|tty| model.terminal(tty)).and_then(|tty| tty.foreground),
        groups: session.groups.iter().filter_map(|key| group_view(model, *key)).collect(),
    };
    model.sessions().map(session_view).collect()
}

fn group_view(model: &Model, key: PgrpKey) -> Option<GroupView> {
    let group = model.group(key)?;
    Some(GroupView {
        key,
        leader: model.leader_state(group),
        orphaned: group.orphaned,
        foreground_of: model.foreground_of(key),
        processes: forest(model, group.members.iter().copied()),
    })
}

/// Followed processes ([`Model::follow`]) that have not been reaped, in the order of [`ps`] with their depth. Zombies are
/// among them.
#[must_use]
pub fn left_behind(model: &Model) -> Vec<(ProcKey, usize)> {
    forest(model, model.processes().filter(|process| process.followed).map(|process| process.key))
}
