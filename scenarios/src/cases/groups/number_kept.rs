//! A number is not given to a new process while a process group bears it, whether the leader is alive, a zombie or reaped
//! (POSIX: a process id is not reused while a process group has it). It is free once the group has ended.

use crate::kit::{clone3::spawn_with_number, prelude::*};

pub const CASE: Scenario = Scenario {
    name: "number-kept",
    shows: "the number of a living group is not given to a new process, that of an ended one is",
    run,
    expect: "
        then group leader is born by itself
        then member joins group leader from shell, leader alive
        then leader is reaped by shell
        then group leader is leaderless, leader reaped
        with member: group leader, leader reaped
        then group leader ends, member reaped
        then shell forks heir
        once group leader is born *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, go, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        let number = leader.pid();
        let taken = |when: &str| {
            let result = spawn_with_number(number, "heir", || Ok(()));
            refused(result, Errno::EEXIST).with_context(|| format!("the number is taken, {when}"))
        };
        taken("leader alive")?;
        let member = spawn("member", || {
            setpgid(SELF, number)?;
            ready.open()?;
            done.pass()
        })?;
        ready.pass()?;
        go.open()?;
        leader.is_zombie()?;
        taken("leader a zombie")?;
        leader.succeeds()?;
        taken("leader reaped, a member alive")?;
        done.open()?;
        member.is_zombie()?;
        taken("leader reaped, the member a zombie")?;
        member.succeeds()?;
        spawn_with_number(number, "heir", || Ok(())).context("the number is free")?.succeeds()
    })
}
