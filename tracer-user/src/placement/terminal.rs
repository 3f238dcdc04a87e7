//! The controlling terminal's foreground process group, across a stop of the command.
//!
//! A shell that resumes a job puts the job's process group, which is the waiter's, in the foreground. A command that has made
//! a group of its own (every interactive shell does) had the terminal for that group when it stopped and expects it back.
//! Must not: keep the terminal open.

use std::os::fd::OwnedFd;

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{Pid, getpgid, getpgrp, tcgetpgrp, tcsetpgrp},
};

fn controlling_terminal() -> Result<OwnedFd, Errno> {
    open("/dev/tty", OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())
}

/// The command's process group, if it is not this process's and has the terminal.
pub(super) fn foreground_group_of(command: Pid) -> Option<Pid> {
    let group = getpgid(Some(command)).ok()?;
    let owner = tcgetpgrp(controlling_terminal().ok()?).ok()?;
    (owner == group && group != getpgrp()).then_some(group)
}

/// Gives the terminal to `group`, if it has just been given to this process's group. SIGTTOU must be blocked.
pub(super) fn hand_on(group: Pid) {
    let Ok(terminal) = controlling_terminal() else { return };
    if tcgetpgrp(&terminal) == Ok(getpgrp()) {
        // The group may have ended; then the terminal stays where the shell put it.
        let _ = tcsetpgrp(&terminal, group);
    }
}
