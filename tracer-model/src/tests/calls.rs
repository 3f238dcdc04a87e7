//! Leader races and refused calls.

use expect_test::expect;

use super::{check, history};
use crate::{
    delta::{Change, Refusal},
    state::Model,
};

/// The reason of the last refusal in a history.
fn reason(text: &str) -> Option<Refusal> {
    let mut model = Model::new();
    let deltas = history(text).into_iter().map(|event| model.apply(&event)).collect::<Vec<_>>();
    let refused = |change: &Change| if let Change::Refused { reason, .. } = change { Some(*reason) } else { None };
    deltas.iter().rev().flat_map(|delta| &delta.changes).find_map(refused)
}

/// A child 20 in a group of its own.
const JOB: &str = "10: fork 20\n20: setpgid(0,0) = 0\n";

fn after_job(text: &str) -> Option<Refusal> {
    reason(&format!("{JOB}{text}"))
}

#[test]
fn the_child_is_first_by_so_much() {
    check(
        "
        10: fork 20
        @20000 20: > setpgid(0,0)
        @21000 20: < setpgid(0,0) = 0
        @39000 10: > setpgid(20,20)
        @40000 10: < setpgid(20,20) = 0
        20: setpgid(0,0) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 leader race of 20 and parent 10: Child first by 18000 ns, errno 0
        "]],
    );
}

#[test]
fn calls_that_overlap_are_decided_by_what_they_saw_or_not_at_all() {
    check(
        "
        10: fork 20
        20: > setpgid(0,0)
        10: > setpgid(20,20)
        10: < setpgid(20,20) = 0
        20: < setpgid(0,0) = 0
        10: fork 21
        10: > setpgid(21,21)
        21: > setpgid(0,0) {pg=21}
        10: < setpgid(21,21) = 0
        21: < setpgid(0,0) = 0
        10: fork 22
        10: > setpgid(22,22)
        22: > setpgid(0,0) {pg=22}
        22: < setpgid(0,0) = 0
        10: < setpgid(22,22) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #8 group 20 of 20 by parent 10
            #9 leader race of 20 and parent 10: Undecided first, errno 0
            #10 10 forks 21
            #12 group 21 of 21 by parent 10
            #14 leader race of 21 and parent 10: Parent first, errno 0
            #15 10 forks 22
            #17 group 22 of 22 by parent 10
            #19 leader race of 22 and parent 10: Parent first, errno 0
        "]],
    );
}

#[test]
fn what_an_enter_shows_too_early_is_no_call_that_was_not_seen() {
    // The number of a record is taken before its bundle is read: the child's call, which took effect in between, has a later one.
    check(
        "
        10: fork 20
        10: > setpgid(20,20) {pg=20}
        20: > setpgid(0,0) {pg=10}
        20: < setpgid(0,0) = 0
        10: < setpgid(20,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #8 group 20 of 20 by itself
            #9 leader race of 20 and parent 10: Child first, errno 0
        "]],
    );
    // A call that was in fact not seen shows at the return of that one, which changed nothing.
    check(
        "
        10: fork 20
        10: > setpgid(20,20) {pg=20}
        10: < setpgid(20,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 unseen call: ProcessGroup of 20; group 20 of 20 found
        "]],
    );
}

#[test]
fn one_caller_is_no_race_and_neither_is_the_childs_call_after_its_exec() {
    check(
        "
        10: fork 20
        10: setpgid(20,20) = 0
        20: exec /bin/bash
        20: setpgid(0,0) = 0
        10: fork 21
        21: setpgid(0,20) = 0
        10: setpgid(21,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by parent 10
            #8 20 executes
            #11 10 forks 21
            #13 21 joins 20 from 10 (leader Alive)
        "]],
    );
}

#[test]
fn setpgid_after_the_childs_exec_is_judged_by_the_state() {
    let exec = |then: &str| after_job(&format!("20: exec /bin/cat\n{then}"));
    assert_eq!(exec("10: setpgid(20,20) = -13"), Some(Refusal::AlreadyThereAfterExec));
    assert_eq!(exec("10: setpgid(20,0) = -13"), Some(Refusal::AlreadyThereAfterExec));
    assert_eq!(exec("10: setpgid(20,10) = -13"), Some(Refusal::ExecutedBefore));
    assert_eq!(after_job("10: setpgid(20,10) = -13"), Some(Refusal::Unexplained), "a security module can say that too");
}

#[test]
fn setpgid_on_what_is_no_child() {
    assert_eq!(after_job("20: fork 21\n10: setpgid(21,21) = -3"), Some(Refusal::NotAChild));
    assert_eq!(after_job("20: setpgid(10,20) = -3"), Some(Refusal::NotAChild));
    assert_eq!(after_job("20: setpgid?(77,77) = -3"), Some(Refusal::NotAChild));
    assert_eq!(after_job("10: setpgid(20,20) = -3"), Some(Refusal::Unexplained), "it is one");
    let reaped = "20: exit 0\n20: dead\n10: wait4(-1,0) = 20 got 20 exited:0\n";
    assert_eq!(after_job(&format!("{reaped}10: setpgid?(20,20) = -3")), Some(Refusal::ChildReaped));
    assert_eq!(after_job(&format!("{reaped}50: setpgid?(20,20) = -3")), Some(Refusal::NotAChild));
    assert_eq!(
        after_job(&format!("{reaped}50: fork 20\n10: setpgid(20,20) = -3")),
        Some(Refusal::NotAChild),
        "the number is somebody else's now"
    );
}

#[test]
fn setpgid_into_a_group_that_cannot_be_joined() {
    assert_eq!(after_job("10: fork 21\n10: fork 22\n22: setpgid(0,21) = -1"), Some(Refusal::GroupNotYet));
    assert_eq!(after_job("10: fork 22\n22: setpgid(0,50) = -1"), Some(Refusal::OtherSession));
    assert_eq!(after_job("10: fork 22\n22: setpgid(0,999) = -1"), Some(Refusal::NoSuchGroup));
    let created_meanwhile = "
        10: fork 21
        10: fork 22
        22: > setpgid(0,21)
        21: setpgid(0,0) = 0
        22: < setpgid(0,21) = -1
    ";
    assert_eq!(after_job(created_meanwhile), Some(Refusal::GroupNotYet));
    assert_eq!(after_job("10: fork 22\n22: setpgid(0,20) = -1"), Some(Refusal::Unexplained));
}

#[test]
fn setpgid_into_a_group_that_was_reaped_before() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 21
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        21: setpgid(0,20) = -1
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 10 forks 21
            #9 20 exits exited:0
            #10 20 is a zombie; group 20 is held by zombies
            #12 20 reaped by 10 (Wait 11–12); group 20 ends: 20 was reaped
            #14 refused 1: group 20 ended 11–12
        "]],
    );
}

#[test]
fn setpgid_on_or_by_a_session_leader_and_across_sessions() {
    assert_eq!(after_job("10: setpgid(0,20) = -1"), Some(Refusal::SessionLeader));
    let left = "10: fork 21\n21: setsid() = 21\n";
    assert_eq!(after_job(&format!("{left}10: setpgid(21,20) = -1")), Some(Refusal::SessionLeader));
    assert_eq!(
        after_job("10: fork 30\n30: fork 31\n30: setsid() = 30\n30: setpgid(31,31) = -1"),
        Some(Refusal::OtherSession),
        "the child stayed in the old session"
    );
    assert_eq!(after_job("20: setpgid(0,-5) = -22"), Some(Refusal::Invalid));
}

#[test]
fn setsid_refused() {
    assert_eq!(after_job("10: setsid() = -1"), Some(Refusal::SessionLeader));
    assert_eq!(after_job("20: setsid() = -1"), Some(Refusal::GroupLeader));
    assert_eq!(after_job("20: fork 21\n20: setpgid(0,10) = 0\n20: setsid() = -1"), Some(Refusal::NumberIsAGroup));
}

#[test]
fn tcsetpgrp_refused() {
    let set = |who: &str, value: &str, errno: &str| format!("{who}: ioctl(0,TIOCSPGRP,0,{value}) = {errno}");
    assert_eq!(after_job(&set("10", "999", "-3")), Some(Refusal::NoSuchGroup));
    assert_eq!(after_job(&set("10", "0", "-3")), Some(Refusal::NoSuchGroup));
    assert_eq!(after_job(&set("10", "50", "-1")), Some(Refusal::OtherSession));
    assert_eq!(after_job(&set("10", "-5", "-22")), Some(Refusal::Invalid));
    assert_eq!(after_job(&set("50", "50", "-25")), Some(Refusal::NotControllingTty));
    assert_eq!(after_job("50: ioctl(0,TIOCGPGRP,0,0) = -5"), Some(Refusal::NotControllingTty), "it was hung up");
    assert_eq!(after_job(&set("20", "20", "-512")), Some(Refusal::Restarted));
    let orphaned = "20: fork 21\n21: setpgid(0,0) = 0\n20: exit 0\n20: dead\n";
    assert_eq!(after_job(&format!("{orphaned}{}", set("21", "21", "-25"))), Some(Refusal::OrphanedBackground));
    let ended = "20: exit 0\n20: dead\n10: wait4(-1,0) = 20 got 20 exited:0\n";
    let reason = after_job(&format!("{ended}{}", set("10", "20", "-3")));
    assert!(matches!(reason, Some(Refusal::GroupEnded { .. })), "{reason:?}");
}

#[test]
fn acquiring_a_terminal_refused() {
    let set = "ioctl(0,TIOCSCTTY,0,0) = -1";
    assert_eq!(after_job(&format!("20: {set}")), Some(Refusal::NotSessionLeader));
    assert_eq!(after_job(&format!("10: {set}")), Some(Refusal::HasControllingTty));
    assert_eq!(after_job(&format!("50: {set}")), Some(Refusal::TtyOfOtherSession));
    assert_eq!(after_job("50: ioctl(0,TIOCNOTTY,0,0) = -25"), Some(Refusal::NotControllingTty));
}

#[test]
fn background_reads_and_writes_refused() {
    assert_eq!(after_job("20: read(0) = -512"), Some(Refusal::Restarted));
    assert_eq!(after_job("20: read(0) = -5 {+ttin}"), Some(Refusal::BackgroundSignalIgnored));
    assert_eq!(after_job("10: read(0) = -5"), Some(Refusal::Unexplained), "the foreground group may read");
    assert_eq!(after_job("50: read(0) = -5"), Some(Refusal::NotControllingTty));
    let orphaned = "20: fork 21\n21: setpgid(0,0) = 0\n20: exit 0\n20: dead\n";
    assert_eq!(after_job(&format!("{orphaned}21: read(0) = -5")), Some(Refusal::OrphanedBackground));
    assert_eq!(after_job(&format!("{orphaned}21: write(1) = -5")), Some(Refusal::OrphanedBackground));
}

#[test]
fn kill_to_a_group_that_is_not_there() {
    assert_eq!(after_job("10: kill(-999,SIGTERM) = -3"), Some(Refusal::NoSuchGroup));
    assert_eq!(after_job("10: kill(999,SIGTERM) = -3"), None, "to a process: nothing that the state could explain");
}

#[test]
fn in_a_pid_namespace_the_arguments_are_the_callers_own_numbers() {
    let inside = "
        10: fork 20 {ns=77/1/1}
        20: fork 21 {ns=77/1/2}
        21: setpgid(0,0) = 0 {pg=21}
        21: exec /bin/cat
        20: < setpgid(2,2) = -13 {on=21}
    ";
    assert_eq!(reason(inside), Some(Refusal::AlreadyThereAfterExec));
}
