//! What a rule has noticed and cannot decide yet: entries with a deadline, bounded in number.
//!
//! Time passes only by events (and by whoever tells the engine that none will come), so that a replay decides as the capture
//! did. Must not: know a rule.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::NEVER;
use crate::ids::BootNs;

/// More undecided matters than this are not kept: the one with the least key is given up.
const MOST: usize = 1024;

/// Entries by key.
#[derive(Clone, Debug)]
pub(super) struct Waiting<K: Ord, T> {
    entries: BTreeMap<K, (BootNs, T)>,
    /// The deadlines, with those of some entries that are no more.
    deadlines: BinaryHeap<Reverse<(BootNs, K)>>,
}

impl<K: Ord, T> Default for Waiting<K, T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), deadlines: BinaryHeap::new() }
    }
}

impl<K: Ord + Copy, T> Waiting<K, T> {
    /// Puts an entry, in place of one of the same key.
    pub fn put(&mut self, key: K, deadline: BootNs, entry: T) {
        self.entries.insert(key, (deadline, entry));
        if self.entries.len() > MOST {
            self.entries.pop_first();
        }
        if self.deadlines.len() >= 2 * MOST {
            self.deadlines = self.entries.iter().map(|(key, (deadline, _))| Reverse((*deadline, *key))).collect();
        } else {
            self.deadlines.push(Reverse((deadline, key)));
        }
    }

    /// Puts an entry, unless there is one of the same key, which keeps its deadline.
    pub fn put_first(&mut self, key: K, deadline: BootNs, entry: T) {
        if !self.entries.contains_key(&key) {
            self.put(key, deadline, entry);
        }
    }

    /// Takes an entry before its time.
    pub fn take(&mut self, key: K) -> Option<T> {
        self.entries.remove(&key).map(|(_, entry)| entry)
    }

    /// An entry.
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
        while self.next() <= at
            && let Some(Reverse((deadline, key))) = self.deadlines.pop()
        {
            if self.entries.get(&key).is_some_and(|(at, _)| *at == deadline)
                && let Some((at, entry)) = self.entries.remove(&key)
            {
                due.push((key, at, entry));
            }
        }
        due.sort_by_key(|(key, ..)| *key);
        due
    }

    /// Takes everything.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, T)> {
        self.deadlines.clear();
        std::mem::take(&mut self.entries).into_iter().map(|(key, (_, entry))| (key, entry))
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
