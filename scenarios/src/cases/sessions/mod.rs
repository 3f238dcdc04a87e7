//! Sessions: who may make one, what their leaders may not do, daemons, and who adopts.

use crate::Scenario;

mod by_group_leader;
mod daemon;
mod leader_keeps_group;
mod leaderless;
mod login;
mod new_session;
mod subreaper;
mod twice;

/// The family.
pub const ALL: &[&Scenario] = &[
    &new_session::CASE,
    &by_group_leader::CASE,
    &twice::CASE,
    &leader_keeps_group::CASE,
    &login::CASE,
    &leaderless::CASE,
    &daemon::CASE,
    &subreaper::CASE,
];
