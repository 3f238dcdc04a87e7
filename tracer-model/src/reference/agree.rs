//! Whether two say the same of every process and every group: the small kernel, and the model.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::{Kernel, Task};
use crate::{
    delta::LeaderState,
    event::RawId,
    state::{self, Model, Orphaned, Phase},
};

/// What is said of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub parent: u32,
    pub pgid: u32,
    pub sid: u32,
    pub leader: bool,
    pub stopped: bool,
    pub zombie: bool,
    /// Number of its terminal, number of the foreground group, whether that is its own.
    pub tty: Option<(u32, u32, bool)>,
}

/// What is said of one process group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub members: BTreeSet<u32>,
    pub sid: u32,
    pub orphaned: Orphaned,
    pub leader: LeaderState,
}

/// Everything that is said at one time, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub processes: BTreeMap<u32, Process>,
    pub groups: BTreeMap<u32, Group>,
}

impl From<&Kernel> for Picture {
    fn from(kernel: &Kernel) -> Self {
        let process = |task: &Task| Process {
            parent: task.parent,
            pgid: task.pgrp.number,
            sid: task.session.number,
            leader: task.leader,
            stopped: task.stopped,
            zombie: task.zombie,
            tty: task.tty.map(|index| {
                let foreground = kernel.ttys[&index].foreground;
                (index, foreground.number, foreground == task.pgrp)
            }),
        };
        let group = |id: RawId, sid: u32| Group {
            members: kernel.members(id).into_iter().collect(),
            sid,
            orphaned: if kernel.orphaned(id) { Orphaned::Yes } else { Orphaned::No },
            leader: match kernel.tasks.get(&id.number) {
                None => LeaderState::Reaped,
                Some(task) if task.pgrp != id => LeaderState::MovedAway,
                Some(task) if task.zombie => LeaderState::Zombie,
                Some(_) => LeaderState::Alive,
            },
        };
        let ids: BTreeSet<_> = kernel.tasks.values().map(|task| (task.pgrp, task.session.number)).collect();
        Self {
            processes: kernel.tasks.iter().map(|(pid, task)| (*pid, process(task))).collect(),
            groups: ids.into_iter().map(|(id, sid)| (id.number, group(id, sid))).collect(),
        }
    }
}

impl From<&Model> for Picture {
    fn from(model: &Model) -> Self {
        let process = |process: &state::Process| Process {
            parent: process.parent.map_or(0, |parent| parent.number.0),
            pgid: process.group.map_or(0, |group| group.number.0),
            sid: process.session.map_or(0, |session| session.number.0),
            leader: process.facts.session_leader,
            stopped: process.stopped.is_some(),
            zombie: process.phase >= Phase::Zombie,
            tty: process.tty.map(|key| {
                let foreground = model.terminal(key).and_then(|tty| tty.foreground);
                let number = foreground.map_or(0, |foreground| foreground.number.0);
                (key.tty.minor, number, foreground.and_then(|foreground| foreground.group) == process.group)
            }),
        };
        let group = |group: &state::ProcessGroup| Group {
            members: group.members.iter().map(|member| member.number.0).collect(),
            sid: group.session.number.0,
            orphaned: group.orphaned,
            leader: model.leader_state(group),
        };
        Self {
            processes: model.processes().map(|one| (one.key.number.0, process(one))).collect(),
            groups: model.groups().map(|one| (one.key.number.0, group(one))).collect(),
        }
    }
}

/// Where they differ, in words; `None` when they do not.
pub fn difference(model: &Model, kernel: &Kernel) -> Option<String> {
    let (model, kernel) = (Picture::from(model), Picture::from(kernel));
    let pids: BTreeSet<_> = model.processes.keys().chain(kernel.processes.keys()).collect();
    for pid in pids {
        let (one, other) = (model.processes.get(pid), kernel.processes.get(pid));
        if one != other {
            return Some(format!("process {pid}: the model has {one:?}, the kernel {other:?}"));
        }
    }
    let pgids: BTreeSet<_> = model.groups.keys().chain(kernel.groups.keys()).collect();
    for pgid in pgids {
        let (one, other) = (model.groups.get(pgid), kernel.groups.get(pgid));
        if one != other {
            return Some(format!("group {pgid}: the model has {one:?}, the kernel {other:?}"));
        }
    }
    None
}
