//! A process that has begun to exit is nobody to judge: what it had is released before it is a zombie.

use std::{fs, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    place::{Place, Sleeper, field, is_root, rows},
    policies::{becomes, child_of},
};

/// The first process of a pid namespace waits in its exit until everybody in it has been reaped (`kernel/pid_namespace.c`,
/// `zap_pid_ns_processes`), also by a parent outside: one that is stopped, here.
#[test]
fn who_has_begun_to_exit_is_not_taken_for_one_that_has_nothing_open() {
    if !is_root() {
        return eprintln!("SKIPPED: only root can make a pid namespace here");
    }
    let place = Place::new();
    let outside = Sleeper::new(Command::new("unshare").args(["--pid", "--fork", "setsid", "sleep", "600"]));
    let first = becomes("sleep", || child_of(&outside));
    let put = Sleeper::new(Command::new("nsenter").args(["--target", &first.to_string(), "--pid", "sleep", "601"]));
    becomes("sleep", || child_of(&put));
    let send = |pid: &str, signal| kill(Pid::from_raw(pid.parse().unwrap()), signal).unwrap();
    send(&put.pid(), Signal::SIGSTOP);
    send(&first.to_string(), Signal::SIGKILL);
    let executes = || fs::read_link(format!("/proc/{first}/exe")).is_ok();
    while executes() {
        std::thread::yield_now();
    }
    let state = fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
    assert!(!state.contains(") Z "), "it is no zombie yet: {state}");
    let asked = place.audit(&[], &["--format", "json", "-p", &first.to_string()]);
    let all = place.audit(&[], &["--format", "json", "--all"]);
    drop(put);
    drop(outside);
    let row = rows(&asked).remove(0);
    assert_eq!((field(&row, "verdict"), asked.status.code()), ("unknown", Some(3)), "{row}");
    assert!(field(&row, "reason").ends_with("it ended, or its number was another's, meanwhile"), "{row}");
    assert!(rows(&all).iter().all(|row| row.get("pid").is_some_and(|pid| *pid != first)), "it is not judged");
}
