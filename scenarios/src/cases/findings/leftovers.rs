//! What a command leaves behind when it ends.

use nix::unistd::getppid;

use crate::kit::{clone3::spawn_and_wait, prelude::*, process::adopt};

/// How long what is left behind lives after the command: for longer than the two seconds that it has to end.
const LIVES_MS: u64 = 6000;
/// How long what it holds may take to be read, and told.
const LOOKED_AT_MS: u64 = 3000;

/// A child in the command's own group.
pub const LEFT: Scenario = Scenario {
    name: "left-behind",
    shows: "the command ends, and a child in its group lives on",
    cites: &["actions/runner#4601", "termio-sh/termio#127", "falcosecurity/libs#1577"],
    run: left,
    expect: "
        then scenarios forks survivor
        then scenarios exits 0
        never survivor exits *
    ",
    finds: "
        warning JC403 scenarios
        info JC501 survivor
    ",
    ..Scenario::DEFAULT
};

fn left() -> Result<()> {
    let ready = Gate::new()?;
    let parent = me();
    spawn("survivor", || {
        // A process shows its name when it does something.
        setpgid(SELF, getpgrp())?;
        ready.open()?;
        proc::until("the command has ended", || Ok(getppid() != parent))?;
        let_pass(LIVES_MS);
        Ok(())
    })?;
    ready.pass()
}

/// A daemon of one fork: on purpose, though it leads its session.
pub const DAEMON: Scenario = Scenario {
    name: "daemon-left-behind",
    shows: "the command ends and leaves a daemon, which leads its session",
    run: daemon,
    expect: "
        then scenarios forks server
        then session server is born
        then scenarios exits 0
        never server exits *
    ",
    finds: "
        info JC403 scenarios
        info JC502 server
        never JC501
    ",
    ..Scenario::DEFAULT
};

fn daemon() -> Result<()> {
    let ready = Gate::new()?;
    let parent = me();
    spawn("server", || {
        setsid()?;
        ready.open()?;
        proc::until("the command has ended", || Ok(getppid() != parent))?;
        let_pass(LIVES_MS);
        Ok(())
    })?;
    ready.pass()
}

/// The same child, and a command that waits for it.
pub const WAITED: Scenario = Scenario {
    name: "left-nothing",
    shows: "the command waits for its child before it ends",
    run: || spawn("helper", || Ok(setpgid(SELF, getpgrp())?))?.succeeds(),
    expect: "
        then scenarios forks helper
        then helper exits 0
        then scenarios exits 0
    ",
    finds: "never JC403",
    ..Scenario::DEFAULT
};

/// In a call that takes no signal.
pub const IN_VFORK: Scenario = Scenario {
    name: "left-in-vfork",
    shows: "the command ends and leaves a child inside vfork, in state D",
    run: in_vfork,
    expect: "
        then scenarios forks stuck
        then stuck forks child
        then scenarios exits 0
        never stuck exits *
    ",
    finds: "
        warning JC403 scenarios
        info JC501 stuck
    ",
    ..Scenario::DEFAULT
};

fn in_vfork() -> Result<()> {
    let parent = me();
    let stuck = spawn("stuck", || {
        setpgid(SELF, getpgrp())?;
        spawn_and_wait("child", || {
            setpgid(SELF, getpgrp())?;
            proc::until("the command has ended", || Ok(!runs(parent)))?;
            let_pass(LIVES_MS);
            Ok(())
        })?
        .succeeds()
    })?;
    proc::until_state(stuck.pid(), "D")
}

/// Whether this process is there, and no zombie.
fn runs(pid: Pid) -> bool {
    proc::stat(pid).is_ok_and(|stat| stat.state != 'Z')
}

/// A session ends, and one that it leaves behind keeps its terminal.
pub const HOLDS_TERMINAL: Scenario = Scenario {
    name: "leader-exit-held",
    shows: "the session leader exits, and a background job that was told nothing holds the terminal open",
    cites: &["logos-co/scaffold#34", "kovidgoyal/kitty#2007"],
    run: holds_terminal,
    expect: "
        then shell exits 0
        some session shell loses its leader
        then back gets SIGKILL by kill of scenarios
        never back gets SIGHUP *
    ",
    finds: "
        warning JC406 session shell
        warning JC504 back
    ",
    ..Scenario::DEFAULT
};

fn holds_terminal() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let back = spawn("back", || {
            setpgid(SELF, SELF)?;
            nix::unistd::dup2_stdout(terminal.end())?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        ready.pass()?;
        number.tell(back.pid())
    })?;
    let back = Child::known(number.hear()?, "back");
    shell.succeeds()?;
    let_pass(LOOKED_AT_MS);
    back.runs()?;
    back.end()
}
