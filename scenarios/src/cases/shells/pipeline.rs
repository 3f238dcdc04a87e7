//! A shell puts each pipeline into a process group of its own, makes it the foreground group while it runs, and takes the
//! terminal back afterwards.

use crate::kit::{
    prelude::*,
    proc::{child_named, stat},
    shell::{Kind, Shell},
};

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-pipeline",
    shows: "bash: a pipeline in its own process group, in the foreground while it runs",
    run: || run(Kind::Bash),
    expect: "
        then session bash gains terminal by ioctl
        then bash execs
        then bash forks cat
        some group cat is born *
        some sed joins group cat from bash, leader alive
        some foreground bash -> cat
        some cat execs
        some sed execs
        then cat exits 0
        then group cat ends, *
        then foreground no group cat -> bash
        with bash: foreground bash, group bash, session bash
        once group cat is born *
        never group sed is born *
    ",
    ..Scenario::DEFAULT
};

/// dash.
pub const DASH: Scenario = Scenario {
    name: "dash-pipeline",
    shows: "dash: a pipeline in its own process group, in the foreground while it runs",
    run: || run(Kind::Dash),
    expect: "
        then session dash gains terminal by ioctl
        then dash execs
        then dash forks cat
        some group cat is born *
        some sed joins group cat from dash, leader alive
        some foreground dash -> *cat
        then cat exits 0
        then group cat ends, *
        then foreground * -> dash
        with dash: foreground dash, group dash, session dash
        once group cat is born *
        never group sed is born *
    ",
    ..Scenario::DEFAULT
};

/// zsh.
pub const ZSH: Scenario = Scenario {
    name: "zsh-pipeline",
    shows: "zsh: a pipeline in its own process group, in the foreground while it runs",
    run: || run(Kind::Zsh),
    expect: "
        then session zsh gains terminal by ioctl
        then zsh execs
        then zsh forks cat
        some group cat is born *
        some sed joins group cat from zsh, leader alive
        some foreground zsh -> *cat
        then cat exits 0
        then group cat ends, *
        then foreground * -> zsh
        with zsh: foreground zsh, group zsh, session zsh
        once group cat is born *
        never group sed is born *
    ",
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    let shell = Shell::start(kind)?;
    shell.begin("cat | sed s/hello/goodbye/")?;
    let cat = child_named(shell.pid(), "cat")?;
    let sed = child_named(shell.pid(), "sed")?;
    for member in [cat, sed] {
        let stat = stat(member)?;
        same("process group", stat.group, cat)?;
        same("foreground", stat.foreground, cat)?;
        same("session", stat.session, shell.pid())?;
    }
    shell.terminal().keys("hello\n\x04")?;
    let output = shell.prompt()?;
    ensure!(output.contains("goodbye"), "sed should have written goodbye: {output}");
    same("foreground", stat(shell.pid())?.foreground, shell.pid())?;
    shell.leave(0)
}
