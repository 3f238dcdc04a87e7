//! Statements about process groups, sessions and job control that anyone can look up, as histories.

use expect_test::expect;

use super::{check, model, ps};
use crate::ids::Pid;

/// A shell with a running job 20|21 in the background and another in the foreground.
const JOBS: &str = "
    10: fork 20
    20: setpgid(0,0) = 0
    10: setpgid(20,20) = 0
    10: fork 21
    21: setpgid(0,20) = 0
    20: exec /bin/cat
    21: exec /bin/sed s/hello/goodbye/
    10: fork 30
    30: setpgid(0,0) = 0
    10: ioctl(255,TIOCSPGRP,0,30) = 0
    30: exec /bin/ps -Ho
";

#[test]
fn a_pipeline_is_a_group_and_ps_shows_it() {
    expect![[r"
        1       0    1    1    -1 ?     ·s   init (Alive Yes)
        10      1   10   10    30 pts/0 ·s     bash (Alive Yes)
        20     10   20   10    30 pts/0 ·        cat (Alive No)
        21     10   20   10    30 pts/0 ·        sed (Alive No)
        30     10   30   10    30 pts/0 ·+       ps (Alive No)
        50      1   50   50    -1 ?     ·s     tmux (Alive Yes)
    "]]
    .assert_eq(&ps(&model(JOBS)));
}

#[test]
fn control_c_is_received_by_every_member_of_the_foreground_group_only() {
    let text = format!("{JOBS} 77~1: SIGINT -> 30 kernel {{sf=4}}");
    check(
        &text,
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 leader race of 20 and parent 10: Child first by 1000 ns, errno 0
            #10 10 forks 21
            #12 21 joins 20 from 10 (leader Alive)
            #13 20 executes
            #14 21 executes
            #15 10 forks 30
            #17 group 30 of 30 by itself
            #19 pts/0 foreground 10 → 30 by 10
            #20 30 executes
            #21 SIGINT to 30 by a character at pts/0
        "]],
    );
}

#[test]
fn a_signal_to_one_child_leaves_a_zombie_until_its_parent_waits() {
    let text = "
        10: fork 20
        20: setpgid(0,0) = 0
        20: exec /usr/bin/python signal-catcher.py
        20: fork 21
        10: > kill(21,SIGINT)
        10: SIGINT -> 21 handler
        10: < kill(21,SIGINT) = 0
        21: exit 0
        21: SIGCHLD -> 20 code=1
        21: dead
    ";
    expect![[r"
        1       0    1    1    -1 ?     ·s   init (Alive Yes)
        10      1   10   10    10 pts/0 ·s+    bash (Alive Yes)
        20     10   20   10    10 pts/0 ·        python (Alive No)
        21     20   20   10    10 pts/0 Z          python (Alive No)
        50      1   50   50    -1 ?     ·s     tmux (Alive Yes)
    "]]
    .assert_eq(&ps(&model(text)));
}

#[test]
fn a_child_whose_parent_ended_goes_to_init_and_stays_in_session_and_group() {
    let text = "
        10: fork 20
        20: setpgid(0,0) = 0
        20: exec /usr/bin/python signal-catcher.py
        20: fork 21
        10: > kill(20,SIGINT)
        10: SIGINT -> 20 handler
        10: < kill(20,SIGINT) = 0
        20: exit 0
        20: SIGCHLD -> 10 code=1
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
    ";
    expect![[r"
        1       0    1    1    -1 ?     ·s   init (Alive Yes)
        10      1   10   10    10 pts/0 ·s+    bash (Alive Yes)
        50      1   50   50    -1 ?     ·s     tmux (Alive Yes)
        21      1   20   10    10 pts/0 ·      python (Reaped Yes)
    "]]
    .assert_eq(&ps(&model(text)));
}

#[test]
fn a_background_reader_stops_its_whole_group_by_sigttin() {
    let text = format!(
        "{JOBS}
        20: > read(0)
        20: SIGTTIN -> 21 kernel
        20: SIGTTIN -> 20 kernel
        20: < read(0) = -512
        20: stops SIGTTIN
        21: stops SIGTTIN
        "
    );
    let model = model(&text);
    expect![[r"
        1       0    1    1    -1 ?     ·s   init (Alive Yes)
        10      1   10   10    30 pts/0 ·s     bash (Alive Yes)
        20     10   20   10    30 pts/0 T        cat (Alive No)
        21     10   20   10    30 pts/0 T        sed (Alive No)
        30     10   30   10    30 pts/0 ·+       ps (Alive No)
        50      1   50   50    -1 ?     ·s     tmux (Alive Yes)
    "]]
    .assert_eq(&ps(&model));
    assert!(model.process_by_pid(Pid(21)).unwrap().stopped.is_some());
}

#[test]
fn a_session_leader_that_exits_takes_the_terminal_from_all() {
    let model = model(&format!("{JOBS} 10: exit 0\n 10: SIGHUP -> 30 kernel\n 10: dead"));
    assert!(model.processes().all(|process| process.tty.is_none()));
}

#[test]
fn a_number_is_not_used_again_while_its_group_lives() {
    // The kernel keeps the number; were it used again all the same, the model would say so.
    let text = format!(
        "{JOBS}
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        "
    );
    let model = model(&text);
    let group = model.group_by_pgid(crate::ids::Pgid(20)).unwrap();
    assert_eq!(model.leader_state(group), crate::delta::LeaderState::Reaped);
    assert_eq!(group.members.len(), 1);
}
