//! Signals to the waiter when ptrace captures: it sees neither the waiter nor who signals it, and the command gets what it
//! would have got all the same, and nothing twice.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use crate::{
    place::Place,
    proc::Stat,
    pty::{default_signals, describe, eventually, wait_child},
};

/// Notes each signal in the file `got`, ends with 7 at SIGUSR2.
const WITNESS: &str = "
    for s in HUP INT QUIT TERM USR1; do trap \"echo $s >> got\" $s; done
    trap 'exit 7' USR2
    echo $$ > pid; mv pid ready
    while :; do sleep 0.01; done";

struct Witness {
    place: Place,
    /// The waiter.
    child: Child,
    command: i32,
}

impl Witness {
    fn start(words: &[&str]) -> Self {
        let place = Place::new();
        let mut command = place.through(&[]);
        command.args(["run", "-b", "ptrace", "-o", "/dev/null", "-w", "/dev/null", "--"]).args(words);
        command.process_group(0).stdout(Stdio::null());
        // SAFETY: async-signal-safe calls only.
        unsafe {
            command.pre_exec(|| {
                default_signals();
                Ok(())
            })
        };
        let child = command.spawn().unwrap();
        let ready = place.path("ready");
        let command = eventually("the command", || fs::read_to_string(&ready).ok()?.trim().parse().ok());
        Self { place, child, command }
    }

    fn waiter(&self) -> i32 {
        self.child.id() as i32
    }

    fn got(&self) -> String {
        fs::read_to_string(self.place.path("got")).unwrap_or_default()
    }

    fn wait_for(&self, got: &str) {
        eventually(&format!("{got:?} in what the command got"), || (self.got() == got).then_some(()));
    }

    fn end(mut self) -> (String, String) {
        send(self.waiter(), libc::SIGUSR2);
        (describe(wait_child(&mut self.child)), self.got())
    }
}

fn send(pid: i32, signal: i32) {
    // SAFETY: kill has no memory arguments.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill({pid}, {signal})");
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            send(-self.waiter(), libc::SIGKILL);
        }
    }
}

#[test]
fn what_the_waiter_alone_gets_is_passed_on() {
    let witness = Witness::start(&["sh", "-c", WITNESS]);
    let mut got = String::new();
    for (signal, name) in
        [(libc::SIGTERM, "TERM"), (libc::SIGINT, "INT"), (libc::SIGHUP, "HUP"), (libc::SIGQUIT, "QUIT")]
    {
        send(witness.waiter(), signal);
        got.push_str(name);
        got.push('\n');
        witness.wait_for(&got);
    }
    assert_eq!(witness.end(), ("exit 7".to_owned(), got), "nothing came twice");
}

#[test]
fn what_the_group_gets_is_not_passed_on() {
    let witness = Witness::start(&["sh", "-c", WITNESS]);
    let mut got = String::new();
    for (signal, name) in [(libc::SIGTERM, "TERM"), (libc::SIGUSR1, "USR1"), (libc::SIGINT, "INT")] {
        send(-witness.waiter(), signal);
        got.push_str(name);
        got.push('\n');
        witness.wait_for(&got);
    }
    // To the waiter alone; it is judged after the others would have been.
    assert_eq!(witness.end(), ("exit 7".to_owned(), got));
}

#[test]
fn a_lone_signal_right_before_one_to_the_group_makes_neither_come_twice() {
    let witness = Witness::start(&["sh", "-c", WITNESS]);
    send(witness.waiter(), libc::SIGTERM);
    witness.wait_for("TERM\n");
    send(-witness.waiter(), libc::SIGTERM);
    witness.wait_for("TERM\nTERM\n");
    assert_eq!(witness.end(), ("exit 7".to_owned(), "TERM\nTERM\n".to_owned()));
}

#[test]
fn a_command_that_left_the_group_gets_what_the_group_gets_once() {
    let witness = Witness::start(&["setsid", "sh", "-c", WITNESS]);
    send(-witness.waiter(), libc::SIGINT);
    witness.wait_for("INT\n");
    assert_eq!(witness.end(), ("exit 7".to_owned(), "INT\n".to_owned()));
}

fn is_stopped(pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| matches!(stat.state, 'T' | 't'))
}

/// Stops the waiter alone, and continues it.
fn stop_and_continue(witness: &Witness) {
    send(witness.waiter(), libc::SIGSTOP);
    eventually("the command to stop", || is_stopped(witness.command).then_some(()));
    send(witness.waiter(), libc::SIGCONT);
    eventually("the command to go on", || (!is_stopped(witness.command)).then_some(()));
}

#[test]
fn a_waiter_that_is_stopped_alone_stops_and_continues_the_command() {
    let witness = Witness::start(&["sh", "-c", WITNESS]);
    stop_and_continue(&witness);
    assert_eq!(witness.end(), ("exit 7".to_owned(), String::new()));
}

/// Nothing that the command does wakes the capture process, so that only its own look can find the waiter stopped.
#[test]
fn a_waiter_of_a_quiet_command_that_is_stopped_alone_stops_and_continues_it() {
    let witness = Witness::start(&["sh", "-c", "echo $$ > pid; mv pid ready; exec sleep 1000"]);
    // Not until something has happened, but for as long as nothing has: a capture process that has nothing to look at rests by then.
    thread::sleep(Duration::from_secs(2));
    stop_and_continue(&witness);
    stop_and_continue(&witness);
    assert_eq!(witness.end(), (format!("signal {}", libc::SIGUSR2), String::new()));
}

/// What the command is to ignore it drops when it takes it: it was signalled all the same, and the waiter not alone.
#[test]
fn what_the_group_got_while_the_command_ignored_it_is_not_sent_again() {
    let place = Place::new();
    let mut command = place.through(&[]);
    // Longer than the waiter waits for word of a signal.
    let script = "trap '' TERM; kill 0; trap - TERM; sleep 0.5; exit 6";
    command.args(["run", "-b", "ptrace", "-o", "/dev/null", "-w", "/dev/null", "--", "sh", "-c", script]);
    command.process_group(0);
    // SAFETY: async-signal-safe calls only.
    unsafe {
        command.pre_exec(|| {
            default_signals();
            Ok(())
        })
    };
    assert_eq!(command.status().unwrap().code(), Some(6));
}
