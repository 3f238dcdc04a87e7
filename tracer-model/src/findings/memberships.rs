//! Who was in which process group at some time: nearly always one process or a few, sometimes thousands.
//!
//! Must not: forget by itself.

use crate::{
    few::Few,
    ids::{PgrpKey, ProcKey},
    table::Table,
};

/// Processes by group, in the order of their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships(Table<PgrpKey, Few<ProcKey>>);

impl Memberships {
    /// A process is in a group.
    pub fn insert(&mut self, group: PgrpKey, process: ProcKey) {
        if let Some(members) = self.0.or_insert_with(group, Few::default) {
            members.insert(process);
        }
    }

    /// It is forgotten.
    pub fn remove(&mut self, group: PgrpKey, process: ProcKey) {
        let Some(members) = self.0.get_mut(&group) else { return };
        members.remove(&process);
        if members.is_empty() {
            self.0.remove(&group);
        }
    }

    /// Everybody who was in a group.
    pub fn of(&self, group: PgrpKey) -> impl Iterator<Item = &ProcKey> {
        self.0.get(&group).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::{Life, Pgid, Pid};

    proptest! {
        #[test]
        fn they_are_a_set_of_pairs(steps in prop::collection::vec((any::<bool>(), 0_u32..3, 0_u32..12), 0..256)) {
            let (mut memberships, mut pairs) = (Memberships::default(), BTreeSet::new());
            for (put, group, process) in steps {
                let group = PgrpKey { number: Pgid(group), life: Life(group) };
                let process = ProcKey { number: Pid(process), life: Life(process) };
                if put {
                    memberships.insert(group, process);
                    pairs.insert((group, process));
                } else {
                    memberships.remove(group, process);
                    pairs.remove(&(group, process));
                }
                prop_assert!(memberships.of(group).eq(pairs.iter().filter(|pair| pair.0 == group).map(|pair| &pair.1)));
            }
        }
    }
}
