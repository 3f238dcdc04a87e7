//! When the exit of a process orphans a process group and a member of it is stopped, every member gets SIGHUP and then
//! SIGCONT (POSIX _exit): nobody would be left to continue it.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-stopped",
    shows: "an exit orphans a group with a stopped member: SIGHUP, then SIGCONT, to every member",
    cites: &["superuser.com/questions/5001", "unix.stackexchange.com/questions/490986"],
    run,
    expect: "
        then group job is born by itself
        then job is stopped by SIGSTOP
        with job: stopped, not orphaned, group job
        then father exits 0
        then group job is orphaned by exit of father, 1 stopped
        some job is reparented from father to scenarios
        some other gets SIGHUP by orphan rule of father
        some other gets SIGCONT by orphan rule of father*
        then job gets SIGHUP by orphan rule of father
        then job gets SIGCONT by orphan rule of father*
        some job is continued
        then job dies of SIGHUP
        never shell gets SIGHUP *
    ",
    finds: "warning JC401 group job",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    let shell = spawn("shell", || {
        setsid()?;
        let father = spawn("father", || {
            let ready = Gate::new()?;
            let job = spawn("job", || {
                setpgid(SELF, SELF)?;
                ready.pass()?;
                Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
            })?;
            let other = spawn("other", || {
                // Until the job has made its group.
                proc::until("the group is there", || Ok(proc::stat(job.pid())?.group == job.pid()))?;
                setpgid(SELF, job.pid())?;
                ready.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            job.stops(Signal::SIGSTOP)?;
            number.tell(job.pid())?;
            number.tell(other.pid())
        })?;
        father.succeeds()
    })?;
    let job = Child::known(number.hear()?, "job");
    let other = Child::known(number.hear()?, "other");
    shell.succeeds()?;
    other.dies_of(Signal::SIGHUP)?;
    job.dies_of(Signal::SIGHUP)
}
