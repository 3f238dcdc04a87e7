//! A signal sent to a process group reaches every process that is a member of it, and no other; sent to one process, it
//! reaches that one (POSIX kill).

use nix::sys::signal::{kill, killpg};

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "group-signal",
    shows: "a signal to a process group reaches each member, one to a process only that process",
    run,
    expect: "
        then single gets SIGUSR1 by kill of shell
        then single dies of SIGUSR1
        some second gets SIGUSR1 by kill of shell to group leader
        some third gets SIGUSR1 by kill of shell to group leader
        some leader gets SIGUSR1 by kill of shell to group leader
        then leader gets SIGUSR1 by kill of shell to group leader
        then group leader ends, *
        some second dies of SIGUSR1
        some third dies of SIGUSR1
        once single gets SIGUSR1 *
        never bystander gets SIGUSR1 *
        then bystander gets SIGKILL by kill of shell
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let ready = Gate::new()?;
        let wait = |group: Pid| {
            setpgid(SELF, group)?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        };
        let member = |role, group| {
            let child = spawn(role, || wait(group))?;
            ready.pass()?;
            Ok::<_, anyhow::Error>(child)
        };
        let leader = member("leader", SELF)?;
        let single = member("single", leader.pid())?;
        let second = member("second", leader.pid())?;
        let third = member("third", leader.pid())?;
        let bystander = member("bystander", SELF)?;
        kill(single.pid(), Signal::SIGUSR1)?;
        single.dies_of(Signal::SIGUSR1)?;
        killpg(leader.pid(), Signal::SIGUSR1)?;
        second.dies_of(Signal::SIGUSR1)?;
        third.dies_of(Signal::SIGUSR1)?;
        leader.dies_of(Signal::SIGUSR1)?;
        bystander.runs()?;
        bystander.end()
    })
}
