//! A process group lasts until its last member has been reaped, not until it has exited: a zombie keeps it, and kill
//! finds it (POSIX: the lifetime of a process ends when its status is returned by wait).

use nix::sys::signal::killpg;

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "held-by-zombie",
    shows: "a zombie keeps its process group until it is reaped",
    run,
    expect: "
        then group leader is born by itself
        then leader exits 0
        some group leader is held by zombies
        then shell kill = success
        then group leader ends, leader reaped
        then shell is refused kill: ESRCH, group leader ended
        once group leader ends, *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let leader = spawn("leader", || Ok(setpgid(SELF, SELF)?))?;
        let group = leader.pid();
        leader.is_zombie()?;
        killpg(group, None)?;
        leader.succeeds()?;
        refused(killpg(group, None), Errno::ESRCH)
    })
}
