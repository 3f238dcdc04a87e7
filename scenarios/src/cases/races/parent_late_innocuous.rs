//! The parent's setpgid fails with EACCES when the child has executed a program; if the child had made its group by then,
//! that failure is innocuous (McKusick and Neville-Neil 4.8).

use crate::kit::{
    prelude::*,
    shell::{Programs, execute},
};

pub const CASE: Scenario = Scenario {
    name: "parent-late-innocuous",
    shows: "the parent's setpgid comes after the exec: EACCES, but the child is in its group already",
    run,
    expect: "
        then group cat is born by itself
        then cat execs
        then shell is refused setpgid: EACCES, already there after exec
        with cat: group cat, session shell
        some race of cat and shell: child first, EACCES
        then group cat ends, cat reaped
    ",
    finds: "never JC101",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    let programs = Programs::install()?;
    in_session("shell", || {
        let (into, out) = (Gate::new()?, Gate::new()?);
        // cat copies what it gets: the answer proves that it has been executed.
        let child = spawn("child", || {
            setpgid(SELF, SELF)?;
            into.becomes_stdin()?;
            out.becomes_stdout()?;
            execute(&["cat"], &programs)
        })?;
        into.open()?;
        out.pass()?;
        refused(setpgid(child.pid(), child.pid()), Errno::EACCES)?;
        same("process group", child.stat()?.group, child.pid())?;
        drop(into);
        child.succeeds()
    })
}
