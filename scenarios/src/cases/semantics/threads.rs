//! Processes with several threads: what is of the process, and what of one thread.

use nix::{
    sys::{
        signal::kill,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{getpgid, gettid, pause},
};

use crate::kit::prelude::*;

/// Another thread than the leader executes a program: it takes the leader's number (fs/exec.c, `de_thread`).
pub const EXEC: Scenario = Scenario {
    name: "thread-executes",
    shows: "another thread than the leader executes a program: the process, its group and its parent stay what they were",
    run: exec,
    expect: "
        then group true is born by itself
        then true execs
        with true: alive, group true, leader alive, parent shell
        then true exits 0
        then true is reaped by shell
        once true exits *
        once group true ends, *
    ",
    ..Scenario::DEFAULT
};

fn exec() -> Result<()> {
    in_session("shell", || {
        let child = spawn("many", || {
            setpgid(SELF, SELF)?;
            std::thread::spawn(|| execute(&["true"]));
            pause();
            bail!("the other thread's exec ends this one")
        })?;
        child.succeeds()
    })
}

/// The leader thread exits and the process goes on (kernel/exit.c, `exit_notify`: no notification before the last thread).
pub const LEADER_FIRST: Scenario = Scenario {
    name: "leader-thread-first",
    shows: "the leader thread exits first: the process lives, leads its group, can be joined, and ends with its last thread",
    run: leader_first,
    expect: "
        then group pair is born by itself
        then joiner joins group pair from shell, leader alive
        with pair: alive, group pair
        then pair exits 5
        then pair is reaped by shell
        once pair exits *
        once group pair ends, *
        never group pair is leaderless*
    ",
    ..Scenario::DEFAULT
};

fn leader_first() -> Result<()> {
    in_session("shell", || {
        let go = Gate::new()?;
        let pair = spawn("pair", || {
            setpgid(SELF, SELF)?;
            let last = |code: i32| {
                // SAFETY: ends the calling thread, which holds nothing that another one waits for.
                unsafe { libc::syscall(libc::SYS_exit, code) };
            };
            let waits = go.becomes_stdin();
            std::thread::spawn(move || {
                let _told = nix::unistd::read(std::io::stdin(), &mut [0; 4]);
                last(5);
            });
            waits?;
            last(7);
            Ok(())
        })?;
        // Its leader thread alone is a zombie: the process is none, and cannot be waited for.
        proc::until_state(pair.pid(), "Z")?;
        same("its process group", getpgid(Some(pair.pid()))?, pair.pid())?;
        same("what wait says", waitpid(pair.pid(), Some(WaitPidFlag::WNOHANG))?, WaitStatus::StillAlive)?;
        let group = pair.pid();
        spawn("joiner", || Ok(setpgid(SELF, group)?))?.succeeds()?;
        go.open()?;
        pair.exits(5)
    })
}

/// A process is stopped when all of its threads are (kernel/signal.c, `do_signal_stop`).
pub const STOP: Scenario = Scenario {
    name: "threads-stop",
    shows: "a process with two threads is stopped and continued as one",
    run: stop,
    expect: "
        then pair gets SIGSTOP by kill of shell
        some pair is stopped by SIGSTOP
        some shell learns that pair is stopped by SIGSTOP
        some pair gets SIGCONT by kill of shell*
        some pair is continued
        once pair is stopped by *
        once pair is continued
    ",
    ..Scenario::DEFAULT
};

fn stop() -> Result<()> {
    in_session("shell", || {
        let ready = Gate::new()?;
        let pair = spawn("pair", || {
            std::thread::spawn(pause);
            ready.open()?;
            pause();
            Ok(())
        })?;
        ready.pass()?;
        kill(pair.pid(), Signal::SIGSTOP)?;
        pair.stops(Signal::SIGSTOP)?;
        kill(pair.pid(), Signal::SIGCONT)?;
        let continued = waitpid(pair.pid(), Some(WaitPidFlag::WCONTINUED))?;
        same("what wait says", continued, WaitStatus::Continued(pair.pid()))?;
        pair.end()
    })
}

/// setsid acts on the process, whichever thread calls it (kernel/sys.c, `ksys_setsid`).
pub const SETSID: Scenario = Scenario {
    name: "thread-setsid",
    shows: "another thread than the leader calls setsid: the process leads a session",
    run: thread_setsid,
    expect: "
        then session pair is born
        with pair: session pair, group pair, leads its session
        then pair exits 0
    ",
    ..Scenario::DEFAULT
};

fn thread_setsid() -> Result<()> {
    in_session("shell", || {
        let pair = spawn("pair", || {
            let session =
                std::thread::spawn(setsid).join().map_err(|_| anyhow::anyhow!("the thread has panicked"))??;
            same("its session", session, me())
        })?;
        pair.succeeds()
    })
}

/// setpgid is of the process, whichever thread calls it, and no thread but the leader can be named (kernel/sys.c, `setpgid`).
pub const SETPGID: Scenario = Scenario {
    name: "thread-setpgid",
    shows: "another thread than the leader calls setpgid: the process leads a group; the number of that thread is EINVAL",
    run: thread_setpgid,
    expect: "
        then group pair is born by itself
        then pair is refused setpgid: EINVAL, *
        then pair exits 0
        never session pair is born
    ",
    ..Scenario::DEFAULT
};

fn thread_setpgid() -> Result<()> {
    in_session("shell", || {
        let pair = spawn("pair", || {
            let thread = std::thread::spawn(|| {
                setpgid(SELF, SELF)?;
                refused(setpgid(gettid(), SELF), Errno::EINVAL)
            });
            thread.join().map_err(|_| anyhow::anyhow!("the thread has panicked"))??;
            same("its group", getpgid(None)?, me())
        })?;
        pair.succeeds()
    })
}
