//! The process group of a session leader cannot be changed, by nobody (POSIX setpgid, EPERM).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "leader-keeps-group",
    shows: "setpgid on a session leader: EPERM, by itself and by its parent",
    cites: &["saleyn/erlexec#203", "creack/pty#35", "att/ast#439", "tphakala/agy-mcp#171"],
    run,
    expect: "
        then session leader is born
        then leader is refused setpgid: EPERM, session leader
        then leader is refused setpgid: EPERM, session leader
        then shell is refused setpgid: EPERM, *
        with leader: group leader, session leader, leads its session
        once group leader is born *
    ",
    finds: "warning JC103 leader",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, refused_twice, go) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            setsid()?;
            let member = spawn("member", || {
                setpgid(SELF, SELF)?;
                ready.open()?;
                go.pass()
            })?;
            ready.pass()?;
            refused(setpgid(SELF, member.pid()), Errno::EPERM)?;
            refused(setpgid(SELF, SELF), Errno::EPERM)?;
            refused_twice.open()?;
            member.succeeds()
        })?;
        refused_twice.pass()?;
        refused(setpgid(leader.pid(), leader.pid()), Errno::EPERM)?;
        go.open()?;
        leader.succeeds()
    })
}
