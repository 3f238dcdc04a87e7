//! What a command leaves behind when it ends.

use nix::unistd::getppid;

use crate::kit::prelude::*;

/// How long what is left behind lives after the command, so that the recorder sees it alive at its end.
const LIVES_MS: u64 = 1500;

/// A child in the command's own group.
pub const LEFT: Scenario = Scenario {
    name: "left-behind",
    shows: "the command ends, and a child in its group lives on",
    cites: &["actions/runner#4601", "termio-sh/termio#127"],
    run: left,
    expect: "
        then scenarios forks survivor
        then scenarios exits 0
        never survivor exits *
    ",
    finds: "
        warning JC403 scenarios
        info JC501 survivor
    ",
    ..Scenario::DEFAULT
};

fn left() -> Result<()> {
    let ready = Gate::new()?;
    let parent = me();
    spawn("survivor", || {
        // A process shows its name when it does something.
        setpgid(SELF, getpgrp())?;
        ready.open()?;
        proc::until("the command has ended", || Ok(getppid() != parent))?;
        let_pass(LIVES_MS);
        Ok(())
    })?;
    ready.pass()
}

/// A daemon of one fork: on purpose, though it leads its session.
pub const DAEMON: Scenario = Scenario {
    name: "daemon-left-behind",
    shows: "the command ends and leaves a daemon, which leads its session",
    run: daemon,
    expect: "
        then scenarios forks server
        then session server is born
        then scenarios exits 0
        never server exits *
    ",
    finds: "
        info JC403 scenarios
        info JC502 server
        never JC501
    ",
    ..Scenario::DEFAULT
};

fn daemon() -> Result<()> {
    let ready = Gate::new()?;
    let parent = me();
    spawn("server", || {
        setsid()?;
        ready.open()?;
        proc::until("the command has ended", || Ok(getppid() != parent))?;
        let_pass(LIVES_MS);
        Ok(())
    })?;
    ready.pass()
}
