//! Calls through `int 0x80`, which no tracepoint of a single call sees (arch/x86/include/asm/syscall.h,
//! `arch_trace_is_compat_syscall`).

use crate::kit::{i386, prelude::*};

/// A program of 32 bits.
pub const PROGRAM: Scenario = Scenario {
    name: "thirty-two-bit",
    shows: "a 32-bit program makes a group and signals its parent: where its calls are not seen, what they did is",
    run,
    expect: "
        then shell gets SIGTERM by * of thirty-two
        then thirty-two exits 3
        with thirty-two: group thirty-two, parent shell
        then thirty-two is reaped by shell
        some unseen change of thirty-two: ProcessGroup
        then group thirty-two ends, thirty-two reaped
    ",
    ..Scenario::DEFAULT
};

fn run() -> Result<()> {
    in_session("shell", || {
        catch(Signal::SIGTERM, Catch::Handler)?;
        let go = Gate::new()?;
        let program = spawn("thirty-two", || {
            go.becomes_stdin()?;
            i386::execute("thirty-two")
        })?;
        proc::until("it leads a group", || Ok(program.stat()?.group == program.pid()))?;
        go.open()?;
        program.exits(3)
    })
}
