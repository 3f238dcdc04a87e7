//! The small world: the reference, the model and the kernel say the same of every call in every state; and so do recordings.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, helpers and all")]

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use scenarios::world::traced::check;

/// Where a walk's descriptors are its own, and its session too.
fn program(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_scenarios")).with_file_name(name));
    command.stdin(Stdio::null());
    let setsid = || nix::unistd::setsid().map(drop).map_err(std::io::Error::from);
    // SAFETY: setsid is async-signal-safe.
    unsafe { command.pre_exec(setsid) };
    command
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Explores, and says how much was compared.
fn explore(words: &[&str]) {
    let output = program("scenarios").arg("world").args(words).output().unwrap();
    let says = text(&output);
    eprintln!("{says}");
    assert!(output.status.success(), "{says}");
    assert!(says.contains(" 0 differences"), "{says}");
}

#[test]
fn every_call_of_two_processes_in_every_state() {
    explore(&["births", "2", "depth", "40", "walks", "20"]);
}

#[test]
fn every_call_of_three_processes_within_a_few_calls() {
    explore(&["births", "3", "depth", "4", "walks", "50"]);
}

#[test]
fn the_background_is_stopped_and_orphans_are_not() {
    explore(&["births", "3", "depth", "4", "walks", "50", "stop"]);
}

#[test]
fn stops_siblings_and_terminals_that_come_and_go() {
    explore(&["births", "2", "depth", "5", "walks", "100", "stop", "more"]);
}

/// Records walks, and compares the model of the recording with what /proc showed.
fn recorded(backend: &str, stop: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (recording, stamps) = (folder.path().join("walks.jsonl"), folder.path().join("stamps.json"));
    let mut sesstrace = program("sesstrace");
    sesstrace.args(["record", "-b", backend, "-o"]).arg(&recording).arg("--");
    sesstrace.arg(env!("CARGO_BIN_EXE_scenarios")).arg("world-traced").arg(&stamps).arg("25").args(stop);
    let output = sesstrace.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let (checked, differences) = check(&recording, &stamps).unwrap();
    eprintln!("{backend}: {checked:?}");
    if !differences.is_empty() {
        eprintln!("the recording is in {}", folder.keep().display());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(checked.states > 100 && checked.late < checked.states, "{checked:?}");
}

/// Whether a backend works here. If it must and does not, that is a failure.
fn works(backend: &str) -> bool {
    let doctor = program("sesstrace").arg("doctor").output().unwrap();
    let can = doctor.status.success() || backend == "ptrace" && doctor.status.code() == Some(3);
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == backend));
    assert!(can || !required, "{backend} does not work here, and SESSTRACE_REQUIRE contains it:\n{}", text(&doctor));
    if !can {
        eprintln!("SKIPPED: walks were not recorded, {backend} does not work here; `sesstrace doctor` says why");
    }
    can
}

#[test]
fn recordings_by_probes_come_to_the_same_states() {
    if works("ebpf") {
        recorded("ebpf", &[]);
        recorded("ebpf", &["stop"]);
    }
}

#[test]
fn recordings_by_ptrace_come_to_the_same_states() {
    if works("ptrace") {
        recorded("ptrace", &[]);
        recorded("ptrace", &["stop"]);
    }
}
