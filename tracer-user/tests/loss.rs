//! System-wide recordings under a fork storm: nothing is lost with the default buffers, and with tiny ones every lost record
//! is in a gap. Needs the probes: without privilege the tests say so on stderr and pass, unless `SESSTRACE_REQUIRE` contains
//! `ebpf`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, geteuid},
};
use tracer_model::event::{EventKind, GapCause};
use tracer_user::trace_file::{Reader, Summary};

const DEADLINE: Duration = Duration::from_mins(1);

fn probes_are_allowed() -> bool {
    if geteuid().is_root() {
        return true;
    }
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but this is not root");
    eprintln!("SKIPPED: recording the whole machine needs root");
    false
}

/// Starts a system-wide recording and waits until it has its header: the probes are attached by then.
fn record(path: &Path, options: &[&str]) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_sesstrace"))
        .args(["record", "--all", "-o"])
        .arg(path)
        .args(options)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        assert!(begun.elapsed() < DEADLINE, "the recording does not begin");
        // Not at full speed, and without a wait call: another test of this file may be recording the whole machine.
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn end(mut recording: Child) -> Option<i32> {
    kill(Pid::from_raw(recording.id().cast_signed()), Signal::SIGINT).unwrap();
    recording.wait().unwrap().code()
}

/// Forks and reaps `count` children, each of which moves into a group of its own.
fn storm(count: usize) {
    for _ in 0..count {
        // SAFETY: the child calls setpgid and _exit, which are async-signal-safe.
        match unsafe { fork() }.unwrap() {
            // SAFETY: as above.
            ForkResult::Child => unsafe {
                libc::setpgid(0, 0);
                libc::_exit(0)
            },
            ForkResult::Parent { child } => drop(waitpid(child, None).unwrap()),
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    seen: BTreeSet<u64>,
    missing: u64,
    named: u64,
    children: usize,
    summary: Summary,
}

fn account(path: &Path) -> Account {
    let mut reader = Reader::open(path).unwrap();
    let mut account = Account::default();
    for event in reader.by_ref() {
        // The events without a number bear that of the record that follows.
        if matches!(event.kind, EventKind::SnapshotEnd { .. } | EventKind::ClockAnchor { .. }) {
            continue;
        }
        if let EventKind::Gap(gap) = event.kind {
            assert_eq!(gap.cause, GapCause::MissingSequence, "{gap:?}");
            account.seen.extend(event.seq.0..event.seq.0 + gap.lost);
            account.missing += gap.lost;
            account.named += gap.probes.iter().map(|(_, lost)| lost).sum::<u64>();
        } else {
            // By thread: another test of this file may have a storm of its own.
            let ours = event.actor.tid.0 == nix::unistd::gettid().as_raw().cast_unsigned();
            account.children += usize::from(ours && matches!(event.kind, EventKind::NewTask { .. }));
            account.seen.insert(event.seq.0);
        }
    }
    account.summary = reader.summary();
    account
}

fn recording(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    (directory, path)
}

#[test]
fn a_fork_storm_is_recorded_without_loss() {
    if !probes_are_allowed() {
        return;
    }
    let (_directory, path) = recording("storm.jsonl");
    let recorder = record(&path, &[]);
    storm(3000);
    assert_eq!(end(recorder), Some(0));
    let account = account(&path);
    assert_eq!((account.missing, account.summary.lost), (0, 0));
    assert!(account.summary.complete);
    assert_eq!(account.children, 3000, "every fork is there");
}

#[test]
fn the_gaps_of_a_tiny_ring_add_up() {
    if !probes_are_allowed() {
        return;
    }
    let (_directory, path) = recording("tiny.jsonl");
    let recorder = record(&path, &["--ring-bytes", "4096"]);
    storm(2000);
    assert_eq!(end(recorder), Some(3), "a recording with losses is incomplete");
    let account = account(&path);
    assert!(account.missing > 0, "a ring of one page held a fork storm");
    assert_eq!(account.summary.lost, account.missing, "the end record counts what the gaps say");
    assert_eq!(account.named, account.missing, "the probes' own counters say the same");
    let last = *account.seen.last().unwrap();
    let unaccounted: Vec<u64> = (1..=last).filter(|seq| !account.seen.contains(seq)).collect();
    assert_eq!(unaccounted, [0; 0], "numbers that are neither an event nor in a gap");
}
