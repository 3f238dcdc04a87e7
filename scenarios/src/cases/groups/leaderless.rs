//! Process groups need not have a leader, although they begin with one: the members go on when it has gone.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "leaderless-group",
    shows: "a process group lives on after its leader has been reaped",
    run,
    expect: "
        then group leader is born by itself
        then member joins group leader from shell, leader alive
        then leader exits 0
        then leader is reaped by shell
        then group leader is leaderless, leader reaped
        with member: group leader, alive, leader reaped
        then member gets SIGTERM by kill of shell to group leader
        then member dies of SIGTERM
        then group leader ends, member reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, go) = (Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        let group = leader.pid();
        let member = spawn("member", || {
            setpgid(SELF, group)?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        ready.pass()?;
        go.open()?;
        leader.succeeds()?;
        same("process group of the member", member.stat()?.group, group)?;
        nix::sys::signal::killpg(group, Signal::SIGTERM)?;
        member.dies_of(Signal::SIGTERM)
    })
}
