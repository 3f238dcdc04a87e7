//! What others reported, with the programs that they reported it of.

use nix::sys::signal::kill;

use crate::kit::{
    clone3::spawn_and_wait,
    prelude::*,
    proc::{child_named, until_state},
    process::adopt,
    terminal::CTRL_Z,
};

/// Longer than the grace that the rules give.
const GRACE_MS: u64 = 1200;

/// python/cpython#14490: what `timeout=` of subprocess kills is the shell.
pub const PYTHON_TIMEOUT: Scenario = Scenario {
    name: "python-timeout",
    shows: "subprocess.run of Python, with a shell and a timeout: the shell is killed, its program goes on",
    cites: &["python/cpython#14490"],
    run: || {
        killed_shell(&[
            "python3",
            "-c",
            "import subprocess as s\ntry: s.run('sleep 60; true', shell=True, timeout=0.3)\nexcept s.TimeoutExpired: pass",
        ])
    },
    expect: "
        some sh forks sleep
        then sh gets SIGKILL by kill of python3*
        then sh dies of SIGKILL
        some sleep is reparented from sh to scenarios
        then sleep gets SIGKILL by kill of scenarios
    ",
    finds: "warning JC302 sh",
    ..Scenario::DEFAULT
};

/// nodejs/node#46865: so does `kill()` of a child of node.
pub const NODE_KILL: Scenario = Scenario {
    name: "node-kills-shell",
    shows: "kill() of a child that node started with a shell: the shell is killed, its program goes on",
    cites: &["nodejs/node#46865"],
    run: || {
        killed_shell(&[
            "node",
            "-e",
            "const c = require('child_process').spawn('sleep 60; true', {shell: true, stdio: 'ignore'}); \
             setTimeout(() => c.kill(), 300)",
        ])
    },
    expect: "
        some sh forks sleep
        then sh gets SIGTERM by kill of node*
        then sh dies of SIGTERM
        some sleep is reparented from sh to scenarios
        then sleep gets SIGKILL by kill of scenarios
    ",
    finds: "warning JC302 sh",
    ..Scenario::DEFAULT
};

/// Runs a program that kills a shell above a sleep, and ends that when nobody else has.
fn killed_shell(command: &'static [&'static str]) -> Result<()> {
    adopt()?;
    in_session("runner", || spawn("program", || execute(command))?.succeeds())?;
    let sleep = Child::known(child_named(me(), "sleep")?, "sleep");
    let_pass(GRACE_MS);
    sleep.end()
}

/// android/ndk#627: a script that makes a group of its own cannot change the terminal any more.
pub const PYTHON_GROUP: Scenario = Scenario {
    name: "python-own-group",
    shows: "a Python program calls setpgrp and then tcsetattr: it is stopped, and who started it waits",
    cites: &["android/ndk#627", "Yelp/dumb-init#10"],
    run: || {
        let terminal = Terminal::open()?;
        let number = Gate::new()?;
        let build = terminal.login("build", || {
            let script = spawn("script", || {
                execute(&[
                    "python3",
                    "-c",
                    "import os, termios as t\nos.setpgrp()\nt.tcsetattr(0, t.TCSADRAIN, t.tcgetattr(0))",
                ])
            })?;
            number.tell(script.pid())?;
            script.dies_of(Signal::SIGKILL)
        })?;
        let script = number.hear()?;
        until_state(script, "T")?;
        kill(script, Signal::SIGKILL)?;
        build.succeeds()
    },
    expect: "
        then group python3 is born by itself
        then python3 gets SIGTTOU by background access of python3
        then python3 is stopped by SIGTTOU
        then python3 gets SIGKILL by kill of *
    ",
    finds: "error JC202 python3",
    ..Scenario::DEFAULT
};

/// krallin/tini#138: "tini is not reaping", for the zombie is not its own.
pub const TINI_ZOMBIE: Scenario = Scenario {
    name: "tini-not-to-blame",
    shows: "a program below tini does not wait for its child: its zombie is no business of tini, until the program ends",
    cites: &["krallin/tini#138"],
    run: || {
        in_session("runtime", || {
            spawn("init", || execute(&["tini", "-s", "--", "sh", "-c", "sleep 0.1 & exec sleep 6"]))?.succeeds()
        })
    },
    expect: "
        some sleep#2 exits 0
        then sleep exits 0
        some sleep#2 is reparented from sleep to tini
        some sleep#2 is reaped by tini
    ",
    finds: "
        warning JC405 sleep#2
        never JC601
    ",
    ..Scenario::DEFAULT
};

/// aristanetworks/bst#74, util-linux/util-linux#1490: asked for when the parent has died already.
pub const PARENT_DEATH_MISSED: Scenario = Scenario {
    name: "parent-death-missed",
    shows: "a process asks for a signal at the death of its parent, which has died: it never comes",
    cites: &["aristanetworks/bst#74", "util-linux/util-linux#1490"],
    run: || {
        adopt()?;
        let (number, asked) = (Gate::new()?, Gate::new()?);
        let launcher = spawn("launcher", || {
            let parent = me();
            let sandbox = spawn("sandbox", || {
                proc::until("its parent has ended", || Ok(nix::unistd::getppid() != parent))?;
                nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
                asked.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            number.tell(sandbox.pid())
        })?;
        let sandbox = number.hear()?;
        launcher.succeeds()?;
        let sandbox = Child::adopted(sandbox, "sandbox")?;
        asked.pass()?;
        let_pass(GRACE_MS);
        sandbox.runs()?;
        sandbox.end()
    },
    expect: "
        then launcher exits 0
        then sandbox gets SIGKILL by kill of scenarios
    ",
    finds: "warning JC308 sandbox",
    ..Scenario::DEFAULT
};

/// nextest-rs/nextest#470: Ctrl-Z between vfork and exec.
pub const STOPPED_BEFORE_EXEC: Scenario = Scenario {
    name: "stopped-before-exec",
    shows: "Ctrl-Z stops a child between vfork and exec: its parent, inside vfork, cannot stop and does not go on",
    cites: &["nextest-rs/nextest#470"],
    run: || {
        let terminal = Terminal::open()?;
        let number = Gate::new()?;
        let runner = terminal.login("runner", || {
            spawn_and_wait("child", || {
                catch(Signal::SIGTTOU, Catch::Ignore)?;
                setpgid(SELF, SELF)?;
                terminal.set_foreground(me())?;
                number.tell(me())?;
                nix::unistd::pause();
                Ok(())
            })?
            .dies_of(Signal::SIGKILL)
        })?;
        let child = number.hear()?;
        terminal.keys(CTRL_Z)?;
        until_state(child, "T")?;
        let_pass(3200);
        kill(child, Signal::SIGKILL)?;
        runner.succeeds()
    },
    expect: "
        then runner forks child
        then child gets SIGTSTP by terminal character
        then child is stopped by SIGTSTP
        then child dies of SIGKILL
    ",
    finds: "error JC207 child",
    ..Scenario::DEFAULT
};
