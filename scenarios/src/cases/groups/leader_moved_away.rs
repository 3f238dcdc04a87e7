//! The process that a group is named after may be in another group. While its old group has members, it can neither make a
//! session (setsid: EPERM, its number is a group's) nor is its number free; when they have gone, the old group ends.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "leader-moved-away",
    shows: "a leader moves to another group: its own goes on without it, and it may not call setsid",
    run,
    expect: "
        then group elsewhere is born by itself
        then group leader is born by itself
        then member joins group leader from shell, leader alive
        then leader joins group elsewhere from leader, leader alive
        some group leader is leaderless, leader moved away
        with leader: group elsewhere, session shell
        with member: group leader, leader moved away
        then leader is refused setsid: EPERM, number is a group
        then group leader ends, member reaped
        then session leader is born
        with leader: group leader, session leader, leads its session
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, moved, member_gone, done) = (Gate::new()?, Gate::new()?, Gate::new()?, Gate::new()?);
        let elsewhere = spawn("elsewhere", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            done.pass()
        })?;
        ready.pass()?;
        let other = elsewhere.pid();
        let (joined, refused_once) = (Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            joined.pass()?;
            setpgid(SELF, other)?;
            refused(setsid(), Errno::EPERM)?;
            refused_once.open()?;
            member_gone.pass()?;
            same("new session", setsid()?, me())?;
            Ok(())
        })?;
        ready.pass()?;
        let group = leader.pid();
        let member = spawn("member", || {
            setpgid(SELF, group)?;
            joined.open()?;
            moved.pass()
        })?;
        refused_once.pass()?;
        moved.open()?;
        member.succeeds()?;
        member_gone.open()?;
        leader.succeeds()?;
        done.open()?;
        elsewhere.succeeds()
    })
}
