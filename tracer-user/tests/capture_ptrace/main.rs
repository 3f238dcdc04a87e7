//! The ptrace source on the running kernel, as whoever runs the tests, and as an ordinary user. Where ptrace is forbidden every
//! test says so on stderr and passes, unless `SESSTRACE_REQUIRE` contains `ptrace`.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attach;
#[path = "../support/executable.rs"]
mod executable;
mod hard;
mod life;
mod stage;
