//! Why a command could not be started, with the exit codes of env(1) and timeout(1).

use std::{ffi::OsString, path::Path};

use nix::errno::Errno;

/// A failure before the command ran.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command cannot be executed.
    #[error("cannot run '{}': {errno:?} ({})", command.to_string_lossy().escape_debug(), .errno.desc())]
    CannotRun {
        /// The command as given.
        command: OsString,
        /// From execve.
        errno: Errno,
    },
    /// When the first process of a pid namespace ends, everybody in it is killed, the capture process too
    /// (`kernel/pid_namespace.c`, `zap_pid_ns_processes`).
    #[error("cannot run in place: this is process 1, with whose end everything ends, the capture too")]
    FirstProcess,
    /// `-u` names nobody.
    #[error("cannot run as user '{}': there is no such user", name.escape_debug())]
    UnknownUser {
        /// As given.
        name: String,
    },
    /// Only root can become somebody else.
    #[error("cannot run as user '{}': EPERM (Operation not permitted): only root can", name.escape_debug())]
    UserNeedsRoot {
        /// As given.
        name: String,
    },
    /// The user exists, but this process cannot become it.
    #[error("cannot run as user '{}': {call}: {errno:?} ({})", name.escape_debug(), .errno.desc())]
    CannotBecomeUser {
        /// As given.
        name: String,
        /// `initgroups`, `setgid` or `setuid`.
        call: &'static str,
        /// Why.
        errno: Errno,
    },
    /// The command's process may not install the filter that ptrace is to be told by.
    #[error("cannot install the seccomp filter that finds the calls to trace: {errno:?} ({})", .errno.desc())]
    CannotFilter {
        /// From `seccomp(2)` or `prctl(2)`.
        errno: Errno,
    },
    /// The capture could not start and said why.
    #[error("{text}")]
    Capture {
        /// What it said: what failed, on which object, why, and the remedy.
        text: String,
        /// The exit code it asks for.
        code: u8,
    },
    /// The capture process ended without a word before it was ready.
    #[error("the capture process ended before it was ready; the command was not run")]
    CaptureVanished,
    /// The command or an argument cannot be passed to execve.
    #[error("cannot run '{}': an argument contains a null byte", command.to_string_lossy().escape_debug())]
    NullByte {
        /// The command as given.
        command: OsString,
    },
    /// Another operation of the system failed.
    #[error("cannot {what}: {errno:?} ({})", .errno.desc())]
    System {
        /// What, on which object.
        what: &'static str,
        /// Why.
        errno: Errno,
    },
}

impl LaunchError {
    /// The exit code: 127 when the command was not found, 126 when it cannot be executed, 125 (or what the capture asked
    /// for) when the failure is ours.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CannotRun { errno: Errno::ENOENT, .. } => 127,
            Self::CannotRun { .. } => 126,
            Self::Capture { code, .. } => *code,
            Self::FirstProcess
            | Self::UnknownUser { .. }
            | Self::UserNeedsRoot { .. }
            | Self::CannotBecomeUser { .. }
            | Self::CannotFilter { .. }
            | Self::CaptureVanished
            | Self::NullByte { .. }
            | Self::System { .. } => 125,
        }
    }

    /// What the user can do: one command, or one sentence where no command helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::CannotRun { command, errno } => cannot_run_hint(command, *errno),
            Self::FirstProcess => Some("without --in-place".to_owned()),
            Self::UnknownUser { .. } => Some("getent passwd lists the users".to_owned()),
            Self::UserNeedsRoot { name } => Some(format!("sudo sesstrace run -u {} -- …", name.escape_debug())),
            Self::CannotFilter { .. } => Some("--no-seccomp, which needs no filter and is slower".to_owned()),
            Self::CaptureVanished => Some("sesstrace doctor".to_owned()),
            Self::CannotBecomeUser { .. } | Self::Capture { .. } | Self::NullByte { .. } | Self::System { .. } => None,
        }
    }
}

fn cannot_run_hint(command: &OsString, errno: Errno) -> Option<String> {
    let shown = command.to_string_lossy();
    let shown = shown.escape_debug();
    let is_path = shown.clone().any(|c| c == '/');
    if errno == Errno::ENOENT && !is_path {
        Some(format!("no directory of PATH has it; `type {shown}` says whether it is a word of your shell"))
    } else if errno == Errno::ENOENT && Path::new(command).exists() {
        Some(format!("it exists, but its interpreter does not: see `head -1 {shown}` and `file {shown}`"))
    } else if errno == Errno::ENOENT {
        Some(format!("ls -l {shown}"))
    } else if errno == Errno::EACCES && Path::new(command).is_dir() {
        Some("it is a directory".to_owned())
    } else if errno == Errno::EACCES && is_path {
        Some(format!("chmod +x {shown}"))
    } else if errno == Errno::EACCES {
        Some(format!(
            "it, or a directory of PATH, is closed to this user; `type -a {shown}` shows what your shell finds"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cannot_run(command: &str, errno: Errno) -> LaunchError {
        LaunchError::CannotRun { command: command.into(), errno }
    }

    #[test]
    fn exit_codes_are_those_of_env() {
        assert_eq!(cannot_run("x", Errno::ENOENT).exit_code(), 127);
        assert_eq!(cannot_run("x", Errno::EACCES).exit_code(), 126);
        assert_eq!(LaunchError::CaptureVanished.exit_code(), 125);
        assert_eq!(LaunchError::Capture { text: String::new(), code: 4 }.exit_code(), 4);
    }

    #[test]
    fn messages_name_the_errno_and_keep_escapes_from_the_terminal() {
        let error = cannot_run("no\u{1b}[31mve", Errno::ENOENT);
        assert_eq!(error.to_string(), "cannot run 'no\\u{1b}[31mve': ENOENT (No such file or directory)");
        assert!(!error.hint().unwrap().contains('\u{1b}'));
    }

    #[test]
    fn the_remedy_depends_on_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        std::fs::write(&script, "#!/nonexistent\n").unwrap();
        let path = script.to_str().unwrap();
        assert!(cannot_run(path, Errno::ENOENT).hint().unwrap().contains("interpreter"));
        assert_eq!(cannot_run(path, Errno::EACCES).hint(), Some(format!("chmod +x {path}")));
        assert_eq!(cannot_run("/etc", Errno::EACCES).hint().as_deref(), Some("it is a directory"));
        assert!(cannot_run("nope", Errno::ENOENT).hint().unwrap().contains("PATH"));
        assert_eq!(cannot_run("/nope", Errno::ENOENT).hint().as_deref(), Some("ls -l /nope"));
    }
}
