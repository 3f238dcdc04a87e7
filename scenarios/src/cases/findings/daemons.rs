//! Daemons that are none, or are one no more.

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::getppid,
};

use crate::kit::{prelude::*, process::adopt};

/// libfuse/sshfs#141: forked, and never in a session of its own.
pub const HALF: Scenario = Scenario {
    name: "half-daemon",
    shows: "a daemon that forks and never calls setsid keeps the terminal of who started it",
    cites: &["libfuse/sshfs#141", "fiorix/go-daemon#16"],
    run: half,
    expect: "
        then launcher exits 0
        some server is reparented from launcher to scenarios
        then server exits 0
        with server: session shell
    ",
    finds: "error JC501 server",
    ..Scenario::DEFAULT
};

fn half() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (number, done) = (Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let launcher = spawn("launcher", || {
            let parent = me();
            let server = spawn("server", || {
                proc::until("the launcher has ended", || Ok(getppid() != parent))?;
                // A process shows its new parent when it does something.
                setpgid(SELF, SELF)?;
                let_pass(1200);
                Ok(())
            })?;
            number.tell(server.pid())
        })?;
        launcher.succeeds()?;
        done.pass()
    })?;
    Child::adopted(number.hear()?, "server")?.succeeds()?;
    done.open()?;
    shell.succeeds()
}

/// firecracker-microvm/firecracker#4259: without a second fork, an open is enough.
pub const REACQUIRES: Scenario = Scenario {
    name: "daemon-reacquires",
    shows: "a daemon that leads its session opens a terminal without O_NOCTTY: it has a controlling terminal again",
    cites: &["firecracker-microvm/firecracker#4259"],
    run: reacquires,
    expect: "
        some session logger is born
        then launcher exits 0
        then session logger gains terminal by open
        then logger exits 0
    ",
    finds: "error JC503 logger",
    ..Scenario::DEFAULT
};

fn reacquires() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let path = nix::unistd::ttyname(terminal.end()).context("ttyname")?;
    let number = Gate::new()?;
    let launcher = spawn("launcher", || {
        let parent = me();
        let logger = spawn("logger", || {
            terminal.forget_master();
            setsid()?;
            proc::until("the launcher has ended", || Ok(getppid() != parent))?;
            open(&path, OFlag::O_RDWR, Mode::empty()).context("open")?;
            same("foreground", terminal.foreground()?, me())
        })?;
        number.tell(logger.pid())
    })?;
    launcher.succeeds()?;
    Child::adopted(number.hear()?, "logger")?.succeeds()
}
