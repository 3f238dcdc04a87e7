//! As long as a member of a process group exists, even as a zombie, others can join it (McKusick and Neville-Neil 4.8).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "join-zombie-leader",
    shows: "a group whose only member is a zombie can still be joined",
    cites: &["microsoft/WSL#2786"],
    run,
    expect: "
        then group leader is born by itself
        then leader exits 0
        then joiner joins group leader from shell, leader zombie
        with joiner: group leader, leader zombie
        then leader is reaped by shell
        some group leader is leaderless, leader reaped
        then group leader ends, joiner reaped
    ",
    finds: "
        info JC105 joiner
        never JC102
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (joined, go) = (Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || Ok(setpgid(SELF, SELF)?))?;
        let group = leader.pid();
        leader.is_zombie()?;
        let joiner = spawn("joiner", || {
            setpgid(SELF, group)?;
            joined.open()?;
            go.pass()
        })?;
        joined.pass()?;
        leader.succeeds()?;
        go.open()?;
        joiner.succeeds()
    })
}
