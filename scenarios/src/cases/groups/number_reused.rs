//! A number has several lives: once process and group have ended, a new process may get it and lead a new group of the same
//! number, which is not the old one.

use crate::kit::{clone3::spawn_with_number, prelude::*};

pub const CASE: Scenario = Scenario {
    name: "number-reused",
    shows: "one number, two lives: another process and another group after the first have ended",
    run,
    expect: "
        then group first is born by itself
        then group first ends, first reaped
        then shell forks second
        then group second is born by itself
        with second: group second, session shell, leader alive
        then group second ends, second reaped
        once group first ends, *
        once group second ends, *
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let lead = || Ok(setpgid(SELF, SELF)?);
        let first = spawn("first", lead)?;
        let number = first.pid();
        first.succeeds()?;
        let second = spawn_with_number(number, "second", lead)?;
        same("number", second.pid(), number)?;
        second.succeeds()
    })
}
