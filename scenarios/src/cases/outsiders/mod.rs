//! Followed processes and what outsiders do to them. Only one process and its descendants are followed; the scenario itself,
//! which made it, is an outsider.

use crate::Scenario;

mod ctrl_c;
mod give_up;
mod hangup;
mod kill;
mod reap;
mod setpgid;
mod takes_number;

/// The family.
pub const ALL: &[&Scenario] =
    &[&kill::CASE, &setpgid::CASE, &reap::CASE, &ctrl_c::CASE, &hangup::CASE, &give_up::CASE, &takes_number::CASE];
