//! The signal catcher: a program that forks, and both processes wait for SIGINT. Ctrl-C reaches both; kill reaches the one
//! that is named. A child that nobody waits for stays a zombie as long as its parent lives; a child whose parent has ended
//! is adopted, and keeps its process group and its terminal.

use nix::sys::signal::kill;

use crate::kit::{
    prelude::*,
    proc::{child_named, stat, until_state},
    shell::{Kind, PsRow, Shell},
    terminal,
};

/// The first run.
pub const CTRL_C: Scenario = Scenario {
    name: "catcher-ctrl-c",
    shows: "Ctrl-C reaches parent and child of the signal catcher, and not the shell",
    run: ctrl_c,
    expect: "
        then foreground bash -> signal-catcher
        then signal-catcher execs
        then signal-catcher forks catcher-child
        some signal-catcher gets SIGINT by terminal character
        some catcher-child gets SIGINT by terminal character
        some signal-catcher exits 0
        some catcher-child exits 0
        never bash gets SIGINT *
    ",
    ..Scenario::DEFAULT
};

/// The second run.
pub const CHILD_FIRST: Scenario = Scenario {
    name: "catcher-child-first",
    shows: "kill of the child reaches only the child, which stays a zombie while its parent lives",
    run: child_first,
    expect: "
        then ps execs
        then catcher-child gets SIGINT by kill of scenarios
        then catcher-child exits 0
        then ps#2 execs
        with catcher-child: zombie, group signal-catcher, session bash, parent signal-catcher
        with signal-catcher: alive, group signal-catcher
        then signal-catcher gets SIGINT by kill of scenarios
        then signal-catcher exits 0
        then signal-catcher is reaped by bash
        once signal-catcher gets SIGINT *
        once catcher-child gets SIGINT *
        never bash gets SIGINT *
    ",
    pictures: &[
        Picture {
            name: "both-wait",
            after: "ps execs",
            rows: &[
                "bash scenarios bash ps bash ·s bash *",
                "signal-catcher bash signal-catcher ps bash · signal-catcher",
                "catcher-child signal-catcher signal-catcher ps bash · signal-catcher",
                "ps bash ps ps bash ·+ ps -Ho pid,ppid,pgid,tpgid,sess,args",
            ],
        },
        Picture {
            name: "child-is-a-zombie",
            after: "ps#2 execs",
            rows: &[
                "bash scenarios bash ps#2 bash ·s bash *",
                "signal-catcher bash signal-catcher ps#2 bash · signal-catcher",
                "catcher-child signal-catcher signal-catcher * bash Z [catcher-child] <defunct>",
                "ps#2 bash ps#2 ps#2 bash ·+ ps -Ho pid,ppid,pgid,tpgid,sess,args",
            ],
        },
    ],
    ..Scenario::DEFAULT
};

/// The third run.
pub const PARENT_FIRST: Scenario = Scenario {
    name: "catcher-parent-first",
    shows: "kill of the parent reaches only the parent; the child is adopted and keeps its group and its terminal",
    run: parent_first,
    expect: "
        then ps execs
        then signal-catcher gets SIGINT by kill of scenarios
        then signal-catcher exits 0
        some catcher-child is reparented from signal-catcher to *
        then signal-catcher is reaped by bash
        then ps#2 execs
        with catcher-child: alive, group signal-catcher, session bash, terminal, foreground ps#2, leader reaped, orphaned
        then catcher-child gets SIGINT by kill of scenarios
        then catcher-child exits 0
        once signal-catcher gets SIGINT *
        once catcher-child gets SIGINT *
    ",
    pictures: &[
        Picture {
            name: "both-wait",
            after: "ps execs",
            rows: &[
                "bash scenarios bash ps bash ·s bash *",
                "signal-catcher bash signal-catcher ps bash · signal-catcher",
                "catcher-child signal-catcher signal-catcher ps bash · signal-catcher",
                "ps bash ps ps bash ·+ ps -Ho pid,ppid,pgid,tpgid,sess,args",
            ],
        },
        Picture {
            name: "child-is-adopted",
            after: "ps#2 execs",
            rows: &[
                "bash scenarios bash ps#2 bash ·s bash *",
                "ps#2 bash ps#2 ps#2 bash ·+ ps -Ho pid,ppid,pgid,tpgid,sess,args",
                "catcher-child 1 signal-catcher ps#2 bash · signal-catcher",
            ],
        },
    ],
    ..Scenario::DEFAULT
};

const WAITING: [&str; 2] = ["Child is waiting...", "Parent is waiting..."];

fn ctrl_c() -> Result<()> {
    let shell = Shell::start(Kind::Bash)?;
    shell.begin("signal-catcher")?;
    shell.terminal().all_of(&WAITING)?;
    shell.terminal().keys(terminal::CTRL_C)?;
    shell.terminal().all_of(&["Child has caught signal.", "Parent has caught signal.", "ready> "])?;
    shell.leave(0)
}

/// Starts the catcher in the background; the shell, the parent and the child.
fn start() -> Result<(Shell, Pid, Pid)> {
    let shell = Shell::start(Kind::Bash)?;
    shell.begin("signal-catcher &")?;
    shell.terminal().all_of(&[WAITING[0], WAITING[1], "ready> "])?;
    let parent = child_named(shell.pid(), "signal-catcher")?;
    let child = child_named(parent, "catcher-child")?;
    check_both_wait(&shell, parent, child)?;
    Ok((shell, parent, child))
}

fn check_both_wait(shell: &Shell, parent: Pid, child: Pid) -> Result<()> {
    let rows = shell.ps()?;
    let [_, one, two, ps] = rows.as_slice() else { bail!("ps should show four processes: {rows:?}") };
    let bash = shell.pid();
    let row = |pid, parent, command: &str| PsRow {
        pid,
        parent,
        group: self::group(&rows, pid),
        foreground: ps.pid,
        session: bash,
        command: command.to_owned(),
    };
    same("row of the parent", one, &row(parent, bash, "signal-catcher"))?;
    same("row of the child", two, &row(child, parent, "signal-catcher"))?;
    same("process group of both", (one.group, two.group), (parent, parent))
}

fn group(rows: &[PsRow], pid: Pid) -> Pid {
    rows.iter().find(|row| row.pid == pid).map_or(SELF, |row| row.group)
}

fn child_first() -> Result<()> {
    let (shell, parent, child) = start()?;
    kill(child, Signal::SIGINT)?;
    shell.terminal().until("Child has caught signal.")?;
    until_state(child, "Z")?;
    let rows = shell.ps()?;
    let zombie = rows.iter().find(|row| row.pid == child).context("ps shows the zombie")?;
    same("parent and group of the zombie", (zombie.parent, zombie.group), (parent, parent))?;
    ensure!(zombie.command.ends_with("<defunct>"), "ps should say so: {}", zombie.command);
    kill(parent, Signal::SIGINT)?;
    shell.terminal().until("Parent has caught signal.")?;
    shell.run("wait")?;
    shell.leave(0)
}

fn parent_first() -> Result<()> {
    let (shell, parent, child) = start()?;
    kill(parent, Signal::SIGINT)?;
    shell.terminal().until("Parent has caught signal.")?;
    shell.run("wait")?;
    ensure!(stat(parent).is_err(), "the shell should have reaped the parent");
    let rows = shell.ps()?;
    let adopted = rows.iter().find(|row| row.pid == child).context("ps shows the child")?;
    ensure!(adopted.parent != parent, "the child should have been adopted");
    same("group and session of the child", (adopted.group, adopted.session), (parent, shell.pid()))?;
    kill(child, Signal::SIGINT)?;
    shell.terminal().until("Child has caught signal.")?;
    shell.leave(0)
}
