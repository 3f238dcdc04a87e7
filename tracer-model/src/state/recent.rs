//! What ended lately: a history of fixed size.
//!
//! Late records of a process that a parent's wait has reaped already (DEAD, FREED) must not be taken for another process,
//! and a call that came too late (setpgid into a group that has ended) is explained by what has ended. Must not grow.

use std::collections::{BTreeMap, VecDeque};

use super::{same_ino, same_start};
use serde::{Deserialize, Serialize};

use crate::{
    delta::Bounds,
    event::Namespace,
    ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey},
};

/// How many ended processes, and how many ended groups, are remembered. The kernel frees a process within 50 ms of its
/// reap; at 10,000 reaps a second that is 500.
const CAPACITY: usize = 4096;

/// A process that was reaped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndedProcess {
    pub key: ProcKey,
    pub start: BootNs,
    pub ino: u64,
    pub parent: Option<ProcKey>,
    pub namespace: Option<Namespace>,
}

/// A group that ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndedGroup {
    pub key: PgrpKey,
    pub ended: Bounds,
}

/// The history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    processes: BTreeMap<ProcKey, EndedProcess>,
    process_order: VecDeque<ProcKey>,
    groups: BTreeMap<PgrpKey, EndedGroup>,
    group_order: VecDeque<PgrpKey>,
}

impl Recent {
    /// Remembers a process.
    pub fn process_ended(&mut self, ended: EndedProcess) {
        self.process_order.push_back(ended.key);
        self.processes.insert(ended.key, ended);
        if self.process_order.len() > CAPACITY
            && let Some(oldest) = self.process_order.pop_front()
        {
            self.processes.remove(&oldest);
        }
    }

    /// Remembers a group.
    pub fn group_ended(&mut self, ended: EndedGroup) {
        self.group_order.push_back(ended.key);
        self.groups.insert(ended.key, ended);
        if self.group_order.len() > CAPACITY
            && let Some(oldest) = self.group_order.pop_front()
        {
            self.groups.remove(&oldest);
        }
    }

    /// Processes that had this number, latest first.
    pub fn processes(&self, pid: Pid) -> impl Iterator<Item = &EndedProcess> {
        let (first, last) = ProcKey::lives(pid);
        self.processes.range(first..=last).rev().map(|(_, ended)| ended)
    }

    /// The ended process of this identity. Without a start time nothing is recognised.
    pub fn process(&self, pid: Pid, start: BootNs, ino: u64) -> Option<&EndedProcess> {
        self.processes(pid).find(|ended| start.0 != 0 && same_start(ended.start, start) && same_ino(ended.ino, ino))
    }

    /// The last group that had this number and ended.
    pub fn group(&self, pgid: Pgid) -> Option<&EndedGroup> {
        let (first, last) = PgrpKey::lives(pgid);
        self.groups.range(first..=last).next_back().map(|(_, ended)| ended)
    }
}
