//! What a rule has noticed and cannot decide yet: entries with a deadline, bounded in number.
//!
//! Time passes only by events (and by whoever tells the engine that none will come), so that a replay decides as the capture
//! did. Must not: know a rule.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::NEVER;
use crate::{
    ids::BootNs,
    table::{Key, Table},
};

/// More undecided matters than this are not kept: the one that is due first is given up.
const UNDECIDED: usize = 1024;

/// Entries by key, at most `MOST`.
#[derive(Clone, Debug)]
pub(super) struct Waiting<K: Ord, T, const MOST: usize = UNDECIDED> {
    entries: Table<K, (BootNs, T)>,
    /// The deadlines, with those of some entries that are no more.
    deadlines: BinaryHeap<Reverse<(BootNs, K)>>,
}

impl<K: Key, T, const MOST: usize> Default for Waiting<K, T, MOST> {
    fn default() -> Self {
        Self { entries: Table::default(), deadlines: BinaryHeap::new() }
    }
}

impl<K: Key, T, const MOST: usize> Waiting<K, T, MOST> {
    /// Puts an entry, in place of one of the same key.
    pub fn put(&mut self, key: K, deadline: BootNs, entry: T) {
        self.exchange(key, deadline, entry);
    }

    /// The same; returns the entry that is given up for it.
    pub fn exchange(&mut self, key: K, deadline: BootNs, entry: T) -> Option<T> {
        self.entries.insert(key, (deadline, entry));
        self.deadlines.push(Reverse((deadline, key)));
        let given_up = if self.entries.len() > MOST { self.pop(NEVER) } else { None };
        if self.deadlines.len() > 2 * MOST {
            let Self { entries, deadlines } = self;
            let mut left = std::mem::take(deadlines).into_vec();
            left.retain(|Reverse((deadline, key))| entries.get(key).is_some_and(|(at, _)| at == deadline));
            // An entry that was put again and again with the same deadline.
            left.sort_unstable();
            left.dedup();
            *deadlines = left.into();
        }
        given_up.map(|(.., entry)| entry)
    }

    /// Puts an entry, unless there is one of the same key, which keeps its deadline.
    pub fn put_first(&mut self, key: K, deadline: BootNs, entry: T) {
        if !self.entries.contains_key(&key) {
            self.put(key, deadline, entry);
        }
    }

    /// Takes an entry before its time.
    pub fn take(&mut self, key: K) -> Option<T> {
        let (_, entry) = self.entries.remove(&key)?;
        if self.entries.len() == 0 {
            self.deadlines.clear();
        }
        Some(entry)
    }

    /// An entry, to be changed.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.entries.get_mut(&key).map(|(_, entry)| entry)
    }

    /// No entry is due before this.
    pub fn next(&self) -> BootNs {
        self.deadlines.peek().map_or(NEVER, |Reverse((deadline, _))| *deadline)
    }

    /// Takes the entries whose deadline has passed, with it, by key.
    pub fn due(&mut self, at: BootNs) -> Vec<(K, BootNs, T)> {
        let mut due = Vec::new();
        while let Some(entry) = self.pop(at) {
            due.push(entry);
        }
        due.sort_by_key(|(key, ..)| *key);
        due
    }

    /// Takes the entry that is due first, if it is due by then.
    fn pop(&mut self, at: BootNs) -> Option<(K, BootNs, T)> {
        while self.next() <= at
            && let Some(Reverse((deadline, key))) = self.deadlines.pop()
        {
            if self.entries.get(&key).is_some_and(|(at, _)| *at == deadline) {
                return self.entries.remove(&key).map(|(at, entry)| (key, at, entry));
            }
        }
        None
    }

    /// Takes everything, due or not, by key.
    pub fn rest(&mut self) -> Vec<(K, BootNs, T)> {
        self.due(NEVER)
    }

    /// Takes everything.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, T)> {
        self.deadlines.clear();
        self.entries.drain().map(|(key, (_, entry))| (key, entry))
    }
}

/// Seconds in ns.
pub(super) const SECOND: u64 = 1_000_000_000;
/// Milliseconds in ns.
pub(super) const MS: u64 = 1_000_000;

/// So much later.
pub(super) fn after(at: BootNs, ns: u64) -> BootNs {
    BootNs(at.0.saturating_add(ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;

    #[test]
    fn what_is_put_again_and_again_takes_no_room() {
        let mut waiting = Waiting::<Pid, u64, 4>::default();
        waiting.put(Pid(0), BootNs(9), 0);
        for round in 0..1000 {
            // All with one deadline, once in place of the one before, and once after that was taken.
            waiting.put(Pid(1), BootNs(5), round);
            if round % 2 == 0 {
                assert_eq!(waiting.take(Pid(1)), Some(round));
            }
            assert!(waiting.deadlines.len() <= 2 * 4, "{} deadlines of two entries", waiting.deadlines.len());
        }
        assert_eq!(waiting.due(BootNs(5)), [(Pid(1), BootNs(5), 999)]);
        assert_eq!((waiting.next(), waiting.entries.len()), (BootNs(9), 1));
    }

    #[test]
    fn who_is_due_first_is_given_up_first() {
        let mut waiting = Waiting::<Pid, u64, 3>::default();
        let given_up: Vec<_> =
            (0..5).map(|n| waiting.exchange(Pid(n), BootNs(u64::from(100 - n)), u64::from(n))).collect();
        assert_eq!(given_up, [None, None, None, Some(3), Some(4)]);
    }
}
