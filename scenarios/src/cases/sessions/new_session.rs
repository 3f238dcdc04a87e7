//! setsid makes a new session with a single new process group; the caller leads both and has no controlling terminal
//! (POSIX setsid).

use nix::unistd::getsid;

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "setsid",
    shows: "setsid makes a session and a group, led by the caller, without a terminal",
    run,
    expect: "
        then shell forks caller
        with caller: session shell, group shell, terminal
        then session caller is born
        with caller: session caller, group caller, leads its session, no terminal, leader alive
        some group caller is born by setsid
        with shell: session shell, terminal
        then session caller ends
        some group caller ends, caller reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let caller = spawn("caller", || {
            same("new session", setsid()?, me())?;
            same("session", getsid(None)?, me())?;
            same("process group", getpgrp(), me())?;
            refused(terminal.foreground(), Errno::ENOTTY)
        })?;
        caller.succeeds()
    })
}
