//! On Linux tcsetpgrp accepts the number of any process of the session, also when no process group has it (POSIX wants
//! EPERM): a phantom. It becomes real when the process makes its group, so the order of a shell's calls does not matter.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "phantom-foreground",
    shows: "tcsetpgrp before the child's setpgid: a foreground group that does not exist until the child makes it",
    run,
    expect: "
        then foreground shell -> no group child
        with child: group shell
        then group child is born by itself
        with child: group child, foreground child
        then group child ends, child reaped
    ",
    finds: "never JC205",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let go = Gate::new()?;
        let child = spawn("child", || {
            go.pass()?;
            setpgid(SELF, SELF)?;
            same("foreground", terminal.foreground()?, me())
        })?;
        terminal.set_foreground(child.pid())?;
        same("foreground", terminal.foreground()?, child.pid())?;
        same("process group of the child", child.stat()?.group, me())?;
        go.open()?;
        child.succeeds()
    })
}
