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
const MOST: usize = 1024;

/// Entries by key.
#[derive(Clone, Debug)]
pub(super) struct Waiting<K: Ord, T> {
    entries: Table<K, (BootNs, T)>,
    /// The deadlines, with those of some entries that are no more.
    deadlines: BinaryHeap<Reverse<(BootNs, K)>>,
}

impl<K: Key, T> Default for Waiting<K, T> {
    fn default() -> Self {
        Self { entries: Table::default(), deadlines: BinaryHeap::new() }
    }
}

impl<K: Key, T> Waiting<K, T> {
    /// Puts an entry, in place of one of the same key.
    pub fn put(&mut self, key: K, deadline: BootNs, entry: T) {
        self.entries.insert(key, (deadline, entry));
        self.deadlines.push(Reverse((deadline, key)));
        if self.entries.len() > MOST {
            self.pop(NEVER);
        }
        if self.deadlines.len() > 2 * MOST {
            let Self { entries, deadlines } = self;
            deadlines.retain(|Reverse((deadline, key))| entries.get(key).is_some_and(|(at, _)| at == deadline));
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
        let (_, entry) = self.entries.remove(&key)?;
        if self.entries.len() == 0 {
            self.deadlines.clear();
        }
        Some(entry)
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
