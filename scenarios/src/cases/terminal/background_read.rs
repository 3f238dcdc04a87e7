//! A background process that reads its controlling terminal is stopped by SIGTTIN, its group with it (old manuals say
//! SIGTSTP; it is not). In the foreground and continued, the read goes on.

use crate::kit::{prelude::*, process::Catch};

pub const CASE: Scenario = Scenario {
    name: "background-read",
    shows: "a background reader is stopped by SIGTTIN, and reads on in the foreground",
    run,
    expect: "
        then group reader is born by itself
        with reader: group reader, foreground shell
        then reader gets SIGTTIN by background access of reader
        then reader is stopped by SIGTTIN
        with reader: stopped
        then shell learns that reader is stopped by SIGTTIN
        then foreground shell -> reader
        then reader gets SIGCONT by kill of shell to group reader*
        some reader is continued
        then reader exits 0
        then foreground no group reader -> shell
        never reader gets SIGTSTP *
        never shell gets SIGTTIN *
    ",
    finds: "info JC201 reader",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    let stopped = Gate::new()?;
    let shell = terminal.login("shell", || {
        let reader = spawn("reader", || {
            setpgid(SELF, SELF)?;
            same("bytes read", terminal.read()?, "hello\n".len())
        })?;
        reader.stops(Signal::SIGTTIN)?;
        stopped.open()?;
        terminal.set_foreground(reader.pid())?;
        nix::sys::signal::killpg(reader.pid(), Signal::SIGCONT)?;
        reader.succeeds()?;
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        Ok(terminal.set_foreground(me())?)
    })?;
    stopped.pass()?;
    terminal.keys("hello\n")?;
    shell.succeeds()
}
