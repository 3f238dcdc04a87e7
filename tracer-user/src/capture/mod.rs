//! Capture: the only code that touches the kernel's tracing interfaces, libc's rarer calls and `/proc`. It yields events and
//! says what was lost.
//!
//! Must not: print, exit the process, decide what an event means, or depend on an async runtime.

pub mod ebpf;
mod error;
pub mod examine;
pub mod facts;
pub mod held;
pub mod inspect;
pub mod look;
pub mod memory;
pub mod privilege;
pub mod procfs;
pub mod ptrace;
mod sys;

pub use error::{CaptureError, MOUNT_TRACEFS, setcap_command};

use std::os::fd::BorrowedFd;

use nix::time::{ClockId, clock_gettime};

use tracer_model::{
    event::{Event, GapCause, RawTask, State},
    ids::{BootNs, Seq},
};

/// Where events come from: the probes, or ptrace. A recording is replayed without one.
pub trait Source {
    /// What this source is; constant for its life.
    fn describe(&self) -> &Description;

    /// Appends what can be had without waiting, in the order it was read (nearly, not exactly, that of the sequence numbers).
    /// Says whether more may be there: of a backlog no more than a part comes at once, which is larger than it was in the
    /// kernel.
    fn poll(&mut self, out: &mut Vec<Item>) -> Result<bool, CaptureError>;

    /// Records lost since the last call, by probe. Empty when nothing was lost. Costs a system call for each probe: meant
    /// for once a second, for when a number is missing, and for the end.
    fn lost(&mut self) -> Vec<Loss>;

    /// Attributes that were not recorded so far, because there were more of everybody than wanted. They have no sequence numbers.
    fn attributes_left_out(&self) -> u64 {
        0
    }

    /// The last sequence number that was given out. A number up to it that [`Self::poll`] never yields was lost.
    fn last_seq(&self) -> Seq;

    /// The number up to which [`Self::poll`] has yielded whatever there was: what comes after it may be still to be read, and is not
    /// missing. As given: the last one, for nothing is left to be read.
    fn read_until(&self) -> Seq {
        self.last_seq()
    }

    /// Looks at every process again: after a gap, what it shows bounds what was not seen. Appends
    /// [`tracer_model::event::EventKind::Snapshot`] events and the end of the run.
    fn resynchronise(&mut self, out: &mut Vec<Item>) -> Result<(), CaptureError>;

    /// Looks at every process without a word to the model: what comes back is only compared with it. Appends to `out` no more
    /// than that the numbers of these observations are none of an event.
    ///
    /// As given: one process after the other from `/proc`, each between two numbers. What shows an end that is not recorded yet
    /// gets its second number when that end has one.
    fn observe(&mut self, _out: &mut Vec<Item>) -> Result<Vec<Observation>, CaptureError> {
        let mut observations = Vec::new();
        for pid in procfs::pids() {
            let (since, traced) = (self.last_seq(), procfs::is_in_trace_stop(pid));
            if let Some(state) = procfs::read(pid) {
                if state.exit_state != 0 {
                    self.catch_up()?;
                }
                let stop_known = !traced && !procfs::is_in_trace_stop(pid);
                observations.push(Observation { since, seq: self.last_seq(), at: boot_now(), state, stop_known });
            }
        }
        Ok(observations)
    }

    /// Gives a number to every end and every reap that the kernel shows by now. As given: nothing is to be done, for their records
    /// come before they show.
    fn catch_up(&mut self) -> Result<(), CaptureError> {
        Ok(())
    }

    /// Whether nobody has the number of this zombie, or somebody else has it, so that it was reaped. As given: not said, for that is
    /// recorded.
    fn is_gone(&self, _zombie: RawTask) -> bool {
        false
    }

    /// Makes no more records: [`Self::last_seq`] and what is lost are final when this returns.
    fn stop(&mut self) -> Result<(), CaptureError>;

    /// Descriptors that become readable when [`Self::poll`] is worth calling before the next tick of the consumer's timer.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;

    /// The consumer is about to wait for long. Whether its descriptors tell of whatever there is to be had from now until the next
    /// [`Self::poll`], so that nobody need look while they are silent. As given: they do not.
    fn rest(&self) -> bool {
        false
    }

    /// Lets go, when everything is written and nobody waits for this process: the probes detach without being waited for;
    /// ptrace serves what it cannot let go of until that has ended ([`ptrace::PtraceSource`]), and then returns.
    fn retire(self: Box<Self>);
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
    /// An event that has no number of its own: a gap, or the end of a snapshot. It belongs right before whatever has the
    /// number that it bears.
    Unnumbered(Event),
}

/// A process as an oracle saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The last number that was given out before it was looked at.
    pub since: Seq,
    /// The last number that was given out when it had been looked at; its own number where it has one.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    /// What was seen.
    pub state: State,
    /// Whether it shows if the process is stopped for job control. `/proc` has one letter for that and for being held by a
    /// tracer, and the tracer's comes first (fs/proc/array.c, `task_state_array`).
    pub stop_known: bool,
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
    /// Capture tier: `tracepoint`, `ptrace`.
    pub tier: &'static str,
    /// Why this tier and no better one, in a few words.
    pub reason: String,
    /// Inode of the pid namespace whose numbers the events carry (`/proc/PID/ns/pid`).
    pub pid_namespace: u32,
}

/// `CLOCK_BOOTTIME` now.
#[must_use]
pub fn boot_now() -> BootNs {
    // The clock exists on every supported kernel; a time before boot does not.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from).unwrap_or_default();
    BootNs(now.as_nanos() as u64)
}

/// Strings that are ended by NUL, as in `/proc/PID/cmdline`. The last one may lack its NUL.
fn strings(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
}
