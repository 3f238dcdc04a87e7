//! Real interactive shells on a pseudo-terminal, and the programs of this crate in their `PATH`.

use std::{
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::Signal,
    unistd::{Pid, dup2_stderr},
};

use super::{proc, process::Child, terminal::Terminal};
use crate::programs;

/// A shell with job control.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// GNU bash.
    Bash,
    /// The Debian Almquist shell.
    Dash,
    /// zsh.
    Zsh,
    /// The `MirBSD` Korn shell.
    Mksh,
    /// yash.
    Yash,
}

impl Kind {
    /// Interactive, without anybody's start-up files and without a line editor.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["bash", "--norc", "--noprofile", "--noediting", "-i"],
            Self::Dash => &["dash", "-i"],
            Self::Zsh => &["zsh", "-f", "+Z", "-o", "nopromptsp", "-o", "nopromptcr", "-i"],
            Self::Mksh => &["mksh", "+o", "emacs", "+o", "vi", "-i"],
            Self::Yash => &["yash", "-o", "posixlycorrect", "-i"],
        }
    }

    /// Its name, which is that of its process.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Zsh => "zsh",
            Self::Mksh => "mksh",
            Self::Yash => "yash",
        }
    }
}

/// What the shells prompt with; no command here holds it.
const PROMPT: &str = "ready> ";

/// A shell at its prompt.
#[derive(Debug)]
pub struct Shell {
    terminal: Terminal,
    process: Child,
    _programs: Programs,
}

impl Shell {
    /// Starts one and waits for its first prompt.
    pub fn start(kind: Kind) -> Result<Self> {
        let programs = Programs::install()?;
        let terminal = Terminal::open()?;
        let process = terminal.login(kind.name(), || {
            dup2_stderr(terminal.end().as_fd())?;
            execute(kind.arguments(), &programs)
        })?;
        terminal.until(PROMPT)?;
        Ok(Self { terminal, process, _programs: programs })
    }

    /// Its number, and that of its session.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Types a line and waits for the next prompt; returns what was printed in between.
    pub fn run(&self, line: &str) -> Result<String> {
        self.begin(line)?;
        self.prompt()
    }

    /// Types a line, and waits for its echo: what comes after it is not older.
    pub fn begin(&self, line: &str) -> Result<()> {
        self.terminal.keys(line)?;
        self.terminal.keys("\n")?;
        self.terminal.until(line).map(drop)
    }

    /// Waits for the next prompt; returns what was printed before it.
    pub fn prompt(&self) -> Result<String> {
        let mut text = self.terminal.until(PROMPT).context("waiting for the prompt")?;
        text.truncate(text.len() - PROMPT.len());
        Ok(text)
    }

    /// Runs ps(1) in it, as one does to see process groups.
    pub fn ps(&self) -> Result<Vec<PsRow>> {
        let text = self.run("ps -Ho pid,ppid,pgid,tpgid,sess,args")?;
        // Around the table the shell may say how its jobs are.
        Ok(text.lines().filter_map(PsRow::parse).collect())
    }

    /// Its terminal.
    #[must_use]
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Types `exit`; the shell must end with the status of the last command, which was `code`.
    pub fn leave(self, code: i32) -> Result<()> {
        self.terminal.keys("exit\n")?;
        proc::until_ended(self.pid()).with_context(|| self.terminal.unread())?;
        self.process.exits(code)
    }

    /// Kills it.
    pub fn kill(self, signal: Signal) -> Result<Terminal> {
        nix::sys::signal::kill(self.process.pid(), signal).context("kill")?;
        self.process.dies_of(signal)?;
        Ok(self.terminal)
    }

    /// Closes the master of its terminal.
    pub fn hang_up(self) -> Result<Child> {
        let Self { terminal, process, .. } = self;
        terminal.hang_up();
        Ok(process)
    }
}

/// A row of `ps -Ho pid,ppid,pgid,tpgid,sess,args`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsRow {
    /// PID.
    pub pid: Pid,
    /// PPID.
    pub parent: Pid,
    /// PGID.
    pub group: Pid,
    /// TPGID.
    pub foreground: Pid,
    /// SESS.
    pub session: Pid,
    /// COMMAND.
    pub command: String,
}

impl PsRow {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (numbers, command) = words.split_at_checked(5)?;
        let numbers: Vec<i32> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>().ok()?;
        let [pid, parent, group, foreground, session] = <[i32; 5]>::try_from(numbers).ok()?.map(Pid::from_raw);
        Some(Self { pid, parent, group, foreground, session, command: command.join(" ") })
    }
}

/// Executes a program with an environment that is the same on every machine. Returns only when that fails.
pub fn execute(arguments: &[&str], programs: &Programs) -> Result<()> {
    let (program, arguments) = arguments.split_first().context("no program")?;
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.0.display()))
        .env("PS1", PROMPT)
        // mksh changes the prompt of root.
        .env("ENV", programs.0.join("profile"))
        .env("HOME", "/")
        .env("TERM", "dumb")
        .env("LC_ALL", "C")
        .exec();
    Err(error).with_context(|| format!("exec {program}"))
}

/// A folder with the programs of this crate, removed at the end.
#[derive(Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Links each program to this executable, which acts by the name that it is called with.
    pub fn install() -> Result<Self> {
        let folder = Self(nix::unistd::mkdtemp("/tmp/scenarios.XXXXXX").context("mkdtemp")?);
        let executable = std::env::current_exe().context("own path")?;
        for (name, _) in programs::ALL {
            std::os::unix::fs::symlink(&executable, folder.0.join(name)).context("symlink")?;
        }
        std::fs::write(folder.0.join("profile"), format!("PS1='{PROMPT}'\n")).context("the profile")?;
        Ok(folder)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // A folder left behind in /tmp is no reason to fail.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
