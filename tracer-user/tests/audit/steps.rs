//! The path of a daemon, step by step: the seven classic steps, and those of daemon(7) that are calls of its own, each with its time.

use std::{fs, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    actor::terminal,
    place::{ABLE, NOBODY, Place, field, is_root, rows},
};

/// A daemon that takes every step, one after the other; and at the end, of what its launcher had, nothing is left.
const DAEMON: &str = r#"
import os, signal, sys, time
null = "/dev/null"
if os.fork(): os._exit(0)
os.setsid()
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.chdir("/")
os.umask(0)
for fd in (0, 1, 2, 7): os.close(fd)
os.open(null, os.O_RDWR)
os.dup2(0, 1)
os.dup2(0, 2)
signal.signal(signal.SIGUSR2, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGWINCH])
if sys.argv[1:]: os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
time.sleep(60)
"#;

/// What its launcher gives it: a directory, a umask, descriptor 7, an ignored and a blocked signal.
const CARELESS: &str = r#"umask 027; trap "" USR2; cd "$0"; exec 7</dev/zero; exec env --block-signal=WINCH "$@""#;

fn found() -> String {
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// Audits the daemon, started behind these words. Its row.
fn audited(place: &Place, before: &[&str], backend: &str, arguments: &[&str]) -> Option<Value> {
    let directory = place.path("").to_string_lossy().into_owned();
    let script = place.path("daemon.py");
    fs::write(&script, DAEMON).unwrap();
    // One that every user may run, and no script that finds one.
    let system = "/usr/bin/python3".to_owned();
    let python = if fs::exists(&system).unwrap() { system } else { found() };
    let words: Vec<&str> = before.iter().copied().chain(["setsid", "-w", "sh", "-c", CARELESS, &directory]).collect();
    let script = script.to_string_lossy();
    let asked = ["-b", backend, "--format", "json", "--", &python, "-I", &script];
    let output = place.audit(&words, &asked.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>());
    for row in rows(&output) {
        let pid = row.get("pid").and_then(Value::as_i64).unwrap() as i32;
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(125) && !required.contains(backend) {
        eprintln!("SKIPPED: {said}");
        return None;
    }
    let mut rows = rows(&output);
    assert_eq!(rows.len(), 1, "{said} {rows:?}");
    rows.pop()
}

/// Its steps from setsid on, without what another process did to it, and whether each has a time no earlier than the one before.
fn steps(row: &Value) -> Vec<Value> {
    let path = row.get("path").and_then(Value::as_array).unwrap();
    let times: Vec<i64> = path.iter().map(|step| step.get("at").and_then(Value::as_i64).unwrap()).collect();
    assert!(times.is_sorted(), "{path:?}");
    let from = path.iter().position(|step| field(step, "step") == "setsid").unwrap();
    let own = path.iter().skip(from).filter(|step| field(step, "step") != "adopted");
    own.map(|step| step.get("attribute").cloned().unwrap_or_else(|| json!(field(step, "step")))).collect()
}

fn expected() -> Vec<Value> {
    let mut steps = vec![
        json!("setsid"),
        json!({"call": "sigaction", "signal": "SIGHUP", "disposition": "ignored"}),
        json!("fork"),
        json!({"call": "chdir", "root": true}),
        json!({"call": "umask", "old": 0o27, "new": 0}),
    ];
    steps.extend([0, 1, 2, 7].map(|fd| json!({"call": "close", "fd": fd})));
    steps.push(json!({"call": "open", "fd": 0, "is": "null"}));
    steps.extend([1, 2].map(|fd| json!({"call": "dup", "fd": fd, "is": "null"})));
    steps.push(json!({"call": "sigaction", "signal": "SIGUSR2", "disposition": "default"}));
    let winch = 1_u64 << (libc::SIGWINCH - 1);
    steps.push(json!({"call": "sigprocmask", "old": winch.to_string(), "new": "0"}));
    steps
}

/// What changed since its launch has the time of the step that did it, and that step is on the path.
fn every_change_is_dated(row: &Value) {
    let changed = row.pointer("/compared/changed").and_then(Value::as_array).unwrap();
    let times: Vec<i64> = row["path"].as_array().unwrap().iter().map(|step| step["at"].as_i64().unwrap()).collect();
    let names: Vec<&str> = changed.iter().map(|it| field(it, "what")).collect();
    for what in ["fd 7", "umask", "SIGWINCH", "SIGUSR2"] {
        assert!(names.contains(&what), "{what}: {changed:?}");
    }
    for thing in changed {
        let at = thing.pointer("/by/at").and_then(Value::as_i64).unwrap_or_else(|| panic!("{thing}"));
        assert!(times.contains(&at), "{thing}");
    }
}

/// Each level of privilege that can be had here, how it is taken on, and the backends that it may use.
fn levels() -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return vec![("who runs this", &[], &["ebpf", "ptrace"])];
    }
    // An ordinary user may use no probes.
    vec![
        ("root", &[], &["ebpf", "ptrace"]),
        ("the capabilities", &ABLE, &["ebpf", "ptrace"]),
        ("nobody", &NOBODY, &["ptrace"]),
    ]
}

#[test]
fn each_step_has_its_time_at_every_level_with_each_backend() {
    let place = Place::new();
    for (level, before, backends) in levels() {
        for backend in backends {
            let Some(row) = audited(&place, before, backend, &[]) else { continue };
            assert_eq!((steps(&row), field(&row, "verdict")), (expected(), "detached"), "{level}, {backend}: {row}");
            every_change_is_dated(&row);
        }
    }
}

/// Attributes in a recording of a shell that changes its directory and its umask, with these options.
fn recorded(place: &Place, backend: &str, options: &[&str]) -> Option<usize> {
    let recording = place.path(&format!("{backend}{}.jsonl", options.concat()));
    let mut record = Command::new(place.path("sesstrace"));
    record.args(["record", "-b", backend, "-o"]).arg(&recording).args(options);
    let output = record.args(["--", "sh", "-c", "cd /; umask 0; exec 7</dev/null 7<&-"]).output().unwrap();
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    if output.status.code() == Some(125) && !required.contains(backend) {
        eprintln!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let text = fs::read_to_string(recording).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| field(line, "kind") == kind).count();
    assert!(of("exec") > 0, "{output:?}");
    Some(of("attribute"))
}

#[test]
fn nobody_is_asked_for_steps_where_they_are_not_wanted() {
    let place = Place::new();
    for backend in ["ebpf", "ptrace"] {
        let Some(without) = recorded(&place, backend, &[]) else { continue };
        assert_eq!(without, 0, "{backend}");
        assert!(recorded(&place, backend, &["--attributes"]).is_some_and(|many| many >= 3), "{backend}");
    }
}

#[test]
fn a_terminal_that_is_opened_without_control_is_a_step_under_any_number() {
    let place = Place::new();
    for backend in ["ebpf", "ptrace"] {
        let (_master, name) = terminal();
        let Some(row) = audited(&place, &[], backend, &[&name]) else { continue };
        let last = steps(&row).pop().unwrap();
        assert_eq!((field(&last, "call"), field(&last, "is")), ("open", "terminal"), "{backend}: {row}");
        assert_eq!(field(&row, "verdict"), "partial", "{backend}: {row}");
    }
}
