//! The transparency matrix: shells, programs and ends on a terminal, driven by scripts, untraced and traced. In place nothing
//! may differ but what the kernel itself shows of a tracer; with the wrapper, what follows from its list. Both are tables in
//! `docs/TRANSPARENCY.md`, and every cell is compared in both directions.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod ends;
mod listing;
mod manual;
mod matrix;
mod mode;
mod observation;
#[path = "../placement/proc.rs"]
mod proc;
mod programs;
#[expect(dead_code, reason = "the placement tests use the rest")]
#[path = "../placement/pty.rs"]
mod pty;
mod session;
mod shells;
mod stage;
mod topics;
