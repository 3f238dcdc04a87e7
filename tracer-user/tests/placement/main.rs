//! Placement: what a command, its shell and its terminal can tell of being traced. In place there must be nothing; with the
//! wrapper, the list in `docs/PLACEMENT.md` and nothing else. No test needs privilege, except that of `-u`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod capture_process;
mod differences;
mod double;
#[path = "../support/executable.rs"]
mod executable;
mod jobs;
mod proc;
#[expect(dead_code, reason = "the transparency tests use the rest")]
mod pty;
mod run;
mod session;
mod shells;
mod signals;
mod user;
