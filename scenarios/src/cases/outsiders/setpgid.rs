//! The outer shell moves a followed process into a group of its own, and later the terminal's session, in which all this
//! happens, is still the outer one.

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "outside-setpgid",
    shows: "the outer shell makes a followed process lead its own group",
    follow: Follow::Named,
    run,
    expect: "
        then group root is born by parent shell
        with root: group root, leader alive, parent shell
        then race of root and shell: parent first, success
        then root exits 0
        then root is reaped by shell
        then group root ends, root reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        let go = Gate::new()?;
        let root = spawn("root", || {
            go.pass()?;
            Ok(setpgid(SELF, SELF)?)
        })?;
        followed(root.pid())?;
        setpgid(root.pid(), root.pid())?;
        go.open()?;
        root.succeeds()
    })
}
