//! A terminal emulator, or the server of a broken connection, exits: its master is closed by that, the terminal is hung up,
//! and the session leader below gets SIGHUP and SIGCONT from a process of another session.

use nix::sys::signal::SigSet;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "emulator-exit",
    shows: "the process that holds the master exits: the terminal is hung up, the session leader below gets SIGHUP",
    run,
    expect: "
        then emulator forks shell
        then session shell is born
        then session shell gains terminal by ioctl
        then emulator exits 0
        then shell gets SIGHUP by hangup of emulator
        then shell gets SIGCONT by hangup of emulator*
        some session shell loses terminal by hangup
        then shell is refused TIOCGPGRP: EIO, not the controlling terminal
        then shell exits 0
        once shell gets SIGHUP by hangup of emulator
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (number, ready) = (Gate::new()?, Gate::new()?);
    let emulator = spawn("emulator", || {
        let terminal = Terminal::open()?;
        let shell = terminal.login("shell", || {
            SigSet::from(Signal::SIGHUP).thread_block()?;
            ready.open()?;
            same("signal", SigSet::from(Signal::SIGHUP).wait()?, Signal::SIGHUP)?;
            refused(terminal.foreground(), Errno::EIO)
        })?;
        number.tell(shell.pid())?;
        ready.pass()?;
        // Its exit closes the master, nothing else does.
        std::mem::forget(terminal);
        Ok(())
    })?;
    let shell = number.hear()?;
    emulator.succeeds()?;
    Child::adopted(shell, "shell")?.succeeds()
}
