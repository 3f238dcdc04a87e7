//! A command that leads its own process group, as an interactive shell would have it, and waits until it may run.
//!
//! For an audit: the command is this process's child, is given the terminal while this process has it, and is left alone when
//! the audit ends. Must not: know of a capture.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::signal::{SigHandler, Signal, signal},
    unistd::{Pid, getpgrp, pipe2, read, setpgid, tcgetpgrp, tcsetpgrp, write},
};

use super::{
    Launch,
    detach::exit_now,
    error::LaunchError,
    exec::{ExecFailure, Program},
    init_hook,
};

/// The command's process.
#[derive(Debug)]
pub struct Held {
    /// Its number.
    pub pid: Pid,
    program: Program,
    release: Option<OwnedFd>,
    failures: OwnedFd,
    /// The terminal was given to it.
    terminal: bool,
}

impl Held {
    /// Forks the command's process, which leads a new group and waits. To be called while this process has one thread.
    pub fn fork(launch: &Launch) -> Result<Self, LaunchError> {
        let program = Program::new(launch)?;
        let failed = |what| move |errno| LaunchError::System { what, errno };
        let (released, release) = pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        let (failures, failed_exec) = pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        // SAFETY: this process has one thread, so that the child may do anything.
        match unsafe { libc::fork() } {
            -1 => Err(LaunchError::System { what: "fork the command", errno: Errno::last() }),
            0 => {
                drop((release, failures));
                // Both call it, so that the group is there whoever is first.
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                init_hook::restore_signals();
                init_hook::restore_pending();
                if !waits(&released) {
                    exit_now(125);
                }
                let failure = program.exec(super::Preparation::Nothing);
                let _ = write(&failed_exec, &failure.encode());
                exit_now(127)
            }
            pid => {
                let pid = Pid::from_raw(pid);
                let _ = setpgid(pid, pid);
                Ok(Self { pid, program, release: Some(release), failures, terminal: false })
            }
        }
    }

    /// Gives it the terminal, if it is ours to give, and lets it run. An error: it could not be executed.
    pub fn release(&mut self) -> Result<(), LaunchError> {
        let stdin = std::io::stdin();
        if tcgetpgrp(stdin.as_fd()) == Ok(getpgrp()) {
            // Who gives the terminal away is in the background when it takes it back.
            // SAFETY: ignoring a signal runs no code.
            let _ = unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) };
            self.terminal = tcsetpgrp(stdin.as_fd(), self.pid).is_ok();
        }
        if let Some(release) = self.release.take() {
            let _ = write(&release, b"!");
        }
        let mut bytes = [0; 5];
        let length = read(&self.failures, &mut bytes).unwrap_or(0);
        match ExecFailure::decode(bytes.get(..length).unwrap_or_default()) {
            Some(failure) => {
                self.take_terminal();
                Err(self.program.explain(failure))
            }
            None => Ok(()),
        }
    }

    /// Takes the terminal back.
    pub fn take_terminal(&mut self) {
        if std::mem::take(&mut self.terminal) {
            let _ = tcsetpgrp(std::io::stdin().as_fd(), getpgrp());
        }
    }

    /// Whether it has ended. It is not waited for: what traces it would miss a stop, and who reaps it is init, soon.
    #[must_use]
    pub fn ended(&self) -> bool {
        crate::capture::procfs::read_stat(tracer_model::ids::Pid(self.pid.as_raw().cast_unsigned()))
            .is_none_or(|state| state.exit_state != 0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.take_terminal();
    }
}

/// Waits for a byte. None comes when whoever forked this process is gone.
fn waits(released: &OwnedFd) -> bool {
    loop {
        match read(released, &mut [0]) {
            Ok(length) => return length == 1,
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
