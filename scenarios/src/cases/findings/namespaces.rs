//! The first process of a pid namespace, which gets no signal that it has no handler for.

use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::{SigSet, kill},
};

use crate::kit::prelude::*;

/// Yelp/dumb-init#294: SIGTERM does nothing.
pub const IGNORES: Scenario = Scenario {
    name: "process-1-ignores",
    shows: "SIGTERM to the first process of a pid namespace, which has no handler, does nothing",
    cites: &["Yelp/dumb-init#294", "manticoresoftware/docker#68"],
    run: || run(false),
    expect: "
        then node gets SIGTERM by kill of runtime*
        then node gets SIGKILL by kill of runtime
        then node dies of SIGKILL
    ",
    finds: "warning JC602 node",
    ..Scenario::DEFAULT
};

/// The same with a handler.
pub const HANDLES: Scenario = Scenario {
    name: "process-1-handles",
    shows: "SIGTERM to the first process of a pid namespace, which has a handler, is handled",
    run: || run(true),
    expect: "
        then node gets SIGTERM by kill of runtime*
        then node exits 0
    ",
    finds: "never JC602",
    ..Scenario::DEFAULT
};

fn run(handles: bool) -> Result<()> {
    spawn("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        let ready = Gate::new()?;
        let node = spawn("node", || {
            SigSet::from(Signal::SIGTERM).thread_block()?;
            if handles {
                catch(Signal::SIGTERM, Catch::Handler)?;
            }
            // Unblocked before the gate is open: what is blocked is not ignored.
            if handles {
                ready.open()?;
                SigSet::empty().suspend()?;
                return Ok(());
            }
            SigSet::from(Signal::SIGTERM).thread_unblock()?;
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        ready.pass()?;
        kill(node.pid(), Signal::SIGTERM)?;
        if handles { node.succeeds() } else { node.end() }
    })?
    .succeeds()
}
