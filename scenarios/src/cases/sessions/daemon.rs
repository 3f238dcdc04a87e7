//! The classic daemon: (1) fork, and the parent exits, so that the shell goes on; (2) setsid, which the fork has made
//! possible; (3) fork again, so that no session leader is left that could acquire a terminal; (4) chdir; (5) umask;
//! (6) close the standard descriptors; (7) open them again on something harmless.

use std::{fs::OpenOptions, os::fd::IntoRawFd as _};

use nix::{
    sys::stat::{Mode, umask},
    unistd::{chdir, getppid, getsid},
};

use crate::kit::{prelude::*, proc, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "daemon",
    shows: "the classic daemon in seven steps: own session, no terminal, no leader, adopted",
    run,
    expect: "
        then group launcher is born by itself
        then foreground shell -> launcher
        then launcher forks middle
        with middle: session shell, group launcher, terminal
        then launcher exits 0
        some middle is reparented from launcher to scenarios
        then session middle is born
        with middle: session middle, group middle, leads its session, no terminal
        then middle forks daemon
        then middle exits 0
        some daemon is reparented from middle to scenarios
        some session middle loses its leader
        then daemon is refused TIOCSCTTY: EPERM, not a session leader
        with daemon: session middle, group middle, no terminal, leads no session, parent scenarios
        some middle is reaped by scenarios
        then shell exits 0
        then daemon exits 0
        then session middle ends
        never daemon gets SIGHUP *
    ",
    pictures: &[Picture {
        name: "daemon",
        after: "daemon is refused *",
        rows: &[
            "scenarios * * -1 * · scenarios run daemon",
            "shell scenarios shell launcher shell ·s *",
            "daemon scenarios middle -1 middle · *",
        ],
    }],
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (launcher_gone, started, number, shell_gone) = (Gate::new()?, Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let go = Gate::new()?;
        let launcher = spawn("launcher", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            go.pass()?;
            // Step 1.
            let middle = spawn("middle", || {
                launcher_gone.pass()?;
                // Steps 2 and 3.
                let father = setsid()?;
                let daemon = spawn("daemon", || {
                    proc::until("the daemon is adopted", || Ok(getppid() != father))?;
                    become_daemon(&terminal, father)?;
                    started.open()?;
                    shell_gone.pass()
                })?;
                number.tell(daemon.pid())
            })?;
            number.tell(middle.pid())
        })?;
        ready.pass()?;
        terminal.set_foreground(launcher.pid())?;
        go.open()?;
        launcher.succeeds()?;
        // The shell has its prompt back, the daemon does not know it any more.
        launcher_gone.open()?;
        started.pass()
    })?;
    let middle = Child::adopted(number.hear()?, "middle")?;
    middle.succeeds()?;
    let daemon = Child::adopted(number.hear()?, "daemon")?;
    shell.succeeds()?;
    shell_gone.open()?;
    daemon.succeeds()
}

/// Steps 4 to 7, and what the others must have brought about.
fn become_daemon(terminal: &Terminal, session: Pid) -> Result<()> {
    chdir("/")?;
    umask(Mode::empty());
    for fd in 0..3 {
        // SAFETY: the daemon's standard descriptors are its own, and are opened again below.
        unsafe { libc::close(fd) };
    }
    for fd in 0..3 {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        same("descriptor", null.into_raw_fd(), fd)?;
    }
    same("session", getsid(None)?, session)?;
    same("process group", getpgrp(), session)?;
    refused(terminal.control(0), Errno::EPERM)
}
