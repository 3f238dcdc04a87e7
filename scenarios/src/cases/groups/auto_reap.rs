//! The children of a process that ignores SIGCHLD are never zombies: they are released at their own exit, their group with
//! them, and the parent's setpgid finds nobody (POSIX SIGCHLD set to `SIG_IGN`).

use nix::{sys::wait::waitpid, unistd::getpgid};

use crate::kit::{prelude::*, process::Catch};

pub const CASE: Scenario = Scenario {
    name: "auto-reap",
    shows: "SIGCHLD ignored: the child and its group end at its exit, and setpgid and wait find nobody",
    run,
    expect: "
        then group child is born by itself
        then child exits 0
        then child is reaped by its own exit
        then group child ends, child reaped
        then shell is refused setpgid: ESRCH, child reaped
        never child is a zombie
        never shell gets SIGCHLD as status of child
    ",
    finds: "
        info JC102 shell
        never JC405
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        catch(Signal::SIGCHLD, Catch::Ignore)?;
        let child = spawn("child", || Ok(setpgid(SELF, SELF)?))?;
        let pid = child.pid();
        // With SIGCHLD ignored, wait returns only when no child is left.
        refused(waitpid(pid, None), Errno::ECHILD)?;
        refused(setpgid(pid, pid), Errno::ESRCH)?;
        refused(getpgid(Some(pid)), Errno::ESRCH)?;
        catch(Signal::SIGCHLD, Catch::Default)
    })
}
