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
    ids::{BootNs, Life, Pgid, PgrpKey, Pid, ProcKey},
};

/// How many ended processes, and how many ended groups, are remembered. The kernel frees a process within 50 ms of its
/// reap; at 10,000 reaps a second that is 500.
const CAPACITY: usize = 4096;

/// A process that was reaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EndedProcess {
    pub key: ProcKey,
    pub start: BootNs,
    pub ino: u64,
    pub parent: Option<ProcKey>,
    pub namespace: Option<Namespace>,
}

/// A group that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EndedGroup {
    pub key: PgrpKey,
    pub ended: Bounds,
}

/// The history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
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

/// The history as it is saved: in order, and as differences, which are small.
#[derive(Serialize, Deserialize)]
struct Saved {
    processes: Vec<SavedProcess>,
    groups: Vec<SavedGroup>,
}

#[derive(Serialize, Deserialize)]
struct SavedProcess {
    pid: i64,
    life: i64,
    start: i64,
    ino: i64,
    parent: Option<ProcKey>,
    namespace: Option<Namespace>,
}

#[derive(Serialize, Deserialize)]
struct SavedGroup {
    pgid: i64,
    life: i64,
    after: i64,
    until: i64,
}

/// The difference to the number before, which becomes this one. It wraps.
fn step(last: &mut u64, now: u64) -> i64 {
    now.wrapping_sub(std::mem::replace(last, now)).cast_signed()
}

/// The reverse.
fn back(last: &mut u64, step: i64) -> u64 {
    *last = last.wrapping_add(step.cast_unsigned());
    *last
}

impl From<Recent> for Saved {
    fn from(recent: Recent) -> Self {
        let [mut pid, mut life, mut start, mut ino] = [0; 4];
        let processes = recent.process_order.iter().filter_map(|key| recent.processes.get(key));
        let processes = processes.map(|ended| SavedProcess {
            pid: step(&mut pid, u64::from(ended.key.number.0)),
            life: step(&mut life, u64::from(ended.key.life.0)),
            start: step(&mut start, ended.start.0),
            ino: step(&mut ino, ended.ino),
            parent: ended.parent,
            namespace: ended.namespace,
        });
        let [mut pgid, mut life, mut at] = [0; 3];
        let groups = recent.group_order.iter().filter_map(|key| recent.groups.get(key));
        let groups = groups.map(|ended| SavedGroup {
            pgid: step(&mut pgid, u64::from(ended.key.number.0)),
            life: step(&mut life, u64::from(ended.key.life.0)),
            after: step(&mut at, ended.ended.after.0),
            until: step(&mut at, ended.ended.until.0),
        });
        Self { processes: processes.collect(), groups: groups.collect() }
    }
}

impl From<Saved> for Recent {
    fn from(saved: Saved) -> Self {
        let mut recent = Self::default();
        let [mut pid, mut life, mut start, mut ino] = [0; 4];
        for ended in saved.processes {
            let number = Pid(back(&mut pid, ended.pid) as u32);
            recent.process_ended(EndedProcess {
                key: ProcKey { number, life: Life(back(&mut life, ended.life) as u32) },
                start: BootNs(back(&mut start, ended.start)),
                ino: back(&mut ino, ended.ino),
                parent: ended.parent,
                namespace: ended.namespace,
            });
        }
        let [mut pgid, mut life, mut at] = [0; 3];
        for ended in saved.groups {
            let number = Pgid(back(&mut pgid, ended.pgid) as u32);
            recent.group_ended(EndedGroup {
                key: PgrpKey { number, life: Life(back(&mut life, ended.life) as u32) },
                ended: Bounds { after: BootNs(back(&mut at, ended.after)), until: BootNs(back(&mut at, ended.until)) },
            });
        }
        recent
    }
}
