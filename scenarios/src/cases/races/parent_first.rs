//! Shell and child both make the child lead its group, so that it does not matter who runs first. Here the parent is first,
//! and the child's call changes nothing.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "race-parent-first",
    shows: "parent and child race to setpgid: the parent is first, the child's call changes nothing",
    run,
    expect: "
        then group child is born by parent shell
        then race of child and shell: parent first, success
        with child: group child, session shell
        once group child is born *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let go = Gate::new()?;
        let child = spawn("child", || {
            go.pass()?;
            same("process group", getpgrp(), me())?;
            Ok(setpgid(SELF, SELF)?)
        })?;
        setpgid(child.pid(), child.pid())?;
        go.open()?;
        child.succeeds()
    })
}
