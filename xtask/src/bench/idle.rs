//! An interactive shell on a terminal that is left alone: what processor time it takes, with its tracer, and how long it takes
//! to its next prompt after Enter.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::pty::openpty;

use super::{table, ways::Way};

/// The last event is followed by two looks of the consumer, a second apart (`PTRACE_PACE` of the command line): idle is what comes
/// after them.
const SETTLES: Duration = Duration::from_secs(4);
/// How long it is left alone.
const IDLE: Duration = Duration::from_secs(10);
/// Prompts that are waited for.
const PROMPTS: usize = 300;
const PROMPT: &[u8] = b"ready>";

/// Measures and prints both.
pub fn compare(ways: &[Way], folder: &Path) -> anyhow::Result<()> {
    let (mut used, mut latencies) = (Vec::new(), Vec::new());
    for way in ways {
        let mut shell = Shell::start(way, folder)?;
        shell.wait_for_prompt()?;
        std::thread::sleep(SETTLES);
        let before = shell.processor_time(way)?;
        std::thread::sleep(IDLE);
        used.push(Some(shell.processor_time(way)?.saturating_sub(before)));
        let mut fastest = None;
        for _ in 0..PROMPTS {
            let begin = Instant::now();
            shell.terminal.write_all(b"\r").context("the terminal")?;
            shell.wait_for_prompt()?;
            let took = begin.elapsed();
            fastest = Some(fastest.map_or(took, |before: Duration| before.min(took)));
        }
        latencies.push(fastest);
        shell.terminal.write_all(b"exit\r").context("the terminal")?;
        shell.child.wait().context("the shell")?;
    }
    table(
        &format!("an interactive bash, idle for {} s: processor time of it and its tracer", IDLE.as_secs()),
        ways,
        &used,
    )?;
    table(&format!("from Enter to the next prompt: the fastest of {PROMPTS}"), ways, &latencies)
}

struct Shell {
    terminal: fs::File,
    child: Child,
    read: Vec<u8>,
}

impl Shell {
    fn start(way: &Way, folder: &Path) -> anyhow::Result<Self> {
        let pty = openpty(None, None).context("a pseudo-terminal")?;
        let stdio = || pty.slave.try_clone().map(Stdio::from).context("the terminal");
        let words = way.words(&["bash", "--norc", "--noprofile", "-i"].map(str::to_owned));
        let Some((program, arguments)) = words.split_first() else { bail!("no command") };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("PS1", "ready>").env("TERM", "dumb");
        command.stdin(stdio()?).stdout(stdio()?).stderr(stdio()?);
        let slave = pty.slave.as_raw_fd();
        let master = pty.master.as_raw_fd();
        // SAFETY: these calls are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                nix::unistd::setsid()?;
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
                libc::close(slave);
                libc::close(master);
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        Ok(Self { terminal: pty.master.into(), child, read: Vec::new() })
    }

    fn wait_for_prompt(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(at) = self.read.windows(PROMPT.len()).position(|window| window == PROMPT) {
                self.read.drain(..at + PROMPT.len());
                return Ok(());
            }
            let mut bytes = [0; 4096];
            let length = self.terminal.read(&mut bytes).context("the shell has ended")?;
            self.read.extend_from_slice(bytes.get(..length).unwrap_or_default());
        }
    }

    /// Of all processes of the session, and of the tracer wherever it is.
    fn processor_time(&self, way: &Way) -> anyhow::Result<Duration> {
        let session = self.child.id().to_string();
        let mut total = Duration::ZERO;
        for entry in fs::read_dir("/proc").context("/proc")?.flatten() {
            let path = entry.path();
            let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
            let fields =
                stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>()).unwrap_or_default();
            let program = fs::read_link(path.join("exe")).unwrap_or_default();
            let is_tracer = way.tracer().is_some_and(|tracer| program == Path::new(tracer));
            if fields.get(3) == Some(&session.as_str()) || is_tracer {
                for thread in fs::read_dir(path.join("task")).into_iter().flatten().flatten() {
                    // The first number is the time on a processor, in ns (Documentation/scheduler/sched-stats.rst).
                    let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                    let ns = text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                    total += Duration::from_nanos(ns);
                }
            }
        }
        Ok(total)
    }
}
