//! When setsid takes the parent of a job out of the session, the job's group is orphaned as well, but Linux sends nothing: a
//! stopped member stays stopped, and nobody in its session can continue it from a shell.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-by-setsid",
    shows: "the parent's setsid orphans a group: nothing is sent, a stopped member is stuck",
    run,
    expect: "
        then group job is born by itself
        then job is stopped by SIGSTOP
        with job: stopped, not orphaned
        then session father is born
        some group job is orphaned by setsid of father, 1 stopped
        with job: stopped, orphaned, session shell
        then job gets SIGKILL by kill of father
        never job gets SIGHUP *
        never job gets SIGCONT *
    ",
    finds: "warning JC401 group job",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    in_session("shell", || {
        let father = spawn("father", || {
            let job = spawn("job", || {
                setpgid(SELF, SELF)?;
                Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
            })?;
            job.stops(Signal::SIGSTOP)?;
            setsid()?;
            same("state of the job", job.stat()?.state, 'T')?;
            job.end()
        })?;
        father.succeeds()
    })
}
