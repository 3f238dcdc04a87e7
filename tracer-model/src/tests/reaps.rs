//! Reaps: their evidence, their bounds, and numbers that are used again.

use expect_test::expect;

use super::{check, model};
use crate::ids::Pid;

#[test]
fn a_parent_that_is_quicker_than_the_last_record_has_reaped_it() {
    check(
        "
        10: fork 20
        10: > wait4(-1,0)
        20: exit 0
        20: SIGCHLD -> 10 code=1
        20: dead released
        10: < wait4(-1,0) = 20 got 20~5000 exited:0
        0: freed 20~5000
        10: fork 21
        10: > wait4(-1,0)
        21: exit 0
        21: SIGCHLD -> 10 code=1
        10: < wait4(-1,0) = 21 got 21 exited:0
        21: dead released {fresh id=21~12000}
        0: freed 21~12000
        ",
        expect![[r"
            #5 10 forks 20
            #7 20 exits exited:0
            #8 SIGCHLD to 10 by child 20
            #10 20 reaped by 10 (Wait 8–9)
            #12 10 forks 21
            #14 21 exits exited:0
            #15 SIGCHLD to 10 by child 21
            #16 21 reaped by 10 (Wait 15–16)
        "]],
    );
}

#[test]
fn without_a_wait_the_kernels_freeing_is_the_upper_bound() {
    check(
        "
        10: fork 20
        10: fork 21
        20: exit 0
        20: dead
        21: exit 0
        21: dead released
        0: freed 20
        0: freed 21~6000
        ",
        expect![[r"
            #5 10 forks 20
            #6 10 forks 21
            #7 20 exits exited:0
            #8 20 is a zombie
            #9 21 exits exited:0
            #11 20 reaped by nobody (Freed 8–11)
            #12 21 reaped by nobody (AutoReap 9–10)
        "]],
    );
}

#[test]
fn a_new_process_of_the_number_proves_the_reap_and_the_groups_end() {
    check(
        "
        10: fork 20
        20: setsid() = 20
        20: fork 21
        20: exit 0
        20: dead
        21: exit 0
        21: dead
        50: fork 20
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 20 of 20; group 20 of 20 by setsid; 20 leaves pts/0
            #8 20 forks 21
            #9 20 exits exited:0; session 20 loses its leader, with no terminal
            #10 21 goes from parent 20 to 1; 20 is a zombie; group 20 is leaderless: Zombie
            #11 21 exits exited:0
            #12 21 is a zombie; group 20 is held by zombies
            #13 20 reaped by nobody (NumberReused 10–13); group 20 is leaderless: Reaped; 21 reaped by nobody (NumberReused 12–13); group 20 ends: 21 was reaped; session 20 ends; 50 forks 20'2
        "]],
    );
}

#[test]
fn a_number_that_is_in_use_by_a_living_process_is_an_anomaly() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        50: fork 20
        21: takes SIGWINCH 0 {pg=10 pp=1}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 anomaly: number of 20 in use; 21 goes from parent 20 to 1; 20 reaped by nobody (NumberReused 7–9); group 20 is leaderless: Reaped; group 20 ends: not seen; 50 forks 20'2
        "]],
    );
}

#[test]
fn waits_that_are_no_reaps() {
    check(
        "
        10: fork 20
        20: exit 0
        20: dead
        10: waitid(0,0,0x1000004) = 0 got 20 exited:0 waitable
        10: fork 21
        10: wait4(-1,10) = 21 got 21 unknown-or-stop
        10: wait4(-1,8) = 21 got 21 continued
        10: wait4(-1,0) = 20 got 20 unknown
        21: exit 0
        21: dead
        10: wait4(-1,10) = 21 got 21 unknown-or-stop
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #7 20 is a zombie
            #9 wait reports 20 exited:0
            #10 10 forks 21
            #12 wait reports 21 unknown-or-stop
            #14 wait reports 21 continued
            #16 20 reaped by 10 (Wait 15–16)
            #17 21 exits exited:0
            #18 21 is a zombie
            #20 21 reaped by 10 (Wait 19–20)
        "]],
    );
}

#[test]
fn a_wait_inside_a_namespace_names_the_child_by_the_waiters_number() {
    check(
        "
        10: fork 20 {ns=77/1/1}
        20: fork 21 {ns=77/1/2}
        21: exit 0
        21: dead
        20: wait4(-1,0) = 2 got 2~0 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 forks 21
            #7 21 exits exited:0
            #8 21 is a zombie
            #10 21 reaped by 20 (Wait 9–10)
        "]],
    );
}

#[test]
fn a_process_that_acts_after_its_reap_is_believed() {
    check(
        "
        10: fork 20
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        20~5000: takes SIGWINCH 0 {fresh id=20~5000 pg=10 sid=10 pp=10 ino=1003}
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #7 20 is a zombie
            #9 20 reaped by 10 (Wait 8–9)
            #10 anomaly: 20'2 acted after its reap; found 20'2 (inferred)
        "]],
    );
}

#[test]
fn late_records_of_an_earlier_life_say_nothing() {
    check(
        "
        10: fork 20
        20: exit 0
        10: wait4(-1,0) = 20 got 20 exited:0
        10: fork 20
        20~5000: dead {id=20~5000 ino=1003 es=0x10}
        0: freed 20~5000
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #8 20 reaped by 10 (Wait 7–8)
            #9 10 forks 20'2
        "]],
    );
}

#[test]
fn the_freeing_of_a_thread_is_not_that_of_the_process() {
    check(
        "
        10: fork 20
        20: thread 25
        20/25: exit-thread
        20/25: dead {tes=0x10}
        0: freed 20/25
        ",
        expect![[r"
            #5 10 forks 20
        "]],
    );
}

#[test]
fn a_tracer_that_waits_leaves_no_zombie_to_a_parent_that_wants_none() {
    check(
        "
        10: fork 20
        10: wait4(-1,1) = 0 {+autoreap}
        20: exit 0
        20: dead
        50: wait4(-1,0) = 20 got 20 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #8 20 exits exited:0
            #9 20 is a zombie
            #11 wait reports 20 exited:0; 20 reaped by nobody (AutoReap 9–11)
        "]],
    );
}

#[test]
fn a_tracer_that_waits_leaves_the_zombie_to_its_parent() {
    check(
        "
        10: fork 20
        20: exit 0
        20: dead
        50: wait4(-1,0) = 20 got 20 exited:0
        10: wait4(-1,0) = 20 got 20 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #7 20 is a zombie
            #9 wait reports 20 exited:0
            #11 20 reaped by 10 (Wait 10–11)
        "]],
    );
}

/// Between its call and its LEAVE a parent that waits says so itself.
#[test]
fn who_is_released_without_a_word_is_asked_after() {
    let unattended = |text: &str, pid: u32| {
        let model = model(text);
        model.is_unattended(model.process_by_pid(Pid(pid)).unwrap())
    };
    let zombie = "10: fork 20\n10: wait4(-1,1) = 0\n20: exit 0\n20: dead\n";
    assert!(!unattended(zombie, 20), "its parent waits, sooner or later");
    let told = format!("{zombie}50: wait4(-1,0) = 20 got 20 exited:0\n");
    assert!(unattended(&told, 20), "the parent may want no zombies by now");
    assert!(!unattended(&format!("{told}10: > wait4(-1,0)"), 20));
    let inside = "
        10: fork 30 {ns=5/0/1/1/1}
        30: fork 31 {ns=5/1/2/1/1}
        30: wait4(-1,1) = 0
        31: exit 0
        31: dead
    ";
    assert!(!unattended(inside, 31));
    assert!(unattended(&format!("{inside}30: exit 0"), 31), "the end of a namespace waits for all that is in it");
    let below = "
        10: fork 30 {ns=5/0/1/1/1}
        30: fork 31 {ns=5/1/2/1/1}
        31: fork 32 {ns=5/1/3/1/1}
        30: wait4(-1,1) = 0
        31: wait4(-1,1) = 0
        32: exit 0
        32: dead
        30: exit 0
        31: exit SIGKILL
    ";
    assert!(!unattended(below, 32), "its parent has not ended");
    assert!(unattended(&format!("{below}31: dead"), 32), "the init that exits adopts it");
}

/// Also those that it adopted while it exited; a zombie elsewhere stays.
#[test]
fn the_init_of_a_namespace_has_reaped_its_zombies_when_it_is_one() {
    check(
        "
        10: fork 20
        20: exit 0
        20: dead
        10: fork 30 {ns=5/0/1/1/1}
        30: fork 31 {ns=5/1/2/1/1}
        31: fork 32 {ns=5/1/3/1/1}
        32: exit 0
        32: dead
        30: exit 0
        31: exit SIGKILL
        31: dead
        30: dead
        10: wait4(-1,0) = 30 got 30 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #7 20 is a zombie
            #8 10 forks 30
            #9 30 forks 31
            #10 31 forks 32
            #11 32 exits exited:0
            #12 32 is a zombie
            #13 30 exits exited:0
            #14 31 exits killed:SIGKILL
            #15 32 goes from parent 31 to 30; 31 is a zombie
            #16 31 reaped by 30 (Wait 15–16); 32 reaped by 30 (Wait 13–16); 30 is a zombie
            #18 30 reaped by 10 (Wait 17–18)
        "]],
    );
}

#[test]
fn a_process_whose_traced_threads_are_waited_for_is_a_zombie_when_its_tracer_is_told_of_its_end() {
    check(
        "
        10: fork 20
        20: thread 21 {-single}
        20: exit-thread {es=0x20 tes=0x20 -single}
        20: dead {es=0x20 tes=0x20 -single}
        20/21: exit {id=20/21 es=0x20 code=9 gcode=9 sf=4 -single}
        20/21: dead {id=20/21 es=0x20 tes=0x20 -single}
        50: wait4(-1,0) = 20 got 20 killed:SIGKILL
        10: wait4(-1,0) = 20 got 20 killed:SIGKILL
        ",
        expect![[r"
            #5 10 forks 20
            #9 20 exits killed:SIGKILL
            #12 20 is a zombie; wait reports 20 killed:SIGKILL
            #14 20 reaped by 10 (Wait 13–14)
        "]],
    );
}

#[test]
fn a_parent_that_turns_out_to_want_no_zombies_has_reaped_nobody() {
    check(
        "
        10: fork 11
        11: setpgid(0,0) = 0
        11: exit 0
        11: dead released
        10: > wait4(11,0) {+autoreap}
        10: < wait4(11,0) = -10
        ",
        expect![[r"
            #5 10 forks 11
            #7 group 11 of 11 by itself
            #8 11 exits exited:0
            #10 11 reaped by nobody (AutoReap 8–9); group 11 ends: 11 was reaped
        "]],
    );
}

#[test]
fn a_zombie_is_released_when_it_is_adopted_by_who_wants_none() {
    check(
        "
        10: wait4(-1,1) = 0 {+autoreap +subreaper}
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: setpgid(0,0) = 0
        21: exit 0
        21: SIGCHLD -> 20 code=1
        21: dead
        20: exit 0
        20: dead released
        ",
        expect![[r"
            #7 10 forks 20
            #9 group 20 of 20 by itself
            #10 20 forks 21
            #12 group 21 of 21 by itself
            #13 21 exits exited:0
            #14 SIGCHLD to 20 by child 21
            #15 21 is a zombie; group 21 is held by zombies
            #16 20 exits exited:0
            #17 21 goes from parent 20 to 10; 21 reaped by nobody (AutoReap 14–17); group 21 ends: 21 was reaped; 20 reaped by nobody (AutoReap 16–17); group 20 ends: 20 was reaped
        "]],
    );
}

/// No kernel shows that: it must end all the same.
#[test]
fn inits_that_are_each_others_children_end() {
    let model = model(
        "
        10: fork 30 {ns=5/1/1/1/1}
        10: fork 31 {ns=6/1/1/1/1}
        30: exit 0
        30: dead
        31: exit 0
        31: dead
        30: dead {pp=31}
        31: dead {pp=30}
        10: fork 30
        ",
    );
    assert!(model.processes.key_of(Pid(31)).is_none(), "it is a zombie for nobody");
    crate::reference::invariants::hold(&model);
}
