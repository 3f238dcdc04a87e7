//! Becoming the command: everything is made as it was when this program was started, then execvp.
//!
//! Never `std::process::Command`: it drops an inherited ignored SIGPIPE and adds signals to the ignored ones.

use std::{
    ffi::{CString, OsStr, OsString},
    os::{fd::AsFd as _, unix::ffi::OsStrExt},
};

use nix::{errno::Errno, unistd::execvp};

use super::{
    Launch,
    error::LaunchError,
    init_hook, pidfd,
    protocol::{Channel, Preparation, ToCapture},
    user::{BecomeCall, User},
};
use crate::capture::ptrace::{self, Filter};

/// The command, checked and ready for execve.
#[derive(Debug)]
pub(super) struct Program {
    words: Vec<CString>,
    user: Option<User>,
    filter: Option<Filter>,
}

/// Why the process did not become the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExecFailure {
    Introduction(Errno),
    User(BecomeCall, Errno),
    Filter(Errno),
    Exec(Errno),
}

/// Makes this process one that the capture process can follow, and tells it so. What is to be followed does this itself: only
/// it can give its consent.
pub(super) fn introduce(channel: &Channel, capture: i32, preparation: Preparation) -> Result<(), Errno> {
    if preparation != Preparation::Nothing {
        allow_tracer(capture);
    }
    let own = std::process::id() as i32;
    let pidfd = pidfd::pidfd_open(own)?;
    channel.send(&ToCapture::Root { pid: own }, Some(pidfd.as_fd()))
}

/// Lets the capture process trace this process.
pub(super) fn allow_tracer(capture: i32) {
    ptrace::allow_tracer(tracer_model::ids::Pid(capture.cast_unsigned()));
}

impl Program {
    pub(super) fn new(launch: &Launch) -> Result<Self, LaunchError> {
        let Launch { command, user, filter, .. } = launch;
        let words: Result<Vec<_>, _> = command.iter().map(|word| CString::new(word.as_bytes())).collect();
        match words {
            Ok(words) if !words.is_empty() => Ok(Self { words, user: user.clone(), filter: filter.clone() }),
            Ok(_) => Err(LaunchError::CannotRun { command: OsString::new(), errno: Errno::ENOENT }),
            Err(_) => Err(LaunchError::NullByte { command: command.first().cloned().unwrap_or_default() }),
        }
    }

    /// Becomes the command; returns only if that fails. Signals have been restored by the caller, at the time that suits it.
    ///
    /// execvp, as a shell would: PATH is searched as the user who runs the command, and a file without `#!` is given to
    /// `/bin/sh`. The filter comes before the user: installed by root, it needs no promise never to gain privilege again, so
    /// that sudo and the like work for that user.
    pub(super) fn exec(&self, preparation: Preparation) -> ExecFailure {
        if let (Preparation::Traced { filter: true }, Some(filter)) = (preparation, &self.filter)
            && let Err(errno) = filter.install()
        {
            return ExecFailure::Filter(errno);
        }
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
            ExecFailure::Introduction(errno) => {
                LaunchError::System { what: "tell the capture process whom to follow", errno }
            }
            ExecFailure::Filter(errno) => LaunchError::CannotFilter { errno },
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
            Self::Filter(errno) => (4, errno),
            Self::Introduction(errno) => (5, errno),
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
            4 => Some(Self::Filter(errno)),
            5 => Some(Self::Introduction(errno)),
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
            ExecFailure::Filter(Errno::EACCES),
            ExecFailure::Introduction(Errno::EMFILE),
        ] {
            assert_eq!(ExecFailure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(ExecFailure::decode(&[]), None);
    }

    #[test]
    fn a_null_byte_is_refused() {
        let launch = Launch { command: vec!["true".into(), "a\0b".into()], ..Launch::default() };
        let error = Program::new(&launch).unwrap_err();
        assert!(matches!(error, LaunchError::NullByte { .. }));
    }
}
