//! Who of a group gets a signal, and what a signal does that nobody takes.

use nix::{
    sys::signal::{SigSet, kill, killpg},
    unistd::{Uid, gettid, pause, setuid},
};

use crate::kit::prelude::*;

/// Zombies are members, and are signalled (kernel/signal.c, `__kill_pgrp_info`); they count for the success of the call.
pub const ZOMBIE: Scenario = Scenario {
    name: "kill-reaches-zombie",
    shows: "kill to a group counts its zombies; when all are reaped, ESRCH",
    run: zombie,
    expect: "
        then member is a zombie
        some leader gets SIGTERM by kill of shell to group leader
        some member gets SIGTERM by kill of shell to group leader, ignored
        then leader dies of SIGTERM
        then group leader ends, *
        then shell is refused kill: ESRCH, group leader ended
    ",
    ..Scenario::DEFAULT
};

fn zombie() -> Result<()> {
    in_session("shell", || {
        let leads = Gate::new()?;
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            leads.open()?;
            pause();
            Ok(())
        })?;
        leads.pass()?;
        let group = leader.pid();
        let member = spawn("member", || Ok(setpgid(SELF, group)?))?;
        member.is_zombie()?;
        killpg(group, Signal::SIGTERM)?;
        leader.dies_of(Signal::SIGTERM)?;
        // The zombie alone is a group that can be signalled.
        killpg(group, Signal::SIGTERM)?;
        member.succeeds()?;
        refused(killpg(group, Signal::SIGTERM), Errno::ESRCH)
    })
}

/// SIGCONT continues when it is sent, whatever becomes of it (kernel/signal.c, `prepare_signal`).
pub const CONTINUED: Scenario = Scenario {
    name: "continue-not-taken",
    shows: "SIGCONT that is ignored continues, and so does one that is blocked",
    run: continued,
    expect: "
        some ignores is stopped by SIGSTOP
        some ignores gets SIGCONT by kill of shell*
        some ignores is continued
        some blocks is stopped by SIGSTOP
        some blocks gets SIGCONT by kill of shell*
        some blocks is continued
        then ignores exits 0
        then blocks exits 0
    ",
    ..Scenario::DEFAULT
};

fn continued() -> Result<()> {
    in_session("shell", || {
        for (role, ignored) in [("ignores", true), ("blocks", false)] {
            let job = spawn(role, || {
                if ignored {
                    catch(Signal::SIGCONT, Catch::Ignore)?;
                } else {
                    SigSet::from(Signal::SIGCONT).thread_block()?;
                }
                Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
            })?;
            job.stops(Signal::SIGSTOP)?;
            kill(job.pid(), Signal::SIGCONT)?;
            job.succeeds()?;
        }
        Ok(())
    })
}

/// Who is stopped takes nothing but SIGKILL and SIGCONT (kernel/signal.c, `complete_signal`, `get_signal`).
pub const WAITS: Scenario = Scenario {
    name: "stopped-takes-later",
    shows: "SIGTERM to a stopped process waits until it is continued; SIGKILL ends it at once, and continues nobody",
    run: waits,
    expect: "
        some waits is stopped by SIGSTOP
        some waits gets SIGTERM by kill of shell*
        then waits is continued
        then waits dies of SIGTERM
        some killed is stopped by SIGSTOP
        then killed dies of SIGKILL
        never killed is continued
    ",
    ..Scenario::DEFAULT
};

fn waits() -> Result<()> {
    in_session("shell", || {
        let stops = || Ok(nix::sys::signal::raise(Signal::SIGSTOP)?);
        let waits = spawn("waits", stops)?;
        waits.stops(Signal::SIGSTOP)?;
        kill(waits.pid(), Signal::SIGTERM)?;
        ensure!(proc::has_pending(waits.pid())?, "a stopped process has taken SIGTERM");
        kill(waits.pid(), Signal::SIGCONT)?;
        waits.dies_of(Signal::SIGTERM)?;
        let killed = spawn("killed", stops)?;
        killed.stops(Signal::SIGSTOP)?;
        kill(killed.pid(), Signal::SIGKILL)?;
        killed.dies_of(Signal::SIGKILL)
    })
}

/// The number of any thread stands for its process (kernel/signal.c, `kill_pid_info`: `PIDTYPE_TGID` of the task that it finds).
pub const THREAD: Scenario = Scenario {
    name: "kill-by-thread-number",
    shows: "kill with the number of another thread than the leader signals the process",
    run: thread,
    expect: "
        some pair gets SIGTERM by kill of shell*
        then pair dies of SIGTERM
        once pair dies of *
    ",
    ..Scenario::DEFAULT
};

fn thread() -> Result<()> {
    in_session("shell", || {
        let number = Gate::new()?;
        let pair = spawn("pair", || {
            std::thread::scope(|threads| threads.spawn(|| number.tell(gettid()).map(|()| pause())).join()).ok();
            bail!("SIGTERM ends all of its threads")
        })?;
        kill(number.hear()?, Signal::SIGTERM)?;
        pair.dies_of(Signal::SIGTERM)
    })
}

/// A signal to a group goes to those who are in it, not to those who come.
pub const LATE: Scenario = Scenario {
    name: "kill-before-join",
    shows: "a process that joins a group after a signal to it does not get the signal",
    run: late,
    expect: "
        then leader gets SIGUSR1 by kill of shell to group leader
        then late joins group leader from shell, leader alive
        never late gets SIGUSR1 *
        some late exits 0
    ",
    ..Scenario::DEFAULT
};

fn late() -> Result<()> {
    in_session("shell", || {
        let (leads, taken) = (Gate::new()?, Gate::new()?);
        let leader = spawn("leader", || {
            setpgid(SELF, SELF)?;
            SigSet::from(Signal::SIGUSR1).thread_block()?;
            catch(Signal::SIGUSR1, Catch::Handler)?;
            leads.open()?;
            SigSet::empty().suspend()?;
            taken.pass()
        })?;
        leads.pass()?;
        let group = leader.pid();
        killpg(group, Signal::SIGUSR1)?;
        spawn("late", || Ok(setpgid(SELF, group)?))?.succeeds()?;
        taken.open()?;
        leader.succeeds()
    })
}

/// Members that the caller may not signal are passed over in silence; one that may be signalled makes the call a success.
pub const PARTIAL: Scenario = Scenario {
    name: "kill-some-members",
    shows: "kill to a group of which the caller may signal one member only: that one gets it, and the call succeeds",
    run: partial,
    expect: "
        then user's gets SIGTERM by kill of user to group root's
        then user's dies of SIGTERM
        some user kill = success
        never root's gets SIGTERM *
    ",
    ..Scenario::DEFAULT
};

fn partial() -> Result<()> {
    const SOMEBODY: u32 = 65534;
    in_session("shell", || {
        let (ready, done) = (Gate::new()?, Gate::new()?);
        let roots = spawn("root's", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            done.pass()
        })?;
        ready.pass()?;
        let group = roots.pid();
        let users = spawn("user's", || {
            setpgid(SELF, group)?;
            setuid(Uid::from_raw(SOMEBODY)).context("setuid, which needs root")?;
            ready.open()?;
            pause();
            Ok(())
        })?;
        ready.pass()?;
        let user = spawn("user", || {
            setuid(Uid::from_raw(SOMEBODY)).context("setuid, which needs root")?;
            Ok(killpg(group, Signal::SIGTERM)?)
        })?;
        user.succeeds()?;
        users.dies_of(Signal::SIGTERM)?;
        done.open()?;
        roots.succeeds()
    })
}
