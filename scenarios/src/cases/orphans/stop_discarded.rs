//! The default action of SIGTSTP, SIGTTIN and SIGTTOU does not stop a member of an orphaned process group (POSIX 2.4.3):
//! nobody could continue it. SIGSTOP stops always.

use nix::sys::signal::kill;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-stop-discarded",
    shows: "SIGTSTP does not stop a member of an orphaned group, SIGSTOP does",
    cites: &["Yelp/dumb-init#25", "att/ast#375"],
    run,
    expect: "
        then session job is born
        with job: orphaned
        then job gets SIGTSTP by kill of scenarios
        then job gets SIGUSR1 by kill of scenarios
        then job gets SIGSTOP by kill of scenarios
        then job is stopped by SIGSTOP
        then job gets SIGKILL by kill of scenarios
        never job is stopped by SIGTSTP
    ",
    finds: "warning JC307 job",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (ready, passed) = (Gate::new()?, Gate::new()?);
    let job = spawn("job", || {
        setsid()?;
        nix::sys::signal::SigSet::from(Signal::SIGUSR1).thread_block()?;
        ready.open()?;
        // SIGTSTP has been dealt with when the later SIGUSR1 comes.
        nix::sys::signal::SigSet::from(Signal::SIGUSR1).wait()?;
        passed.open()?;
        nix::unistd::pause();
        Ok(())
    })?;
    ready.pass()?;
    kill(job.pid(), Signal::SIGTSTP)?;
    kill(job.pid(), Signal::SIGUSR1)?;
    passed.pass()?;
    kill(job.pid(), Signal::SIGSTOP)?;
    job.stops(Signal::SIGSTOP)?;
    job.end()
}
