//! What goes wrong in practice, and what looks like it and is well: two scenarios for each rule that no other family shows.

use crate::Scenario;

mod daemons;
mod foreground;
mod kills;
mod leftovers;
mod namespaces;
mod passed_on;
mod tools;
mod zombies;

/// This family.
pub const ALL: &[&Scenario] = &[
    &foreground::FROZEN,
    &foreground::NOBODY,
    &foreground::LATE,
    &foreground::SPINS,
    &kills::WRAPPER,
    &kills::WRAPPER_GROUP,
    &kills::ESCAPE,
    &kills::OWN_GROUP,
    &kills::OTHER_GROUP,
    &kills::STALE,
    &kills::FRESH,
    &passed_on::TWICE,
    &passed_on::NINJA,
    &passed_on::NINJA_FORWARDS,
    &passed_on::THREAD,
    &passed_on::PARENT,
    &leftovers::LEFT,
    &leftovers::DAEMON,
    &daemons::HALF,
    &daemons::REACQUIRES,
    &zombies::KEPT,
    &zombies::INIT,
    &namespaces::IGNORES,
    &namespaces::HANDLES,
    &tools::TIMEOUT,
    &tools::TIMEOUT_FOREGROUND,
    &tools::NO_TERMINAL,
    &tools::TERMINAL,
];
