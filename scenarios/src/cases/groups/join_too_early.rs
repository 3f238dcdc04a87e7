//! A process that joins a process group before its leader has made it is refused with EPERM (McKusick and Neville-Neil 4.8:
//! when a later process of the pipeline comes before the leader's setpgid is complete, joining fails).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "join-too-early",
    shows: "joining a group that its leader has not made yet: EPERM; once it is there: joined",
    cites: &["vanillagreencom/kendex#2574", "pleaseai/shunt#325"],
    run,
    expect: "
        then joiner is refused setpgid: EPERM, group not yet
        with joiner: group shell
        then group leader is born by itself
        then joiner joins group leader from shell, leader alive
        with joiner: group leader, session shell
        then group leader ends, *
    ",
    finds: "
        warning JC104 joiner
        never JC102
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (go, ready, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            go.pass()?;
            setpgid(SELF, SELF)?;
            ready.open()?;
            done.pass()
        })?;
        let group = leader.pid();
        let joiner = spawn("joiner", || {
            refused(setpgid(SELF, group), Errno::EPERM)?;
            go.open()?;
            ready.pass()?;
            setpgid(SELF, group)?;
            done.open()
        })?;
        joiner.succeeds()?;
        leader.succeeds()
    })
}
