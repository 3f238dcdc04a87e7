//! The textbook login session (McKusick and Neville-Neil, figure 4.9): process 3 leads the session, 4 and 5 are a pipeline
//! in group 4, 8 is another job. None of the group leaders 3, 4 and 8 may make a session; 5 may.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "login-session",
    shows: "a session with two jobs: only the process that leads no group may call setsid",
    run,
    expect: "
        then session three gains terminal by ioctl
        with three: session three, group three, leads its session, terminal, foreground three
        then group four is born by itself
        then five joins group four from three, leader alive
        then group eight is born by itself
        with four: group four, session three, terminal
        with eight: group eight, session three, terminal
        then three is refused setsid: EPERM, session leader
        then four is refused setsid: EPERM, group leader
        then eight is refused setsid: EPERM, group leader
        then session five is born
        with five: session five, group five, no terminal
        with four: session three, terminal
    ",
    finds: "
        info JC103 four
        info JC103 eight
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("three", || {
        let ready = Gate::new()?;
        let job = |role: &str, group: Pid, body: &dyn Fn() -> Result<()>| {
            let go = Gate::new()?;
            let child = spawn(role, || {
                setpgid(SELF, group)?;
                ready.open()?;
                go.pass()?;
                body()
            })?;
            ready.pass()?;
            Ok::<_, anyhow::Error>((child, go))
        };
        let no_session = || refused(setsid(), Errno::EPERM);
        let (four, four_goes) = job("four", SELF, &no_session)?;
        let (five, five_goes) = job("five", four.pid(), &|| same("new session", setsid()?, me()))?;
        let (eight, eight_goes) = job("eight", SELF, &no_session)?;
        no_session()?;
        // One after the other, and all are there until the last has tried.
        for (child, go) in [(&four, four_goes), (&eight, eight_goes), (&five, five_goes)] {
            go.open()?;
            child.is_zombie()?;
        }
        five.succeeds()?;
        eight.succeeds()?;
        four.succeeds()
    })
}
