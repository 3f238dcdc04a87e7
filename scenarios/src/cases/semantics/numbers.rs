//! Numbers that somebody remembers and that mean another group by now.

use nix::sys::signal::killpg;

use crate::kit::{clone3::spawn_with_number, prelude::*};

/// Joins the group that has the number now.
pub const JOINED: Scenario = Scenario {
    name: "join-reused-number",
    shows: "a process joins a group by a number that is another group's by now",
    run: joined,
    expect: "
        then group first is born by itself
        then group first ends, first reaped
        then group second is born by itself
        then joiner joins group second from shell, leader alive
        with joiner: group second
    ",
    ..Scenario::DEFAULT
};

fn joined() -> Result<()> {
    in_session("shell", || {
        let first = spawn("first", || Ok(setpgid(SELF, SELF)?))?;
        let number = first.pid();
        first.succeeds()?;
        let (leads, go) = (Gate::new()?, Gate::new()?);
        let second = spawn_with_number(number, "second", || {
            setpgid(SELF, SELF)?;
            leads.open()?;
            go.pass()
        })?;
        leads.pass()?;
        spawn("joiner", || {
            setpgid(SELF, number)?;
            same("its process group", getpgrp(), number)
        })?
        .succeeds()?;
        go.open()?;
        second.succeeds()
    })
}

/// Signals the group that has the number now.
pub const KILLED: Scenario = Scenario {
    name: "stale-group",
    shows: "a process signals a group by a number that is a stranger's group by now",
    run: killed,
    expect: "
        then group child is born by itself
        then group child ends, child reaped
        then scenarios forks stranger
        then group stranger is born by itself
        then stranger gets SIGTERM by kill of keeper to group stranger
        then stranger dies of SIGTERM
    ",
    finds: "error JC304 stranger",
    ..Scenario::DEFAULT
};

fn killed() -> Result<()> {
    let (number, taken) = (Gate::new()?, Gate::new()?);
    let keeper = spawn("keeper", || {
        let child = spawn("child", || Ok(setpgid(SELF, SELF)?))?;
        let group = child.pid();
        child.succeeds()?;
        number.tell(group)?;
        taken.pass()?;
        Ok(killpg(group, Signal::SIGTERM)?)
    })?;
    let stranger = spawn_with_number(number.hear()?, "stranger", || {
        setpgid(SELF, SELF)?;
        taken.open()?;
        nix::unistd::pause();
        Ok(())
    })
    .context("the number is free")?;
    stranger.dies_of(Signal::SIGTERM)?;
    keeper.succeeds()
}
