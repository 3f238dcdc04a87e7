//! A shell that is left while a job is stopped: it warns once, and the second time it exits. bash does not leave the job to
//! the orphan rule, it ends it with SIGTERM and SIGCONT first.

use crate::kit::{
    prelude::*,
    proc::{child_named, stat},
    process::adopt,
    shell::{Kind, Shell},
    terminal::CTRL_Z,
};

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-leave-stopped",
    shows: "bash is left with a stopped job: bash ends it with SIGTERM and SIGCONT",
    cites: &["superuser.com/questions/5001"],
    run: || run(Kind::Bash),
    expect: "
        then cat is stopped by SIGTSTP
        then foreground cat -> bash
        then cat gets SIGTERM by kill of bash to group cat
        then cat gets SIGCONT by kill of bash to group cat*
        some cat is continued
        some cat dies of SIGTERM
        then bash exits 1
        never cat gets SIGHUP *
    ",
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    adopt()?;
    let shell = Shell::start(kind)?;
    shell.begin("cat")?;
    let cat = child_named(shell.pid(), "cat")?;
    proc::until("cat is in the foreground", || Ok(stat(cat)?.foreground == cat))?;
    shell.terminal().keys(CTRL_Z)?;
    shell.prompt()?;
    shell.run("exit")?;
    shell.leave(1)?;
    Child::left_or_reaped(cat, "cat", Signal::SIGTERM)
}
