//! A process group leader may not make a session: its group would have members in two sessions (POSIX setsid, EPERM).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "setsid-by-group-leader",
    shows: "setsid by a process group leader: EPERM; by its forked child: allowed",
    run,
    expect: "
        then group leader is born by itself
        then leader is refused setsid: EPERM, group leader
        with leader: group leader, session shell
        then leader forks child
        then session child is born
        with child: group child, session child, leads its session
        never session leader is born
    ",
    finds: "never JC103",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            refused(setsid(), Errno::EPERM)?;
            spawn("child", || Ok(setsid().map(drop)?))?.succeeds()
        })?;
        leader.succeeds()
    })
}
