//! A new process image keeps the process group and the session of the old one (POSIX exec).

use nix::unistd::getsid;

use crate::kit::{
    prelude::*,
    process,
    shell::{Programs, execute},
};

pub const CASE: Scenario = Scenario {
    name: "exec-keeps",
    shows: "a new process image keeps process group and session",
    run,
    expect: "
        then group after-exec is born by itself
        with after-exec: group after-exec, session shell
        then after-exec execs
        with after-exec: group after-exec, session shell, leader alive
        then after-exec exits 0
        then group after-exec ends, after-exec reaped
        once group after-exec is born *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let programs = Programs::install()?;
    in_session("shell", || {
        let job = spawn("before-exec", || {
            setpgid(SELF, SELF)?;
            let session = getsid(None)?;
            execute(&["after-exec", &getpgrp().to_string(), &session.to_string()], &programs)
        })?;
        job.succeeds()
    })
}

/// Of an exec that fails before it must succeed nothing is left (fs/exec.c, `begin_new_exec` clears `PF_FORKNOEXEC`).
pub const FAILS: Scenario = Scenario {
    name: "exec-fails",
    shows: "a child whose exec failed may still be moved by its parent",
    run: fails,
    expect: "
        then group job is born by parent shell
        with job: group job, parent shell
        never job execs
        some job exits 0
    ",
    ..Scenario::DEFAULT
};

fn fails() -> Result<()> {
    in_session("shell", || {
        let (failed, go) = (Gate::new()?, Gate::new()?);
        let job = spawn("job", || {
            ensure!(process::execute(&["/"]).is_err(), "a directory was executed");
            failed.open()?;
            go.pass()
        })?;
        failed.pass()?;
        setpgid(job.pid(), job.pid())?;
        go.open()?;
        job.succeeds()
    })
}
