//! Runs a command without a terminal, with the state of the process that starts it under control.

use std::{
    fs,
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        stat::Mode as FileMode,
    },
    unistd::{Pid, mkfifo},
};
use tempfile::TempDir;

use crate::{
    double::{Log, Mode},
    pty::{DEADLINE, default_signals, wait_child},
};

/// One run: a directory for its files, and the process that the shell would have started.
pub struct Run {
    pub directory: TempDir,
    pub log: Log,
    pub child: Child,
}

/// What happens in the new process before its exec.
type Prepare = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// A run that is not yet started.
pub struct Setup {
    directory: TempDir,
    options: Vec<String>,
    prepare: Vec<Prepare>,
    stdout: Stdio,
    stderr: Stdio,
}

impl Setup {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let options = vec!["--log".to_owned(), log.to_str().unwrap().to_owned()];
        Self { directory, options, prepare: Vec::new(), stdout: Stdio::null(), stderr: Stdio::inherit() }
    }

    /// An option of the example.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// An option of the example whose value is a FIFO of this name.
    pub fn fifo(self, name: &str) -> Self {
        let path = self.path(name);
        mkfifo(&path, FileMode::S_IRWXU).unwrap();
        self.option(&format!("--{name}"), path.to_str().unwrap())
    }

    /// A file of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
        self
    }

    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = stderr.into();
        self
    }

    /// Does this in the new process before its exec; async-signal-safe calls only.
    pub fn prepare(mut self, prepare: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    /// Starts `command` in a process group of its own, as a shell's job. Its working directory is that of the run.
    pub fn start(self, mode: Mode, command: &[&str]) -> Run {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let words = mode.words(&options, command);
        self.start_words(&words)
    }

    /// Starts these words, whatever they are.
    pub fn start_words(self, words: &[String]) -> Run {
        let Self { directory, prepare, stdout, stderr, .. } = self;
        let mut starting = Command::new(&words[0]);
        starting.args(&words[1..]).current_dir(directory.path()).process_group(0);
        starting.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        // SAFETY: the callers give async-signal-safe calls only.
        unsafe {
            starting.pre_exec(move || {
                default_signals();
                prepare.iter().try_for_each(|step| step())
            })
        };
        let child = starting.spawn().unwrap_or_else(|error| panic!("cannot start {words:?}: {error}"));
        Run { log: Log::new(directory.path()), directory, child }
    }
}

impl Run {
    /// The process that was started.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Gives the capture process an order, and waits until it has obeyed.
    pub fn order(&self, order: &str) {
        fs::write(self.path("orders"), format!("{order}\n")).unwrap();
        self.log.expect(&format!("obeyed {order}"));
    }

    /// Lets the capture process end.
    pub fn release(&self) {
        fs::write(self.path("linger"), "").unwrap();
        self.log.expect("lingered");
    }

    /// How the process that was started ended.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        wait_child(&mut self.child)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A failed test must not leave anything behind that waits for ever, holding what the test runner reads from.
        if std::thread::panicking() {
            let _ = kill(Pid::from_raw(-self.pid()), Signal::SIGKILL);
            if let Some(capture) = self.log.capture_now() {
                let _ = kill(Pid::from_raw(capture), Signal::SIGKILL);
            }
        }
    }
}

/// Sends a signal.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: kill has no memory arguments.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill({pid}, {signal}): {}", io::Error::last_os_error());
}

/// A pipe whose ends no other child inherits.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap()
}

/// Everything that comes until all writers are gone, which must be before the deadline.
pub fn read_to_end(reader: OwnedFd) -> String {
    let deadline = Instant::now() + DEADLINE;
    let (mut file, mut bytes) = (fs::File::from(reader), Vec::new());
    loop {
        let left = PollTimeout::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
        let ready = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], left).unwrap();
        assert!(ready > 0, "somebody keeps the pipe open; so far: {}", String::from_utf8_lossy(&bytes));
        let mut piece = [0; 4096];
        match file.read(&mut piece).unwrap() {
            0 => return String::from_utf8(bytes).unwrap(),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

/// Puts a copy of `fd` at `number`, inheritable; for [`Setup::prepare`].
pub fn inherit_as(fd: &OwnedFd, number: i32) -> impl Fn() -> io::Result<()> + Send + Sync + 'static {
    let fd = fd.try_clone().unwrap();
    move || {
        // SAFETY: neither call has memory arguments. When the copy has this number already, dup2 leaves it close-on-exec.
        let failed = unsafe { libc::dup2(fd.as_raw_fd(), number) == -1 || libc::fcntl(number, libc::F_SETFD, 0) == -1 };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A shell script for the command to run, in the run's directory.
pub fn script(text: &str) -> [&str; 3] {
    ["sh", "-c", text]
}

/// Whether a file appeared.
pub fn exists(path: &Path) -> Option<()> {
    path.exists().then_some(())
}
