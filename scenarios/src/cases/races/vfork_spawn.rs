//! vfork avoids the race: the parent goes on only when the child has executed its program, and the child has made its group
//! by then. A parent that calls setpgid all the same gets EACCES.

use std::os::unix::process::CommandExt as _;

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "vfork-spawn",
    shows: "the parent goes on only after the child's exec: the group is there, the parent's setpgid gets EACCES",
    run,
    expect: "
        then group true is born by itself
        then true execs
        then true exits 0
        then shell is refused setpgid: EACCES, already there after exec
        then group true ends, true reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        // The standard library calls posix_spawn here, which is a vfork in glibc.
        let child = std::process::Command::new("/bin/true").process_group(0).spawn().context("spawn")?;
        let child = Child::known(Pid::from_raw(child.id() as i32), "true");
        // The parent goes on while the exec has some way to go; a zombie has certainly executed.
        child.is_zombie()?;
        refused(setpgid(child.pid(), child.pid()), Errno::EACCES)?;
        child.succeeds()
    })
}
