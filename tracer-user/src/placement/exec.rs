//! Becoming the command: everything is made as it was when this program was started, then execvp.
//!
//! Never `std::process::Command`: it drops an inherited ignored SIGPIPE and adds signals to the ignored ones.

use std::{
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use nix::{errno::Errno, unistd::execvp};

use super::{
    error::LaunchError,
    init_hook,
    user::{BecomeCall, User},
};

/// The command, checked and ready for execve.
#[derive(Debug)]
pub(super) struct Program {
    words: Vec<CString>,
    user: Option<User>,
}

/// Why the process did not become the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExecFailure {
    User(BecomeCall, Errno),
    Exec(Errno),
}

impl Program {
    pub(super) fn new(command: &[OsString], user: Option<User>) -> Result<Self, LaunchError> {
        let words: Result<Vec<_>, _> = command.iter().map(|word| CString::new(word.as_bytes())).collect();
        match words {
            Ok(words) if !words.is_empty() => Ok(Self { words, user }),
            Ok(_) => Err(LaunchError::CannotRun { command: OsString::new(), errno: Errno::ENOENT }),
            Err(_) => Err(LaunchError::NullByte { command: command.first().cloned().unwrap_or_default() }),
        }
    }

    /// Becomes the command; returns only if that fails. Signals have been restored by the caller, at the time that suits it.
    ///
    /// execvp, as a shell would: PATH is searched as the user who runs the command, and a file without `#!` is given to
    /// `/bin/sh`.
    pub(super) fn exec(&self) -> ExecFailure {
        if let Some(user) = &self.user
            && let Err((call, errno)) = user.assume()
        {
            return ExecFailure::User(call, errno);
        }
        init_hook::restore_closed_fds();
        let Some(name) = self.words.first() else { return ExecFailure::Exec(Errno::ENOENT) };
        let Err(errno) = execvp(name, &self.words);
        ExecFailure::Exec(errno)
    }

    /// The failure in words.
    pub(super) fn explain(&self, failure: ExecFailure) -> LaunchError {
        match failure {
            ExecFailure::Exec(errno) => LaunchError::CannotRun { command: self.name(), errno },
            ExecFailure::User(call, errno) => LaunchError::CannotBecomeUser {
                name: self.user.as_ref().map(|user| user.name().to_owned()).unwrap_or_default(),
                call: call.name(),
                errno,
            },
        }
    }

    fn name(&self) -> OsString {
        self.words.first().map(|name| OsStr::from_bytes(name.as_bytes()).to_owned()).unwrap_or_default()
    }
}

impl ExecFailure {
    /// For the pipe on which a forked process tells why it did not become the command.
    pub(super) fn encode(self) -> [u8; 5] {
        let (tag, errno) = match self {
            Self::Exec(errno) => (0, errno),
            Self::User(BecomeCall::Initgroups, errno) => (1, errno),
            Self::User(BecomeCall::Setgid, errno) => (2, errno),
            Self::User(BecomeCall::Setuid, errno) => (3, errno),
        };
        let [a, b, c, d] = (errno as i32).to_le_bytes();
        [tag, a, b, c, d]
    }

    /// Nothing when the pipe was closed by the exec, or held something else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [tag, a, b, c, d] = *bytes else { return None };
        let errno = Errno::from_raw(i32::from_le_bytes([a, b, c, d]));
        match tag {
            0 => Some(Self::Exec(errno)),
            1 => Some(Self::User(BecomeCall::Initgroups, errno)),
            2 => Some(Self::User(BecomeCall::Setgid, errno)),
            3 => Some(Self::User(BecomeCall::Setuid, errno)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_pipe() {
        for failure in [
            ExecFailure::Exec(Errno::ENOENT),
            ExecFailure::User(BecomeCall::Initgroups, Errno::EPERM),
            ExecFailure::User(BecomeCall::Setgid, Errno::EINVAL),
            ExecFailure::User(BecomeCall::Setuid, Errno::EAGAIN),
        ] {
            assert_eq!(ExecFailure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(ExecFailure::decode(&[]), None);
    }

    #[test]
    fn a_null_byte_is_refused() {
        let error = Program::new(&["true".into(), "a\0b".into()], None).unwrap_err();
        assert!(matches!(error, LaunchError::NullByte { .. }));
    }
}
