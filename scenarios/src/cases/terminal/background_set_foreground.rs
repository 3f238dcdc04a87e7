//! A background process that calls tcsetpgrp is stopped by SIGTTOU, its whole group with it, and again after each SIGCONT
//! as long as it is in the background. With SIGTTOU ignored, as shells have it, the call succeeds (POSIX tcsetpgrp).

use nix::sys::signal::killpg;

use crate::kit::{prelude::*, process::Catch};

pub const CASE: Scenario = Scenario {
    name: "background-tcsetpgrp",
    shows: "tcsetpgrp from the background: stopped by SIGTTOU, again after SIGCONT; allowed if SIGTTOU is ignored",
    cites: &["golang/go#37217", "mattn/go-tty#26"],
    run,
    expect: "
        then group thief is born by itself
        then thief gets SIGTTOU by background access of thief
        then thief is stopped by SIGTTOU
        with thief: stopped, foreground shell
        then thief gets SIGCONT by kill of shell to group thief*
        then thief gets SIGTTOU by background access of thief
        then thief is stopped by SIGTTOU
        then thief gets SIGKILL by kill of shell
        then foreground shell -> ignorer
        then ignorer exits 0
        never ignorer gets SIGTTOU *
        never foreground shell -> thief
    ",
    finds: "
        info JC202 thief
        error JC202 thief
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let thief = spawn("thief", || {
            setpgid(SELF, SELF)?;
            Ok(terminal.set_foreground(me())?)
        })?;
        thief.stops(Signal::SIGTTOU)?;
        killpg(thief.pid(), Signal::SIGCONT)?;
        thief.stops(Signal::SIGTTOU)?;
        same("foreground", terminal.foreground()?, me())?;
        thief.end()?;
        let ignorer = spawn("ignorer", || {
            setpgid(SELF, SELF)?;
            catch(Signal::SIGTTOU, Catch::Ignore)?;
            Ok(terminal.set_foreground(me())?)
        })?;
        ignorer.is_zombie()?;
        same("foreground", terminal.foreground()?, ignorer.pid())?;
        ignorer.succeeds()
    })
}
