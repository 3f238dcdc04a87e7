//! When the session leader exits, a stopped background job is orphaned by that and gets SIGHUP and SIGCONT under the orphan
//! rule; a running one gets nothing.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "leader-exit-stopped-job",
    shows: "the session leader exits: a stopped background job gets SIGHUP and SIGCONT, a running one nothing",
    run,
    expect: "
        then stopped is stopped by SIGTTIN
        with stopped: stopped, not orphaned
        then shell exits 0
        then group stopped is orphaned by exit of shell, 1 stopped
        then stopped gets SIGHUP by orphan rule of shell
        then stopped gets SIGCONT by orphan rule of shell*
        some stopped is continued
        some group running is orphaned by exit of shell, 0 stopped
        then stopped dies of SIGHUP
        then running gets SIGKILL by kill of scenarios
        never running gets SIGHUP *
    ",
    finds: "warning JC401 group stopped",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let running = spawn("running", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        ready.pass()?;
        let stopped = spawn("stopped", || {
            setpgid(SELF, SELF)?;
            terminal.read()?;
            Ok(())
        })?;
        stopped.stops(Signal::SIGTTIN)?;
        number.tell(running.pid())?;
        number.tell(stopped.pid())
    })?;
    let running = Child::known(number.hear()?, "running");
    let stopped = Child::known(number.hear()?, "stopped");
    shell.succeeds()?;
    stopped.dies_of(Signal::SIGHUP)?;
    running.runs()?;
    running.end()
}
