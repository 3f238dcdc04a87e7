//! A pseudo-terminal: the scenario holds the master and types, a session that it makes holds the other end.

use std::{
    cell::RefCell,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::openpty,
    sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr},
    unistd::{Pid, dup2_stdin, dup2_stdout, read, setsid, tcgetpgrp, tcsetpgrp, write},
};

use super::process::{Child, spawn};

/// What ^C, ^Z and ^\ send.
pub const CTRL_C: &str = "\x03";
/// The suspend character.
pub const CTRL_Z: &str = "\x1a";
/// The quit character.
pub const CTRL_BACKSLASH: &str = "\x1c";

/// How long the other end may take to write what is waited for.
const DEADLINE: Duration = Duration::from_secs(20);

/// A pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    end: OwnedFd,
    seen: RefCell<Vec<u8>>,
}

impl Terminal {
    /// A new one, nobody's controlling terminal yet.
    pub fn open() -> Result<Self> {
        let pty = openpty(None, None).context("openpty")?;
        for fd in [&pty.master, &pty.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("FD_CLOEXEC")?;
        }
        Ok(Self { master: pty.master, end: pty.slave, seen: RefCell::default() })
    }

    /// Forks a process that leads a new session with this controlling terminal on its stdin and stdout.
    pub fn login(&self, role: &str, body: impl FnOnce() -> Result<()>) -> Result<Child> {
        spawn(role, || {
            setsid().context("setsid")?;
            self.forget_master();
            self.control(0).context("TIOCSCTTY")?;
            dup2_stdin(&self.end)?;
            dup2_stdout(&self.end)?;
            body()
        })
    }

    /// Runs `body` in such a process and waits until it has ended as it must.
    pub fn session(&self, role: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
        self.login(role, body)?.succeeds()
    }

    /// Closes the caller's copy of the master, which a hangup needs: the last copy's end hangs up.
    pub fn forget_master(&self) {
        // SAFETY: only children that never use the master again call this, and they end without dropping it.
        unsafe { libc::close(self.master.as_raw_fd()) };
    }

    /// Hangs up: closes the master.
    pub fn hang_up(self) {}

    /// Makes it the caller's controlling terminal; 1 steals it from another session.
    pub fn control(&self, steal: i32) -> nix::Result<()> {
        // SAFETY: TIOCSCTTY takes an int.
        Errno::result(unsafe { libc::ioctl(self.end.as_raw_fd(), libc::TIOCSCTTY, steal) }).map(drop)
    }

    /// Makes it the caller's controlling terminal, asked of its master.
    pub fn control_by_master(&self) -> nix::Result<()> {
        // SAFETY: TIOCSCTTY takes an int.
        Errno::result(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
    }

    /// Opens the end that is not the master, without its name.
    pub fn open_peer(&self, flags: i32) -> nix::Result<OwnedFd> {
        let flags = flags | libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: TIOCGPTPEER takes flags and gives a descriptor, which is nobody else's.
        unsafe {
            let fd = Errno::result(libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPTPEER, flags))?;
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }

    /// The caller gives it up as its controlling terminal.
    pub fn give_up(&self) -> nix::Result<()> {
        // SAFETY: TIOCNOTTY takes no argument.
        Errno::result(unsafe { libc::ioctl(self.end.as_raw_fd(), libc::TIOCNOTTY) }).map(drop)
    }

    /// Makes `group` the foreground process group.
    pub fn set_foreground(&self, group: Pid) -> nix::Result<()> {
        tcsetpgrp(&self.end, group)
    }

    /// Number of the foreground process group, asked from the session.
    pub fn foreground(&self) -> nix::Result<Pid> {
        tcgetpgrp(&self.end)
    }

    /// Makes background processes that write stop.
    pub fn set_tostop(&self) -> Result<()> {
        let mut settings = tcgetattr(&self.end).context("tcgetattr")?;
        settings.local_flags |= LocalFlags::TOSTOP;
        tcsetattr(&self.end, SetArg::TCSANOW, &settings).context("tcsetattr")
    }

    /// Types at it.
    pub fn keys(&self, text: &str) -> Result<()> {
        let written = write(&self.master, text.as_bytes()).context("typing")?;
        ensure!(written == text.len(), "the terminal took {written} of {} bytes", text.len());
        Ok(())
    }

    /// Reads what is written to it until `text` comes, and returns all up to that.
    pub fn until(&self, text: &str) -> Result<String> {
        let begin = Instant::now();
        loop {
            let found = self.seen.borrow().windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let before: Vec<u8> = self.seen.borrow_mut().drain(..at + text.len()).collect();
                return Ok(String::from_utf8_lossy(&before).into_owned());
            }
            self.more(begin, text)?;
        }
    }

    /// Reads what is written to it until every one of these texts has come, in any order.
    pub fn all_of(&self, texts: &[&str]) -> Result<()> {
        let begin = Instant::now();
        loop {
            let seen = self.seen.borrow().clone();
            let missing = |text: &&&str| !seen.windows(text.len()).any(|window| window == text.as_bytes());
            let Some(first) = texts.iter().find(missing) else {
                self.seen.borrow_mut().clear();
                return Ok(());
            };
            self.more(begin, first)?;
        }
    }

    /// What has been read and not waited for.
    pub fn unread(&self) -> String {
        String::from_utf8_lossy(&self.seen.borrow()).into_owned()
    }

    /// Reads some more of what is written to it.
    fn more(&self, begin: Instant, wanted: &str) -> Result<()> {
        let left = DEADLINE.saturating_sub(begin.elapsed());
        if left.is_zero() || !readable(self.master.as_fd(), left)? {
            bail!("`{wanted}` did not come, but: {}", String::from_utf8_lossy(&self.seen.borrow()));
        }
        let mut bytes = [0; 4096];
        let count = read(&self.master, &mut bytes).context("reading the terminal")?;
        self.seen.borrow_mut().extend(bytes.iter().take(count));
        Ok(())
    }

    /// Reads a line from it, as any program of the session would: may stop the caller.
    pub fn read(&self) -> nix::Result<usize> {
        read(&self.end, &mut [0; 64])
    }

    /// Writes to it, as any program of the session would.
    pub fn write(&self, text: &str) -> nix::Result<usize> {
        write(&self.end, text.as_bytes())
    }

    /// The end that a terminal emulator has.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The end that programs have on stdin, stdout and stderr.
    pub fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

fn readable(fd: BorrowedFd<'_>, within: Duration) -> Result<bool> {
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
    }
}
