//! Ctrl-C is sent by the terminal, from a kernel thread, to a followed process that an outer shell has put in the
//! foreground.

use crate::kit::{prelude::*, process::Catch, terminal::CTRL_C};

pub const CASE: Scenario = Scenario {
    name: "outside-ctrl-c",
    shows: "Ctrl-C reaches a followed process that the outer shell put in the foreground",
    follow: Follow::Named,
    run,
    expect: "
        then group root is born by itself
        then foreground shell -> root
        then root gets SIGINT by terminal character
        then root dies of SIGINT
        then root is reaped by shell
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    let typed = Gate::new()?;
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
        typed.open()?;
        root.dies_of(Signal::SIGINT)?;
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        Ok(terminal.set_foreground(me())?)
    })?;
    typed.pass()?;
    terminal.keys(CTRL_C)?;
    shell.succeeds()
}
