//! What the model keeps: processes, groups, sessions, terminals. Each is found by its number, which others bear after it, and is
//! the one that is meant if it has the key.
//!
//! What ended stays readable until the next event. Must not: decide when something ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::{Key, Table};

/// One of them.
pub(crate) trait Entity {
    /// Its number, and which life of it.
    type Key: Copy + Ord;
    /// What no two of those that live have in common.
    type Number: Key + fmt::Debug;

    /// Its key.
    fn key(&self) -> Self::Key;
    /// The number in a key.
    fn number(key: Self::Key) -> Self::Number;
}

/// All of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "E: Serialize, E::Number: Serialize",
    deserialize = "E: Deserialize<'de>, E::Number: Deserialize<'de>"
))]
pub(crate) struct Entities<E: Entity> {
    living: Table<E::Number, E>,
    /// What the last event ended.
    departed: Vec<E>,
}

impl<E: Entity> Default for Entities<E> {
    fn default() -> Self {
        Self { living: Table::default(), departed: Vec::new() }
    }
}

impl<E: Entity> Entities<E> {
    /// The one of this key; one that the last event ended, too.
    #[inline]
    pub fn get(&self, key: &E::Key) -> Option<&E> {
        match self.living.at(self.living.guess(&E::number(*key))) {
            Some(living) if living.key() == *key => Some(living),
            _ => self.search(*key),
        }
    }

    /// One that was not found at once. The last that ended is what is asked for, and a snapshot can end everybody.
    #[inline(never)]
    fn search(&self, key: E::Key) -> Option<&E> {
        let living = self.living.get(&E::number(key)).filter(|living| living.key() == key);
        living.or_else(|| self.departed.iter().rev().find(|it| it.key() == key))
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &E::Key) -> Option<&mut E> {
        let slot = self.living.guess(&E::number(*key));
        if self.living.at(slot).is_some_and(|living| living.key() == *key) {
            self.living.at_mut(slot)
        } else {
            self.search_mut(*key)
        }
    }

    #[inline(never)]
    fn search_mut(&mut self, key: E::Key) -> Option<&mut E> {
        let living = self.living.get_mut(&E::number(key)).filter(|living| living.key() == key);
        living.or_else(|| self.departed.iter_mut().rev().find(|it| it.key() == key))
    }

    /// The one that has this number now.
    #[inline]
    pub fn current(&self, number: E::Number) -> Option<&E> {
        self.living.get(&number)
    }

    /// The same, to be changed.
    #[inline]
    pub fn current_mut(&mut self, number: E::Number) -> Option<&mut E> {
        self.living.get_mut(&number)
    }

    /// Its key.
    #[inline]
    pub fn key_of(&self, number: E::Number) -> Option<E::Key> {
        self.current(number).map(E::key)
    }

    /// Whether there is one of this key.
    pub fn contains_key(&self, key: &E::Key) -> bool {
        self.get(key).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.living.len() + self.departed.len()
    }

    /// One more. Whatever had its number has ended.
    pub fn insert(&mut self, new: E) {
        let number = E::number(new.key());
        self.departed.extend(self.living.remove(&number));
        self.living.insert(number, new);
    }

    /// It has ended, and its number is free.
    pub fn retire(&mut self, key: &E::Key) {
        let ended = self.remove(key);
        self.departed.extend(ended);
    }

    /// Takes one that lives.
    pub fn remove(&mut self, key: &E::Key) -> Option<E> {
        let number = E::number(*key);
        self.living.get(&number).filter(|it| it.key() == *key)?;
        self.living.remove(&number)
    }

    /// Forgets what the event before ended.
    #[inline]
    pub fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Those that live, by key. Sorts: not for every event.
    pub fn living(&self) -> impl Iterator<Item = &E> {
        self.living.values()
    }

    /// Every one, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &E> {
        self.living.values().chain(&self.departed)
    }

    /// The same, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.living.values_mut().chain(&mut self.departed)
    }
}

#[cfg(any(test, feature = "reference"))]
impl<E: Entity> std::ops::Index<&E::Key> for Entities<E> {
    type Output = E;

    #[allow(clippy::unwrap_used, reason = "for tests alone")]
    fn index(&self, key: &E::Key) -> &E {
        self.get(key).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::{Life, Pid, ProcKey};

    #[derive(Clone, Debug, PartialEq)]
    struct Someone(ProcKey, u8);

    impl Entity for Someone {
        type Key = ProcKey;
        type Number = Pid;
        fn key(&self) -> ProcKey {
            self.0
        }
        fn number(key: ProcKey) -> Pid {
            key.number
        }
    }

    proptest! {
        /// Beside a map by key, and one of the lives by number.
        #[test]
        fn the_dead_are_readable_until_they_are_forgotten(
            steps in prop::collection::vec((0_u8..5, 0_u32..8, any::<u8>()), 0..256),
        ) {
            let mut entities = Entities::<Someone>::default();
            let (mut all, mut current) = (BTreeMap::new(), BTreeMap::new());
            for ((step, number, value), life) in steps.into_iter().zip(0..) {
                let number = Pid(number);
                let known = current.get(&number).copied();
                match (step, known) {
                    (0, _) => {
                        let key = ProcKey { number, life: Life(life) };
                        entities.insert(Someone(key, value));
                        all.insert(key, value);
                        current.insert(number, key);
                    }
                    (1, Some(key)) => {
                        entities.retire(&key);
                        current.remove(&number);
                    }
                    (2, Some(key)) => {
                        prop_assert_eq!(entities.remove(&key).map(|it| it.1), all.remove(&key));
                        current.remove(&number);
                    }
                    (3, Some(key)) => {
                        entities.get_mut(&key).unwrap().1 = value;
                        all.insert(key, value);
                    }
                    _ => {
                        entities.forget_departed();
                        all.retain(|key, _| current.get(&key.number) == Some(key));
                    }
                }
                prop_assert_eq!(entities.len(), all.len());
                for key in (0..=life).flat_map(|life| (0..8).map(move |n| ProcKey { number: Pid(n), life: Life(life) })) {
                    prop_assert_eq!(entities.get(&key).map(|it| it.1), all.get(&key).copied());
                }
                prop_assert!((0..8).map(Pid).all(|number| entities.key_of(number) == current.get(&number).copied()));
                prop_assert!(entities.living().map(|it| it.0).eq(current.values().copied()));
            }
        }
    }
}
