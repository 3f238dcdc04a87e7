//! What ended lately: a history of fixed size.
//!
//! Late records of a process that a parent's wait has reaped already (DEAD, FREED) must not be taken for another process,
//! and a call that came too late (setpgid into a group that has ended) is explained by what has ended. Must not grow.

use std::collections::VecDeque;

use super::{same_ino, same_start};
use serde::{Deserialize, Serialize};

use crate::{
    delta::Bounds,
    event::Namespace,
    ids::{BootNs, Life, Pgid, PgrpKey, Pid, ProcKey},
    table::{Key, Table},
};

/// How many ended processes, and how many ended groups, are remembered. The kernel frees a process within 50 ms of its
/// reap; at 10,000 reaps a second that is 500.
const CAPACITY: usize = 1024;

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
    processes: History<Pid, EndedProcess>,
    groups: History<Pgid, EndedGroup>,
}

/// The last [`CAPACITY`] entries, oldest first, each with the place of the one of the same number that ended before it.
#[derive(Clone, Debug)]
struct History<N, T> {
    entries: VecDeque<(T, Option<u64>)>,
    /// How many were forgotten: the place of the first.
    first: u64,
    /// Place of the last entry of each number.
    last: Table<N, u64>,
}

impl<N, T> Default for History<N, T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), first: 0, last: Table::default() }
    }
}

impl<N: Key, T> History<N, T> {
    fn push(&mut self, number: N, entry: T, number_of: impl Fn(&T) -> N) {
        let place = self.first + self.entries.len() as u64;
        let before = self.last.get(&number).copied();
        self.last.insert(number, place);
        self.entries.push_back((entry, before));
        if self.entries.len() > CAPACITY
            && let Some((oldest, _)) = self.entries.pop_front()
        {
            let number = number_of(&oldest);
            if self.last.get(&number) == Some(&self.first) {
                self.last.remove(&number);
            }
            self.first += 1;
        }
    }

    fn get(&self, place: u64) -> Option<&(T, Option<u64>)> {
        let index = place.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// Those of a number, latest first.
    fn of(&self, number: N) -> impl Iterator<Item = &T> {
        let last = self.last.get(&number).and_then(|place| self.get(*place));
        let entries = std::iter::successors(last, |(_, before)| before.and_then(|place| self.get(place)));
        entries.map(|(entry, _)| entry)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(entry, _)| entry)
    }
}

impl<N, T: PartialEq> PartialEq for History<N, T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries.iter().map(|(entry, _)| entry).eq(other.entries.iter().map(|(entry, _)| entry))
    }
}

impl Recent {
    /// Remembers a process.
    pub fn process_ended(&mut self, ended: EndedProcess) {
        self.processes.push(ended.key.number, ended, |ended| ended.key.number);
    }

    /// Remembers a group.
    pub fn group_ended(&mut self, ended: EndedGroup) {
        self.groups.push(ended.key.number, ended, |ended| ended.key.number);
    }

    /// Processes that had this number, latest first.
    pub fn processes(&self, pid: Pid) -> impl Iterator<Item = &EndedProcess> {
        self.processes.of(pid)
    }

    /// The ended process of this identity. Without a start time nothing is recognised.
    pub fn process(&self, pid: Pid, start: BootNs, ino: u64) -> Option<&EndedProcess> {
        self.processes(pid).find(|ended| start.0 != 0 && same_start(ended.start, start) && same_ino(ended.ino, ino))
    }

    /// The last group that had this number and ended.
    pub fn group(&self, pgid: Pgid) -> Option<&EndedGroup> {
        self.groups.of(pgid).next()
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
        let processes = recent.processes.iter().map(|ended| SavedProcess {
            pid: step(&mut pid, u64::from(ended.key.number.0)),
            life: step(&mut life, u64::from(ended.key.life.0)),
            start: step(&mut start, ended.start.0),
            ino: step(&mut ino, ended.ino),
            parent: ended.parent,
            namespace: ended.namespace,
        });
        let [mut pgid, mut life, mut at] = [0; 3];
        let groups = recent.groups.iter().map(|ended| SavedGroup {
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
