//! Along which path a signal came, and what stops and continues.

use expect_test::expect;

use super::{check, history, model};
use crate::{
    delta::{Change, SignalPath},
    event::Event,
    state::Model,
};

#[test]
fn kill_to_a_process_a_group_its_own_group_and_all() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: > kill(20,SIGTERM)
        10: SIGTERM -> 20 handler
        10: < kill(20,SIGTERM) = 0
        10: > kill(-20,SIGTERM)
        10: SIGTERM -> 20 handler
        10: < kill(-20,SIGTERM) = 0
        20: > kill(0,SIGTERM)
        20: SIGTERM -> 20 handler
        20: < kill(0,SIGTERM) = 0
        10: > kill(-1,SIGTERM)
        10: SIGTERM -> 20 handler
        10: SIGTERM -> 50 handler
        10: < kill(-1,SIGTERM) = 0
        10: > pidfd_send_signal(3,SIGTERM,4)
        10: SIGTERM -> 20 handler
        10: < pidfd_send_signal(3,SIGTERM,4) = 0
        10: > tgkill(20,20,SIGTERM)
        10: SIGTERM -> 20 code=-6 thread handler
        10: < tgkill(20,20,SIGTERM) = 0
        10: > sigqueue(20,SIGTERM)
        10: SIGTERM -> 20 code=-77 handler
        10: < sigqueue(20,SIGTERM) = 0
        10: SIGTERM -> 20 handler
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 SIGTERM to 20 by kill of 10 in #8
            #12 SIGTERM to 20 by kill of 10 to group 20 in #11
            #15 SIGTERM to 20 by kill of 20 to group 20 in #14
            #18 SIGTERM to 20 by kill of 10 to all in #17
            #19 SIGTERM to 50 by kill of 10 to all in #17
            #22 SIGTERM to 20 by kill of 10 to group 20 in #21
            #25 SIGTERM to 20 by kill of 10 in #24
            #28 SIGTERM to 20 by kill of 10 in #27
            #30 SIGTERM to 20 by an unseen call of 10
        "]],
    );
}

#[test]
fn another_signal_on_top_of_a_call_is_not_of_that_call() {
    check(
        "
        10: fork 20
        10: > kill(-10,SIGTERM)
        10: SIGALRM -> 20 kernel
        10: SIGUSR1 -> 20
        10: < kill(-10,SIGTERM) = 0
        10: SIGUSR1 -> 20 code=-2
        10: SIGSEGV -> 10 code=1
        ",
        expect![[r"
            #5 10 forks 20
            #7 SIGALRM to 20 by a timer
            #8 SIGUSR1 to 20 by an unseen call of 10
            #10 SIGUSR1 to 20 by a timer
            #11 SIGSEGV to 10 by a fault
        "]],
    );
}

#[test]
fn a_killer_from_outside_becomes_known_by_its_number() {
    let model = check(
        "
        10: fork 20
        99~7(kill): SIGTERM -> 20
        ",
        expect![[r"
            #5 10 forks 20
            #6 SIGTERM to 20 by an unseen call of 99
        "]],
    );
    assert_eq!(model.process_by_pid(crate::ids::Pid(99)).unwrap().comm.0, b"kill");
}

#[test]
fn terminal_ioctls_resize_and_inject() {
    check(
        "
        50: > ioctl(4,TIOCSWINSZ,0,0)
        50: SIGWINCH -> 10 kernel ignored
        50: < ioctl(4,TIOCSWINSZ,0,0) = 0
        50: > ioctl(4,TIOCSIG,2,0)
        50: SIGINT -> 10 kernel
        50: < ioctl(4,TIOCSIG,2,0) = 0
        10: > ioctl(0,TIOCSTI,0,0)
        10: SIGTSTP -> 10 kernel ignored
        10: < ioctl(0,TIOCSTI,0,0) = 0
        50: SIGWINCH -> 10 kernel ignored
        ",
        expect![[r"
            #6 SIGWINCH to 10 by terminal ioctl of 50
            #9 SIGINT to 10 by terminal ioctl of 50
            #12 SIGTSTP to 10 by terminal ioctl of 10
            #14 SIGWINCH to 10 by the kernel
        "]],
    );
}

#[test]
fn a_parents_death_signal_is_no_kill() {
    check(
        "
        10: fork 20
        20: fork 21
        21: pdeathsig(SIGTERM) = 0
        20: exit 0
        20: SIGTERM -> 21 noinfo {pp=1}
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 forks 21
            #9 20 exits exited:0
            #10 21 goes from parent 20 to 1; SIGTERM to 21 by death of parent 20
            #11 20 is a zombie
        "]],
    );
}

#[test]
fn a_dying_father_reports_his_zombie_child_to_whoever_adopts_it() {
    check(
        "
        10: fork 20
        20: fork 21
        21: exit 0
        21: SIGCHLD -> 20 code=1
        21: dead
        20: exit 0
        20: SIGCHLD -> 1 code=1
        20: SIGCHLD -> 10 code=1
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 forks 21
            #7 21 exits exited:0
            #8 SIGCHLD to 20 by child 21
            #9 21 is a zombie
            #10 20 exits exited:0
            #11 SIGCHLD to 1 by child 21
            #12 21 goes from parent 20 to 1; SIGCHLD to 10 by child 20
            #13 20 is a zombie
        "]],
    );
}

#[test]
fn a_parent_that_adopts_is_told_of_each_zombie_child_before_the_end_of_their_father() {
    check(
        "
        10: wait4(-1,1) = 0 {+subreaper}
        10: fork 20
        20: fork 21
        21: exit 0
        21: SIGCHLD -> 20 code=1
        21: dead
        20: exit 0
        20: SIGCHLD -> 10 code=1
        20: SIGCHLD -> 10 code=1
        20: dead
        ",
        expect![[r"
            #7 10 forks 20
            #8 20 forks 21
            #9 21 exits exited:0
            #10 SIGCHLD to 20 by child 21
            #11 21 is a zombie
            #12 20 exits exited:0
            #13 SIGCHLD to 10 by child 21
            #14 21 goes from parent 20 to 10; SIGCHLD to 10 by child 20
            #15 20 is a zombie
        "]],
    );
}

/// 50 traces the child 21: it is told of its end, and who adopts it is not, until 50 has waited.
#[test]
fn of_a_traced_zombie_child_nobody_is_told_who_adopts_it() {
    check(
        "
        10: wait4(-1,1) = 0 {+subreaper}
        10: fork 20
        20: fork 21
        21: exit 0
        21: SIGCHLD -> 50 code=1
        21: dead
        20: exit 0
        20: SIGCHLD -> 10 code=1
        20: dead
        ",
        expect![[r"
            #7 10 forks 20
            #8 20 forks 21
            #9 21 exits exited:0
            #10 SIGCHLD to 50 by child 21
            #11 21 is a zombie
            #12 20 exits exited:0
            #13 21 goes from parent 20 to 10; SIGCHLD to 10 by child 20
            #14 20 is a zombie
        "]],
    );
}

#[test]
fn the_leaders_hangup_comes_before_the_orphan_rule_for_the_same_group() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        50: SIGSTOP -> 20
        20: stops SIGSTOP
        10: exit 0
        10: SIGHUP -> 20 kernel
        10: SIGHUP -> 20 kernel pending {pp=1 tty=-}
        10: SIGCONT -> 20 kernel {pp=1 tty=-}
        10: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 pts/0 foreground 10 → 20 by 10
            #10 SIGSTOP to 20 by an unseen call of 50
            #11 20 stops by SIGSTOP of #10
            #12 10 exits exited:0; session 10 loses its leader, with pts/0
            #13 SIGHUP to 20 by hangup by 10 (LeaderExit)
            #14 20 goes from parent 10 to 1; session 10 loses pts/0: Some(LeaderExit); group 20 orphaned: exit of 10, 1 stopped; SIGHUP to 20 by the orphan rule, exit of 10
            #15 20 continues of #15; SIGCONT to 20 by the orphan rule, exit of 10
            #16 10 is a zombie; group 10 is held by zombies
        "]],
    );
}

#[test]
fn a_process_that_exits_and_closes_the_master_hangs_up_another_session() {
    check(
        "
        10: fork 20
        50: exit 0
        50: SIGHUP -> 10 kernel {tty=-}
        50: SIGCONT -> 10 kernel {tty=-}
        50: dead
        ",
        expect![[r"
            #5 10 forks 20
            #6 50 exits exited:0
            #7 session 10 loses pts/0: Some(Hangup); SIGHUP to 10 by hangup by 50 (Terminal)
            #8 SIGCONT to 10 by hangup by 50 (Terminal)
            #9 50 is a zombie; group 50 is held by zombies
        "]],
    );
}

#[test]
fn stops_and_continues_name_what_sent_the_signal() {
    check(
        "
        10: fork 20
        10: > kill(20,SIGSTOP)
        10: SIGSTOP -> 20
        10: < kill(20,SIGSTOP) = 0
        20: stops SIGSTOP
        10: > kill(20,SIGCONT)
        10: SIGCONT -> 20 ignored
        10: < kill(20,SIGCONT) = 0
        20: takes SIGWINCH 0 {sf=1 gcode=20}
        20: takes SIGWINCH 0 {sf=0}
        20: stops SIGTTIN
        10: SIGKILL -> 20 {sf=4}
        20: exit SIGKILL {sf=4 gcode=9}
        ",
        expect![[r"
            #5 10 forks 20
            #7 SIGSTOP to 20 by kill of 10 in #6
            #9 20 stops by SIGSTOP of #7
            #11 20 continues of #11; SIGCONT to 20 by kill of 10 in #10
            #13 20 stops by SIGTSTP
            #14 20 continues
            #15 20 stops by SIGTTIN
            #16 SIGKILL to 20 by an unseen call of 10
            #17 20 exits killed:SIGKILL
        "]],
    );
}

#[test]
fn the_foreground_group_of_another_session_is_hung_up_by_the_leaders_exit() {
    check(
        "
        10: fork 20
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: setsid() = 20
        10: exit 0
        10: SIGHUP -> 20 kernel
        10: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 pts/0 foreground 10 → 20! by 10
            #9 session 20 of 20; group 20 of 20 by setsid; pts/0 foreground 20! → 20; 20 leaves pts/0
            #10 10 exits exited:0
            #11 SIGHUP to 20 by hangup by 10 (LeaderExit)
            #12 session 10 loses pts/0: Some(LeaderExit); 20 goes from parent 10 to 1; 10 is a zombie; group 10 is held by zombies
        "]],
    );
}

#[test]
fn a_signal_that_is_dropped_though_nobody_ignores_it_says_why() {
    check(
        "
        10: fork 20
        50: SIGTERM -> 20 ignored {sf=4}
        50: SIGTERM -> 20 ignored {sf=0x40}
        50: SIGWINCH -> 20 ignored {sf=0}
        ",
        expect![[r"
            #5 10 forks 20
            #6 SIGTERM to 20 by an unseen call of 50, dropped: Exiting
            #7 SIGTERM to 20 by an unseen call of 50, dropped: Init
            #8 SIGWINCH to 20 by an unseen call of 50
        "]],
    );
}

#[test]
fn a_signal_that_is_seen_when_it_is_taken_belongs_to_the_one_call_that_can_have_sent_it() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        10: kill(20,SIGTERM) = 0
        10: SIGTERM -> 20 handler taken
        10: SIGTERM -> 20 handler taken
        10: > kill(-20,SIGTERM)
        10: SIGTERM -> 21 handler taken
        10: < kill(-20,SIGTERM) = 0
        10: SIGTERM -> 20 handler taken
        10: kill(20,SIGTERM) = 0
        10: kill(20,SIGTERM) = 0
        10: SIGTERM -> 20 handler taken
        10: kill(-20,SIGUSR1) = -1
        10: kill(20,SIGUSR1) = 0
        10: SIGUSR1 -> 20 handler taken
        10: sigqueue(20,34) = 0
        10: sigqueue(20,34) = 0
        10: 34 -> 20 code=-1 handler taken
        10: 34 -> 20 code=-1 handler taken
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #11 SIGTERM to 20 by kill of 10 in #9
            #12 SIGTERM to 20 by an unseen call of 10
            #14 SIGTERM to 21 by kill of 10 to group 20 in #13
            #16 SIGTERM to 20 by kill of 10 to group 20 in #13
            #21 SIGTERM to 20 by an unseen call of 10
            #26 SIGUSR1 to 20 by kill of 10 in #24
            #31 SIGRTMIN+0 to 20 by kill of 10 in #27
            #32 SIGRTMIN+0 to 20 by kill of 10 in #29
        "]],
    );
}

#[test]
fn nobody_takes_sigkill_so_that_only_a_call_that_says_whom_it_means_is_told() {
    let told = |call: &str| {
        let mut model = Model::new();
        model.seen_by_tracer();
        let text = format!("10: fork 20\n10: > {call}\n20: exit SIGKILL {{sf=4 gcode=9}}\n");
        let sent = |event: &Event| {
            let changes = model.apply(event).changes;
            changes.iter().any(|change| matches!(change, Change::SignalSent { .. }))
        };
        history(&text).iter().any(sent)
    };
    assert!(told("kill(20,SIGKILL)"));
    // Whomever these meant, it may be another one, and this one killed by somebody who is not seen.
    assert!(!told("pidfd_send_signal(3,SIGKILL,0)"));
    assert!(!told("kill(-1,SIGKILL)"));
}

#[test]
fn a_signal_in_the_name_of_a_dead_process_is_its_death_only_for_those_who_asked() {
    let told = |asks: &str| {
        let mut model = Model::new();
        model.seen_by_tracer();
        let text = format!("10: fork 20\n20: fork 30\n{asks}\n20: exit 0\n20: SIGTERM -> 30 handler taken code=0\n");
        let path = |change: &Change| if let Change::SignalSent { path, .. } = change { Some(*path) } else { None };
        let paths: Vec<_> =
            history(&text).iter().flat_map(|event| model.apply(event).changes).filter_map(|it| path(&it)).collect();
        match paths.as_slice() {
            [SignalPath::ParentDeath { .. }] => "death",
            [SignalPath::KillUnseen { .. }] => "a call that was not seen",
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told("30: pdeathsig(SIGTERM) = 0"), "death");
    assert_eq!(told("30: pdeathsig(SIGHUP) = 0"), "a call that was not seen");
    assert_eq!(told(""), "a call that was not seen");
}

/// The child sends SIGCHLD and is switched away from later (kernel/signal.c, `do_signal_stop`): a wait on another processor can
/// return in between.
#[test]
fn a_parents_wait_can_tell_of_a_stop_before_the_child_is_switched_away_from() {
    let history = |told: &str, then: &str| {
        format!(
            "
            10: fork 20
            50: kill(20,19) = 0
            50: SIGSTOP -> 20
            20: takes SIGSTOP
            {told}
            {then}
            10: wait4(-1,2) = 20 got 20 stopped:SIGSTOP
            "
        )
    };
    let told = "20: SIGCHLD -> 10 code=5";
    let stopped = |model: &Model| model.processes().filter(|process| process.stopped.is_some()).count();
    let after = check(
        &(history(told, "") + "20: stops SIGSTOP"),
        expect![[r"
            #5 10 forks 20
            #8 SIGSTOP to 20 by an unseen call of 50
            #10 SIGCHLD to 10 by child 20
            #12 20 stops by SIGSTOP of #8; wait reports 20 stopped:SIGSTOP
        "]],
    );
    assert_eq!(stopped(&after), 1);
    // A tracer that is the parent is told of what is no stop for anybody else; and who was continued since is not stopped.
    for (told, then) in [("20: SIGCHLD -> 10 code=4", ""), (told, "50: SIGCONT -> 20")] {
        assert_eq!(stopped(&model(&history(told, then))), 0, "{told} {then}");
    }
}
