//! Every scenario, one file each. A family lists its own.

use crate::Scenario;

mod findings;
mod groups;
mod orphans;
mod outsiders;
mod races;
mod semantics;
mod sessions;
mod shells;
mod terminal;

/// The families, by name.
pub const FAMILIES: [(&str, &[&Scenario]); 9] = [
    ("groups", groups::ALL),
    ("races", races::ALL),
    ("sessions", sessions::ALL),
    ("orphans", orphans::ALL),
    ("terminal", terminal::ALL),
    ("shells", shells::ALL),
    ("outsiders", outsiders::ALL),
    ("findings", findings::ALL),
    ("semantics", semantics::ALL),
];

/// All of them, family by family.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    FAMILIES.into_iter().flat_map(|(_, family)| family.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_scenario_says_something() {
        let mut names = BTreeSet::new();
        for scenario in super::all() {
            assert!(names.insert(scenario.name), "two scenarios are named {}", scenario.name);
            assert!(!scenario.shows.is_empty(), "{} shows nothing", scenario.name);
            assert!(!scenario.expect.is_empty(), "{} asserts nothing", scenario.name);
        }
    }
}
