//! An outsider signals a followed process, and a followed group.

use nix::sys::signal::{kill, killpg};

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "outside-kill",
    shows: "kill from outside reaches a followed process, and a followed group",
    follow: Follow::Named,
    run,
    expect: "
        then root forks child
        then child gets SIGTERM by kill of scenarios
        then child dies of SIGTERM
        then root gets SIGUSR1 by kill of scenarios to group root
        then root dies of SIGUSR1
        then root is reaped by scenarios
        then group root ends, root reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let (go, number, ended) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let root = spawn("root", || {
        go.pass()?;
        setpgid(SELF, SELF)?;
        let child = spawn("child", || {
            // By itself, for only then it has its name.
            number.tell(nix::unistd::getpid())?;
            nix::unistd::pause();
            Ok(())
        })?;
        child.dies_of(Signal::SIGTERM)?;
        ended.open()?;
        nix::unistd::pause();
        Ok(())
    })?;
    followed(root.pid())?;
    go.open()?;
    kill(number.hear()?, Signal::SIGTERM)?;
    ended.pass()?;
    killpg(root.pid(), Signal::SIGUSR1)?;
    root.dies_of(Signal::SIGUSR1)
}
