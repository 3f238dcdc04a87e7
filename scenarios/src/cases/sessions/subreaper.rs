//! A child whose parent exits is adopted by the nearest subreaper among its ancestors (`PR_SET_CHILD_SUBREAPER`), or else by
//! init; its process group and session do not change.

use nix::unistd::getppid;

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "subreaper",
    shows: "a child whose parent exits is adopted by the nearest subreaper, and keeps group and session",
    run,
    expect: "
        then reaper forks father
        then father forks child
        with child: group father, session shell, parent father
        then father exits 0
        some child is reparented from father to reaper
        then father is reaped by reaper
        with child: group father, session shell, parent reaper, leader reaped
        then child exits 0
        then child is reaped by reaper
        some group father ends, child reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let reaper = spawn("reaper", || {
            adopt()?;
            let reaper = me();
            let (number, go) = (Gate::new()?, Gate::new()?);
            let father = spawn("father", || {
                setpgid(SELF, SELF)?;
                let child = spawn("child", || {
                    go.pass()?;
                    same("parent", getppid(), reaper)
                })?;
                number.tell(child.pid())
            })?;
            let child = Child::known(number.hear()?, "child");
            father.succeeds()?;
            go.open()?;
            child.succeeds()
        })?;
        reaper.succeeds()
    })
}
