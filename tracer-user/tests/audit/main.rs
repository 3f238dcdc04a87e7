//! Audits of commands, processes, recordings and the machine, with and without privilege.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

mod actor;
mod codes;
mod docs;
mod documents;
mod ending;
#[path = "../support/executable.rs"]
mod executable;
mod forms;
mod place;
mod policies;
mod privilege;
mod races;
mod rules;
mod steps;
mod watch;
mod watcher;
