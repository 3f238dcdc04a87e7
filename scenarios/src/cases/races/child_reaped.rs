//! The child may exit before the parent's attempt. Once it has been reaped its number means nobody, or somebody else:
//! setpgid says ESRCH, and when the number has been given to another process of the caller's, that one is moved.

use crate::kit::{clone3::spawn_with_number, prelude::*};

pub const CASE: Scenario = Scenario {
    name: "parent-after-reap",
    shows: "the parent's setpgid comes after the reap: ESRCH, or it hits another process that got the number",
    run,
    expect: "
        then child is reaped by shell
        then shell is refused setpgid: ESRCH, child reaped
        then shell forks stranger
        then group stranger is born by parent shell
        with stranger: group stranger
        never group child is born *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let child = spawn("child", || Ok(()))?;
        let number = child.pid();
        child.succeeds()?;
        refused(setpgid(number, number), Errno::ESRCH)?;
        let go = Gate::new()?;
        let stranger = spawn_with_number(number, "stranger", || go.pass())?;
        setpgid(number, number)?;
        same("process group", stranger.stat()?.group, number)?;
        go.open()?;
        stranger.succeeds()
    })
}
