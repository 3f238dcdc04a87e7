//! Ctrl-C at a shell's prompt or while a job runs: the foreground job dies, the background job and the shell do not.

use crate::kit::{
    prelude::*,
    proc::{child_named, stat},
    shell::{Kind, Shell},
    terminal::CTRL_C,
};

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-ctrl-c",
    shows: "bash: Ctrl-C ends the foreground job only",
    run: || run(Kind::Bash),
    expect: "
        some sleep execs
        some tail execs
        then tail gets SIGINT by terminal character
        then tail dies of SIGINT
        some foreground bash -> tail
        then foreground no group tail -> bash
        then sleep gets SIGTERM by kill of bash*
        then sleep dies of SIGTERM
        never sleep gets SIGINT *
        never bash gets SIGINT *
    ",
    ..Scenario::DEFAULT
};

/// dash.
pub const DASH: Scenario = Scenario {
    name: "dash-ctrl-c",
    shows: "dash: Ctrl-C ends the foreground job only",
    run: || run(Kind::Dash),
    expect: "
        some sleep execs
        some tail execs
        then tail gets SIGINT by terminal character
        then tail dies of SIGINT
        then foreground no group tail -> dash
        then sleep gets SIGTERM by kill of dash*
        then sleep dies of SIGTERM
        never sleep gets SIGINT *
        never dash gets SIGINT by terminal character
    ",
    ..Scenario::DEFAULT
};

/// zsh.
pub const ZSH: Scenario = Scenario {
    name: "zsh-ctrl-c",
    shows: "zsh: Ctrl-C ends the foreground job only",
    run: || run(Kind::Zsh),
    expect: "
        some sleep execs
        some tail execs
        then tail gets SIGINT by terminal character
        then tail dies of SIGINT
        then foreground no group tail -> zsh
        then sleep gets SIGTERM by kill of zsh*
        then sleep dies of SIGTERM
        never sleep gets SIGINT *
    ",
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    let shell = Shell::start(kind)?;
    shell.run("sleep 1000 &")?;
    let sleep = child_named(shell.pid(), "sleep")?;
    shell.begin("tail -f /dev/null")?;
    let tail = child_named(shell.pid(), "tail")?;
    proc::until("the job is in the foreground", || Ok(stat(tail)?.foreground == tail))?;
    shell.terminal().keys(CTRL_C)?;
    shell.prompt()?;
    ensure!(stat(tail).is_err(), "the foreground job should have ended");
    proc::runs(sleep)?;
    shell.run("kill %1")?;
    proc::until_ended(sleep)?;
    shell.run("wait")?;
    shell.run("true")?;
    shell.leave(0)
}
