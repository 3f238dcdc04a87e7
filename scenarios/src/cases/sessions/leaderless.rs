//! A session lives on without its leader as long as it has members; without a leader nobody can give it a terminal.

use nix::unistd::getsid;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "leaderless-session",
    shows: "a session outlives its leader; its number stays in use",
    run,
    expect: "
        then session leader is born
        then leader forks member
        then leader exits 0
        some session leader loses its leader
        then leader is reaped by scenarios
        with member: session leader, group leader, leader reaped
        then member exits 0
        then session leader ends
        some group leader ends, member reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (tell, go) = (Gate::new()?, Gate::new()?);
    let leader = spawn("leader", || {
        let session = setsid()?;
        let member = spawn("member", || {
            go.pass()?;
            same("session", getsid(None)?, session)
        })?;
        tell.tell(member.pid())
    })?;
    let member = Child::known(tell.hear()?, "member");
    leader.succeeds()?;
    go.open()?;
    member.succeeds()
}
