//! A session leader that gives up its terminal (TIOCNOTTY) takes it from the whole session: the foreground group gets SIGHUP
//! and SIGCONT. A member that does so loses only its own.

use nix::sys::wait::WaitPidFlag;

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "give-up-terminal",
    shows: "TIOCNOTTY by a member affects only it; by the session leader, the foreground group gets SIGHUP and SIGCONT",
    cites: &["Yelp/dumb-init#136"],
    run,
    expect: "
        then foreground shell -> front
        then member leaves terminal
        with member: no terminal, session shell
        with front: terminal
        then front gets SIGHUP by hangup of shell
        then front gets SIGCONT by hangup of shell*
        some session shell loses terminal by being given up
        some front dies of SIGHUP
        then session shell gains terminal by ioctl
        never back gets SIGHUP *
        never member gets SIGHUP *
    ",
    finds: "info JC309 front",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let ready = Gate::new()?;
        let group = |role| {
            let child = spawn(role, || {
                setpgid(SELF, SELF)?;
                ready.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            ready.pass()?;
            Ok::<_, anyhow::Error>(child)
        };
        let front = group("front")?;
        let back = group("back")?;
        terminal.set_foreground(front.pid())?;
        let member = spawn("member", || {
            terminal.give_up()?;
            refused(terminal.foreground(), Errno::ENOTTY)
        })?;
        member.succeeds()?;
        terminal.give_up()?;
        front.dies_of(Signal::SIGHUP)?;
        refused(terminal.foreground(), Errno::ENOTTY)?;
        ensure!(!back.stat()?.has_terminal, "the session has lost its terminal");
        same(
            "stopped or ended children",
            nix::sys::wait::waitpid(back.pid(), Some(WaitPidFlag::WNOHANG))?,
            nix::sys::wait::WaitStatus::StillAlive,
        )?;
        terminal.control(0)?;
        back.end()
    })
}
