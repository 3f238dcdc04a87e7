//! Parent and child both call setpgid for the child: who is first, and who is too late.

use crate::Scenario;

mod child_first;
mod child_reaped;
mod parent_first;
mod parent_late_harmful;
mod parent_late_innocuous;
mod undecided;
mod vfork_spawn;

/// The family.
pub const ALL: &[&Scenario] = &[
    &child_first::CASE,
    &parent_first::CASE,
    &undecided::CASE,
    &parent_late_innocuous::CASE,
    &parent_late_harmful::CASE,
    &child_reaped::CASE,
    &vfork_spawn::CASE,
];
