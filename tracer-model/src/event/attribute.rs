//! Steps of a daemon beside job control: calls by which a process changes what a fork and an exec hand on (POSIX, `exec`: the
//! attributes that a new process image inherits). They are captured only where that is asked for.
//!
//! Must not: hold a path. What a descriptor refers to is said by its kind.

use super::{Disposition, inspection::Target};
use crate::ids::{RawTty, Signal};

/// One such call, when it had returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `chdir(2)` or `fchdir(2)`.
    Chdir {
        /// The working directory is the root directory of the process now.
        root: bool,
        /// Why it failed; 0: it did not.
        errno: i32,
    },
    /// `umask(2)` that changed something.
    Umask {
        /// Before.
        old: u32,
        /// Now.
        new: u32,
    },
    /// `open(2)`, `openat(2)` or `openat2(2)`: of a low descriptor, or of a terminal under any number.
    Open {
        /// The new descriptor.
        fd: u32,
        /// What it refers to.
        target: Target,
    },
    /// `dup(2)`, `dup2(2)`, `dup3(2)` or `fcntl(2)` with `F_DUPFD`.
    Dup {
        /// The new descriptor.
        fd: u32,
        /// What it refers to.
        target: Target,
    },
    /// `close(2)` or `close_range(2)`.
    Close {
        /// First descriptor.
        first: u32,
        /// Last.
        last: u32,
    },
    /// `rt_sigaction(2)` that changed more than a handler.
    Sigaction {
        /// The signal.
        signal: Signal,
        /// What is done with it from now on.
        disposition: Disposition,
    },
    /// `rt_sigprocmask(2)` that changed something.
    Sigprocmask {
        /// Signals that were blocked: signal N is bit N - 1.
        old: u64,
        /// Signals that are blocked.
        new: u64,
    },
}

/// Which of them are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Descriptors: number N is bit N.
    pub descriptors: u32,
    /// Signals whose dispositions are: signal N is bit N - 1.
    pub dispositions: u32,
    /// Signals of which it is that they are blocked or unblocked; likewise.
    pub blocked: u32,
}

impl Attributes {
    /// What every daemon changes: descriptors 0, 1 and 2, and what is done with SIGHUP, SIGCHLD, SIGTSTP, SIGTTIN and SIGTTOU.
    pub const USUAL: Self =
        Self { descriptors: 0b111, dispositions: 1 | 1 << 16 | 1 << 19 | 1 << 20 | 1 << 21, blocked: 0 };

    /// None.
    pub const NONE: Self = Self { descriptors: 0, dispositions: 0, blocked: 0 };

    /// Whether a descriptor is among them.
    #[must_use]
    pub fn has_descriptor(self, fd: u32) -> bool {
        fd < u32::BITS && self.descriptors >> fd & 1 != 0
    }

    /// Whether what is done with this signal is among them.
    #[must_use]
    pub fn has_disposition(self, signal: u32) -> bool {
        (1..=u32::BITS).contains(&signal) && self.dispositions >> (signal - 1) & 1 != 0
    }
}

impl Attribute {
    /// The call, as JSON has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chdir { .. } => "chdir",
            Self::Umask { .. } => "umask",
            Self::Open { .. } => "open",
            Self::Dup { .. } => "dup",
            Self::Close { .. } => "close",
            Self::Sigaction { .. } => "sigaction",
            Self::Sigprocmask { .. } => "sigprocmask",
        }
    }

    /// Whether it changes this descriptor.
    #[must_use]
    pub fn changes_descriptor(&self, number: u32) -> bool {
        match *self {
            Self::Open { fd, .. } | Self::Dup { fd, .. } => fd == number,
            Self::Close { first, last } => (first..=last).contains(&number),
            Self::Chdir { .. } | Self::Umask { .. } | Self::Sigaction { .. } | Self::Sigprocmask { .. } => false,
        }
    }

    /// The terminal that a descriptor refers to by it.
    #[must_use]
    pub fn terminal(&self) -> Option<RawTty> {
        match *self {
            Self::Open { target: Target::Terminal(tty), .. } | Self::Dup { target: Target::Terminal(tty), .. } => {
                Some(tty)
            }
            Self::Open { .. }
            | Self::Dup { .. }
            | Self::Chdir { .. }
            | Self::Umask { .. }
            | Self::Close { .. }
            | Self::Sigaction { .. }
            | Self::Sigprocmask { .. } => None,
        }
    }
}
