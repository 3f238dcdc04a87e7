//! Process groups: membership, births, ends, numbers.

use crate::Scenario;

mod auto_reap;
mod born_on_zombie;
mod exec_keeps;
mod fork_inherits;
mod group_signal;
mod held_by_zombie;
mod join_other_session;
mod join_too_early;
mod join_too_late;
mod join_zombie_leader;
mod leader_moved_away;
mod leaderless;
mod number_kept;
mod number_reused;
mod setpgid_order;

/// The family.
pub const ALL: &[&Scenario] = &[
    &fork_inherits::CASE,
    &exec_keeps::CASE,
    &exec_keeps::FAILS,
    &group_signal::CASE,
    &join_too_early::CASE,
    &join_too_late::CASE,
    &join_zombie_leader::CASE,
    &join_other_session::CASE,
    &leaderless::CASE,
    &leader_moved_away::CASE,
    &held_by_zombie::CASE,
    &born_on_zombie::CASE,
    &auto_reap::CASE,
    &number_kept::CASE,
    &number_reused::CASE,
    &setpgid_order::CASE,
];
