//! When a terminal is hung up (the master of a pseudo-terminal is closed), the session leader gets SIGHUP, and SIGCONT. When
//! it exits, the foreground group of that time gets them too: without a leader it has to deal with the hangup.

use nix::sys::signal::SigSet;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "hangup",
    shows: "the terminal is hung up: SIGHUP to the session leader, and at its exit to the foreground group",
    run,
    expect: "
        then foreground shell -> front
        then shell gets SIGHUP by hangup of scenarios
        then shell gets SIGCONT by hangup of scenarios*
        some session shell loses terminal by hangup
        then shell exits 0
        then front gets SIGHUP by hangup of shell
        then front gets SIGCONT by hangup of shell*
        some front dies of SIGHUP
        then back gets SIGKILL by kill of scenarios
        never back gets SIGHUP *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let group = |role| {
            let child = spawn(role, || {
                setpgid(SELF, SELF)?;
                ready.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            ready.pass()?;
            Ok::<_, anyhow::Error>(child)
        };
        let front = group("front")?;
        let back = group("back")?;
        terminal.set_foreground(front.pid())?;
        SigSet::from(Signal::SIGHUP).thread_block()?;
        number.tell(front.pid())?;
        number.tell(back.pid())?;
        same("signal", SigSet::from(Signal::SIGHUP).wait()?, Signal::SIGHUP)?;
        front.runs()
    })?;
    let front = Child::known(number.hear()?, "front");
    let back = Child::known(number.hear()?, "back");
    terminal.hang_up();
    shell.succeeds()?;
    front.dies_of(Signal::SIGHUP)?;
    back.runs()?;
    back.end()
}
