//! Capture: the only code that touches the kernel's tracing interfaces, libc's rarer calls and `/proc`. It yields events and
//! says what was lost.
//!
//! Must not: print, exit the process, decide what an event means, or depend on an async runtime.

pub mod ebpf;
mod error;

pub use error::CaptureError;

use std::os::fd::BorrowedFd;

use tracer_model::{
    event::{Event, GapCause},
    ids::Seq,
};

/// Where events come from: the probes, or (later) ptrace. A recording is replayed without one.
pub trait Source {
    /// What this source is; constant for its life.
    fn describe(&self) -> &Description;

    /// Appends everything that can be had without waiting, in the order it was read (nearly, not exactly, that of the
    /// sequence numbers).
    fn poll(&mut self, out: &mut Vec<Item>) -> Result<(), CaptureError>;

    /// Records lost since the last call, by probe. Empty when nothing was lost.
    fn lost(&mut self) -> Vec<Loss>;

    /// The last sequence number that was given out. A number up to it that [`Self::poll`] never yields was lost.
    fn last_seq(&self) -> Seq;

    /// Descriptors that become readable when [`Self::poll`] is worth calling before the next tick of the consumer's timer.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;
}

/// What a source read. Every sequence number that was read yields exactly one [`Item::Event`] or [`Item::Skip`], so that the
/// reorder buffer sees holes only where records were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event with its own sequence number.
    Event(Event),
    /// A number that was given to something which is no event of this capture: out of scope, or a thread of the snapshot.
    Skip {
        /// The number.
        seq: Seq,
    },
    /// A gap that has no number of its own. It bears the number of the record that showed it and belongs right before it.
    Gap(Event),
}

/// Records that one probe could not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The probe: `newtask`, `enter_setpgid`, …; or what else was too small, in words.
    pub probe: String,
    /// How many.
    pub lost: u64,
    /// How it is known. Only [`GapCause::MissingSequence`] losses also show as holes in the sequence numbers.
    pub cause: GapCause,
}

/// What a source is, for people and for the header of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `ebpf` or `ptrace`.
    pub backend: &'static str,
    /// Capture tier: `tracepoint`.
    pub tier: &'static str,
    /// Why this tier and no better one, in a few words.
    pub reason: String,
    /// Inode of the pid namespace whose numbers the events carry (`/proc/PID/ns/pid`).
    pub pid_namespace: u32,
}
