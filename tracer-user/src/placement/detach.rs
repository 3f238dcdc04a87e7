//! Starts the capture process: nobody's child, in a session of its own, away from the terminal.
//!
//! Must not: leave a child, a pending SIGCHLD or child times behind in the process that starts it, which may be about to
//! become the command.

use std::{
    fs,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open},
    sys::{
        signal::{SigHandler, Signal, signal},
        stat::Mode,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid},
};

use super::{Placement, raw_signals};

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Starter,
    Capture,
}

/// Forks twice, so that the second child belongs to nobody.
///
/// The process in between is made with no exit signal (clone(2)), so that no SIGCHLD is sent, neither now nor to be found
/// pending by the command, and it is reaped even when SIGCHLD is ignored. It leads the new session; the capture process does
/// not, so that no terminal it opens can become its controlling terminal.
pub(super) fn fork_detached() -> Result<Side, Errno> {
    match clone_without_exit_signal()? {
        0 => {}
        between => return reap_between(Pid::from_raw(between)),
    }
    if let Err(errno) = setsid() {
        exit_now(errno as i32);
    }
    // SAFETY: this process has one thread, so that the child may do anything.
    match unsafe { libc::fork() } {
        -1 => exit_now(Errno::last_raw()),
        0 => Ok(Side::Capture),
        _ => exit_now(0),
    }
}

fn reap_between(between: Pid) -> Result<Side, Errno> {
    loop {
        match waitpid(between, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(Side::Starter),
            Ok(WaitStatus::Exited(_, errno)) => return Err(Errno::from_raw(errno)),
            // Killed by somebody.
            Ok(_) => return Err(Errno::ECHILD),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn clone_without_exit_signal() -> Result<i32, Errno> {
    // SAFETY: without CLONE_VM and with no stack given this is fork(2). The child does nothing but setsid, fork and _exit,
    // none of which needs the thread id that the C library still has for its parent.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    Errno::result(pid).map(|pid| pid as i32)
}

/// Ends this process without running what its parent registered with atexit(3).
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns, and has no memory arguments.
    unsafe { libc::_exit(code) }
}

/// Lets go of everything that ties this process to the user: the working directory, the hangup of the terminal, stdin,
/// stdout, and every inherited descriptor. Standard error stays for the report, unless the command stands where nobody else
/// may write to it. On failure says what could not be done.
pub(super) fn let_go(placement: Placement) -> Result<(), (&'static str, Errno)> {
    // SAFETY: SIG_IGN is no handler.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.map_err(|errno| ("ignore SIGHUP", errno))?;
    raw_signals::set_mask(0);
    chdir(Path::new("/")).map_err(|errno| ("change to /", errno))?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| ("open /dev/null", errno))?;
    let replaced = dup2_stdin(&null).and_then(|()| dup2_stdout(&null));
    replaced.map_err(|errno| ("replace stdin and stdout", errno))?;
    if placement == Placement::InPlace {
        dup2_stderr(&null).map_err(|errno| ("replace stderr", errno))?;
    }
    close_inherited().map_err(|errno| ("list /proc/self/fd", errno))
}

/// Lets go of the user's standard error.
pub(super) fn drop_stderr() {
    if let Ok(null) = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        // It can only fail for want of a descriptor, and none is needed: 2 is open.
        let _ = dup2_stderr(&null);
    }
}

/// Closes what was inherited. Whatever came through an exec is not close-on-exec, and whatever this program opened is: Rust
/// opens nothing in any other way.
fn close_inherited() -> Result<(), Errno> {
    let listing = fs::read_dir("/proc/self/fd").map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let names: Vec<_> = listing.flatten().map(|entry| entry.file_name()).collect();
    for fd in names.iter().filter_map(|name| name.to_str()?.parse::<RawFd>().ok()).filter(|fd| *fd > 2) {
        // SAFETY: the descriptor is only asked about, and this process has one thread, so that it stays what it is.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        if fcntl(fd, FcntlArg::F_GETFD).is_ok_and(|flags| flags & FdFlag::FD_CLOEXEC.bits() == 0) {
            // SAFETY: nothing in this program owns a descriptor that is not close-on-exec.
            unsafe { libc::close(fd.as_raw_fd()) };
        }
    }
    Ok(())
}
