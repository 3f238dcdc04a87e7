//! What a broken connection looks like from below: the shell is killed, and its exit, like any other of a session leader,
//! sends SIGHUP to the foreground group. The hangup of the terminal afterwards finds no session any more.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "leader-killed",
    shows: "the session leader is killed: SIGHUP to the foreground group; the later hangup reaches nobody",
    run,
    expect: "
        then foreground shell -> front
        then shell gets SIGKILL by kill of scenarios
        then shell dies of SIGKILL
        then front gets SIGHUP by hangup of shell
        some session shell loses terminal by leader exit
        then front exits 0
        once front gets SIGHUP *
        never front gets SIGCONT *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (number, in_front, heard, hung_up) = (Gate::new()?, Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let hangup = nix::sys::signal::SigSet::from(Signal::SIGHUP);
        hangup.thread_block()?;
        let front = spawn("front", || {
            setpgid(SELF, SELF)?;
            in_front.open()?;
            same("signal", hangup.wait()?, Signal::SIGHUP)?;
            heard.open()?;
            hung_up.pass()
        })?;
        in_front.pass()?;
        terminal.set_foreground(front.pid())?;
        number.tell(front.pid())?;
        front.succeeds()
    })?;
    let front = Child::known(number.hear()?, "front");
    shell.end()?;
    heard.pass()?;
    terminal.hang_up();
    hung_up.open()?;
    front.succeeds()
}
