//! tcsetpgrp is refused for a number that nobody bears (ESRCH on Linux), for a group of another session (EPERM), and on a
//! terminal that is not the caller's controlling terminal (ENOTTY): only members of the session assign its terminal.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "tcsetpgrp-errors",
    shows: "tcsetpgrp to an ended group: ESRCH; to another session's: EPERM; from another session: ENOTTY",
    cites: &["fish-shell/fish-shell#5219", "andrewchambers/janetsh#195", "cooperative-computing-lab/cctools#1643"],
    run,
    expect: "
        then group ended ends, ended reaped
        then shell is refused tcsetpgrp: ESRCH, group ended ended
        then session other is born
        then other is refused tcsetpgrp: ENOTTY, not the controlling terminal
        then shell is refused tcsetpgrp: EPERM, other session
        with shell: foreground shell
        never foreground shell -> *
    ",
    finds: "
        error JC203 shell
        info JC203 other
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let ended = spawn("ended", || Ok(setpgid(SELF, SELF)?))?;
        let number = ended.pid();
        ended.succeeds()?;
        refused(terminal.set_foreground(number), Errno::ESRCH)?;
        let (ready, go) = (Gate::new()?, Gate::new()?);
        let other = spawn("other", || {
            setsid()?;
            refused(terminal.set_foreground(me()), Errno::ENOTTY)?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        refused(terminal.set_foreground(other.pid()), Errno::EPERM)?;
        go.open()?;
        other.succeeds()
    })
}
