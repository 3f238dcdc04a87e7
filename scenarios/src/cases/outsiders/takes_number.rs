//! An outsider gets the number of a followed process that has ended: proof that nothing of the old one is left. The outsider
//! is not followed, so nothing more is known of it than its birth, with the name of its parent.

use crate::kit::{clone3::spawn_with_number, prelude::*};

pub const CASE: Scenario = Scenario {
    name: "outside-takes-number",
    shows: "an outsider gets the number of a followed process and group that have ended",
    follow: Follow::Named,
    run,
    expect: "
        then root forks child
        then group child is born by itself
        then child is reaped by root
        then group child ends, child reaped
        then scenarios#2 forks scenarios
        then root exits 0
        once group child ends, *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let (go, number, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let root = spawn("root", || {
        go.pass()?;
        let child = spawn("child", || Ok(setpgid(SELF, SELF)?))?;
        let pid = child.pid();
        child.succeeds()?;
        number.tell(pid)?;
        done.pass()
    })?;
    followed(root.pid())?;
    go.open()?;
    spawn_with_number(number.hear()?, "stranger", || Ok(())).context("the number is free")?.succeeds()?;
    done.open()?;
    root.succeeds()
}
