//! A signal from the keyboard goes to every process of the foreground process group, and to nobody else.

use crate::kit::{prelude::*, process::Catch, terminal::CTRL_C};

pub const CASE: Scenario = Scenario {
    name: "ctrl-c",
    shows: "Ctrl-C reaches every process of the foreground group and nobody else",
    run,
    expect: "
        then group front is born by itself
        then group back is born by itself
        then foreground shell -> front
        with front: group front, foreground front
        with back: group back, foreground front
        some front gets SIGINT by terminal character
        some front-child gets SIGINT by terminal character
        then front gets SIGINT by terminal character
        then front is reaped by shell
        then foreground no group front -> shell
        some front dies of SIGINT
        some front-child dies of SIGINT
        once front gets SIGINT by terminal character
        once front-child gets SIGINT *
        never back gets SIGINT *
        never shell gets SIGINT *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    let typed = Gate::new()?;
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let wait = || {
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        };
        let front = spawn("front", || {
            setpgid(SELF, SELF)?;
            let child = spawn("front-child", wait)?;
            ready.open()?;
            // Its own SIGINT comes at the same time: the child is reaped after that.
            catch(Signal::SIGINT, Catch::Handler)?;
            child.dies_of(Signal::SIGINT)?;
            catch(Signal::SIGINT, Catch::Default)?;
            Ok(nix::sys::signal::raise(Signal::SIGINT)?)
        })?;
        ready.pass()?;
        ready.pass()?;
        let back = spawn("back", || {
            setpgid(SELF, SELF)?;
            wait()
        })?;
        ready.pass()?;
        terminal.set_foreground(front.pid())?;
        typed.open()?;
        front.dies_of(Signal::SIGINT)?;
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        terminal.set_foreground(me())?;
        back.runs()?;
        back.end()
    })?;
    typed.pass()?;
    terminal.keys(CTRL_C)?;
    shell.succeeds()
}
