//! How far the work is: told on a terminal when it takes more than a second, and nowhere else.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/daemon/recording.jsonl")
}

fn sesstrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
    command.env_remove("NO_COLOR").stdout(Stdio::null());
    command
}

/// A recording that goes on until `stop`, or for so many events.
fn endless(mut out: impl Write, stop: &AtomicBool, most: u64, count: &AtomicU64) {
    let golden = fs::read_to_string(golden()).expect("lines");
    writeln!(out, "{}", golden.lines().next().expect("a header")).expect("a pipe");
    let mut seq = 0;
    while seq < most && !stop.load(Ordering::Relaxed) {
        for _ in 0..4096 {
            seq += 1;
            writeln!(out, r#"{{"seq":{seq},"at":{seq},"kind":"clock_anchor","unix_ns":"1795513334166687662"}}"#)
                .expect("a pipe");
        }
    }
    count.store(seq, Ordering::Relaxed);
    writeln!(out, r#"{{"kind":"end","events":{seq},"lost":0,"complete":true}}"#).expect("a pipe");
}

/// What stands on the terminal.
fn next(terminal: &mut File, said: &mut String) -> bool {
    let mut bytes = [0; 4096];
    // EIO: nobody has the other side any more.
    let read = terminal.read(&mut bytes).unwrap_or(0);
    said.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()));
    read > 0
}

#[test]
fn work_of_more_than_a_second_is_told_on_a_terminal_alone() {
    let pty = nix::pty::openpty(None, None).expect("a pty");
    let mut child =
        sesstrace().args(["replay", "-"]).stdin(Stdio::piped()).stderr(pty.slave).spawn().expect("sesstrace");
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let pipe = child.stdin.take().expect("a pipe");
    let feeder = std::thread::spawn({
        let (stop, count) = (stop.clone(), count.clone());
        // It is fed until it tells: how fast the machine is does not matter.
        move || endless(pipe, &stop, u64::MAX, &count)
    });
    let (mut terminal, mut said) = (File::from(pty.master), String::new());
    while !said.contains("events") && next(&mut terminal, &mut said) {}
    assert!(said.starts_with("\r\x1b[Kreading -: "), "{said:?}");
    stop.store(true, Ordering::Relaxed);
    feeder.join().expect("a feeder");
    while next(&mut terminal, &mut said) {}
    assert!(child.wait().expect("a status").success(), "{said:?}");
    assert!(said.ends_with("\r\x1b[K"), "nothing is left behind: {said:?}");

    // As many events, and no terminal.
    let mut child =
        sesstrace().args(["replay", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sesstrace");
    let (pipe, most) = (child.stdin.take().expect("a pipe"), count.load(Ordering::Relaxed));
    let feeder = std::thread::spawn(move || endless(pipe, &AtomicBool::new(false), most, &AtomicU64::new(0)));
    let output = child.wait_with_output().expect("output");
    feeder.join().expect("a feeder");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn quick_work_is_not_told() {
    for verb in [&["replay"][..], &["ps", "-e"], &["report"]] {
        let pty = nix::pty::openpty(None, None).expect("a pty");
        let mut child = sesstrace()
            .args([&verb[..1], &[golden().to_str().expect("UTF-8")], &verb[1..]].concat())
            .stdin(Stdio::null())
            .stderr(pty.slave)
            .spawn()
            .expect("sesstrace");
        let (mut terminal, mut said) = (File::from(pty.master), String::new());
        while next(&mut terminal, &mut said) {}
        child.wait().expect("a status");
        assert!(!said.contains("reading"), "{verb:?}: {said:?}");
    }
}
