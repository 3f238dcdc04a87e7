//! Zombies that nobody waits for: a parent's own, and those that it adopted.

use crate::kit::{prelude::*, process::adopt};

/// pytest-dev/pytest#2498: a parent does not wait.
pub const KEPT: Scenario = Scenario {
    name: "zombie-kept",
    shows: "a parent does not wait for its child for more than five seconds",
    cites: &["pytest-dev/pytest#2498"],
    run: kept,
    expect: "
        then child exits 0
        then child is reaped by parent
    ",
    finds: "
        warning JC405 child
        never JC601
    ",
    ..Scenario::DEFAULT
};

fn kept() -> Result<()> {
    spawn("parent", || {
        let child = spawn("child", || Ok(()))?;
        child.is_zombie()?;
        let_pass(5200);
        child.succeeds()
    })?
    .succeeds()
}

/// moby/moby#47583: the reaper does not wait for what it adopts.
pub const INIT: Scenario = Scenario {
    name: "adopted-zombie",
    shows: "a reaper does not wait for what it adopted for more than ten seconds",
    cites: &["moby/moby#47583", "kubernetes/kubernetes#81042"],
    run: init,
    expect: "
        then probe exits 0
        then helper exits 0
        some helper is reparented from probe to init
        then helper is reaped by init
    ",
    finds: "
        error JC601 init
        never JC405
    ",
    ..Scenario::DEFAULT
};

fn init() -> Result<()> {
    spawn("init", || {
        adopt()?;
        let (number, go) = (Gate::new()?, Gate::new()?);
        let probe = spawn("probe", || {
            let helper = spawn("helper", || go.pass())?;
            number.tell(helper.pid())
        })?;
        probe.succeeds()?;
        let helper = Child::adopted(number.hear()?, "helper")?;
        go.open()?;
        helper.is_zombie()?;
        let_pass(10_200);
        helper.succeeds()
    })?
    .succeeds()
}
