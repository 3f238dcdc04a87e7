//! The sequences that were observed on Linux 6.18, and what must be said of each.

use expect_test::expect;

use super::check;

#[test]
fn a1_parent_makes_the_child_a_leader_first() {
    check(
        "
        10: fork 11
        10: > setpgid(11,11)
        10: < setpgid(11,11) = 0
        11: > setpgid(0,0)
        11: < setpgid(0,0) = 0
        ",
        expect![[r"
            #5 10 forks 11
            #7 group 11 of 11 by parent 10
            #9 leader race of 11 and parent 10: Parent first by 1000 ns, errno 0
        "]],
    );
}

#[test]
fn a2_after_exec_the_parent_is_too_late_but_the_child_is_there() {
    check(
        "
        10: fork 11 0x4100
        11: setpgid(0,0) = 0
        11: exec /bin/sleep 1
        10: setpgid(11,11) = -13
        ",
        expect![[r"
            #5 10 forks 11
            #7 group 11 of 11 by itself
            #8 11 executes
            #10 leader race of 11 and parent 10: Child first by 2000 ns, errno 13; refused 13: AlreadyThereAfterExec
        "]],
    );
}

#[test]
fn a3_death_zombie_and_reap() {
    check(
        "
        10: fork 11
        11: setpgid(0,0) = 0
        11: exit 3
        11: SIGCHLD -> 10 code=1
        11: dead
        10: wait4(-1,0) = 11 got 11 exited:3
        0: freed 11~5000
        ",
        expect![[r"
            #5 10 forks 11
            #7 group 11 of 11 by itself
            #8 11 exits exited:3
            #9 SIGCHLD to 10 by child 11
            #10 11 is a zombie; group 11 is held by zombies
            #12 11 reaped by 10 (Wait 11–12); group 11 ends: 11 was reaped
        "]],
    );
}

#[test]
fn a4_auto_reap_when_the_parent_ignores_sigchld() {
    check(
        "
        10: takes SIGWINCH 0 ignoring {+autoreap}
        10: fork 11 {-autoreap}
        11: setpgid(0,0) = 0
        11: exit 0
        11: dead released
        0: freed 11~6000
        ",
        expect![[r"
            #6 10 forks 11
            #8 group 11 of 11 by itself
            #9 11 exits exited:0
            #10 11 reaped by nobody (AutoReap 9–10); group 11 ends: 11 was reaped
        "]],
    );
}

#[test]
fn a5_a_parents_exit_orphans_a_stopped_group() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: setpgid(0,0) = 0
        50: SIGSTOP -> 21
        21: stops SIGSTOP
        20: exit 0
        20: SIGHUP -> 21 kernel {pp=1}
        20: SIGCONT -> 21 kernel ignored
        20: SIGCHLD -> 10 code=1
        21: SIGCHLD -> 1 code=6
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #10 group 21 of 21 by itself
            #11 SIGSTOP to 21 by an unseen call of 50
            #12 21 stops by SIGSTOP of #11
            #13 20 exits exited:0
            #14 21 goes from parent 20 to 1; group 21 orphaned: exit of 20, 1 stopped; SIGHUP to 21 by the orphan rule, exit of 20
            #15 21 continues of #15; SIGCONT to 21 by the orphan rule, exit of 20
            #16 SIGCHLD to 10 by child 20
            #17 SIGCHLD to 1 by child 21
            #18 20 is a zombie; group 20 is held by zombies
        "]],
    );
}

#[test]
fn a6_a_members_exit_orphans_its_own_group() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        50: SIGSTOP -> 21
        21: stops SIGSTOP
        20: exit 0
        20: SIGHUP -> 21 kernel {pp=1}
        20: SIGHUP -> 20 kernel ignored
        20: SIGCONT -> 21 kernel
        20: SIGCONT -> 20 kernel ignored
        20: SIGCHLD -> 10 code=1
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 SIGSTOP to 21 by an unseen call of 50
            #10 21 stops by SIGSTOP of #9
            #11 20 exits exited:0
            #12 21 goes from parent 20 to 1; group 20 orphaned: exit of 20, 1 stopped; SIGHUP to 21 by the orphan rule, exit of 20
            #13 SIGHUP to 20 by the orphan rule, exit of 20
            #14 21 continues of #14; SIGCONT to 21 by the orphan rule, exit of 20
            #15 SIGCONT to 20 by the orphan rule, exit of 20
            #16 SIGCHLD to 10 by child 20
            #17 20 is a zombie; group 20 is leaderless: Zombie
        "]],
    );
}

#[test]
fn a7_a_session_leader_exits_on_a_pty() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 30
        30: setpgid(0,0) = 0
        10: fork 40
        40: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        50: SIGSTOP -> 30
        30: stops SIGSTOP
        10: exit 0
        10: SIGHUP -> 20 kernel
        10: SIGHUP -> 30 kernel {tty=- pp=1}
        10: SIGCONT -> 30 kernel ignored {tty=-}
        30: takes SIGHUP 128
        10: dead
        40: takes SIGWINCH 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 10 forks 30
            #10 group 30 of 30 by itself
            #11 10 forks 40
            #13 group 40 of 40 by itself
            #15 pts/0 foreground 10 → 20 by 10
            #16 SIGSTOP to 30 by an unseen call of 50
            #17 30 stops by SIGSTOP of #16
            #18 10 exits exited:0; session 10 loses its leader, with pts/0
            #19 SIGHUP to 20 by hangup by 10 (LeaderExit)
            #20 30 goes from parent 10 to 1; session 10 loses pts/0: Some(LeaderExit); 20 goes from parent 10 to 1; 40 goes from parent 10 to 1; group 20 orphaned: exit of 10, 0 stopped; group 30 orphaned: exit of 10, 1 stopped; group 40 orphaned: exit of 10, 0 stopped; SIGHUP to 30 by the orphan rule, exit of 10
            #21 30 continues of #21; SIGCONT to 30 by the orphan rule, exit of 10
            #23 10 is a zombie; group 10 is held by zombies
        "]],
    );
}

#[test]
fn a8_a_session_leader_exits_on_a_virtual_console() {
    check(
        "
        50: fork 60
        60: setsid() = 60
        60: ioctl(0,TIOCSCTTY,0,0) = 0 {tty=4:1:0 fg=60}
        60: fork 61
        61: setpgid(0,0) = 0
        60: ioctl(0,TIOCSPGRP,0,61) = 0
        60: exit 0
        60: SIGHUP -> 60 kernel ignored {tty=-}
        60: SIGCONT -> 60 kernel ignored
        60: SIGHUP -> 61 kernel {tty=-}
        60: dead
        ",
        expect![[r"
            #5 50 forks 60
            #7 session 60 of 60; group 60 of 60 by setsid
            #9 session 60 gains tty1: Some(Ioctl); tty1 foreground none → 60
            #10 60 forks 61
            #12 group 61 of 61 by itself
            #14 tty1 foreground 60 → 61 by 60
            #15 60 exits exited:0; session 60 loses its leader, with tty1
            #16 session 60 loses tty1: Some(LeaderExit); SIGHUP to 60 by hangup by 60 (LeaderExit)
            #17 SIGCONT to 60 by hangup by 60 (LeaderExit)
            #18 SIGHUP to 61 by hangup by 60 (LeaderExit)
            #19 61 goes from parent 60 to 1; 60 is a zombie; group 60 is held by zombies; group 61 orphaned: exit of 60, 0 stopped
        "]],
    );
}

#[test]
fn a9_the_pty_master_is_closed_and_the_leader_exits_later() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        50: SIGHUP -> 10 kernel {tty=- old=20}
        50: SIGCONT -> 10 kernel {tty=-}
        20: takes SIGWINCH 0 {tty=-}
        10: exit 0
        10: SIGHUP -> 20 kernel
        10: SIGCONT -> 20 kernel
        10: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 pts/0 foreground 10 → 20 by 10
            #10 session 10 loses pts/0: Some(Hangup); SIGHUP to 10 by hangup by 50 (Terminal)
            #11 SIGCONT to 10 by hangup by 50 (Terminal)
            #13 10 exits exited:0; session 10 loses its leader, with no terminal
            #14 SIGHUP to 20 by hangup by 10 (LeaderExitAfterHangup)
            #15 SIGCONT to 20 by hangup by 10 (LeaderExitAfterHangup)
            #16 20 goes from parent 10 to 1; 10 is a zombie; group 10 is held by zombies; group 20 orphaned: exit of 10, 0 stopped
        "]],
    );
}

#[test]
fn a10_the_leader_gives_its_terminal_up() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        10: > ioctl(0,TIOCNOTTY,0,0)
        10: SIGHUP -> 20 noinfo
        10: SIGCONT -> 20 noinfo
        10: < ioctl(0,TIOCNOTTY,0,0) = 0 {tty=-}
        20: takes SIGHUP 0 {tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 pts/0 foreground 10 → 20 by 10
            #11 SIGHUP to 20 by hangup by 10 (GivenUp)
            #12 SIGCONT to 20 by hangup by 10 (GivenUp)
            #13 session 10 loses pts/0: Some(GivenUp)
        "]],
    );
}

#[test]
fn a11_control_c_reaches_the_foreground_group_and_nobody_else() {
    check(
        "
        snapshot 77 kworker/u8:1 {pp=0 pg=0 sid=0 flags=0x200000}
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        77: SIGINT -> 21 kernel {sf=4}
        77: SIGINT -> 20 kernel {sf=4}
        20: takes SIGKILL
        20: exit SIGINT {sf=4 gcode=2}
        ",
        expect![[r"
            #5 found 77; group 0 of nobody found
            #6 10 forks 20
            #8 group 20 of 20 by itself
            #9 20 forks 21
            #11 pts/0 foreground 10 → 20 by 10
            #12 SIGINT to 21 by a character at pts/0
            #13 SIGINT to 20 by a character at pts/0
            #15 20 exits killed:SIGINT
        "]],
    );
}

#[test]
fn a12_a_background_reader_is_stopped_by_sigttin() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: > read(0)
        20: SIGTTIN -> 20 kernel
        20: < read(0) = -512
        20: takes SIGTTIN
        20: SIGCHLD -> 10 code=5
        20: stops SIGTTIN
        10: wait4(-1,2) = 20 got 20 stopped:SIGTTIN
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 SIGTTIN to 20 by background access of 20
            #10 refused 512: Restarted
            #12 SIGCHLD to 10 by child 20
            #13 20 stops by SIGTTIN of #9
            #15 wait reports 20 stopped:SIGTTIN
        "]],
    );
}

#[test]
fn a13_background_tcsetpgrp_stops_succeeds_or_is_refused() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: > ioctl(0,TIOCSPGRP,0,20)
        20: SIGTTOU -> 20 kernel
        20: < ioctl(0,TIOCSPGRP,0,20) = -512
        20: takes SIGTTOU
        20: stops SIGTTOU
        10: kill(-20,SIGCONT) = 0
        10: > kill(-20,SIGCONT)
        10: SIGCONT -> 20
        10: < kill(-20,SIGCONT) = 0
        20: > ioctl(0,TIOCSPGRP,0,20) {+ttou}
        20: < ioctl(0,TIOCSPGRP,0,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 SIGTTOU to 20 by background access of 20
            #10 refused 512: Restarted
            #12 20 stops by SIGTTOU of #9
            #16 20 continues of #16; SIGCONT to 20 by kill of 10 to group 20 in #15
            #19 pts/0 foreground 10 → 20 by 20
        "]],
    );
}

#[test]
fn a14_kill_to_a_group_reaches_zombies_and_fails_when_all_are_reaped() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: exit 0
        21: dead
        10: > kill(-20,SIGTERM)
        10: SIGTERM -> 21 ignored
        10: SIGTERM -> 20 {sf=4}
        10: < kill(-20,SIGTERM) = 0
        20: exit SIGTERM {sf=4 gcode=15}
        20: dead
        1: wait4(-1,0) = 21 got 21 exited:0
        10: wait4(-1,0) = 20 got 20 killed:SIGTERM
        10: kill(-20,SIGTERM) = -3
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 21 exits exited:0
            #10 21 is a zombie
            #12 SIGTERM to 21 by kill of 10 to group 20 in #11
            #13 SIGTERM to 20 by kill of 10 to group 20 in #11
            #15 20 exits killed:SIGTERM
            #16 21 goes from parent 20 to 1; 20 is a zombie; group 20 is held by zombies
            #18 21 reaped by 1 (Wait 17–18)
            #20 20 reaped by 10 (Wait 19–20); group 20 ends: 20 was reaped
            #22 refused 3: group 20 ended 19–20
        "]],
    );
}

#[test]
fn a15_a_process_with_two_threads_stops_when_both_have() {
    check(
        "
        10: fork 20
        20: thread 22 {-single}
        50: SIGSTOP -> 20/22
        20/22: takes SIGSTOP
        20/22: stops SIGSTOP {sf=0}
        20: SIGCHLD -> 10 code=5
        20: stops SIGSTOP
        ",
        expect![[r"
            #5 10 forks 20
            #7 SIGSTOP to 20 by an unseen call of 50
            #10 SIGCHLD to 10 by child 20
            #11 20 stops by SIGSTOP of #7
        "]],
    );
}

#[test]
fn a16_an_orphaned_group_does_not_stop_by_sigtstp() {
    let model = check(
        "
        10: fork 20
        20: setsid() = 20
        20: fork 21
        50: SIGTSTP -> 21
        21: takes SIGTSTP
        21: > read(0)
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 20 of 20; group 20 of 20 by setsid; 20 leaves pts/0
            #8 20 forks 21
            #9 SIGTSTP to 21 by an unseen call of 50
        "]],
    );
    assert!(model.processes().all(|process| process.stopped.is_none()));
}

#[test]
fn a17_another_thread_executes_a_program() {
    let model = check(
        "
        10: fork 20
        20: thread 22 {-single}
        20: takes SIGKILL
        20: exit-thread {es=0x20}
        20: exec old=22 /bin/true {+single es=0}
        0: freed 20/22
        ",
        expect![[r"
            #5 10 forks 20
            #9 20 executes
        "]],
    );
    assert_eq!(
        model.process_by_pid(crate::ids::Pid(20)).map(|process| process.phase),
        Some(crate::state::Phase::Alive)
    );
}

#[test]
fn a18_the_leader_thread_exits_first() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: thread 22 {-single}
        20: exit-thread
        20: dead {es=0x20 tes=0x20}
        20/22: exit 5 {es=0x20}
        20/22: SIGCHLD -> 10 code=1
        20/22: dead {es=0x20 tes=0x10 +single}
        10: wait4(-1,0) = 20 got 20 exited:5
        0: freed 20/22
        0: freed 20~5000
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #11 20 exits exited:5
            #12 SIGCHLD to 10 by child 20
            #13 20 is a zombie; group 20 is held by zombies
            #15 20 reaped by 10 (Wait 14–15); group 20 ends: 20 was reaped
        "]],
    );
}

#[test]
fn a19_a_number_is_used_again_before_the_old_process_is_freed() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        10: fork 20
        20: setpgid(0,0) = 0
        0: freed 20~5000
        20: exit 1
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 exits exited:0
            #9 20 is a zombie; group 20 is held by zombies
            #11 20 reaped by 10 (Wait 10–11); group 20 ends: 20 was reaped
            #12 10 forks 20'2
            #14 group 20'2 of 20'2 by itself
            #16 20'2 exits exited:1
            #17 20'2 is a zombie; group 20'2 is held by zombies
        "]],
    );
}

#[test]
fn a20_a_fork_races_with_a_kill_of_its_group() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: > kill(-20,10)
        20: fork 21
        10: SIGUSR1 -> 20 handler
        10: < kill(-20,10) = 0
        21: takes SIGUSR1 0 handler
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 20 forks 21
            #10 SIGUSR1 to 20 by kill of 10 to group 20 in #8
        "]],
    );
}

#[test]
fn a21_a_phantom_foreground_group_leaves_the_session() {
    check(
        "
        snapshot 77 kworker/u8:1 {pp=0 pg=0 sid=0 flags=0x200000}
        10: fork 20
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: setsid() = 20
        77: SIGINT -> 20 kernel {sf=4}
        ",
        expect![[r"
            #5 found 77; group 0 of nobody found
            #6 10 forks 20
            #8 pts/0 foreground 10 → 20! by 10
            #10 session 20 of 20; group 20 of 20 by setsid; pts/0 foreground 20! → 20; 20 leaves pts/0
            #11 SIGINT to 20 by a character at pts/0
        "]],
    );
}
