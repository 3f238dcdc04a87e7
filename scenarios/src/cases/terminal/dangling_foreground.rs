//! A shell that does not take its terminal back: the foreground group has ended, Ctrl-C reaches nobody, and the shell itself
//! is in the background (its read is refused, as its group is orphaned).

use crate::kit::{prelude::*, terminal::CTRL_C};

pub const CASE: Scenario = Scenario {
    name: "dangling-foreground",
    shows: "the foreground group has ended and nobody took the terminal back: Ctrl-C reaches nobody",
    cites: &["nextest-rs/nextest#2878", "fish-shell/fish-shell#7060", "steipete/CodexBar#2074"],
    run,
    options: &["--tty-io"],
    expect: "
        then foreground shell -> job
        then group job ends, job reaped
        then shell is refused read: EIO, orphaned background
        then shell exits 0
        never * gets SIGINT *
    ",
    finds: "
        error JC204 shell
        never JC205
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    let (ended, typed) = (Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let go = Gate::new()?;
        let job = spawn("job", || {
            setpgid(SELF, SELF)?;
            go.open()
        })?;
        go.pass()?;
        terminal.set_foreground(job.pid())?;
        let number = job.pid();
        job.succeeds()?;
        ended.open()?;
        typed.pass()?;
        same("foreground", terminal.foreground()?, number)?;
        refused(terminal.read(), Errno::EIO)
    })?;
    ended.pass()?;
    terminal.keys(CTRL_C)?;
    // The echo proves that the character has been dealt with.
    terminal.until("^C")?;
    typed.open()?;
    shell.succeeds()
}
