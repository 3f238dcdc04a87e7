//! Programs that scenarios execute: this executable under another name.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{SigSet, Signal},
    unistd::{Pid, getpgrp, getsid},
};

use crate::{
    kit::{
        check::same,
        gate::Gate,
        process::{self, Catch, SELF, catch, spawn},
    },
    world,
};

/// A program: its name, and what it does with its arguments.
pub type Program = (&'static str, fn(&[String]) -> Result<()>);

/// Every program.
pub const ALL: [Program; 3] =
    [("signal-catcher", signal_catcher), ("after-exec", after_exec), (world::WORKER, world::after_exec)];

/// Runs the program of this name, if there is one.
pub fn run(name: &str, arguments: &[String]) -> Option<Result<()>> {
    let (_, program) = ALL.iter().find(|(known, _)| *known == name)?;
    Some(process::play(name).and_then(|()| program(arguments)))
}

/// Forks, and both parent and child wait for SIGINT and say so. The parent never waits for its child.
fn signal_catcher(_: &[String]) -> Result<()> {
    // Blocked until sigsuspend, so that no signal comes between the line and the wait.
    SigSet::from(Signal::SIGINT).thread_block().context("sigprocmask")?;
    catch(Signal::SIGINT, Catch::Handler)?;
    let waiting = Gate::new()?;
    let wait = |who: &str| {
        say(&format!("{who} is waiting..."))?;
        waiting.open()?;
        SigSet::empty().suspend().context("sigsuspend")?;
        say(&format!("{who} has caught signal."))
    };
    spawn("catcher-child", || wait("Child"))?;
    // One line after the other, so that a reader can wait for the last.
    waiting.pass()?;
    wait("Parent")
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("stdout")
}

/// Checks that process group and session are still those that its arguments say.
fn after_exec(arguments: &[String]) -> Result<()> {
    let [group, session] = arguments else { bail!("usage: after-exec GROUP SESSION") };
    same("process group", getpgrp(), Pid::from_raw(group.parse()?))?;
    same("session", getsid(Some(SELF)).context("getsid")?, Pid::from_raw(session.parse()?))
}
