//! With TOSTOP set, a background process that writes to its controlling terminal is stopped by SIGTTOU; without it, writing
//! is never checked.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "background-write",
    shows: "a background writer is stopped by SIGTTOU if the terminal has TOSTOP, else it writes",
    run,
    expect: "
        then free exits 0
        then held gets SIGTTOU by background access of held
        then held is stopped by SIGTTOU
        then shell learns that held is stopped by SIGTTOU
        then held gets SIGKILL by kill of shell
        never free gets SIGTTOU *
    ",
    finds: "error JC202 held",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let write = || {
            setpgid(SELF, SELF)?;
            same("bytes written", terminal.write("hello")?, 5)
        };
        spawn("free", write)?.succeeds()?;
        terminal.set_tostop()?;
        let held = spawn("held", write)?;
        held.stops(Signal::SIGTTOU)?;
        held.end()
    })
}
