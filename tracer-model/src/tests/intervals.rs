//! What an open interval explains: a difference of the process that it concerns, and of nobody else.

use std::collections::BTreeSet;

use super::{history, model};
use crate::{
    compare::{INTERVALS, explanation},
    ids::Pid,
    state::Model,
};

/// Two jobs of the shell, 20 with a child 21 in its group, and 30; a shell elsewhere with a job of its own, 60.
const JOBS: &str = "
    10: fork 20
    20: setpgid(0,0) = 0
    20: fork 21
    10: fork 30
    30: setpgid(0,0) = 0
    50: fork 60
    60: setpgid(0,0) = 0
";

/// A row by how its text begins, an event that opens it, whom it concerns, and some whom it does not.
const CASES: &[(&str, &str, &[u32], &[u32])] = &[
    ("setpgid of the process", "10: > setpgid(20,30)", &[20], &[10, 21, 30, 50, 60]),
    ("setpgid of the process", "20: > setpgid(0,30)", &[20], &[10, 21, 30, 60]),
    ("setpgid of the process", "21: > setsid()", &[21], &[20, 30, 10, 60]),
    ("setpgid or setsid that moves its parent", "10: > setpgid(20,30)", &[21], &[20, 10, 30, 60]),
    ("the exit of its parent", "20: exit 0", &[21], &[20, 10, 30, 60]),
    ("its own exit", "20: exit 0", &[20], &[21, 10, 30, 60]),
    ("a wait of its parent", "10: > wait4(-1,0)", &[20, 30], &[21, 60, 10]),
    ("a wait of its parent", "10: > wait4(20,0)", &[20], &[30, 21, 60]),
    ("a wait of its parent", "10: > wait4(-30,0)", &[30], &[20, 21, 60]),
    ("a wait of its parent", "10: > wait4(0,0)", &[], &[20, 30, 21, 60]),
    ("a wait of its parent", "10: > waitid(2,20,4)", &[20], &[30, 21, 60]),
    ("a wait of its parent", "10: > waitid(3,7,4)", &[20, 30], &[21, 60]),
    ("a reap by a parent whose calls", "60: exit 0\n60: dead", &[60], &[20, 21, 30, 50]),
    ("a stop signal that was sent", "10: SIGTSTP -> 20 kernel", &[20], &[21, 30, 10, 60]),
    ("a call that sends a signal", "10: > kill(20,SIGCONT)", &[20], &[21, 30, 10, 60]),
    ("a call that sends a signal", "10: > kill(-20,SIGCONT)", &[20, 21], &[30, 10, 60]),
    ("a call that sends a signal", "20: > kill(0,SIGCONT)", &[20, 21], &[30, 10, 60]),
    ("a call that sends a signal", "10: > kill(-1,SIGCONT)", &[20, 21, 30, 60], &[]),
    ("a call that sends a signal", "10: > tgkill(30,30,SIGCONT)", &[30], &[20, 21, 10, 60]),
    ("an exit that may orphan its group", "21: exit 0", &[20, 21], &[30, 10, 60]),
    ("an exit that may orphan its group", "50: exit 0", &[60], &[20, 21, 30, 10]),
    ("the exit of its session's leader", "10: exit 0", &[10, 20, 21, 30], &[50, 60]),
    ("TIOCNOTTY", "10: > ioctl(0,TIOCNOTTY,0,0)", &[10, 20, 21, 30], &[50, 60]),
    ("TIOCNOTTY", "21: > vhangup()", &[10, 20, 21, 30], &[50, 60]),
    ("TIOCSCTTY or TIOCGPTPEER", "50: > ioctl(0,TIOCSCTTY,0,0)", &[50, 60], &[10, 20, 30]),
    ("TIOCSCTTY with argument 1", "50: > ioctl(0,TIOCSCTTY,1,0)", &[10, 20, 21, 30], &[50, 60]),
    ("TIOCSCTTY with argument 1", "50: > ioctl(0,TIOCSCTTY,0,0)", &[], &[10, 20, 50, 60]),
    ("TIOCSCTTY with argument 1", "60: > ioctl(0,TIOCSCTTY,1,0)", &[], &[10, 20, 50, 60]),
    ("its own setsid", "21: > setsid()", &[21], &[20, 10, 30, 60]),
    ("TIOCSPGRP", "20: > ioctl(0,TIOCSPGRP,0,20)", &[10, 20, 21, 30], &[50, 60]),
];

/// Of a tracer's model alone.
const UNDER_PTRACE: &str = "under ptrace";

fn is_open(row: &str, model: &Model, pid: u32) -> bool {
    let row = INTERVALS.iter().find(|it| it.what.starts_with(row)).unwrap_or_else(|| panic!("no row {row:?}"));
    (row.open)(model, model.process_by_pid(Pid(pid)).unwrap()).is_some()
}

#[test]
fn an_interval_explains_whom_it_concerns_and_nobody_else() {
    let quiet = model(JOBS);
    for (row, event, concerned, others) in CASES {
        let open = model(&format!("{JOBS}{event}"));
        for pid in *concerned {
            assert!(!is_open(row, &quiet, *pid), "{row} before {event:?} explains {pid}");
            assert!(is_open(row, &open, *pid), "{event:?} explains nothing of {pid} by: {row}");
        }
        for pid in *others {
            assert!(!is_open(row, &open, *pid), "{event:?} explains {pid} by: {row}");
        }
    }
}

#[test]
fn the_end_of_a_stop_is_late_under_ptrace_alone() {
    let stopped = format!("{JOBS}20: stops SIGSTOP");
    assert!(!is_open(UNDER_PTRACE, &model(&stopped), 20));
    let mut by_tracer = Model::new();
    by_tracer.seen_by_tracer();
    for event in history(&stopped) {
        by_tracer.apply(&event);
    }
    assert!(is_open(UNDER_PTRACE, &by_tracer, 20) && !is_open(UNDER_PTRACE, &by_tracer, 30));
}

#[test]
fn every_row_is_tried_and_says_where_the_kernel_does_it() {
    let tried: BTreeSet<&str> = CASES.iter().map(|case| case.0).chain([UNDER_PTRACE]).collect();
    for row in INTERVALS {
        assert!(tried.iter().any(|it| row.what.starts_with(it)), "nothing tries {:?}", row.what);
        assert!(row.kernel.contains(".c, ") && !row.facts.is_empty(), "{row:?}");
    }
}

/// Of somebody adopted, as long as it is not known by whom, those can wait who adopt.
#[test]
fn the_wait_of_a_stranger_explains_no_reap() {
    let orphan = format!("{JOBS}21: exit 0\n21: dead\n20: exit 0\n20: dead\n10: wait4(-1,0) = 20 got 20 exited:0");
    let explained = |by: &str| {
        let mut model = model(&format!("{orphan}\n{by}"));
        let orphan = model.processes.key_of(Pid(21)).unwrap();
        if let Some(orphan) = model.processes.get_mut(&orphan) {
            (orphan.parent, orphan.parent_exited) = (None, true);
        }
        let orphan = model.processes.get(&orphan).unwrap();
        explanation(&model, orphan, crate::compare::Fact::Existence).is_some()
    };
    assert!(!explained("60: > wait4(-1,0)"));
    assert!(explained("1: > wait4(-1,0)"));
    assert!(explained("50: subreaper(1) = 0 {+subreaper}\n50: > wait4(-1,0)"));
}

/// Of who is not followed no begin of a call is recorded: it may be in a wait for a followed child at any time, and for no other.
#[test]
fn the_wait_of_an_outsider_is_open_at_any_time() {
    let mut model = model(&format!("{JOBS}20: exit 0\n20: dead"));
    let followed = model.processes.key_of(Pid(20)).unwrap();
    assert!(!is_open("a wait of its parent", &model, 20));
    if let Some(child) = model.processes.get_mut(&followed) {
        child.followed = true;
    }
    assert!(is_open("a wait of its parent", &model, 20));
    for pid in [30, 60] {
        assert!(!is_open("a wait of its parent", &model, pid), "{pid} is not followed");
    }
    let parent = model.processes.key_of(Pid(10)).unwrap();
    if let Some(parent) = model.processes.get_mut(&parent) {
        parent.followed = true;
    }
    assert!(!is_open("a wait of its parent", &model, 20), "the begin of its parent's wait would be recorded");
}
