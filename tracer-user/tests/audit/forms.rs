//! The four forms: a command, processes, the machine, a recording.

use std::{fs, process::Command};

use serde_json::Value;

use crate::place::{Place, Sleeper, field, rows};

#[test]
fn a_command_is_watched_until_it_has_settled_and_left_running() {
    let place = Place::new();
    let script = format!("setsid -f sh -c 'echo $$ > {}; exec sleep 60' >/dev/null 2>&1", place.path("pid").display());
    let output = place.audit(&[], &["-b", "ptrace", "--no-seccomp", "--format", "json", "--", "sh", "-c", &script]);
    let rows = rows(&output);
    let pid: u32 = fs::read_to_string(place.path("pid")).unwrap().trim().parse().unwrap();
    let row = rows.iter().find(|row| row.get("pid").is_some_and(|it| *it == pid)).unwrap();
    assert_eq!((field(row, "verdict"), field(row, "policy")), ("detached", "sysv"));
    let steps: Vec<&str> =
        row.get("path").and_then(Value::as_array).unwrap().iter().map(|step| field(step, "step")).collect();
    let setsid = steps.iter().position(|step| *step == "setsid").unwrap();
    assert!(steps.get(setsid..).is_some_and(|after| after.contains(&"exec")), "{steps:?}");
    // Its parent ends at once after the fork: before or after the setsid, as it happens.
    assert!(steps.contains(&"adopted"), "{steps:?}");
    let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
    assert_eq!(alive, Ok(()), "it was left running");
}

#[test]
fn usage_is_told() {
    let place = Place::new();
    assert_eq!(place.audit(&[], &[]).status.code(), Some(2));
    let gone = place.audit(&[], &["-p", "4194304"]);
    assert_eq!(gone.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("4194304"));
    fs::write(place.path("policy"), "name=x nonsense\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let faulty = place.audit(&[], &["--policy", &policy, "-p", "1"]);
    assert_eq!(faulty.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&faulty.stderr).contains("policy:1: there is no policy nonsense"));
    let not_found = place.audit(&[], &["--", "no-such-command-anywhere"]);
    assert_eq!(not_found.status.code(), Some(127));
}

#[test]
fn the_policy_file_overrides_what_is_recognised() {
    let place = Place::new();
    let sleeper = Sleeper::new(Command::new("sleep").arg("60"));
    fs::write(place.path("policy"), "name=sleep supervised\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let output = place.audit(&[], &["--format", "json", "--policy", &policy, "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    let row = rows_seen.first().unwrap();
    assert_eq!((field(row, "policy"), field(row, "policy_line")), ("supervised", "name=sleep supervised"));
}
