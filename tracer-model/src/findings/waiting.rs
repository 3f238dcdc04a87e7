//! What a rule has noticed and cannot decide yet: entries with a deadline, bounded in number.
//!
//! Time passes only by events (and by whoever tells the engine that none will come), so that a replay decides as the capture
//! did. Must not: know a rule.

use std::collections::BTreeMap;

use crate::ids::BootNs;

/// More undecided matters than this are not kept: the one with the least key is given up.
const MOST: usize = 1024;

/// Entries by key.
#[derive(Clone, Debug)]
pub(super) struct Waiting<K, T> {
    entries: BTreeMap<K, (BootNs, T)>,
    /// No entry is due before this.
    next: BootNs,
}

impl<K, T> Default for Waiting<K, T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), next: BootNs(u64::MAX) }
    }
}

impl<K: Ord + Copy, T> Waiting<K, T> {
    /// Puts an entry, in place of one of the same key.
    pub fn put(&mut self, key: K, deadline: BootNs, entry: T) {
        self.next = self.next.min(deadline);
        self.entries.insert(key, (deadline, entry));
        if self.entries.len() > MOST {
            self.entries.pop_first();
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

    /// Takes the entries whose deadline has passed, with it.
    pub fn due(&mut self, at: BootNs) -> Vec<(K, BootNs, T)> {
        if at < self.next {
            return Vec::new();
        }
        let due: Vec<K> =
            self.entries.iter().filter(|(_, (deadline, _))| *deadline <= at).map(|(key, _)| *key).collect();
        let taken = due.into_iter().filter_map(|key| self.entries.remove(&key).map(|(at, entry)| (key, at, entry)));
        let taken = taken.collect();
        self.next = self.entries.values().map(|(deadline, _)| *deadline).min().unwrap_or(BootNs(u64::MAX));
        taken
    }

    /// Takes everything.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, T)> {
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
