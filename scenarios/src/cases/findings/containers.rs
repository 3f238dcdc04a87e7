//! Containers: inits that pass signals on, processes that were put inside from outside, and numbers that mean something else
//! there. The container is a pid namespace; the programs are those of Debian.

use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::kill,
};

use crate::kit::{
    prelude::*,
    proc::{child_named, stat},
};

/// tini passes SIGTERM on to its child; what called setsid is killed when tini ends.
pub const TINI: Scenario = Scenario {
    name: "tini-misses-session",
    shows: "tini passes SIGTERM on to its child; a process of another session gets SIGKILL when tini ends",
    cites: &["Yelp/dumb-init#191"],
    run: || init(&["tini", "--", "sh", "-c", "setsid sleep 61 & exec sleep 60"], 61),
    expect: "
        then tini gets SIGTERM by kill of runtime
        then sleep gets SIGTERM by kill of tini
        then sleep dies of SIGTERM
        then tini exits 143
        some sleep#2 gets SIGKILL by namespace end of tini
        some sleep#2 dies of SIGKILL
        never sleep#2 gets SIGTERM *
    ",
    finds: "warning JC603 tini",
    ..Scenario::DEFAULT
};

/// dumb-init signals the session of its child, or rather its process group: the same happens.
pub const DUMB_INIT: Scenario = Scenario {
    name: "dumb-init-misses-session",
    shows: "dumb-init passes SIGTERM on to the group of its child; what called setsid gets SIGKILL",
    cites: &["Yelp/dumb-init#191"],
    run: || init(&["dumb-init", "sh", "-c", "setsid sleep 61 & exec sleep 60"], 61),
    expect: "
        then dumb-init gets SIGTERM by kill of runtime*
        then sleep gets SIGTERM by kill of dumb-init to group sleep
        then sleep dies of SIGTERM
        some sleep#2 dies of SIGKILL
        never sleep#2 gets SIGTERM *
    ",
    finds: "warning JC603 dumb-init",
    ..Scenario::DEFAULT
};

/// With everything in one group, tini -g reaches all.
pub const TINI_GROUP: Scenario = Scenario {
    name: "tini-group",
    shows: "tini -g passes SIGTERM on to the group of its child: everybody in it gets it",
    run: || init(&["tini", "-g", "--", "sh", "-c", "sleep 61 & exec sleep 60"], 61),
    expect: "
        then tini gets SIGTERM by kill of runtime
        some sleep gets SIGTERM by kill of tini to group *
        some sleep#2 gets SIGTERM by kill of tini to group *
        some sleep dies of SIGTERM
        some sleep#2 dies of SIGTERM
    ",
    finds: "
        never JC603
        never JC301
    ",
    ..Scenario::DEFAULT
};

/// Runs `command` as the first process of a pid namespace, and sends it SIGTERM when it has two sleeps below it.
fn init(command: &'static [&'static str], _: u32) -> Result<()> {
    in_session("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        let init = spawn("init", || execute(command))?;
        let name = command.first().copied().unwrap_or_default();
        proc::until("the init runs", || Ok(stat(init.pid())?.name == name))?;
        let main = child_named(init.pid(), "sleep")?;
        // What the shell started is its child, and then that of the program which it became.
        child_named(main, "sleep")?;
        kill(init.pid(), Signal::SIGTERM)?;
        init.exits(143)
    })
}

/// `docker exec`: the client is gone, and what it started in the container is not.
pub const EXEC: Scenario = Scenario {
    name: "exec-client-gone",
    shows: "nsenter puts a process into a pid namespace and is killed: the process lives on inside",
    cites: &["docker/cli#2607", "moby/moby#40815"],
    run: || exec(true),
    expect: "
        then nsenter gets SIGINT by kill of runtime
        then nsenter dies of SIGINT
        then tail gets SIGKILL by *
        never tail gets SIGINT *
    ",
    finds: "warning JC604 tail",
    ..Scenario::DEFAULT
};

/// The client waits until what it started has ended.
pub const EXEC_WAITS: Scenario = Scenario {
    name: "exec-client-waits",
    shows: "nsenter puts a process into a pid namespace and waits for it",
    run: || exec(false),
    expect: "
        then tail dies of SIGTERM
        then nsenter *
    ",
    finds: "never JC604",
    ..Scenario::DEFAULT
};

fn exec(client_dies: bool) -> Result<()> {
    crate::kit::process::adopt()?;
    let number = Gate::new()?;
    let runtime = spawn("runtime", || {
        setsid()?;
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        let ready = Gate::new()?;
        let pod = spawn("pod", || {
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        ready.pass()?;
        let target = pod.pid().to_string();
        // The runtime's own children would all be in the namespace: the client is not.
        let client = spawn_outside("nsenter", &["nsenter", "-t", &target, "-p", "setsid", "tail", "-f", "/dev/null"])?;
        let tail = child_named(client.pid(), "tail")?;
        if client_dies {
            kill(client.pid(), Signal::SIGINT)?;
            client.dies_of(Signal::SIGINT)?;
            let_pass(1200);
            number.tell(tail)?;
        } else {
            kill(tail, Signal::SIGTERM)?;
            // nsenter ends as its child did.
            client.dies_of(Signal::SIGTERM)?;
        }
        // It ends when everybody in its namespace has ended and been waited for.
        pod.end()
    })?;
    if client_dies {
        Child::adopted(number.hear()?, "tail")?.dies_of(Signal::SIGKILL)?;
    }
    runtime.succeeds()
}

/// Forks a child in the pid namespace that the caller itself is in, whatever unshare has said.
fn spawn_outside(role: &str, arguments: &[&str]) -> Result<Child> {
    let own = std::fs::File::open("/proc/self/ns/pid").context("/proc/self/ns/pid")?;
    nix::sched::setns(&own, CloneFlags::CLONE_NEWPID).context("setns")?;
    spawn(role, || execute(arguments))
}

/// A shell in a pid namespace on the terminal of a session outside.
pub const OUTSIDE: Scenario = Scenario {
    name: "foreground-outside",
    shows: "in a pid namespace, the foreground group of a terminal that is led from outside is 0",
    cites: &["rcore-os/tgoskits#2425", "moby/moby#2780"],
    run: || shell_inside(false),
    expect: "
        then session shell gains terminal by ioctl
        then ash exits 0
    ",
    finds: "warning JC605 ash",
    ..Scenario::DEFAULT
};

/// The same with a session and a terminal of its own.
pub const INSIDE: Scenario = Scenario {
    name: "foreground-inside",
    shows: "in a pid namespace, a session with a terminal of its own has a foreground group with a number",
    run: || shell_inside(true),
    expect: "
        then session ash gains terminal by ioctl
        then ash exits 0
    ",
    finds: "never JC605",
    ..Scenario::DEFAULT
};

fn shell_inside(own: bool) -> Result<()> {
    let terminal = Terminal::open()?;
    let body = || {
        let foreground = terminal.foreground()?;
        same("foreground", foreground.as_raw(), i32::from(own))
    };
    let enter = || unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root");
    if own {
        return in_session("runtime", || {
            enter()?;
            terminal.session("ash", body)
        });
    }
    terminal.session("shell", || {
        enter()?;
        spawn("ash", body)?.succeeds()
    })
}

/// A getpgid that failed, negated, is process 1.
pub const PROCESS_1: Scenario = Scenario {
    name: "kill-process-1",
    shows: "in a container, a process sends SIGTERM to the negation of a getpgid that failed: to process 1",
    cites: &["nezhahq/agent#123"],
    run: process_1,
    expect: "
        then init gets SIGTERM by kill of agent
        then init exits 0
    ",
    finds: "
        info JC303 agent
        never JC602
    ",
    ..Scenario::DEFAULT
};

fn process_1() -> Result<()> {
    in_session("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        spawn("init", || {
            use nix::sys::signal::SigSet;
            SigSet::from(Signal::SIGTERM).thread_block()?;
            catch(Signal::SIGTERM, Catch::Handler)?;
            let agent = spawn("agent", || {
                let failed = nix::unistd::getpgid(Some(Pid::from_raw(4711))).map_or(-1, Pid::as_raw);
                Ok(kill(Pid::from_raw(-failed), Signal::SIGTERM)?)
            })?;
            SigSet::empty().suspend()?;
            agent.succeeds()
        })?
        .succeeds()
    })
}

/// kill(-1) from the first process of a container reaches everybody else in it.
pub const EVERYBODY: Scenario = Scenario {
    name: "kill-all-in-container",
    shows: "kill(-1) by the first process of a pid namespace reaches everybody else in there",
    run: everybody,
    expect: "
        some one gets SIGTERM by kill of init to all
        some two gets SIGTERM by kill of init to all
        some one dies of SIGTERM
        some two dies of SIGTERM
        then init exits 0
        never init gets SIGTERM *
    ",
    finds: "never JC303",
    ..Scenario::DEFAULT
};

fn everybody() -> Result<()> {
    in_session("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        spawn("init", || {
            let ready = Gate::new()?;
            let wait = || {
                ready.open()?;
                nix::unistd::pause();
                Ok(())
            };
            let one = spawn("one", wait)?;
            ready.pass()?;
            let two = spawn("two", || {
                setsid()?;
                wait()
            })?;
            ready.pass()?;
            same("number inside", me(), Pid::from_raw(1))?;
            kill(Pid::from_raw(-1), Signal::SIGTERM)?;
            one.dies_of(Signal::SIGTERM)?;
            two.dies_of(Signal::SIGTERM)
        })?
        .succeeds()
    })
}
