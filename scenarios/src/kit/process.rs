//! Processes with roles. A role is the process's name (`PR_SET_NAME`), so that a recording can be read without numbers.

use std::{ffi::CString, io::Write as _};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{ForkResult, Pid, alarm, fork, getpid, setsid},
};

use super::proc;

/// "Myself", or "my own number", in setpgid and the like.
pub const SELF: Pid = Pid::from_raw(0);
/// A scenario that hangs is killed by SIGALRM after this many seconds.
const WATCHDOG: u32 = 60;
/// The exit code of a process whose part of the scenario did not go as it must.
const WENT_WRONG: i32 = 70;

/// The number of the caller.
#[must_use]
pub fn me() -> Pid {
    getpid()
}

/// Makes the calling process independent of who started it: default dispositions, nothing blocked. A shell starts background
/// commands with SIGINT ignored, and a service manager with SIGPIPE ignored. Also starts a watchdog, behind all others.
pub fn begin_afresh() -> Result<()> {
    alarm::set(2 * WATCHDOG);
    let unchangeable = [Signal::SIGKILL, Signal::SIGSTOP];
    for signal in Signal::iterator().filter(|signal| !unchangeable.contains(signal)) {
        catch(signal, Catch::Default)?;
    }
    SigSet::all().thread_unblock().context("sigprocmask")
}

/// Names the calling process (at most 15 bytes) and starts its watchdog.
pub fn play(role: &str) -> Result<()> {
    ensure!(role.len() <= 15, "the role {role} is longer than a process name can be");
    prctl::set_name(&CString::new(role)?).context("PR_SET_NAME")?;
    alarm::set(WATCHDOG);
    Ok(())
}

/// Forks a child that plays `role`: runs `body` and exits, with status 0 when all went as it must.
pub fn spawn(role: &str, body: impl FnOnce() -> Result<()>) -> Result<Child> {
    // SAFETY: scenarios have one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(Child { pid: child, role: role.to_owned() }),
        ForkResult::Child => finish(role, play(role).and_then(|()| body())),
    }
}

/// Ends the calling process without unwinding into the code of its parent.
pub fn finish(role: &str, outcome: Result<()>) -> ! {
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to tell when stderr is closed.
            let _unheard = writeln!(std::io::stderr(), "{role}: {error:#}");
            WENT_WRONG
        }
    };
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Runs `body` in a child that leads a new session without a terminal, so that nothing outside matters, and waits for it.
pub fn in_session(role: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let leader = spawn(role, || {
        setsid().context("setsid")?;
        body()
    })?;
    leader.succeeds()
}

/// From now on the caller adopts descendants whose parents exit, and can wait for them.
pub fn adopt() -> Result<()> {
    prctl::set_child_subreaper(true).context("PR_SET_CHILD_SUBREAPER")
}

/// A child of the caller, not reaped yet. Dropping it reaps nothing.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    role: String,
}

impl Child {
    /// A child that was made elsewhere.
    #[must_use]
    pub fn known(pid: Pid, role: &str) -> Self {
        Self { pid, role: role.to_owned() }
    }

    /// A child that its shell may have signalled and left, or signalled and reaped: it must have died of `signal` in the first
    /// case. Which of them it is depends on who is quicker.
    pub fn left_or_reaped(pid: Pid, role: &str, signal: Signal) -> Result<()> {
        match Self::adopted(pid, role) {
            Ok(child) => child.dies_of(signal),
            Err(_) if proc::stat(pid).is_err() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A process that becomes a child of the caller, by adoption: waits until it has.
    pub fn adopted(pid: Pid, role: &str) -> Result<Self> {
        proc::until(&format!("{role} is adopted"), || Ok(proc::stat(pid)?.parent == me()))?;
        Ok(Self::known(pid, role))
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Reaps it; it must have exited with 0.
    pub fn succeeds(self) -> Result<()> {
        self.exits(0)
    }

    /// Reaps it; it must have exited with `code`.
    pub fn exits(self, code: i32) -> Result<()> {
        let status = self.status(WaitPidFlag::empty())?;
        ensure!(
            status == WaitStatus::Exited(self.pid, code),
            "{} should have exited with {code}: {status:?}",
            self.role
        );
        Ok(())
    }

    /// Reaps it; it must have died of `signal`.
    pub fn dies_of(self, signal: Signal) -> Result<()> {
        let status = self.status(WaitPidFlag::empty())?;
        let so = matches!(status, WaitStatus::Signaled(_, got, _) if got == signal);
        ensure!(so, "{} should have died of {signal}: {status:?}", self.role);
        Ok(())
    }

    /// Waits until it is stopped by `signal`, as a shell does.
    pub fn stops(&self, signal: Signal) -> Result<()> {
        let status = self.status(WaitPidFlag::WUNTRACED)?;
        let so = status == WaitStatus::Stopped(self.pid, signal);
        ensure!(so, "{} should have been stopped by {signal}: {status:?}", self.role);
        Ok(())
    }

    /// Waits until it is a zombie, and leaves it so.
    pub fn is_zombie(&self) -> Result<()> {
        waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).context("waitid")?;
        Ok(())
    }

    /// Ends it with SIGKILL and reaps it.
    pub fn end(self) -> Result<()> {
        nix::sys::signal::kill(self.pid, Signal::SIGKILL).with_context(|| format!("kill {}", self.role))?;
        self.dies_of(Signal::SIGKILL)
    }

    /// Its state, session and so on, as `/proc` has it.
    pub fn stat(&self) -> Result<proc::Stat> {
        proc::stat(self.pid)
    }

    /// It must be alive and not stopped.
    pub fn runs(&self) -> Result<()> {
        proc::runs(self.pid)
    }

    fn status(&self, flags: WaitPidFlag) -> Result<WaitStatus> {
        loop {
            match waitpid(self.pid, Some(flags)) {
                Err(Errno::EINTR) => {}
                other => return other.with_context(|| format!("waiting for {}", self.role)),
            }
        }
    }
}

/// What the caller does when `signal` comes: `Handler` only interrupts calls, as `SIG_IGN` would not.
#[derive(Clone, Copy, Debug)]
pub enum Catch {
    /// `SIG_IGN`.
    Ignore,
    /// A handler that does nothing.
    Handler,
    /// `SIG_DFL`.
    Default,
}

/// Sets a disposition.
pub fn catch(signal: Signal, how: Catch) -> Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = match how {
        Catch::Ignore => SigHandler::SigIgn,
        Catch::Handler => SigHandler::Handler(nothing),
        Catch::Default => SigHandler::SigDfl,
    };
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.with_context(|| format!("sigaction {signal}"))?;
    Ok(())
}

/// Executes a program of the system. Returns only when that fails.
pub fn execute(arguments: &[&str]) -> Result<()> {
    let words = arguments.iter().map(|word| CString::new(*word)).collect::<Result<Vec<_>, _>>()?;
    let program = words.first().context("no program")?;
    nix::unistd::execvp(program, &words).with_context(|| format!("exec {arguments:?}"))?;
    Ok(())
}

/// Lets time pass, for what is decided by time alone. Never to wait for somebody.
pub fn let_pass(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}
