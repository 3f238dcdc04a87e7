//! Only a session leader can acquire a controlling terminal; a terminal controls one session at a time, and a session has
//! one at most (McKusick and Neville-Neil 4.8; POSIX 11.1.3).

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "control-rules",
    shows: "TIOCSCTTY is refused to who leads no session, has a terminal already, or wants another session's",
    run,
    expect: "
        then session shell gains terminal by ioctl
        then member is refused TIOCSCTTY: EPERM, not a session leader
        then session other is born
        then other is refused TIOCSCTTY: EPERM, terminal of another session
        with other: no terminal, session other
        then shell is refused TIOCSCTTY: EPERM, has a terminal
        with shell: terminal, session shell
        once session * gains *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let (terminal, second) = (Terminal::open()?, Terminal::open()?);
    terminal.session("shell", || {
        spawn("member", || refused(second.control(0), Errno::EPERM))?.succeeds()?;
        let other = spawn("other", || {
            setsid()?;
            refused(terminal.control(0), Errno::EPERM)
        })?;
        other.succeeds()?;
        refused(second.control(0), Errno::EPERM)
    })
}
