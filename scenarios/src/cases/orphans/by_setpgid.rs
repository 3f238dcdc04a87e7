//! When the parent of a job joins the job's own group, no member has a parent outside it any more: the group is orphaned,
//! and Linux sends nothing.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-by-setpgid",
    shows: "the parent joins the job's group, which is orphaned by that: nothing is sent",
    run,
    expect: "
        then father exits 0
        then father is reaped by shell
        then group job is born by itself
        then job is stopped by SIGSTOP
        with job: stopped, not orphaned
        then parent joins group job from parent, leader alive
        some group job is orphaned by setpgid of parent, 1 stopped
        with job: stopped, orphaned
        then job gets SIGKILL by kill of parent
        never job gets SIGHUP *
    ",
    finds: "warning JC401 group job",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (number, adopted, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = spawn("shell", || {
        setsid()?;
        // The parent's own parent must not count: it is adopted from outside the session.
        let father = spawn("father", || {
            let parent = spawn("parent", || {
                adopted.pass()?;
                setpgid(SELF, SELF)?;
                let job = spawn("job", || {
                    setpgid(SELF, SELF)?;
                    Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
                })?;
                job.stops(Signal::SIGSTOP)?;
                setpgid(SELF, job.pid())?;
                same("state of the job", job.stat()?.state, 'T')?;
                job.end()
            })?;
            number.tell(parent.pid())
        })?;
        father.succeeds()?;
        adopted.open()?;
        done.pass()
    })?;
    Child::adopted(number.hear()?, "parent")?.succeeds()?;
    done.open()?;
    shell.succeeds()
}
