//! Daemons that keep what they should have let go of, and one that lets go of everything.

use std::{fs::File, os::unix::net::UnixListener};

use nix::{
    sys::{
        signal::{SigHandler, SigSet, signal},
        stat::{Mode, umask},
    },
    unistd::{chdir, close, dup2_stderr, dup2_stdin, dup2_stdout, getppid},
};

use crate::{
    Follow, Start,
    kit::{follow::followed, prelude::*, process::adopt},
};

/// Longer than it takes a daemon to settle and to be looked at.
const SETTLES_MS: u64 = 2500;

/// The daemon of a careless launcher, which keeps everything but its session: it holds a terminal, a descriptor, a umask, a
/// mask and an ignored signal.
pub const CARELESS: Scenario = Scenario {
    name: "careless-daemon",
    shows: "setsid alone leaves a daemon with a terminal, the descriptors, the umask and the signals of who started it",
    cites: &["shellinabox/shellinabox#213", "michel-kraemer/zsh-patina#75"],
    start: Start::Careless,
    run: careless,
    expect: "
        some session server is born
        then launcher exits 0
        then server exits 0
    ",
    finds: "
        info JC502 server
        warning JC504 server
        warning JC505 server
        info JC506 server
    ",
    ..Scenario::DEFAULT
};

fn careless() -> Result<()> {
    let terminal = Terminal::open()?;
    settle(|| {
        setsid()?;
        dup2_stdin(terminal.end()).context("dup2")
    })
}

/// The same launcher, and a daemon that takes every step.
pub const CAREFUL: Scenario = Scenario {
    name: "careful-daemon",
    shows: "a daemon that takes all steps keeps nothing of who started it",
    start: Start::Careless,
    run: careful,
    expect: "
        some session server is born
        then launcher exits 0
        then server exits 0
    ",
    finds: "
        info JC502 server
        never JC504
        never JC505
        never JC506
    ",
    ..Scenario::DEFAULT
};

fn careful() -> Result<()> {
    settle(|| {
        setsid()?;
        lets_go()?;
        chdir("/")?;
        umask(Mode::empty());
        lets_go_of_signals()
    })
}

/// The same launcher, and a daemon that forks twice and takes each step by a call that is recorded.
pub const STEP_BY_STEP: Scenario = Scenario {
    name: "daemon-step-by-step",
    shows: "each step of a daemon that forks twice is recorded with the process that takes it",
    start: Start::Careless,
    options: &["--attributes"],
    run: step_by_step,
    expect: "
        some session first is born
        then first takes sigaction SIGHUP ignored
        then first takes sigaction SIGUSR2 ignored
        then first takes sigprocmask blocks SIGWINCH
        then first forks server
        then server takes chdir /
        then server takes umask 027 → 000
        then server takes dup fd 0 /dev/null
        then server takes dup fd 1 /dev/null
        then server takes dup fd 2 /dev/null
        then server takes close fd 7
        then server takes sigprocmask unblocks SIGWINCH
        then server takes sigaction SIGUSR2 default
        then server exits 0
        never first takes chdir *
        never first takes close fd 7
    ",
    finds: "
        never JC502
        never JC504
        never JC505
        never JC506
    ",
    ..Scenario::DEFAULT
};

fn step_by_step() -> Result<()> {
    adopt()?;
    let (number, taken) = (Gate::new()?, Gate::new()?);
    let launcher = spawn("launcher", || {
        let first = spawn("first", || {
            setsid()?;
            for ignored in [Signal::SIGHUP, Signal::SIGUSR2] {
                // SAFETY: to ignore a signal runs none of our code.
                unsafe { signal(ignored, SigHandler::SigIgn) }.context("signal")?;
            }
            SigSet::from(Signal::SIGWINCH).thread_block()?;
            let server = spawn("server", || {
                chdir("/")?;
                umask(Mode::empty());
                lets_go()?;
                lets_go_of_signals()?;
                taken.open()?;
                let_pass(SETTLES_MS);
                Ok(())
            })?;
            number.tell(server.pid())?;
            // It is adopted when it has taken its steps.
            taken.pass()
        })?;
        first.succeeds()
    })?;
    launcher.succeeds()?;
    Child::adopted(number.hear()?, "server")?.succeeds()
}

/// A helper that holds the output of the command.
pub const HOLDS_PIPE: Scenario = Scenario {
    name: "left-holds-pipe",
    shows: "the command ends, and a helper keeps the pipe open that somebody reads to the end",
    cites: &["microsoft/azure-pipelines-task-lib#389", "nextest-rs/nextest#359"],
    start: Start::Careless,
    run: holds_pipe,
    expect: "
        then scenarios forks helper
        then scenarios exits 0
        never helper exits *
    ",
    finds: "
        warning JC403 scenarios
        error JC404 helper
        warning JC504 helper
        warning JC505 helper
        info JC501 helper
    ",
    ..Scenario::DEFAULT
};

fn holds_pipe() -> Result<()> {
    let ready = Gate::new()?;
    let parent = me();
    spawn("helper", || {
        setpgid(SELF, getpgrp())?;
        ready.open()?;
        proc::until("the command has ended", || Ok(getppid() != parent))?;
        let_pass(4000);
        Ok(())
    })?;
    ready.pass()
}

/// The launcher returns, and the daemon listens a while later.
pub const UNREADY: Scenario = Scenario {
    name: "outside-listens-late",
    shows: "a launcher returns before its daemon listens",
    follow: Follow::Named,
    run: || listens(false),
    expect: "
        some session server is born
        then launcher exits 0
        then server exits 0
    ",
    finds: "info JC507 server",
    ..Scenario::DEFAULT
};

/// The launcher waits until the daemon listens.
pub const READY: Scenario = Scenario {
    name: "outside-listens-in-time",
    shows: "a launcher returns when its daemon listens",
    follow: Follow::Named,
    run: || listens(true),
    expect: "
        some session server is born
        then launcher exits 0
        then server exits 0
    ",
    finds: "never JC507",
    ..Scenario::DEFAULT
};

fn listens(in_time: bool) -> Result<()> {
    adopt()?;
    let (go, number, ready) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let launcher = spawn("launcher", || {
        go.pass()?;
        let parent = me();
        let server = spawn("server", || {
            setsid()?;
            lets_go_of_standard()?;
            let listen = || UnixListener::bind(std::env::temp_dir().join(format!("scenario-{}", me()))).context("bind");
            let early = in_time.then(listen).transpose()?;
            ready.open()?;
            proc::until("the launcher has ended", || Ok(getppid() != parent))?;
            // The look at the end of the launcher comes first.
            let_pass(500);
            let socket = early.map_or_else(listen, Ok)?;
            let_pass(SETTLES_MS);
            let path = socket.local_addr()?;
            path.as_pathname().map_or(Ok(()), std::fs::remove_file).context("the socket")
        })?;
        number.tell(server.pid())?;
        ready.pass()
    })?;
    followed(launcher.pid())?;
    go.open()?;
    let server = number.hear()?;
    launcher.succeeds()?;
    Child::adopted(server, "server")?.succeeds()
}

/// A supervisor whose service forks away.
pub const UNDER_SUPERVISOR: Scenario = Scenario {
    name: "forks-from-supervisor",
    shows: "a service daemonises under a supervisor, which sees it end",
    run: under_supervisor,
    expect: "
        then runsv forks service
        some session server is born
        then service exits 0
        then runsv exits 0
    ",
    finds: "
        warning JC508 server
        info JC502 server
    ",
    ..Scenario::DEFAULT
};

fn under_supervisor() -> Result<()> {
    adopt()?;
    let (number, ended) = (Gate::new()?, Gate::new()?);
    let supervisor = spawn("runsv", || {
        let service = spawn("service", || {
            let parent = me();
            let server = spawn("server", || {
                setsid()?;
                lets_go_of_standard()?;
                proc::until("the service has ended", || Ok(getppid() != parent))?;
                let_pass(SETTLES_MS);
                Ok(())
            })?;
            number.tell(server.pid())
        })?;
        service.succeeds()?;
        ended.pass()
    })?;
    Child::adopted(number.hear()?, "server")?.succeeds()?;
    ended.open()?;
    supervisor.succeeds()
}

/// Forks a launcher, which forks the daemon and ends; returns when the daemon has settled and ended.
fn settle(steps: impl FnOnce() -> Result<()>) -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    let launcher = spawn("launcher", || {
        let parent = me();
        let server = spawn("server", || {
            steps()?;
            proc::until("the launcher has ended", || Ok(getppid() != parent))?;
            let_pass(SETTLES_MS);
            Ok(())
        })?;
        number.tell(server.pid())
    })?;
    launcher.succeeds()?;
    Child::adopted(number.hear()?, "server")?.succeeds()
}

fn lets_go_of_standard() -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null").context("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null).context("dup2")
}

fn lets_go_of_signals() -> Result<()> {
    SigSet::empty().thread_set_mask()?;
    // SAFETY: the default action runs none of our code.
    unsafe { signal(Signal::SIGUSR2, SigHandler::SigDfl) }.map(drop).context("signal")
}

fn lets_go() -> Result<()> {
    lets_go_of_standard()?;
    close(7).context("close")
}
