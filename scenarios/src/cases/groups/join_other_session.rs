//! A process may only join a process group of its own session, and groups do not move between sessions (POSIX setpgid,
//! EPERM).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "join-other-session",
    shows: "joining a group of another session: EPERM, and so is moving a child that has its own session",
    run,
    expect: "
        then session other is born
        with other: group other, session other, leads its session
        then joiner is refused setpgid: EPERM, other session
        with joiner: group shell, session shell
        then shell is refused setpgid: EPERM, session leader
        with other: group other, session other
        never * joins group other *
    ",
    finds: "
        warning JC103 joiner
        warning JC103 other
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, go) = (Gate::new()?, Gate::new()?);
        let other = spawn("other", || {
            setsid()?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        let group = other.pid();
        let joiner = spawn("joiner", || refused(setpgid(SELF, group), Errno::EPERM))?;
        joiner.succeeds()?;
        refused(setpgid(other.pid(), me()), Errno::EPERM)?;
        go.open()?;
        other.succeeds()
    })
}
