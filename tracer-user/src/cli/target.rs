//! What to trace and with what: the arguments that run, record and live share.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

use super::exit::ExpectedError;
use crate::{
    capture::ebpf::{Mode, Options},
    placement::{Launch, Placement, User},
};

/// Which backend captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Kernel probes where they are allowed
    Auto,
    /// Kernel probes, or an error
    Ebpf,
    /// No privilege needed (not in this release)
    Ptrace,
}

/// How to capture.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// What captures
    #[arg(short, long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// Also record reads and writes of the controlling terminal that were refused or stopped (costs on every read and write
    /// of the machine)
    #[arg(long)]
    pub tty_io: bool,
    /// Size of each of the two ring buffers, in bytes; a power of two
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20, hide_short_help = true)]
    pub ring_bytes: u32,
}

impl CaptureArgs {
    /// The options of the eBPF source.
    pub fn options(&self, mode: Mode) -> Result<Options, ExpectedError> {
        if self.backend == Backend::Ptrace {
            return Err(ExpectedError::usage(
                "the ptrace backend is not in this release",
                "sesstrace doctor    says what the eBPF backend needs here",
            ));
        }
        if !self.ring_bytes.is_power_of_two() || self.ring_bytes < 4096 {
            return Err(ExpectedError::usage(
                format!("--ring-bytes {}: a ring buffer is a power of two of at least 4096 bytes", self.ring_bytes),
                "--ring-bytes 1048576",
            ));
        }
        let mut options = Options::new(mode);
        options.load.tty_io = self.tty_io;
        // Arguments of other people's commands are none of our business.
        options.load.capture_arguments = mode == Mode::Follow;
        options.load.critical_bytes = self.ring_bytes;
        options.load.chatty_bytes = self.ring_bytes;
        Ok(options)
    }
}

/// How to start the command.
#[derive(Debug, Args)]
pub struct CommandArgs {
    /// Run the command as this user (root only)
    #[arg(short, long, value_name = "USER", requires = "command")]
    pub user: Option<String>,
    /// Become the command instead of waiting for it: nothing differs for it, and the report goes to -o only
    #[arg(long, requires = "command")]
    pub in_place: bool,
}

impl CommandArgs {
    /// What to start.
    pub fn launch(&self, command: &[OsString]) -> Result<Launch, ExpectedError> {
        let user = self.user.as_deref().map(User::by_name).transpose()?;
        let placement = if self.in_place { Placement::InPlace } else { Placement::Wrapper };
        Ok(Launch { command: command.to_vec(), placement, user })
    }
}

/// What to trace: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TargetArgs {
    /// Every process of the machine
    #[arg(long)]
    pub all: bool,
    /// A running process and its descendants
    #[arg(short, long, value_name = "PID")]
    pub pid: Option<u32>,
    /// A command and its descendants
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Where a file of ours goes: absolute, because the capture process works in `/`.
pub fn absolute(path: &std::path::Path) -> Result<PathBuf, ExpectedError> {
    std::path::absolute(path).map_err(|error| ExpectedError {
        what: format!("cannot use {}: {error}", path.display()),
        fix: None,
        code: super::exit::BEFORE_COMMAND,
        cause: None,
    })
}
