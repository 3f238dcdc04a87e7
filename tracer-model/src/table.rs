//! Entries by key: found at once however many there are, and walked in the order of their keys.
//!
//! Where an entry stands follows from what was put and removed before, never from a hash: equal histories are walked alike,
//! and the hash is seeded against numbers that were chosen to collide. Must not: know what an entry is.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU32, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{Pgid, PgrpKey, Pid, ProcKey, RawTty, Seq, SessionKey, Sid, TtyKey};

/// What entries are found by.
pub(crate) trait Key: Copy + Ord {
    /// What tells nearly all keys apart.
    fn word(self) -> u32;
}

macro_rules! keys {
    ($($key:ty: |$it:ident| $word:expr;)*) => {$(
        impl Key for $key {
            #[inline]
            fn word(self) -> u32 {
                let $it = self;
                $word
            }
        }
    )*};
}

// No two entities of a model have the same life.
keys! {
    (ProcKey, Pid): |it| it.0.life.0 ^ it.1.0.rotate_left(16);
    (ProcKey, Pgid): |it| it.0.life.0 ^ it.1.0.rotate_left(16);
    ProcKey: |it| it.life.0;
    PgrpKey: |it| it.life.0;
    SessionKey: |it| it.life.0;
    TtyKey: |it| it.life.0;
    Seq: |it| it.0 as u32;
    Pid: |it| it.0;
    Pgid: |it| it.0;
    Sid: |it| it.0;
    RawTty: |it| (it.major << 20) ^ it.minor ^ it.instance.rotate_left(12);
}

/// A map.
#[derive(Clone)]
pub(crate) struct Table<K, V> {
    /// Entries, and room for others.
    slots: Vec<Option<(K, V)>>,
    /// The slots with room.
    free: Vec<u32>,
    /// One more than the slot of the key that belongs here, or in one of the places before; 0: none. A power of two, at most
    /// half of it used (Knuth, The Art of Computer Programming 6.4, algorithms L and R).
    index: Vec<u32>,
    seed: u32,
    latest: Latest,
}

/// The slots of keys that were found last: an event asks for the same few entries again and again. A guess, no more: what is
/// in the slot is compared. Atomic only so that a table can be shared.
struct Latest([AtomicU32; LATEST as usize]);

/// How many slots are remembered: a power of two.
const LATEST: u32 = 64;

impl Clone for Latest {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Default for Latest {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; LATEST as usize])
    }
}

impl Latest {
    #[inline]
    fn get(&self, word: u32) -> usize {
        self.0.get((word & (LATEST - 1)) as usize).map_or(0, |slot| slot.load(Ordering::Relaxed) as usize)
    }

    #[inline]
    fn set(&self, word: u32, slot: u32) {
        if let Some(place) = self.0.get((word & (LATEST - 1)) as usize) {
            place.store(slot, Ordering::Relaxed);
        }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: Vec::new(),
            seed: RandomState::new().hash_one(0) as u32,
            latest: Latest::default(),
        }
    }
}

impl<K: Key, V> Table<K, V> {
    /// The first place of a key in an index that is not empty.
    #[inline]
    fn home(&self, key: K) -> usize {
        let spread = (key.word() ^ self.seed).wrapping_mul(0x9e37_79b9);
        (spread >> (32 - self.index.len().trailing_zeros())) as usize
    }

    #[inline]
    fn entry(&self, place: u32) -> Option<&(K, V)> {
        self.slots.get(place.wrapping_sub(1) as usize)?.as_ref()
    }

    /// Where in the index a key is.
    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        let mask = self.index.len().checked_sub(1)?;
        let mut at = self.home(key);
        while let Some((found, _)) = self.entry(*self.index.get(at)?) {
            if *found == key {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The slot of a key that was not among the latest.
    #[inline(never)]
    fn search(&self, key: K) -> Option<usize> {
        let slot = self.index.get(self.find(key)?)?.wrapping_sub(1);
        self.latest.set(key.word(), slot);
        Some(slot as usize)
    }

    /// Where the entry of a key is nearly always, once it was found: whose entry is there has to be looked at.
    #[inline]
    pub fn guess(&self, key: &K) -> usize {
        self.latest.get(key.word())
    }

    /// Where the entry of a key is, until something is put or removed.
    #[inline]
    fn slot(&self, key: &K) -> Option<usize> {
        let latest = self.guess(key);
        match self.slots.get(latest) {
            Some(Some((found, _))) if found == key => Some(latest),
            _ => self.search(*key),
        }
    }

    /// The entry there.
    #[inline]
    pub fn at(&self, slot: usize) -> Option<&V> {
        self.slots.get(slot)?.as_ref().map(|(_, value)| value)
    }

    /// The entry there, to be changed.
    #[inline]
    pub fn at_mut(&mut self, slot: usize) -> Option<&mut V> {
        self.slots.get_mut(slot)?.as_mut().map(|(_, value)| value)
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        match self.slots.get(self.guess(key)) {
            Some(Some((found, value))) if found == key => Some(value),
            _ => self.at(self.search(*key)?),
        }
    }

    /// The entry of a key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.slot(key)?;
        self.at_mut(slot)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is one.
    #[inline]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts an entry, in place of one of the same key. Gives its slot.
    pub fn insert(&mut self, key: K, value: V) -> usize {
        if 2 * (self.len() + 1) > self.index.len() {
            self.grow();
        }
        let mask = self.index.len() - 1;
        let mut at = self.home(key);
        // To the key, or the free place that ends the search for it.
        while let Some(place) = self.index.get(at).copied().filter(|place| *place != 0) {
            if let Some(Some((found, old))) = self.slots.get_mut(place as usize - 1)
                && *found == key
            {
                *old = value;
                return place as usize - 1;
            }
            at = (at + 1) & mask;
        }
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if let Some(place) = self.index.get_mut(at) {
            *place = slot + 1;
        }
        self.latest.set(key.word(), slot);
        let entry = Some((key, value));
        match self.slots.get_mut(slot as usize) {
            Some(free) => *free = entry,
            None => self.slots.push(entry),
        }
        slot as usize
    }

    /// Says where a key is that was nowhere.
    fn point(&mut self, key: K, place: u32) {
        let mask = self.index.len() - 1;
        let mut at = self.home(key);
        while let Some(before) = self.index.get_mut(at) {
            if *before == 0 {
                *before = place;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.index = vec![0; (2 * self.index.len()).max(8)];
        for place in 1..=self.slots.len() as u32 {
            if let Some((key, _)) = self.entry(place) {
                self.point(*key, place);
            }
        }
    }

    /// The entry of a key, made when there is none.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> Option<&mut V> {
        let slot = self.slot(&key).unwrap_or_else(|| self.insert(key, make()));
        self.at_mut(slot)
    }

    /// Takes an entry.
    #[inline]
    pub fn remove(&mut self, key: &K) -> Option<V> {
        if self.len() == 0 {
            return None;
        }
        let slot = self.unpoint(*key)?;
        self.slots.get_mut(slot as usize)?.take().map(|(_, value)| value)
    }

    /// Takes a key out of the index; its slot is free from now on.
    fn unpoint(&mut self, key: K) -> Option<u32> {
        let (mut hole, mask) = (self.find(key)?, self.index.len() - 1);
        let slot = self.index.get(hole)?.wrapping_sub(1);
        // What stands behind moves up, as far as it may: nearer to its home, never before it.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = *self.index.get(at)?;
            let Some((moved, _)) = self.entry(place) else { break };
            if at.wrapping_sub(self.home(*moved)) & mask >= at.wrapping_sub(hole) & mask {
                *self.index.get_mut(hole)? = place;
                hole = at;
            }
        }
        *self.index.get_mut(hole)? = 0;
        self.free.push(slot);
        Some(slot)
    }

    /// Takes everything, by key.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        let mut all: Vec<_> = std::mem::take(self).slots.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all.into_iter()
    }

    fn sorted(&self) -> Vec<&(K, V)> {
        let mut all: Vec<_> = self.slots.iter().flatten().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// Every entry, by key. Sorts: not for every event.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.sorted().into_iter().map(|(_, value)| value)
    }

    /// Every entry, in no order that means anything.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().flatten().map(|(_, value)| value)
    }
}

#[cfg(any(test, feature = "reference"))]
impl<K: Key, V> std::ops::Index<&K> for Table<K, V> {
    type Output = V;

    #[allow(clippy::unwrap_used, reason = "for tests alone")]
    fn index(&self, key: &K) -> &V {
        self.get(key).unwrap()
    }
}

impl<K: Key, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(key, value): &(K, V)| other.get(key) == Some(value);
        self.len() == other.len() && self.slots.iter().flatten().all(same)
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.slots.iter().flatten().map(|(key, value)| (key, value))).finish()
    }
}

impl<K: Key + Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sorted().serialize(serializer)
    }
}
impl<'de, K: Key + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        for (key, value) in Vec::<(K, V)>::deserialize(deserializer)? {
            table.insert(key, value);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), 0_u32..64, any::<u8>()), 0..512)) {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (put, number, value) in steps {
                if put {
                    table.insert(Pid(number), value);
                    map.insert(Pid(number), value);
                } else {
                    prop_assert_eq!(table.remove(&Pid(number)), map.remove(&Pid(number)));
                }
                prop_assert_eq!(table.len(), map.len());
                for number in (0..64).map(Pid) {
                    prop_assert_eq!(table.get(&number), map.get(&number));
                }
                prop_assert!(table.values().eq(map.values()));
            }
        }
    }
}
