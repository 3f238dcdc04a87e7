//! A shell starts job A, which forks B; the shell exits. Both are members of an orphaned process group from then on, B
//! although its parent is alive. No member is stopped, so nothing is sent (McKusick and Neville-Neil 4.8).

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-running",
    shows: "an exit orphans a group without a stopped member: no signal, and a member may have its parent still",
    run,
    expect: "
        then group a is born by itself
        then a forks b
        with b: not orphaned, group a
        then shell exits 0
        then group a is orphaned by exit of shell, 0 stopped
        then shell is reaped by scenarios
        with a: orphaned, parent scenarios, alive
        with b: orphaned, parent a, alive
        then a exits 0
        never a gets SIGHUP *
        never b gets SIGHUP *
        never b is reparented *
    ",
    finds: "never JC401",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (number, ready, go) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = spawn("shell", || {
        setsid()?;
        let a = spawn("a", || {
            setpgid(SELF, SELF)?;
            let b = spawn("b", || {
                ready.open()?;
                go.pass()
            })?;
            b.succeeds()
        })?;
        ready.pass()?;
        number.tell(a.pid())
    })?;
    let a = Child::known(number.hear()?, "a");
    shell.succeeds()?;
    a.runs()?;
    go.open()?;
    a.succeeds()
}
