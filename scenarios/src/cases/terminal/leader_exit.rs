//! When the session leader exits, every process of the foreground process group gets SIGHUP and the session loses its
//! terminal. Running background groups get nothing (POSIX _exit).

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "leader-exit",
    shows: "the session leader exits: SIGHUP to the foreground group, nothing to a running background job",
    cites: &["kovidgoyal/kitty#1863"],
    run,
    expect: "
        then foreground shell -> front
        then shell exits 0
        then front gets SIGHUP by hangup of shell
        some session shell loses terminal by leader exit
        some session shell loses its leader
        some group back is orphaned by exit of shell, 0 stopped
        some front dies of SIGHUP
        then back gets SIGKILL by kill of scenarios
        with back: no terminal, session shell
        never back gets SIGHUP *
        never front gets SIGCONT *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let group = |role| {
            let child = spawn(role, || {
                setpgid(SELF, SELF)?;
                ready.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            ready.pass()?;
            number.tell(child.pid())?;
            Ok::<_, anyhow::Error>(child)
        };
        let front = group("front")?;
        group("back")?;
        Ok(terminal.set_foreground(front.pid())?)
    })?;
    let front = Child::known(number.hear()?, "front");
    let back = Child::known(number.hear()?, "back");
    shell.succeeds()?;
    front.dies_of(Signal::SIGHUP)?;
    back.runs()?;
    ensure!(!back.stat()?.has_terminal, "the session has lost its terminal");
    back.end()
}
