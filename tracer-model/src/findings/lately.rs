//! What was noted of late: entries by key, bounded in number. The oldest is forgotten first.
//!
//! Must not: know what an entry is.

use std::collections::VecDeque;

use crate::table::{Key, Table};

/// At most `MOST` entries.
#[derive(Clone, Debug)]
pub(super) struct Lately<K, V, const MOST: usize> {
    entries: Table<K, (u64, V)>,
    /// Keys in the order in which they were put, with those of some entries that are no more.
    order: VecDeque<(u64, K)>,
    /// How many were put.
    count: u64,
}

impl<K: Key, V, const MOST: usize> Default for Lately<K, V, MOST> {
    fn default() -> Self {
        Self { entries: Table::default(), order: VecDeque::new(), count: 0 }
    }
}

impl<K: Key, V, const MOST: usize> Lately<K, V, MOST> {
    /// Puts an entry, in place of one of the same key; returns the one that is forgotten for it.
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        self.count += 1;
        self.entries.insert(key, (self.count, value));
        self.order.push_back((self.count, key));
        if self.entries.len() > MOST {
            while let Some((count, oldest)) = self.order.pop_front() {
                if self.is(count, oldest) {
                    return self.entries.remove(&oldest).map(|(_, value)| value);
                }
            }
        } else if self.order.len() > 2 * MOST {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(count, key)| self.is(*count, *key));
            self.order = order;
        }
        None
    }

    /// The entries.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }

    fn is(&self, count: u64, key: K) -> bool {
        self.entries.get(&key).is_some_and(|(put, _)| *put == count)
    }

    /// An entry.
    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(&key).map(|(_, value)| value)
    }

    /// Takes an entry.
    pub fn take(&mut self, key: K) -> Option<V> {
        let (_, value) = self.entries.remove(&key)?;
        if self.entries.len() == 0 {
            self.order.clear();
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
            assert!(lately.order.len() <= 6, "what is no more is forgotten, too");
            assert_eq!((lately.take(Pid(1)), lately.take(Pid(1))), (Some(round), None));
        }
    }
}
