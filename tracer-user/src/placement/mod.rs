//! Placement: where the command stands among the processes, and who waits for it. Independent of what captures it.
//!
//! Three processes: the one that the shell started, the command, and the capture process, which is nobody's child, has a
//! session of its own away from the terminal, and holds every probe (closing probes takes seconds). With
//! [`Placement::Wrapper`] the first one is the *waiter*, the command's parent; with [`Placement::InPlace`] it becomes the
//! command. `docs/PLACEMENT.md` has the protocol, the reasons, and the list of what the command can tell of the wrapper.
//!
//! Must not: know of events, probes or output formats.

mod capture_side;
mod detach;
mod error;
mod exec;
mod forwarding;
mod held;
mod in_place;
mod init_hook;
mod lookup;
mod pidfd;
mod protocol;
mod raw_signals;
mod report;
mod status;
mod terminal;
mod user;
mod wrapper;

use std::{ffi::OsString, panic, process};

use nix::{errno::Errno, unistd::getpid};

pub use capture_side::{CaptureSide, Control, Root, WaiterGone};
pub use error::LaunchError;
pub use held::Held;
pub(crate) use pidfd::{pidfd_open, send_signal};
pub use protocol::{Preparation, Reach};
pub use report::ReportWriter;
pub use status::CommandStatus;
pub use user::User;

use crate::capture::ptrace::Filter;
use detach::{Side, fork_detached, let_go};
use protocol::{Channel, ToWaiter};

/// Where the command stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// The process that the shell started is the command's parent and waits for it, like time(1).
    #[default]
    Wrapper,
    /// The process that the shell started becomes the command, like `strace -DDD`.
    InPlace,
}

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The command and its arguments; the first is looked up in PATH.
    pub command: Vec<OsString>,
    /// Where it stands.
    pub placement: Placement,
    /// Whom it runs as, if not as whoever started this program.
    pub user: Option<User>,
    /// What it installs on itself right before its exec, should the capture ask for that ([`Preparation::Traced`]).
    pub filter: Option<Filter>,
}

impl Launch {
    /// Judges what can be judged before anything is started: that the command is there and can be executed. As root for
    /// [`Self::user`] this refuses less than that user would be refused.
    pub fn check(&self) -> Result<(), LaunchError> {
        let command = self.command.first().cloned().unwrap_or_default();
        let path = std::env::var_os("PATH");
        lookup::look_up(&command, path.as_deref()).map_err(|errno| LaunchError::CannotRun { command, errno })
    }
}

/// Starts a command with a capture process beside it, in which `capture` runs.
///
/// Returns how the command ended, once it did and [`CaptureSide::done`] was called (or the capture process is gone). In place
/// it returns only if the command was not run, for otherwise this process has become the command.
///
/// To be called while this process has one thread, for it forks. Files that `capture` needs must be open by now: the capture
/// process changes to `/` and keeps of what is open only what is close-on-exec, as everything is that Rust opens. What
/// `capture` owns is dropped in this process, unused.
pub fn launch<F: FnOnce(CaptureSide)>(launch: &Launch, capture: F) -> Result<CommandStatus, LaunchError> {
    if !init_hook::ran() {
        // A command that gets altered signals would be observed as what it is not.
        return Err(LaunchError::System { what: "tell which signals were ignored at the start", errno: Errno::ENOSYS });
    }
    if launch.placement == Placement::InPlace && getpid().as_raw() == 1 {
        return Err(LaunchError::FirstProcess);
    }
    let program = exec::Program::new(launch)?;
    let failed = |errno| LaunchError::System { what: "start the capture process", errno };
    let (ours, theirs) = Channel::pair().map_err(failed)?;
    let waiter = getpid();
    match fork_detached().map_err(failed)? {
        Side::Capture => {
            drop(ours);
            run_capture(launch.placement, theirs, waiter.as_raw(), capture)
        }
        Side::Starter => drop((theirs, capture)),
    }
    match launch.placement {
        Placement::Wrapper => wrapper::run(&program, ours),
        Placement::InPlace => Err(in_place::run(&program, &ours)),
    }
}

/// The capture process, from its first step to its end.
fn run_capture(placement: Placement, channel: Channel, waiter: i32, capture: impl FnOnce(CaptureSide)) -> ! {
    let side = match let_go(placement) {
        Err((what, errno)) => Err((channel, what, errno)),
        Ok(()) => CaptureSide::new(placement, channel, waiter),
    };
    match side {
        Ok(side) => {
            // A panic must not unwind into what the process that started this one goes on to do.
            let panicked = panic::catch_unwind(panic::AssertUnwindSafe(|| capture(side))).is_err();
            process::exit(if panicked { 101 } else { 0 })
        }
        Err((channel, what, errno)) => {
            let text = format!("the capture process cannot {what}: {errno:?} ({})", errno.desc());
            // The waiter may be gone as well.
            let _ = channel.send(&ToWaiter::Failed { text, code: 125 }, None);
            process::exit(125)
        }
    }
}
