//! A session leader may not make another session: it leads a process group too.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "setsid-twice",
    shows: "a second setsid by the same process: EPERM",
    run,
    expect: "
        then session leader is born
        then leader is refused setsid: EPERM, session leader
        with leader: session leader, group leader, leads its session
        once session leader is born
    ",
    finds: "never JC103",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let leader = spawn("leader", || {
        same("new session", setsid()?, me())?;
        refused(setsid(), Errno::EPERM)
    })?;
    leader.succeeds()
}
