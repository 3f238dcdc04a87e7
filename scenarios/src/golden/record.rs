//! Records a scenario with `sesstrace record`, as a user would.

use std::{
    io::{BufRead as _, BufReader, IsTerminal as _, Write as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::Tools;
use crate::{Follow, Scenario, Start, kit::follow};

/// How long a recorder may take to begin, and to end.
const DEADLINE: Duration = Duration::from_mins(1);
/// The name of the recording in the recorder's folder: relative, so that it holds no folder of this machine.
const FILE: &str = "recording.jsonl";

/// What records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Kernel probes, which need privilege.
    Ebpf,
    /// ptrace.
    Ptrace,
}

impl Backend {
    /// As `-b` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Ptrace => "ptrace",
        }
    }
}

/// Runs the scenario under the recorder; the recording is `folder/recording.jsonl` afterwards. The scenario must succeed.
pub fn record(scenario: &Scenario, folder: &Path, backend: Backend, tools: &Tools) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let recorder = recorder(scenario, folder, backend, tools);
    match scenario.follow {
        Follow::Everything => everything(scenario, recorder),
        Follow::Named => named(scenario, folder, recorder, tools),
    }
    .and_then(|()| forget_folders(folder, tools))
    .with_context(|| format!("recording {} with {}", scenario.name, backend.name()))
}

/// Inspections tell where the program and its working directory are: a recording is to hold no folder of this machine.
fn forget_folders(folder: &Path, tools: &Tools) -> Result<()> {
    let file = folder.join(FILE);
    let text = std::fs::read_to_string(&file).context("reading the recording")?;
    let here = std::env::current_dir().context("the working directory")?;
    let folders = [(folder, "/tmp/scenario"), (&*tools.folder, "/usr/bin"), (&*here, "/tmp")];
    let forgotten = folders.iter().fold(text, |text, (path, instead)| match std::fs::canonicalize(path) {
        Ok(path) => text.replace(&*path.to_string_lossy(), instead),
        Err(_) => text,
    });
    std::fs::write(&file, forgotten).context("writing the recording")
}

/// `sesstrace record`, in a session of its own without a terminal, whatever this process has.
fn recorder(scenario: &Scenario, folder: &Path, backend: Backend, tools: &Tools) -> Command {
    let mut command = Command::new(tools.sesstrace());
    command.arg0("sesstrace").args(["record", "-b", backend.name(), "-o", FILE]).args(scenario.options);
    alone(&mut command, tools);
    command.current_dir(folder);
    command
}

/// In a session of its own, with nothing of this process's surroundings: what a recording says is the same wherever it is
/// made, in a build server with its variables, ignored signals, umask and stray descriptors as in a login shell.
fn alone(command: &mut Command, tools: &Tools) {
    command.env_clear().env("PATH", tools.path()).stdin(Stdio::null()).stdout(Stdio::null());
    // What is left behind holds these: a pipe to whoever runs this would be found, and is not the scenario's.
    if !std::io::stderr().is_terminal() {
        command.stderr(Stdio::null());
    }
    let surroundings = || {
        nix::unistd::setsid()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        nix::sys::signal::SigSet::empty().thread_set_mask()?;
        // SAFETY: default actions run none of our code; a descriptor that is closed on exec is still open here.
        unsafe {
            for signal in 1..=libc::SIGRTMAX() {
                libc::signal(signal, libc::SIG_DFL);
            }
            libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int);
        }
        Ok(())
    };
    // SAFETY: every call is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(surroundings) };
}

fn everything(scenario: &Scenario, mut recorder: Command) -> Result<()> {
    recorder.args(["--", "scenarios", "run", scenario.name]);
    let status = match scenario.start {
        Start::Plain => recorder.status().context("sesstrace")?,
        Start::Careless => carelessly(recorder)?,
    };
    ensure!(status.success(), "sesstrace, or the scenario under it, ended with {status}");
    Ok(())
}

/// Starts it with what [`Start::Careless`] says, and reads its output to the end of the recorder.
fn carelessly(mut recorder: Command) -> Result<ExitStatus> {
    let leaked = std::fs::File::open("/etc/hostname").context("/etc/hostname")?;
    let sloppy = move || {
        // SAFETY: the child's descriptor 7 is nobody's; what is ignored stays so through exec.
        unsafe {
            libc::dup2(leaked.as_raw_fd(), 7);
            // It may have been 7 before.
            libc::fcntl(7, libc::F_SETFD, 0);
            libc::signal(libc::SIGUSR2, libc::SIG_IGN);
        }
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
        nix::sys::signal::SigSet::from(Signal::SIGWINCH).thread_block().map_err(std::io::Error::from)
    };
    recorder.stdout(Stdio::piped());
    // SAFETY: every call is async-signal-safe, and allocates nothing.
    unsafe { recorder.pre_exec(sloppy) };
    let mut child = recorder.spawn().context("sesstrace")?;
    child.wait().context("waiting for sesstrace")
}

fn named(scenario: &Scenario, folder: &Path, mut recorder: Command, tools: &Tools) -> Result<()> {
    let (ours, theirs) = UnixStream::pair().context("socketpair")?;
    let theirs = OwnedFd::from(theirs);
    let mut command = Command::new(tools.folder.join("scenarios"));
    command.arg0("scenarios").args(["run", scenario.name]);
    alone(&mut command, tools);
    command.current_dir(folder);
    let inherited = theirs.as_raw_fd();
    command.env(follow::VARIABLE, inherited.to_string());
    let keep = move || {
        // SAFETY: the descriptor is open until this process has started the other.
        let theirs = unsafe { BorrowedFd::borrow_raw(inherited) };
        fcntl(theirs, FcntlArg::F_SETFD(FdFlag::empty())).map(drop).map_err(std::io::Error::from)
    };
    // SAFETY: fcntl is async-signal-safe.
    unsafe { command.pre_exec(keep) };
    let mut program = command.spawn().context("scenarios")?;
    drop(theirs);
    let mut line = String::new();
    BufReader::new(ours.try_clone()?).read_line(&mut line).context("reading whom to follow")?;
    let file = folder.join(FILE);
    if file.exists() {
        std::fs::remove_file(&file).context("removing the old recording")?;
    }
    let mut recorder = recorder.args(["-p", line.trim()]).spawn().context("sesstrace")?;
    // The recording is made when the capture has begun.
    wait_until("the capture has begun", || {
        let begun = file.metadata().is_ok_and(|data| data.len() > 0);
        if let (false, Some(status)) = (begun, recorder.try_wait()?) {
            bail!("sesstrace ended with {status}");
        }
        Ok(begun)
    })?;
    (&ours).write_all(&[0]).context("telling the scenario to go on")?;
    let status = program.wait().context("waiting for the scenario")?;
    let recorded = end(&mut recorder)?;
    ensure!(status.success(), "the scenario ended with {status}");
    ensure!(recorded.success(), "sesstrace ended with {recorded}");
    Ok(())
}

/// The recorder ends by itself when nobody is left whom it follows; if not, it is asked to.
fn end(recorder: &mut Child) -> Result<ExitStatus> {
    let ended = wait_until("sesstrace ends", || Ok(recorder.try_wait()?.is_some()));
    if ended.is_err() {
        kill(Pid::from_raw(recorder.id() as i32), Signal::SIGINT).context("asking sesstrace to end")?;
    }
    recorder.wait().context("waiting for sesstrace")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !holds()? {
        ensure!(begin.elapsed() < DEADLINE, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
