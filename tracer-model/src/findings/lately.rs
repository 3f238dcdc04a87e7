//! What was noted of late: entries by key, bounded in number. The oldest is forgotten first.
//!
//! Must not: know what an entry is.

use super::waiting::Waiting;
use crate::{ids::BootNs, table::Key};

/// At most `MOST` entries: who was put first is due first.
#[derive(Clone, Debug)]
pub(super) struct Lately<K: Ord, V, const MOST: usize> {
    entries: Waiting<K, V, MOST>,
    /// How many were put.
    count: u64,
}

impl<K: Key, V, const MOST: usize> Default for Lately<K, V, MOST> {
    fn default() -> Self {
        Self { entries: Waiting::default(), count: 0 }
    }
}

impl<K: Key, V, const MOST: usize> Lately<K, V, MOST> {
    /// Puts an entry, in place of one of the same key; returns the one that is forgotten for it.
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        self.count += 1;
        self.entries.exchange(key, BootNs(self.count), value)
    }

    /// The entries.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values()
    }

    /// An entry.
    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Takes an entry.
    pub fn take(&mut self, key: K) -> Option<V> {
        self.entries.take(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut lately = Lately::<Pid, u32, 3>::default();
        for round in 0..10 {
            for number in 0..4 {
                lately.put(Pid(number), round);
            }
            assert_eq!((lately.get(Pid(0)), lately.get(Pid(3)), lately.len()), (None, Some(&round), 3));
            assert_eq!((lately.take(Pid(1)), lately.take(Pid(1))), (Some(round), None));
        }
    }
}
