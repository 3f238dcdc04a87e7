//! Linux excludes only the initial init from the parents that count: a subreaper in the same session that adopts the members
//! keeps their group from being orphaned, and a stopped one stays stopped.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-kept-by-subreaper",
    shows: "a subreaper of the same session adopts a stopped job: its group is not orphaned, nothing is sent",
    run,
    expect: "
        then group job is born by itself
        then job is stopped by SIGSTOP
        then father exits 0
        some job is reparented from father to shell
        then father is reaped by shell
        with job: stopped, not orphaned, parent shell
        then job gets SIGCONT by kill of shell*
        some job is continued
        then job exits 0
        never group job is orphaned by exit of father*
        never job gets SIGHUP *
    ",
    finds: "never JC401",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        adopt()?;
        let number = Gate::new()?;
        let father = spawn("father", || {
            let job = spawn("job", || {
                setpgid(SELF, SELF)?;
                Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
            })?;
            job.stops(Signal::SIGSTOP)?;
            number.tell(job.pid())
        })?;
        let job = Child::known(number.hear()?, "job");
        father.succeeds()?;
        same("state of the job", job.stat()?.state, 'T')?;
        nix::sys::signal::kill(job.pid(), Signal::SIGCONT)?;
        job.succeeds()
    })
}
