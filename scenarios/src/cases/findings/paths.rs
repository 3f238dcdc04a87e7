//! The paths along which a signal comes that no other family shows: what each of them is called.

use std::io::Write as _;

use nix::{
    sys::{
        signal::{SigSet, kill},
        wait::wait,
    },
    unistd::{alarm, pause},
};

use crate::kit::{cgroup::Cgroup, prelude::*, proc::stat, process::adopt, terminal::CTRL_BACKSLASH};

/// Ctrl-\ at a terminal.
pub const QUIT: Scenario = Scenario {
    name: "ctrl-backslash",
    shows: "Ctrl-\\ sends SIGQUIT to the foreground group: one dies, one handles it, one ignores it",
    run: quit,
    expect: "
        some dies gets SIGQUIT by terminal character
        some handles gets SIGQUIT by terminal character*
        some ignores gets SIGQUIT by terminal character*
        then dies dies of SIGQUIT
        never shell gets SIGQUIT *
    ",
    ..Scenario::DEFAULT
};

fn quit() -> Result<()> {
    let terminal = Terminal::open()?;
    let ready = Gate::new()?;
    let shell = terminal.login("shell", || {
        adopt()?;
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let (go, waits, all) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let job = spawn("dies", || {
            setpgid(SELF, SELF)?;
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
            let member = |role, how| {
                let member = spawn(role, || {
                    SigSet::from(Signal::SIGQUIT).thread_block()?;
                    catch(Signal::SIGQUIT, how)?;
                    waits.open()?;
                    if matches!(how, Catch::Handler) {
                        SigSet::empty().suspend()?;
                        return Ok(());
                    }
                    SigSet::from(Signal::SIGQUIT).thread_unblock()?;
                    go.pass()
                })?;
                waits.pass()?;
                Ok::<_, anyhow::Error>(member)
            };
            member("handles", Catch::Handler)?;
            member("ignores", Catch::Ignore)?;
            all.open()?;
            pause();
            Ok(())
        })?;
        proc::until("the job leads its group", || Ok(job.stat()?.group == job.pid()))?;
        all.pass()?;
        terminal.set_foreground(job.pid())?;
        ready.open()?;
        job.dies_of(Signal::SIGQUIT)?;
        go.open()?;
        // Nobody outlives the session.
        while wait().is_ok() {}
        Ok(terminal.set_foreground(me())?)
    })?;
    ready.pass()?;
    terminal.keys(CTRL_BACKSLASH)?;
    shell.succeeds()
}

/// The calls of the kill family that are not kill.
pub const CALLS: Scenario = Scenario {
    name: "kill-family",
    shows: "tgkill, rt_sigqueueinfo and pidfd_send_signal to a process, and pidfd_send_signal to a group",
    run: calls,
    expect: "
        then by-tgkill dies of SIGTERM
        then by-sigqueue dies of SIGTERM
        then by-pidfd dies of SIGTERM
        some leader gets SIGTERM by kill of sender to group leader
        some member gets SIGTERM by kill of sender to group leader
        some by-tgkill gets SIGTERM by kill of sender
        some by-sigqueue gets SIGTERM by kill of sender
        some by-pidfd gets SIGTERM by kill of sender
    ",
    ..Scenario::DEFAULT
};

fn calls() -> Result<()> {
    const PROCESS_GROUP: libc::c_int = 4;
    spawn("sender", || {
        let ready = Gate::new()?;
        let target = |role: &str, group: Option<Pid>| {
            let child = spawn(role, || {
                if let Some(group) = group {
                    setpgid(SELF, group)?;
                }
                ready.open()?;
                pause();
                Ok(())
            })?;
            ready.pass()?;
            Ok::<_, anyhow::Error>(child)
        };
        let send = |nr: libc::c_long, arguments: [libc::c_long; 4]| {
            let [a, b, c, d] = arguments;
            // SAFETY: signals and descriptors are numbers; the siginfo that one points to outlives the call.
            Errno::result(unsafe { libc::syscall(nr, a, b, c, d) }).context("the call")
        };
        let term = libc::c_long::from(libc::SIGTERM);
        let number = |child: &Child| libc::c_long::from(child.pid().as_raw());

        let child = target("by-tgkill", None)?;
        send(libc::SYS_tgkill, [number(&child), number(&child), term, 0])?;
        child.dies_of(Signal::SIGTERM)?;

        let child = target("by-sigqueue", None)?;
        let nothing = libc::sigval { sival_ptr: std::ptr::null_mut() };
        // SAFETY: a number, a signal and a value that nobody looks at.
        Errno::result(unsafe { libc::sigqueue(child.pid().as_raw(), libc::SIGTERM, nothing) }).context("sigqueue")?;
        child.dies_of(Signal::SIGTERM)?;

        let child = target("by-pidfd", None)?;
        let fd = send(libc::SYS_pidfd_open, [number(&child), 0, 0, 0])?;
        send(libc::SYS_pidfd_send_signal, [fd, term, 0, 0])?;
        child.dies_of(Signal::SIGTERM)?;

        let leader = target("leader", Some(SELF))?;
        let member = target("member", Some(leader.pid()))?;
        let fd = send(libc::SYS_pidfd_open, [number(&leader), 0, 0, 0])?;
        send(libc::SYS_pidfd_send_signal, [fd, term, 0, libc::c_long::from(PROCESS_GROUP)])?;
        member.dies_of(Signal::SIGTERM)?;
        leader.dies_of(Signal::SIGTERM)
    })?
    .succeeds()
}

/// What a process brings on itself: a timer, a pipe that nobody reads, an access to memory that is not its.
pub const ITSELF: Scenario = Scenario {
    name: "by-itself",
    shows: "a timer runs out, a write to a pipe that nobody reads, an access to memory that is not there: each ends its process",
    run: itself,
    expect: "
        then sleeper dies of SIGALRM
        then writer dies of SIGPIPE
        then stray dies of SIGSEGV
    ",
    ..Scenario::DEFAULT
};

fn itself() -> Result<()> {
    let sleeper = spawn("sleeper", || {
        alarm::set(1);
        pause();
        Ok(())
    })?;
    sleeper.dies_of(Signal::SIGALRM)?;
    let writer = spawn("writer", || {
        let (inner, outer) = nix::unistd::pipe()?;
        drop(inner);
        Ok(std::fs::File::from(outer).write_all(b"x")?)
    })?;
    writer.dies_of(Signal::SIGPIPE)?;
    let stray = spawn("stray", || {
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
        catch(Signal::SIGSEGV, Catch::Default)?;
        // SAFETY: none: the page is taken away, and the read of it is what the scenario is about.
        unsafe {
            let page =
                libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            std::ptr::read_volatile(page.cast::<u8>());
        }
        Ok(())
    })?;
    stray.dies_of(Signal::SIGSEGV)
}

/// vhangup(2) by a member of the session.
pub const VHANGUP: Scenario = Scenario {
    name: "vhangup",
    shows: "vhangup takes the terminal from the session: its leader gets SIGHUP, and the foreground group when the leader exits",
    run: vhangup,
    expect: "
        then shell gets SIGHUP by hangup of *
        then shell dies of SIGHUP
        then front gets SIGHUP by hangup of shell
        then front dies of SIGHUP
    ",
    ..Scenario::DEFAULT
};

fn vhangup() -> Result<()> {
    crate::kit::process::adopt()?;
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let (go, waits, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
        let front = spawn("front", || {
            setpgid(SELF, SELF)?;
            go.pass()?;
            waits.open()?;
            pause();
            Ok(())
        })?;
        setpgid(front.pid(), front.pid())?;
        terminal.set_foreground(front.pid())?;
        go.open()?;
        waits.pass()?;
        spawn("getty", || {
            setpgid(SELF, SELF)?;
            catch(Signal::SIGHUP, Catch::Ignore)?;
            number.tell(front.pid())?;
            number.tell(me())?;
            // SAFETY: vhangup takes no argument.
            Errno::result(unsafe { libc::vhangup() }).map(drop).context("vhangup, which needs root")
        })?;
        done.pass()
    })?;
    let (front, getty) = (number.hear()?, number.hear()?);
    shell.dies_of(Signal::SIGHUP)?;
    Child::adopted(getty, "getty")?.succeeds()?;
    Child::adopted(front, "front")?.dies_of(Signal::SIGHUP)
}

/// `cgroup.kill`.
pub const CGROUP: Scenario = Scenario {
    name: "cgroup-kill",
    shows: "a write to cgroup.kill ends every process of the cgroup",
    run: cgroup,
    expect: "
        some one gets SIGKILL by cgroup.kill of manager
        some two gets SIGKILL by cgroup.kill of manager
        some one dies of SIGKILL
        some two dies of SIGKILL
        then manager exits 0
    ",
    ..Scenario::DEFAULT
};

fn cgroup() -> Result<()> {
    spawn("manager", || {
        let folder = Cgroup::unified()?;
        let ready = Gate::new()?;
        let wait = || {
            setpgid(SELF, SELF)?;
            folder.enter()?;
            ready.open()?;
            pause();
            Ok(())
        };
        let (one, two) = (spawn("one", wait)?, spawn("two", wait)?);
        ready.pass()?;
        ready.pass()?;
        folder.set("cgroup.kill", "1").context("which Linux has since 5.14")?;
        one.dies_of(Signal::SIGKILL)?;
        two.dies_of(Signal::SIGKILL)
    })?
    .succeeds()
}

/// The OOM killer.
pub const OOM: Scenario = Scenario {
    name: "oom-kill",
    shows: "a process asks for more memory than its cgroup may have, and the OOM killer ends it",
    run: oom,
    expect: "
        some hog gets SIGKILL by kernel
        then hog dies of SIGKILL
        then manager exits 0
    ",
    ..Scenario::DEFAULT
};

fn oom() -> Result<()> {
    const LIMIT: usize = 16 << 20;
    spawn("manager", || {
        let folder = Cgroup::with_memory(LIMIT)?;
        let hog = spawn("hog", || {
            folder.enter()?;
            // Only what is written to is charged.
            std::hint::black_box(vec![1u8; 8 * LIMIT]);
            bail!("{} bytes were to be had", 8 * LIMIT)
        })?;
        hog.dies_of(Signal::SIGKILL)
    })?
    .succeeds()
}

/// The parent handles SIGTERM, and its child in another group hears nothing of it.
pub const KEPT: Scenario = Scenario {
    name: "term-not-passed-on",
    shows: "a supervisor handles SIGTERM and does not tell its worker, which is in a group of its own",
    cites: &["npm/npm#4603", "ccache/ccache#1580"],
    run: || term(false),
    expect: "
        then supervisor gets SIGTERM by kill of *
        then worker gets SIGKILL by kill of supervisor
        never worker gets SIGTERM *
    ",
    finds: "warning JC306 supervisor",
    ..Scenario::DEFAULT
};

/// The same when it does.
pub const TOLD: Scenario = Scenario {
    name: "term-passed-on",
    shows: "a supervisor handles SIGTERM and passes it on to its worker, which is in a group of its own",
    run: || term(true),
    expect: "
        then supervisor gets SIGTERM by kill of *
        then worker gets SIGTERM by kill of supervisor
        then worker dies of SIGTERM
    ",
    finds: "never JC306",
    ..Scenario::DEFAULT
};

fn term(passes_on: bool) -> Result<()> {
    let ready = Gate::new()?;
    let supervisor = spawn("supervisor", || {
        SigSet::from(Signal::SIGTERM).thread_block()?;
        catch(Signal::SIGTERM, Catch::Handler)?;
        let leads = Gate::new()?;
        let worker = spawn("worker", || {
            setpgid(SELF, SELF)?;
            catch(Signal::SIGTERM, Catch::Default)?;
            SigSet::empty().thread_set_mask()?;
            leads.open()?;
            pause();
            Ok(())
        })?;
        leads.pass()?;
        ready.open()?;
        SigSet::empty().suspend()?;
        if passes_on {
            kill(worker.pid(), Signal::SIGTERM)?;
            return worker.dies_of(Signal::SIGTERM);
        }
        let_pass(2200);
        worker.end()
    })?;
    ready.pass()?;
    proc::until("it waits", || Ok(stat(supervisor.pid())?.state == 'S'))?;
    kill(supervisor.pid(), Signal::SIGTERM)?;
    supervisor.succeeds()
}
