//! Orphaned process groups: no member has a parent in another group of the same session.

use crate::Scenario;

mod by_member_exit;
mod by_setpgid;
mod by_setsid;
mod kept_by_subreaper;
mod running;
mod stop_discarded;
mod stopped_member;

/// The family.
pub const ALL: &[&Scenario] = &[
    &stopped_member::CASE,
    &running::CASE,
    &by_member_exit::CASE,
    &by_setsid::CASE,
    &by_setpgid::CASE,
    &stop_discarded::CASE,
    &kept_by_subreaper::CASE,
];
