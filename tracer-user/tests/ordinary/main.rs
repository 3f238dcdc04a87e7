//! An ordinary user, and whoever else has to do with ptrace: the first command works without any set-up, and what cannot work
//! is refused with the one remedy. Situations are made for real: users, namespaces, filters, tracers.
//!
//! Tests that need root (to become an ordinary user, or to make a situation) say so when they are skipped, and fail where
//! `SESSTRACE_REQUIRE` contains `ptrace`.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and a skip must be seen"
)]

#[path = "../support/executable.rs"]
mod executable;
mod place;
#[path = "../placement/proc.rs"]
#[expect(dead_code, reason = "shared with the tests of the placement, which use all of it")]
mod proc;
#[path = "../placement/pty.rs"]
#[expect(dead_code, reason = "shared with the tests of the placement, which use all of it")]
mod pty;
mod refusals;
mod signals;
mod surroundings;
mod yama;
