//! A followed process is adopted and reaped by an outsider, a subreaper.

use crate::kit::{prelude::*, process::adopt};

pub const CASE: Scenario = Scenario {
    name: "outside-reap",
    shows: "an outsider, a subreaper, adopts a followed process and reaps it",
    follow: Follow::Named,
    run,
    expect: "
        then root forks child
        then root exits 0
        some child is reparented from root to scenarios
        then root is reaped by scenarios
        with child: alive, parent scenarios
        then child exits 0
        then child is reaped by scenarios
        then group child ends, child reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    adopt()?;
    let (go, number, exit) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let root = spawn("root", || {
        go.pass()?;
        let child = spawn("child", || {
            setpgid(SELF, SELF)?;
            number.tell(me())?;
            exit.pass()
        })?;
        // The group is there before the parent exits.
        number.tell(child.pid())
    })?;
    followed(root.pid())?;
    go.open()?;
    let child = number.hear()?;
    same("number", number.hear()?, child)?;
    root.succeeds()?;
    exit.open()?;
    Child::known(child, "child").succeeds()
}
