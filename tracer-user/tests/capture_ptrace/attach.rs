//! Processes that run already, and those that are left when the capture is over.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    time::Instant,
};

use nix::{
    fcntl::OFlag,
    sys::signal::{Signal as NixSignal, kill},
    unistd::{Pid as NixPid, pipe2},
};
use tracer_model::{
    event::{Call, EventKind, SIGNAL_STOP_STOPPED},
    ids::Pid,
};

use crate::stage::{Capture, DEADLINE, FILTERED, Stage, UNFILTERED, act, is_of, leave, list, subject};

/// A line of `/proc/PID/task/TID/status`, of every thread.
fn lines(pid: Pid, key: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let text = tasks.map(|task| fs::read_to_string(task.path().join("status")).unwrap());
    let value = |text: String| text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned())).unwrap();
    text.map(value).collect()
}

fn signal(pid: Pid, signal: NixSignal) {
    kill(NixPid::from_raw(pid.0 as i32), signal).unwrap();
}

/// Until every thread is stopped for job control. A thread that is let go of wakes up to stop again.
fn await_stopped(pid: Pid) {
    let deadline = Instant::now() + DEADLINE;
    while !lines(pid, "State:").iter().all(|state| state.starts_with('T')) {
        assert!(Instant::now() < deadline, "not stopped: {:?}", lines(pid, "State:"));
        std::thread::yield_now();
    }
}

#[test]
fn a_running_tree_is_seized_whole_and_let_go_of() {
    let Some(mut capture) = Capture::open(UNFILTERED) else { return };
    let (input, mut tell) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (read, fs::File::from(write))).unwrap();
    let (mut heard, output) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (fs::File::from(read), write)).unwrap();
    // A shell with a child that has a child, and which does nothing until it is told.
    let script = "(sleep 1000; :) & echo; read line; setsid true; echo; read line; exit 5";
    let mut stage = Stage::on(UNFILTERED, None, &["sh", "-c", script], Some((input, output)));
    stage.release();
    heard.read_exact(&mut [0]).unwrap();
    capture.source.follow(&[stage.root]).unwrap();
    capture.poll();
    let seen: Vec<Pid> = capture
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Snapshot { .. }))
        .filter_map(|event| subject(event).map(|of| of.id.pid))
        .collect();
    let tree: Vec<Pid> = seen.iter().copied().skip_while(|pid| *pid != stage.root).collect();
    assert!(tree.len() >= 2, "{}", list(&capture.events));
    for pid in &tree {
        assert!(lines(*pid, "TracerPid:").iter().all(|tracer| tracer != "0"));
    }
    tell.write_all(b"\n").unwrap();
    heard.read_exact(&mut [0]).unwrap();
    let setsid = |event: &_| leave(event, |call| *call == Call::Setsid).is_some();
    capture.until("setsid", |events| events.iter().any(setsid));
    capture.end();
    for pid in &tree {
        assert!(lines(*pid, "TracerPid:").iter().all(|tracer| tracer == "0"));
    }
    tell.write_all(b"\n").unwrap();
    assert_eq!(stage.next_state(), 5 << 8);
    tree.iter().skip(1).for_each(|pid| signal(*pid, NixSignal::SIGKILL));
}

#[test]
fn what_is_stopped_when_it_is_seized_stays_stopped_when_it_is_let_go_of() {
    let Some(mut capture) = Capture::open(UNFILTERED) else { return };
    let words = act("stop_threads");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::new(UNFILTERED, None, &words);
    stage.release();
    assert_eq!(stage.next_state(), libc::SIGTSTP << 8 | 0x7f);
    capture.source.follow(&[stage.root]).unwrap();
    capture.poll();
    let shown = capture.find(0, "snapshot", |event| is_of(event, stage.root));
    assert_ne!(subject(&capture.events[shown]).unwrap().signal_flags & SIGNAL_STOP_STOPPED, 0);
    assert_eq!(lines(stage.root, "TracerPid:").len(), 3);
    assert!(lines(stage.root, "TracerPid:").iter().all(|tracer| tracer != "0"));
    capture.end();
    assert_eq!(lines(stage.root, "TracerPid:"), ["0", "0", "0"]);
    await_stopped(stage.root);
    signal(stage.root, NixSignal::SIGCONT);
    assert_eq!(stage.next_state(), 0xffff);
    signal(stage.root, NixSignal::SIGKILL);
    assert_eq!(stage.next_state(), libc::SIGKILL);
}

#[test]
fn a_job_that_was_stopped_before_goes_on_with_the_call_that_continues_its_group() {
    let Some(mut capture) = Capture::open(UNFILTERED) else { return };
    let (input, mut tell) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (read, fs::File::from(write))).unwrap();
    let (mut heard, output) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (fs::File::from(read), write)).unwrap();
    let script = "set -m; sleep 99 & until grep -q sleep /proc/$!/comm; do :; done
                  kill -STOP -$!; until grep -q 'State:.T' /proc/$!/status; do :; done
                  echo; read line; kill -CONT -$!; kill -KILL $!";
    let mut stage = Stage::on(UNFILTERED, None, &["bash", "-c", script], Some((input, output)));
    stage.release();
    heard.read_exact(&mut [0]).unwrap();
    capture.source.follow(&[stage.root]).unwrap();
    tell.write_all(b"\n").unwrap();
    capture.until_dead(stage.root);
    let continues = |call: &Call| matches!(call, Call::Kill { signal: 18, .. });
    let sent = capture.find(0, "kill", |event| leave(event, continues).is_some_and(|leave| leave.ret == 0));
    assert_eq!(capture.events[sent - 1].kind, EventKind::Continued, "{}", list(&capture.events));
    capture.end();
}

#[test]
fn what_stops_while_it_is_traced_stays_stopped_when_it_is_let_go_of() {
    let Some(mut capture) = Capture::open(UNFILTERED) else { return };
    let words = act("stop_threads");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::new(UNFILTERED, None, &words);
    capture.source.follow(&[stage.root]).unwrap();
    stage.release();
    assert_eq!(stage.next_state(), libc::SIGTSTP << 8 | 0x7f);
    capture.end();
    await_stopped(stage.root);
    signal(stage.root, NixSignal::SIGCONT);
    assert_eq!(stage.next_state(), 0xffff);
    signal(stage.root, NixSignal::SIGKILL);
    assert_eq!(stage.next_state(), libc::SIGKILL);
}

#[test]
fn whoever_cannot_be_stopped_is_let_go_of_all_the_same() {
    let Some(mut capture) = Capture::open(UNFILTERED) else { return };
    let words = act("vfork_stopped");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::new(UNFILTERED, None, &words);
    capture.source.follow(&[stage.root]).unwrap();
    stage.release();
    let stopped = |event: &&tracer_model::event::Event| matches!(event.kind, EventKind::Stopped { .. });
    capture.until("the stop of the child", |events| events.iter().any(|event| stopped(&event)));
    let child = capture.events.iter().find(stopped).and_then(subject).unwrap().id.pid;
    // Would not return before somebody continues the child.
    capture.end();
    assert_eq!(lines(stage.root, "TracerPid:"), ["0"]);
    await_stopped(child);
    signal(child, NixSignal::SIGCONT);
    assert_eq!(stage.next_state(), 0);
}

#[test]
fn what_is_left_behind_is_served_until_it_ends() {
    let Some(mut capture) = Capture::open(FILTERED) else { return };
    let (input, tell): (OwnedFd, OwnedFd) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let (mut heard, output) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (fs::File::from(read), write)).unwrap();
    let words = act("leave_daemon");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::on(FILTERED, None, &words, Some((input, output)));
    capture.source.follow(&[stage.root]).unwrap();
    stage.release();
    assert_eq!(stage.next_state(), 0);
    capture.until_dead(stage.root);
    let events = capture.events.len();
    let served = std::thread::spawn(move || capture.end());
    drop(tell);
    let mut said = String::new();
    heard.read_to_string(&mut said).unwrap();
    assert_eq!(said, "ok", "it forks, waits and makes a session as ever; {events} events before");
    served.join().unwrap();
}

#[test]
fn a_process_whose_threads_come_and_go_is_taken() {
    for _ in 0..8 {
        let Some(mut capture) = Capture::open(UNFILTERED) else { return };
        let words = act("churn");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut stage = Stage::new(UNFILTERED, None, &words);
        let root = stage.root;
        stage.release();
        let deadline = std::time::Instant::now() + crate::stage::DEADLINE;
        let alone = || fs::read_to_string(format!("/proc/{root}/status")).unwrap().contains("Threads:\t1\n");
        while alone() {
            assert!(std::time::Instant::now() < deadline, "it makes no threads");
            std::thread::yield_now();
        }
        capture.source.follow(&[root]).unwrap();
        signal(root, NixSignal::SIGKILL);
        capture.until_dead(root);
        capture.end();
    }
}
