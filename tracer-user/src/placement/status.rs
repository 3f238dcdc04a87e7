//! How the command ended, and how a process ends in the same way.

use std::process::ExitCode;

use nix::sys::{
    prctl,
    resource::{Resource, getrlimit, setrlimit},
};
use tracer_model::{event::WaitStatus, ids::Signal};

use super::raw_signals;

/// The end of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// `exit(code)`.
    Exited(u8),
    /// Died of a signal.
    Killed {
        /// The signal.
        signal: Signal,
        /// It dumped core.
        core: bool,
    },
}

impl CommandStatus {
    /// The end that a wait status tells of; nothing for a stop or a continue.
    #[must_use]
    pub fn from_word(word: i32) -> Option<Self> {
        match WaitStatus::from_word(word) {
            WaitStatus::Exited(code) => Some(Self::Exited(code as u8)),
            WaitStatus::Killed { signal, core } => Some(Self::Killed { signal, core }),
            WaitStatus::Stopped(_) | WaitStatus::Continued | WaitStatus::Unknown { .. } => None,
        }
    }

    /// Ends as the command did: returns its exit status, or dies of its signal.
    ///
    /// A second core dump would bury the command's own. `RLIMIT_CORE` does not hold for a `core_pattern` that is a pipe
    /// (core(5)), so the process is made undumpable too.
    #[must_use]
    pub fn pass_on(self) -> ExitCode {
        match self {
            Self::Exited(code) => ExitCode::from(code),
            Self::Killed { signal, .. } => {
                if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
                    let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
                }
                let _ = prctl::set_dumpable(false);
                let number = signal.0 as i32;
                raw_signals::make_default(number);
                raw_signals::unblock(number);
                raw_signals::signal_self(number);
                // Only the init process of a pid namespace comes here: the kernel shields it (pid_namespaces(7)).
                ExitCode::from(128 + signal.0 as u8)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_or_a_continue_is_not_an_end() {
        assert_eq!(CommandStatus::from_word(0x137f), None);
        assert_eq!(CommandStatus::from_word(0xffff), None);
        assert_eq!(CommandStatus::from_word(3 << 8), Some(CommandStatus::Exited(3)));
        assert_eq!(CommandStatus::from_word(0x8b), Some(CommandStatus::Killed { signal: Signal(11), core: true }));
    }
}
