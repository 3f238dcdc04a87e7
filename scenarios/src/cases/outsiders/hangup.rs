//! The terminal is hung up from outside: the session leader, an outsider, gets SIGHUP; when it exits, the followed
//! foreground process gets it.

use nix::sys::signal::SigSet;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "outside-hangup",
    shows: "a hangup from outside reaches a followed foreground process when the session leader exits",
    follow: Follow::Named,
    run,
    expect: "
        then group root is born by itself
        then foreground shell -> root
        then root gets SIGHUP by hangup of shell
        then root gets SIGCONT by hangup of shell*
        then root dies of SIGHUP
        then root is reaped by scenarios
        with shell: reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        let (go, ready) = (Gate::new()?, Gate::new()?);
        let root = spawn("root", || {
            go.pass()?;
            setpgid(SELF, SELF)?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        followed(root.pid())?;
        go.open()?;
        ready.pass()?;
        terminal.set_foreground(root.pid())?;
        SigSet::from(Signal::SIGHUP).thread_block()?;
        number.tell(root.pid())?;
        same("signal", SigSet::from(Signal::SIGHUP).wait()?, Signal::SIGHUP)
    })?;
    let root = Child::known(number.hear()?, "root");
    terminal.hang_up();
    shell.succeeds()?;
    root.dies_of(Signal::SIGHUP)
}
