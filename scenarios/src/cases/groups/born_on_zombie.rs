//! The child may have exited before its parent calls setpgid on it. On Linux the call succeeds as long as the child has not
//! been reaped: the group is born with a zombie as its leader and only member.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "born-on-zombie",
    shows: "the child exits before the parent's setpgid: the group is born on a zombie",
    run,
    expect: "
        then child exits 0
        then group child is born by parent shell on a zombie
        with child: group child, zombie
        then group child ends, child reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let child = spawn("child", || Ok(()))?;
        child.is_zombie()?;
        setpgid(child.pid(), child.pid())?;
        same("process group", child.stat()?.group, child.pid())?;
        child.succeeds()
    })
}
