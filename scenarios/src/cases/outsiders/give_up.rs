//! The session leader, an outsider, gives up the terminal: the followed process in the foreground gets SIGHUP and SIGCONT,
//! and the followed process in the background loses its terminal in silence.

use crate::kit::{prelude::*, process::Catch};

pub const CASE: Scenario = Scenario {
    name: "outside-give-up",
    shows: "an outer session leader gives up the terminal: followed processes lose it too",
    follow: Follow::Named,
    run,
    expect: "
        then root forks back
        then foreground shell -> root
        with back: terminal
        then root gets SIGHUP by hangup of shell
        then root gets SIGCONT by hangup of shell*
        some session shell loses terminal by being given up
        then back exits 0
        then root exits 0
        with root: no terminal
        never back gets SIGHUP *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let (go, ready, given_up) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let root = spawn("root", || {
            go.pass()?;
            setpgid(SELF, SELF)?;
            catch(Signal::SIGHUP, Catch::Handler)?;
            let back = spawn("back", || {
                setpgid(SELF, SELF)?;
                ready.open()?;
                given_up.pass()?;
                refused(terminal.foreground(), Errno::ENOTTY)
            })?;
            back.succeeds()
        })?;
        followed(root.pid())?;
        go.open()?;
        ready.pass()?;
        terminal.set_foreground(root.pid())?;
        terminal.give_up()?;
        given_up.open()?;
        root.succeeds()
    })
}
