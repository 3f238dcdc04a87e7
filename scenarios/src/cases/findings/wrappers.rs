//! sudo, su and their like between a signal, or a terminal, and the program that is meant.

use nix::sys::signal::kill;

use crate::kit::{
    prelude::*,
    proc::{child_named, stat},
};

/// sudo passes SIGTERM on to its command.
pub const SUDO: Scenario = Scenario {
    name: "sudo-passes-on",
    shows: "SIGTERM to sudo alone: it passes it on to its command, and nothing is left",
    cites: &["npm/npm#4603", "aaif-goose/goose#567"],
    run: || wrapper("sudo", &["sudo", "-n", "sleep", "60"]),
    expect: "
        then sudo gets SIGTERM by kill of runner*
        some sleep gets SIGTERM by kill of sudo*
        then sleep dies of SIGTERM
    ",
    finds: "
        never JC302
        never JC306
        never JC301
    ",
    ..Scenario::DEFAULT
};

fn wrapper(name: &'static str, command: &'static [&'static str]) -> Result<()> {
    in_session("runner", || {
        let wrapper = spawn(name, || {
            let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
            nix::unistd::dup2_stderr(&null)?;
            execute(command)
        })?;
        let mut sleep = None;
        proc::until("its command sleeps", || {
            sleep = sleeping_below(wrapper.pid())?;
            Ok(sleep.is_some())
        })?;
        let sleep = sleep.context("no command")?;
        kill(wrapper.pid(), Signal::SIGTERM)?;
        proc::until_ended(sleep)?;
        let status = nix::sys::wait::waitpid(wrapper.pid(), None)?;
        ensure!(status.pid() == Some(wrapper.pid()), "{name} should have ended: {status:?}");
        Ok(())
    })
}

/// The command of a wrapper, which may have processes in between: with a pseudo-terminal of its own, and before the exec.
fn sleeping_below(pid: Pid) -> Result<Option<Pid>> {
    for child in proc::children(pid)? {
        // One that has ended meanwhile has no name and no children.
        if stat(child).is_ok_and(|it| it.name == "sleep" && it.state == 'S') {
            return Ok(Some(child));
        }
        if let Some(found) = sleeping_below(child).unwrap_or_default() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// setsid(1) makes a session without a terminal: the shell in it has no job control.
pub const SETSID: Scenario = Scenario {
    name: "setsid-no-terminal",
    shows: "setsid runs an interactive shell in a session of its own, without a controlling terminal",
    cites: &["savoirfairelinux/cqfd#62", "wurmlab/oswitch#3"],
    run: || shell(&["setsid", "-w", "bash", "--norc", "-ic", "sleep 0.5; true"]),
    expect: "
        then session bash is born
        some bash is refused TIOCGPGRP: ENOTTY, not the controlling terminal
    ",
    finds: "warning JC208 bash",
    ..Scenario::DEFAULT
};

/// su -c stays in the session that it is in.
pub const SU: Scenario = Scenario {
    name: "su-on-terminal",
    shows: "su -c runs an interactive shell in the session that it is in, with its terminal: it takes the foreground and gives it back",
    cites: &["savoirfairelinux/cqfd#62"],
    run: || shell(&["su", "-s", "/bin/sh", "-c", "exec bash --norc -ic true", "root"]),
    expect: "
        then foreground * -> bash
        then foreground bash -> login
        never bash is refused TIOCGPGRP: *
    ",
    finds: "
        never JC208
        never JC204
    ",
    ..Scenario::DEFAULT
};

fn shell(command: &'static [&'static str]) -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("login", || {
        let tool = spawn("tool", || {
            nix::unistd::dup2_stderr(terminal.end())?;
            execute(command)
        })?;
        tool.succeeds()
    })
}

/// npm runs its script below `sh -c`; a kill of npm alone leaves both.
pub const NPM: Scenario = Scenario {
    name: "npm-killed",
    shows: "a kill of a wrapper that runs sh -c: the shell and its program go on",
    cites: &["nodejs/node#46865", "npm/cli#6547", "rust-lang/cargo#14929"],
    run: npm,
    expect: "
        then npm gets SIGKILL by kill of runner
        then npm dies of SIGKILL
        some sh is reparented from npm to scenarios
        never sleep gets SIGTERM *
    ",
    finds: "warning JC302 npm",
    ..Scenario::DEFAULT
};

fn npm() -> Result<()> {
    crate::kit::process::adopt()?;
    let number = Gate::new()?;
    in_session("runner", || {
        let npm = spawn("npm", || {
            let sh = spawn("sh", || execute(&["sh", "-c", "sleep 60; true"]))?;
            number.tell(sh.pid())?;
            sh.succeeds()
        })?;
        let sh = child_named(npm.pid(), "sh")?;
        child_named(sh, "sleep")?;
        kill(npm.pid(), Signal::SIGKILL)?;
        npm.dies_of(Signal::SIGKILL)
    })?;
    let sh = Child::adopted(number.hear()?, "sh")?;
    let sleep = child_named(sh.pid(), "sleep")?;
    let_pass(1200);
    sh.end()?;
    Child::adopted(sleep, "sleep")?.end()
}
