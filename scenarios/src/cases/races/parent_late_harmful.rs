//! When only the parent calls setpgid, and too late, the call fails with EACCES and the job stays in the shell's group: what
//! is sent to the group that the shell believes in reaches nobody.

use nix::sys::signal::killpg;

use crate::kit::{
    prelude::*,
    shell::{Programs, execute},
};

pub const CASE: Scenario = Scenario {
    name: "parent-late-harmful",
    shows: "only the parent calls setpgid, after the exec: EACCES, and the child stays in the shell's group",
    cites: &["andrewchambers/janetsh#9", "sekiguchi-nagisa/arsh#179"],
    run,
    expect: "
        then cat execs
        then shell is refused setpgid: EACCES, executed before
        with cat: group shell, session shell
        then shell is refused kill: ESRCH, no such group
        never group cat is born *
        never race of *
    ",
    finds: "
        warning JC101 cat
        warning JC104 cat
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let programs = Programs::install()?;
    in_session("shell", || {
        let (into, out) = (Gate::new()?, Gate::new()?);
        let child = spawn("child", || {
            into.becomes_stdin()?;
            out.becomes_stdout()?;
            execute(&["cat"], &programs)
        })?;
        into.open()?;
        out.pass()?;
        refused(setpgid(child.pid(), child.pid()), Errno::EACCES)?;
        same("process group", child.stat()?.group, me())?;
        refused(killpg(child.pid(), Signal::SIGTERM), Errno::ESRCH)?;
        drop(into);
        child.succeeds()
    })
}
