//! A group can be orphaned by the exit of a member of its own: of the one whose parent was outside it.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "orphan-member-exit",
    shows: "the member whose parent was outside the group exits: the stopped rest gets SIGHUP, then SIGCONT",
    run,
    expect: "
        then group leader is born by itself
        then member is stopped by SIGSTOP
        with member: stopped, not orphaned, group leader
        then leader exits 0
        then group leader is orphaned by exit of leader, 1 stopped
        then member gets SIGHUP by orphan rule of leader
        then member gets SIGCONT by orphan rule of leader*
        then member dies of SIGHUP
        never shell gets SIGHUP *
    ",
    finds: "warning JC401 group leader",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (number, go) = (Gate::new()?, Gate::new()?);
    let shell = spawn("shell", || {
        setsid()?;
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            let member = spawn("member", || Ok(nix::sys::signal::raise(Signal::SIGSTOP)?))?;
            member.stops(Signal::SIGSTOP)?;
            number.tell(member.pid())
        })?;
        leader.succeeds()?;
        go.pass()
    })?;
    Child::adopted(number.hear()?, "member")?.dies_of(Signal::SIGHUP)?;
    go.open()?;
    shell.succeeds()
}
