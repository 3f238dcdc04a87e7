//! Shell and child both make the child lead its group, so that it does not matter who runs first. Here the child is first,
//! and the parent's call changes nothing.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "race-child-first",
    shows: "parent and child race to setpgid: the child is first, the parent's call changes nothing",
    run,
    expect: "
        then group child is born by itself
        then race of child and shell: child first, success
        with child: group child, session shell
        once group child is born *
    ",
    finds: "never JC101",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (called, go) = (Gate::new()?, Gate::new()?);
        let child = spawn("child", || {
            setpgid(SELF, SELF)?;
            called.open()?;
            go.pass()
        })?;
        called.pass()?;
        setpgid(child.pid(), child.pid())?;
        go.open()?;
        child.succeeds()
    })
}
