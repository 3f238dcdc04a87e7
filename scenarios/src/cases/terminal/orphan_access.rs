//! A member of an orphaned background group is not stopped when it uses its terminal, since nobody could continue it: a
//! read is refused with EIO, tcsetpgrp with ENOTTY on Linux (POSIX 11.1.4 and tcsetpgrp).

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-access",
    shows: "terminal access from an orphaned background group: EIO or ENOTTY instead of a stop",
    cites: &["elves/elvish#314"],
    run,
    options: &["--tty-io"],
    expect: "
        then group orphan is born by itself
        then father exits 0
        some group orphan is orphaned by exit of father, 0 stopped
        then father is reaped by shell
        with orphan: orphaned, session shell, terminal, foreground shell
        then orphan is refused read: EIO, orphaned background
        then orphan is refused tcsetpgrp: ENOTTY, orphaned background
        then orphan exits 0
        never orphan is stopped by *
        never orphan gets SIGTTIN *
        never orphan gets SIGTTOU *
    ",
    finds: "error JC203 orphan",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (number, adopted, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let father = spawn("father", || {
            let orphan = spawn("orphan", || {
                setpgid(SELF, SELF)?;
                adopted.pass()?;
                refused(terminal.read(), Errno::EIO)?;
                refused(terminal.set_foreground(me()), Errno::ENOTTY)
            })?;
            proc::until("the group is there", || Ok(orphan.stat()?.group == orphan.pid()))?;
            number.tell(orphan.pid())
        })?;
        father.succeeds()?;
        adopted.open()?;
        done.pass()
    })?;
    Child::adopted(number.hear()?, "orphan")?.succeeds()?;
    done.open()?;
    shell.succeeds()
}
