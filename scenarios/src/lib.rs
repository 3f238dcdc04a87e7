//! Small programs with a known job-control history, and what sesstrace must say of each.
//!
//! Every scenario asserts its own truth: it fails when the kernel does not behave as expected, traced or not. What is said
//! here of a recording is hand-written and never taken from what sesstrace printed.

pub mod cases;
pub mod golden;
pub mod kit;
pub mod pairs;
pub mod parity;
pub mod programs;
pub mod reports;
mod scenario;
pub mod story;
pub mod world;
pub mod zoo;

pub use scenario::{Follow, Picture, Scenario, Start};

/// The scenario of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    cases::all().find(|scenario| scenario.name == name)
}
