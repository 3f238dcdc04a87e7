//! Controlling terminals: who is signalled, who is stopped, who is refused, and what a hangup does.

use crate::Scenario;

mod background_read;
mod background_set_foreground;
mod background_write;
mod control_rules;
mod ctrl_c;
mod dangling_foreground;
mod emulator_exit;
mod give_up;
mod hangup;
mod leader_exit;
mod leader_exit_stopped_job;
mod leader_killed;
mod orphan_access;
mod phantom_foreground;
mod set_foreground_errors;

/// The family.
pub const ALL: &[&Scenario] = &[
    &ctrl_c::CASE,
    &background_read::CASE,
    &background_write::CASE,
    &background_set_foreground::CASE,
    &orphan_access::CASE,
    &phantom_foreground::CASE,
    &dangling_foreground::CASE,
    &set_foreground_errors::CASE,
    &control_rules::CASE,
    &give_up::CASE,
    &hangup::CASE,
    &emulator_exit::CASE,
    &leader_exit::CASE,
    &leader_exit_stopped_job::CASE,
    &leader_killed::CASE,
];
