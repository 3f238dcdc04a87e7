//! A process that joins a process group whose only member, the leader, has exited and been reaped is refused with EPERM:
//! the group has ended (McKusick and Neville-Neil 4.8: a shell must not wait for members before all have joined).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "join-too-late",
    shows: "joining a group whose leader has been reaped: EPERM, the group has ended",
    cites: &["fish-shell/fish-shell#1245", "fish-shell/fish-shell#333", "crawshaw.io blog 2016-01-07"],
    run,
    expect: "
        then group leader is born by itself
        then leader exits 0
        then leader is reaped by shell
        then group leader ends, leader reaped
        then joiner is refused setpgid: EPERM, group leader ended
        with joiner: group shell
        then joiner exits 0
    ",
    finds: "
        error JC102 joiner
        never JC104
        never JC105
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let leader = spawn("leader", || Ok(setpgid(SELF, SELF)?))?;
        let group = leader.pid();
        leader.succeeds()?;
        let joiner = spawn("joiner", || refused(setpgid(SELF, group), Errno::EPERM))?;
        joiner.succeeds()
    })
}
