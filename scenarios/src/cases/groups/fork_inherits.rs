//! A process begins in the process group and session of its parent (POSIX fork; McKusick and Neville-Neil 4.8: each new
//! process is put into its parent's group).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "fork-inherits",
    shows: "a new process is in its parent's process group and session",
    run,
    expect: "
        then shell forks leader
        then group leader is born by itself
        with leader: group leader, session shell, parent shell, leader alive
        then leader forks member
        with member: group leader, session shell, parent leader, leader alive
        then member forks grandchild
        with grandchild: group leader, session shell, parent member
        then grandchild exits 0
        then member exits 0
        then leader exits 0
        then group leader ends, leader reaped
        never member joins group *
        never grandchild joins group *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let shell = me();
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            let leader = me();
            let check = move || {
                same("process group", getpgrp(), leader)?;
                same("session", nix::unistd::getsid(None)?, shell)
            };
            let member = spawn("member", || {
                check()?;
                spawn("grandchild", check)?.succeeds()
            })?;
            member.succeeds()
        })?;
        leader.succeeds()
    })
}
