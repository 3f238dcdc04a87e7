//! Signals that come while something else goes on: a SIGCONT during a stop, a signal to a group during a fork.

use std::{
    io::{Read as _, Write as _},
    sync::atomic::{AtomicI32, Ordering},
};

use nix::sys::{
    prctl,
    signal::{SaFlags, SigAction, SigHandler, SigSet, kill, killpg, sigaction},
    wait::{WaitStatus, waitpid},
};

use crate::kit::{clone3::spawn_and_wait, prelude::*};

/// A process stops when its last thread has (kernel/signal.c, `do_signal_stop`); SIGCONT before that ends the stop, and nobody
/// is told of one. A thread that waits for its vfork child cannot stop.
pub const STOP: Scenario = Scenario {
    name: "stop-overtaken",
    shows: "SIGCONT comes when one thread has stopped and the other cannot yet: the process was never stopped",
    run: stop,
    expect: "
        then pair gets SIGTSTP by kill of shell
        then pair gets SIGCONT by kill of shell*
        then pair exits 0
        then pair is reaped by shell
        some holder exits 0
        never pair is stopped by *
        never shell learns that pair is *
    ",
    finds: "never JC307",
    ..Scenario::DEFAULT
};

fn stop() -> Result<()> {
    in_session("shell", || {
        let (held, go) = (Gate::new()?, Gate::new()?);
        let pair = spawn("pair", || {
            setpgid(SELF, SELF)?;
            // This thread waits in the kernel until its child has ended; the other one takes signals.
            let waits = || {
                let holder = spawn_and_wait("holder", || {
                    held.open()?;
                    go.pass()
                })?;
                holder.succeeds()
            };
            std::thread::scope(|scope| scope.spawn(waits).join()).map_err(|_| anyhow::anyhow!("the other thread"))?
        })?;
        held.pass()?;
        kill(pair.pid(), Signal::SIGTSTP)?;
        // A tracer's stop, too, is one that SIGCONT overtakes.
        proc::until("its first thread has stopped", || Ok(matches!(pair.stat()?.state, 'T' | 't')))?;
        kill(pair.pid(), Signal::SIGCONT)?;
        go.open()?;
        pair.succeeds()
    })
}

/// A signal to the group of a process that is forking is queued for the child, too (kernel/fork.c, `copy_process`): no event
/// announces it, and it has no sender.
pub const FORK: Scenario = Scenario {
    name: "fork-races-kill",
    shows: "a signal to a group comes while a member forks: the child takes a signal that nobody sent to it",
    run: fork,
    expect: "
        some killer kill = success
        some forker gets SIGUSR1 by kill of killer to group forker
        then forker forks heir
        then heir exits 0
        never heir gets SIGUSR1 by kill of *
    ",
    ..Scenario::DEFAULT
};

/// Bytes that the forking process has touched: their page tables are copied meanwhile.
const LARGE: usize = 64 << 20;
/// The exit status of a child that has inherited nothing.
const NOTHING: i32 = 1;
/// So often is it tried. Here every second or third fork inherits the signal.
const TRIES: usize = 2000;

/// `si_pid` of the last SIGUSR1.
static SENDER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo of a signal that kill sent.
    SENDER.store(unsafe { (*info).si_pid() }, Ordering::Relaxed);
}

fn fork() -> Result<()> {
    in_session("shell", || {
        // Bytes through pipes: `now` tells the killer, `end` is closed when it is over.
        let (mut tell, mut told) = pipes()?;
        let leads = Gate::new()?;
        let forker = spawn("forker", || {
            setpgid(SELF, SELF)?;
            let action = SigAction::new(SigHandler::SigAction(note), SaFlags::SA_RESTART, SigSet::empty());
            // SAFETY: the handler stores a number.
            unsafe { sigaction(Signal::SIGUSR1, &action) }?;
            leads.open()?;
            // Many small pages, not few huge ones.
            prctl::set_thp_disable(true)?;
            let touched = vec![1_u8; LARGE];
            for _ in 0..TRIES {
                tell.write_all(&[0]).context("pipe")?;
                if inherits()? {
                    drop(touched);
                    return Ok(());
                }
            }
            bail!("no fork in {TRIES} inherited the signal")
        })?;
        leads.pass()?;
        let group = forker.pid();
        drop(tell);
        let killer = spawn("killer", || {
            while told.read(&mut [0]).context("pipe")? == 1 {
                match killpg(group, Signal::SIGUSR1) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(error).context("kill"),
                }
            }
            Ok(())
        })?;
        forker.succeeds()?;
        killer.succeeds()
    })
}

/// Forks a child that ends at once, and says whether it took a signal without a sender.
fn inherits() -> Result<bool> {
    SENDER.store(-1, Ordering::Relaxed);
    let child = spawn("child", || {
        if SENDER.load(Ordering::Relaxed) == 0 {
            return Ok(prctl::set_name(c"heir")?);
        }
        // SAFETY: _exit has no preconditions.
        unsafe { libc::_exit(NOTHING) }
    })?;
    loop {
        match waitpid(child.pid(), None) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(true),
            Ok(WaitStatus::Exited(_, NOTHING)) => return Ok(false),
            Err(Errno::EINTR) => {}
            other => bail!("the child: {other:?}"),
        }
    }
}

/// A pipe of bytes.
fn pipes() -> Result<(std::fs::File, std::fs::File)> {
    let (inner, outer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
    Ok((outer.into(), inner.into()))
}
