//! How many stops there were, by kind: what a capture costs the traced processes, free of the noise that is in every time.
//!
//! Must not: decide anything.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stops::Stop;

/// What the kinds are called, in the order of [`kind`].
const NAMES: [&str; 9] = ["fork", "new", "entry", "return", "signal", "exec", "exit", "end", "other"];

/// Counts state changes that wait(2) reported.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; NAMES.len()]);

impl Counts {
    /// One more. `seccomp`: every entry is a stop by the filter.
    pub fn count(&self, stop: Stop, seccomp: bool) {
        if let Some(count) = self.0.get(kind(stop, seccomp)) {
            // Only the tracing thread writes.
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Kind and count, those of which there was one.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.into_iter().zip(counts).filter(|(_, count)| *count != 0).collect()
    }
}

fn kind(stop: Stop, seccomp: bool) -> usize {
    match stop {
        Stop::Forked { .. } => 0,
        Stop::Trap => 1,
        Stop::Seccomp => 2,
        // Without the filter every second one is an entry.
        Stop::Syscall => 2 + usize::from(seccomp),
        Stop::Signal(_) => 4,
        Stop::Executed => 5,
        Stop::Exiting => 6,
        Stop::Ended => 7,
        Stop::Group(_) | Stop::Other => 8,
    }
}
