//! The checks of setpgid, in the kernel's order (kernel/sys.c, `setpgid`): what is wrong first is what is told.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "setpgid-order",
    shows: "setpgid tells the first thing that is wrong: number, process, child, exec, session leader, group",
    run,
    expect: "
        then shell is refused setpgid: EINVAL, *
        then shell is refused setpgid: ESRCH, *
        then shell is refused setpgid: EACCES, executed before
        then shell is refused setpgid: EPERM, *
        then shell is refused setpgid: EPERM, session leader
        then plain is refused setpgid: ESRCH, not a child
        then plain is refused setpgid: EPERM, group not yet
        then plain setpgid = success
        never group plain is born by *
    ",
    finds: "
        warning JC101 sh
        warning JC104 plain
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let (ready, done, nothing) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let nobody = Pid::from_raw(-3);
        refused(setpgid(SELF, nobody), Errno::EINVAL)?;
        refused(setpgid(nobody, Pid::from_raw(7)), Errno::ESRCH)?;
        // What has executed a program is refused for that, whatever group is named, its own and one that is not there.
        let executed = spawn("executed", || {
            nothing.becomes_stdin()?;
            ready.becomes_stdout()?;
            execute(&["sh", "-c", "printf 1234; read nothing"])
        })?;
        ready.pass()?;
        refused(setpgid(executed.pid(), executed.pid()), Errno::EACCES)?;
        let other = spawn("other", || {
            setsid()?;
            ready.open()?;
            done.pass()
        })?;
        ready.pass()?;
        refused(setpgid(other.pid(), other.pid()), Errno::EPERM)?;
        refused(setpgid(SELF, me()), Errno::EPERM)?;
        let (shell, stranger) = (me(), other.pid());
        spawn("plain", || {
            refused(setpgid(shell, SELF), Errno::ESRCH)?;
            // Its sibling's number: a process that leads no group of this session.
            refused(setpgid(SELF, executed.pid()), Errno::EPERM)?;
            ensure!(stranger != me());
            Ok(setpgid(SELF, shell)?)
        })?
        .succeeds()?;
        done.open()?;
        executed.end()?;
        other.succeeds()
    })
}
