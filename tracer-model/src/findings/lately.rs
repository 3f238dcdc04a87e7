//! What was noted of late: entries by key, bounded in number. The oldest is forgotten first.
//!
//! Must not: know what an entry is.

use std::collections::VecDeque;

use crate::table::{Key, Table};

/// At most `MOST` entries.
#[derive(Clone, Debug)]
pub(super) struct Lately<K: Ord, V, const MOST: usize> {
    /// Each with the number of its put.
    entries: Table<K, (u64, V)>,
    /// The puts in order, with those of some entries that are no more.
    puts: VecDeque<(u64, K)>,
    /// How many there were.
    count: u64,
}

impl<K: Key, V, const MOST: usize> Default for Lately<K, V, MOST> {
    fn default() -> Self {
        Self { entries: Table::default(), puts: VecDeque::new(), count: 0 }
    }
}

impl<K: Key, V, const MOST: usize> Lately<K, V, MOST> {
    /// Puts an entry, in place of one of the same key; returns the one that is forgotten for it.
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        self.count += 1;
        self.entries.insert(key, (self.count, value));
        self.puts.push_back((self.count, key));
        let forgotten = if self.entries.len() > MOST { self.forget() } else { None };
        if self.puts.len() > 2 * MOST {
            let Self { entries, puts, .. } = self;
            puts.retain(|(put, key)| entries.get(key).is_some_and(|(latest, _)| latest == put));
        }
        forgotten
    }

    /// Takes the oldest.
    fn forget(&mut self) -> Option<V> {
        while let Some((put, key)) = self.puts.pop_front() {
            if self.entries.get(&key).is_some_and(|(latest, _)| *latest == put) {
                return self.take(key);
            }
        }
        None
    }

    /// The entries.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }

    /// An entry.
    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(&key).map(|(_, value)| value)
    }

    /// Takes an entry.
    pub fn take(&mut self, key: K) -> Option<V> {
        let (_, value) = self.entries.remove(&key)?;
        if self.entries.len() == 0 {
            self.puts.clear();
        }
        Some(value)
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
