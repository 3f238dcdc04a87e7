//! What a wait tells, and what it leaves.

use nix::sys::{
    signal::{SaFlags, SigAction, SigHandler, SigSet, kill, sigaction},
    wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
};

use crate::kit::{clone3::spawn_silent, prelude::*};

/// WNOHANG, WUNTRACED, WCONTINUED, waitid with and without WNOWAIT: only the last one reaps (kernel/exit.c, `wait_consider_task`).
pub const VARIANTS: Scenario = Scenario {
    name: "wait-variants",
    shows: "waits that return at once, that tell of a stop or a continuation, and that leave the zombie are no reaps",
    run: variants,
    expect: "
        then child is stopped by SIGSTOP
        then shell learns that child is stopped by SIGSTOP
        with child: stopped
        then child is continued
        then shell learns that child is continued
        with child: alive
        then shell wait4 = success
        with child: alive
        then child exits 3
        then shell waitid = success
        with child: zombie
        then child is reaped by shell
        once child is reaped *
    ",
    ..Scenario::DEFAULT
};

fn variants() -> Result<()> {
    in_session("shell", || {
        let go = Gate::new()?;
        let child = spawn("child", || {
            nix::sys::signal::raise(Signal::SIGSTOP)?;
            go.pass()?;
            // SAFETY: _exit has no preconditions.
            unsafe { libc::_exit(3) }
        })?;
        child.stops(Signal::SIGSTOP)?;
        kill(child.pid(), Signal::SIGCONT)?;
        let continued = waitpid(child.pid(), Some(WaitPidFlag::WCONTINUED))?;
        same("what wait says", continued, WaitStatus::Continued(child.pid()))?;
        same("what wait says", waitpid(child.pid(), Some(WaitPidFlag::WNOHANG))?, WaitStatus::StillAlive)?;
        go.open()?;
        child.is_zombie()?;
        same("its state", child.stat()?.state, 'Z')?;
        let ended = waitid(Id::Pid(child.pid()), WaitPidFlag::WEXITED)?;
        same("what waitid says", ended, WaitStatus::Exited(child.pid(), 3))
    })
}

/// `SA_NOCLDWAIT`: no zombie is kept (kernel/signal.c, `do_notify_parent`).
pub const NO_WAIT: Scenario = Scenario {
    name: "auto-reap-no-wait",
    shows: "SA_NOCLDWAIT: the child is reaped by its own exit, its group ends with it, and the parent's wait finds nobody",
    run: no_wait,
    expect: "
        then group child is born by itself
        then child exits 0
        then child is reaped by its own exit
        then group child ends, child reaped
        then shell wait4 = ECHILD
        never child is a zombie
    ",
    ..Scenario::DEFAULT
};

fn no_wait() -> Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    in_session("shell", || {
        let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_NOCLDWAIT, SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGCHLD, &action) }?;
        let child = spawn("child", || Ok(setpgid(SELF, SELF)?))?;
        proc::until("the child is gone", || Ok(child.stat().is_err()))?;
        refused(waitpid(child.pid(), None), Errno::ECHILD)
    })
}

/// Whether a zombie is kept is decided when it becomes one (kernel/signal.c, `do_notify_parent`).
pub const TOO_LATE: Scenario = Scenario {
    name: "ignored-too-late",
    shows: "SIGCHLD is ignored when the child is a zombie already: the zombie stays until it is waited for",
    run: too_late,
    expect: "
        then child is a zombie
        then child is reaped by shell
        once child is reaped *
    ",
    ..Scenario::DEFAULT
};

fn too_late() -> Result<()> {
    in_session("shell", || {
        let child = spawn("child", || Ok(()))?;
        proc::until_ended(child.pid())?;
        catch(Signal::SIGCHLD, Catch::Ignore)?;
        same("its state", child.stat()?.state, 'Z')?;
        child.succeeds()
    })
}

/// A child with another exit signal than SIGCHLD is for those who ask for it (kernel/exit.c, `eligible_child`).
pub const CLONE_CHILD: Scenario = Scenario {
    name: "clone-child",
    shows: "a child that sends no SIGCHLD: a plain wait does not find it, one with __WALL reaps it",
    run: clone_child,
    expect: "
        then child is a zombie
        then shell wait4 = ECHILD
        with child: zombie
        then child is reaped by shell
    ",
    ..Scenario::DEFAULT
};

fn clone_child() -> Result<()> {
    in_session("shell", || {
        let child = spawn_silent("child", || Ok(()))?;
        proc::until_ended(child.pid())?;
        refused(waitpid(child.pid(), None), Errno::ECHILD)?;
        let ended = waitpid(child.pid(), Some(WaitPidFlag::__WALL))?;
        same("what wait says", ended, WaitStatus::Exited(child.pid(), 0))
    })
}
