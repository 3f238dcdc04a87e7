//! Sets that hold one element or none nearly always, and a few otherwise: a process's children, a group's members. Those of
//! one allocate nothing.
//!
//! Must not: know what an element is.

use std::{
    collections::{BTreeSet, btree_set},
    fmt, iter, option, slice, vec,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set, in the order of its elements.
#[derive(Clone)]
pub struct Few<T>(Kept<T>);

#[derive(Clone)]
enum Kept<T> {
    None,
    One(T),
    /// In order; until the last goes: who had several will have again.
    #[expect(clippy::box_collection, reason = "a list is three words, and there are many that have one element")]
    Several(Box<Vec<T>>),
    /// Until the last goes.
    #[expect(clippy::box_collection, reason = "the same")]
    Many(Box<BTreeSet<T>>),
}

/// So many are kept in a list: to move them costs less than a tree does.
const SEVERAL: usize = 16;

/// The elements in order.
pub type Iter<'a, T> = iter::Chain<slice::Iter<'a, T>, btree_set::Iter<'a, T>>;

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Kept::None)
    }
}

impl<T> Few<T> {
    /// Each, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        match &self.0 {
            Kept::None => <&[T]>::default().iter().chain(btree_set::Iter::default()),
            Kept::One(one) => slice::from_ref(one).iter().chain(btree_set::Iter::default()),
            Kept::Several(several) => several.iter().chain(btree_set::Iter::default()),
            Kept::Many(many) => <&[T]>::default().iter().chain(many.iter()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::None => 0,
            Kept::One(_) => 1,
            Kept::Several(several) => several.len(),
            Kept::Many(many) => many.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Kept::None)
    }
}

impl<T: Ord> Few<T> {
    /// Whether this is one.
    #[must_use]
    pub fn contains(&self, element: &T) -> bool {
        match &self.0 {
            Kept::None => false,
            Kept::One(one) => one == element,
            Kept::Several(several) => several.contains(element),
            Kept::Many(many) => many.contains(element),
        }
    }

    /// Puts one.
    pub fn insert(&mut self, element: T) {
        match &mut self.0 {
            Kept::None => self.0 = Kept::One(element),
            Kept::One(one) if *one == element => {}
            Kept::One(_) => {
                if let Kept::One(one) = std::mem::replace(&mut self.0, Kept::None) {
                    let pair = if one < element { [one, element] } else { [element, one] };
                    self.0 = Kept::Several(Box::new(pair.into()));
                }
            }
            Kept::Several(several) => {
                let Some(at) = place(several, &element) else { return };
                several.insert(at, element);
                if several.len() > SEVERAL {
                    self.0 = Kept::Many(Box::new(several.drain(..).collect()));
                }
            }
            Kept::Many(many) => drop(many.insert(element)),
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, element: &T) {
        let last = match &mut self.0 {
            Kept::None => false,
            Kept::One(one) => one == element,
            Kept::Several(several) => {
                if let Some(at) = several.iter().position(|it| it == element) {
                    several.remove(at);
                }
                several.is_empty()
            }
            Kept::Many(many) => many.remove(element) && many.is_empty(),
        };
        if last {
            self.0 = Kept::None;
        }
    }

    /// Takes out those of which this is not so.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let last = match &mut self.0 {
            Kept::None => false,
            Kept::One(one) => !keep(one),
            Kept::Several(several) => {
                several.retain(keep);
                several.is_empty()
            }
            Kept::Many(many) => {
                many.retain(keep);
                many.is_empty()
            }
        };
        if last {
            self.0 = Kept::None;
        }
    }
}

/// Where in a list an element belongs that is not in it.
fn place<T: Ord>(several: &[T], element: &T) -> Option<usize> {
    let at = several.iter().position(|it| it >= element).unwrap_or(several.len());
    (several.get(at) != Some(element)).then_some(at)
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = iter::Chain<iter::Chain<option::IntoIter<T>, vec::IntoIter<T>>, btree_set::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, several, many) = match self.0 {
            Kept::None => (None, Vec::new(), BTreeSet::new()),
            Kept::One(one) => (Some(one), Vec::new(), BTreeSet::new()),
            Kept::Several(several) => (None, *several, BTreeSet::new()),
            Kept::Many(many) => (None, Vec::new(), *many),
        };
        one.into_iter().chain(several).chain(many)
    }
}

impl<T: Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        elements.into_iter().fold(Self::default(), |mut few, element| {
            few.insert(element);
            few
        })
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}
impl<'de, T: Ord + Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|elements| elements.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(several in 2_u32..40, steps in prop::collection::vec((any::<bool>(), any::<u32>()), 0..96)) {
            let (mut few, mut set) = (Few::default(), BTreeSet::new());
            for (put, element) in steps {
                let element = element % several;
                if put {
                    few.insert(element);
                    set.insert(element);
                } else {
                    few.remove(&element);
                    set.remove(&element);
                }
                prop_assert!(few.iter().eq(&set) && few == set.iter().copied().collect());
                prop_assert_eq!((few.len(), few.is_empty()), (set.len(), set.is_empty()));
                prop_assert!((0..several).all(|element| few.contains(&element) == set.contains(&element)));
            }
        }
    }
}
