//! What to trace and with what: the arguments that run, record and live share.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

use super::{
    backend::{Backend, Choice},
    exit::ExpectedError,
};
use crate::{
    capture::{
        ebpf::{self, Mode},
        ptrace,
    },
    placement::{Launch, Placement, User},
    redaction::Redaction,
};

/// Whose arguments are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arguments {
    /// Those of one's own command, or of a process that one names, with its descendants.
    Auto,
    /// Of every process that is captured.
    All,
    /// Nobody's.
    None,
}

/// How to capture.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// What captures
    #[arg(short, long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// ptrace: stop the command at every system call instead of finding the watched ones with a seccomp filter. Much slower;
    /// what the command leaves behind can be let go of when it ends
    #[arg(long)]
    pub no_seccomp: bool,
    /// Also record reads and writes of the controlling terminal that were refused or stopped (costs on every read and write
    /// of the machine)
    #[arg(long)]
    pub tty_io: bool,
    /// Also record what processes do to what a fork and an exec hand on: working directory, umask, low descriptors, signal
    /// dispositions (costs on every open and close of the machine). audit does, of a command and with --watch
    #[arg(long)]
    pub attributes: bool,
    /// Whose arguments of programs are recorded; auto: those of the command or the process and its descendants, with --all
    /// nobody's. The environment never is
    #[arg(long, value_enum, value_name = "WHOSE", default_value = "auto")]
    pub arguments: Arguments,
    /// Record [removed] in place of arguments that match, with * for anything: '--password=*'
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    pub redact: Vec<String>,
    /// eBPF: size of each of the two ring buffers, in bytes; a power of two
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20, hide_short_help = true)]
    pub ring_bytes: u32,
}

impl CaptureArgs {
    /// What was asked for. `mode` is whose events are wanted; `own_command`: of a command that is yet to be started.
    pub fn choice(&self, mode: Mode, own_command: bool) -> Result<Choice, ExpectedError> {
        if !self.ring_bytes.is_power_of_two() || self.ring_bytes < 4096 {
            return Err(ExpectedError::usage(
                format!("--ring-bytes {}: a ring buffer is a power of two of at least 4096 bytes", self.ring_bytes),
                "--ring-bytes 1048576",
            ));
        }
        let mut ebpf = ebpf::Options::new(mode);
        ebpf.load.tty_io = self.tty_io;
        let capture_arguments = match self.arguments {
            // Arguments of other people's commands are none of our business.
            Arguments::Auto => mode == Mode::Follow,
            Arguments::All => true,
            Arguments::None => false,
        };
        ebpf.load.capture_arguments = capture_arguments;
        ebpf.load.critical_bytes = self.ring_bytes;
        ebpf.load.chatty_bytes = self.ring_bytes;
        // What runs already cannot be made to install a filter.
        let seccomp = own_command && !self.no_seccomp;
        let ptrace = ptrace::Options {
            seccomp,
            running: !own_command,
            capture_arguments,
            tty_io: self.tty_io,
            attributes: None,
        };
        let redaction = Redaction::matching(&self.redact);
        let choice = Choice { backend: self.backend, ebpf, ptrace, redaction };
        Ok(if self.attributes { choice.with_attributes(0) } else { choice })
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
    pub fn launch(&self, command: &[OsString], filter: Option<ptrace::Filter>) -> Result<Launch, ExpectedError> {
        let user = self.user.as_deref().map(User::by_name).transpose()?;
        let placement = if self.in_place { Placement::InPlace } else { Placement::Wrapper };
        Ok(Launch { command: command.to_vec(), placement, user, filter })
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
        what: format!(
            "cannot tell where {} is: {}: the working directory is gone",
            path.display(),
            crate::trace_file::cause(&error)
        ),
        fix: Some("cd to a directory that is there, or name the whole path".to_owned()),
        code: super::exit::BEFORE_COMMAND,
        cause: None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        capture: CaptureArgs,
    }

    /// Whether arguments of programs are recorded, by either backend.
    fn arguments(words: &[&str], mode: Mode) -> bool {
        let line = Line::parse_from(["sesstrace"].iter().chain(words));
        let choice = line.capture.choice(mode, mode == Mode::Follow).expect("a choice");
        assert_eq!(choice.ebpf.load.capture_arguments, choice.ptrace.capture_arguments);
        choice.ebpf.load.capture_arguments
    }

    #[test]
    fn arguments_are_recorded_of_ones_own_command_and_of_others_on_request() {
        assert!(arguments(&[], Mode::Follow));
        assert!(!arguments(&[], Mode::All));
        assert!(arguments(&["--arguments", "all"], Mode::All));
        assert!(!arguments(&["--arguments", "none"], Mode::Follow));
    }
}
