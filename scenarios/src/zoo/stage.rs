//! The stage: a scratch directory, a pseudo-terminal, and a careless shell on it.

use std::{
    fs,
    io::Read as _,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    pty::openpty,
    sys::{
        signal::{SigSet, Signal, kill},
        stat::{Mode, umask},
    },
    unistd::{Pid, setsid},
};

/// Terminals are opened one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How long a step may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A careless shell on a terminal of its own. What it started is ended with it.
pub struct Stage {
    shell: Child,
    master: Option<OwnedFd>,
    directory: PathBuf,
    id: String,
}

impl Stage {
    /// Runs `script` on a new terminal; the shell then waits until the stage is dropped.
    pub fn open(directory: &Path, id: &str, script: &str, path: &str) -> Result<Self> {
        // What one thread opens must not go to a child that another forks before it is close-on-exec.
        let _alone = ONE_AT_A_TIME.lock();
        let pty = openpty(None, None).context("openpty")?;
        for fd in [&pty.master, &pty.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("FD_CLOEXEC")?;
        }
        let leaked = fs::File::open("/etc/hostname").context("/etc/hostname")?;
        let terminal = || pty.slave.try_clone().map(Stdio::from).context("the terminal");
        let mut command = Command::new("/bin/bash");
        command.args(["--norc", "-c", &format!("{script}\n: > $ZOO_DIR/done; read gone")]);
        command.env_clear().env("PATH", path).env("ZOO", id).env("ZOO_DIR", directory);
        command.stdin(terminal()?).stdout(terminal()?).stderr(terminal()?).current_dir(directory);
        let carelessly = move || {
            setsid()?;
            // SAFETY: constants, and descriptors that are open; what is ignored stays so through exec.
            unsafe {
                if libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 || libc::dup2(leaked.as_raw_fd(), 7) != 7 {
                    return Err(std::io::Error::last_os_error());
                }
                // It may have been 7 before.
                libc::fcntl(7, libc::F_SETFD, 0);
                // What whoever runs this has left open is no animal's.
                let end = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
                if libc::close_range(3, 6, end) != 0 || libc::close_range(8, u32::MAX, end) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                libc::signal(libc::SIGUSR2, libc::SIG_IGN);
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            }
            umask(Mode::from_bits_truncate(0o027));
            SigSet::from(Signal::SIGWINCH).thread_set_mask().map_err(std::io::Error::from)
        };
        // SAFETY: every call is async-signal-safe, and allocates nothing.
        unsafe { command.pre_exec(carelessly) };
        let shell = command.spawn().context("sh")?;
        let mut reader = fs::File::from(pty.master.try_clone().context("the terminal")?);
        // Nobody looks at it; a full terminal would stop who writes.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while reader.read(&mut bytes).is_ok_and(|read| read > 0) {}
        });
        Ok(Self { shell, master: Some(pty.master), directory: directory.to_owned(), id: id.to_owned() })
    }

    /// Number of the shell, which leads the session.
    pub fn shell(&self) -> u32 {
        self.shell.id()
    }

    /// Waits until the script has come to its end.
    pub fn done(&self) -> Result<()> {
        until("the script ends", || Ok(self.directory.join("done").exists()))
    }

    /// The process of this name that was started here and is in nobody's way: the one that was started last of its like.
    pub fn survivor(&self, name: &str) -> Result<u32> {
        let mut found = None;
        until(&format!("{name} is there"), || {
            found = self.started().into_iter().filter(|pid| comm(*pid) == name).max();
            Ok(found.is_some())
        })?;
        found.context("nobody")
    }

    /// Everything that has the mark of this stage in its environment.
    fn started(&self) -> Vec<u32> {
        let mark = format!("ZOO={}", self.id);
        started(|variable| variable == mark.as_bytes(), &self.directory).filter(|pid| *pid != self.shell()).collect()
    }
}

/// Everything that has such a variable in its environment, or was started with a path in this directory.
pub(super) fn started(is_mark: impl Fn(&[u8]) -> bool, directory: &Path) -> impl Iterator<Item = u32> {
    let has_mark = move |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(&is_mark)
    };
    let is_in = move |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let (line, directory) = (String::from_utf8_lossy(&line), directory.to_string_lossy());
        // That of another keeper may begin with this one's.
        line.match_indices(&*directory).any(|(at, it)| !line[at + it.len()..].starts_with(char::is_alphanumeric))
    };
    pids().filter(move |pid| has_mark(pid) || is_in(pid))
}

impl Drop for Stage {
    fn drop(&mut self) {
        let started = self.started();
        // The last copy of the master hangs the terminal up.
        self.master.take();
        for pid in started.into_iter().chain([self.shell()]) {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
        let _ = self.shell.wait();
        let _ = until("everything has ended", || Ok(self.started().is_empty()));
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !holds()? {
        if begin.elapsed() > DEADLINE {
            bail!("gave up waiting until {what}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
