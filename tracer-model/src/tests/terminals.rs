//! Controlling terminals and foreground process groups.

use expect_test::expect;

use super::{check, model};
use crate::{ids::Pid, query};

#[test]
fn a_leader_gains_a_terminal_by_open_or_by_ioctl() {
    check(
        "
        50: < open() = 3 {tty=pts/1 fg=50}
        50: fork 60
        60: setsid() = 60
        60: ioctl(0,TIOCSCTTY,0,0) = 0 {tty=pts/2 fg=60}
        50: fork 70
        70: setsid() = 70
        70: ioctl(5,TIOCGPTPEER,0,0) = 6 {tty=pts/3 fg=70}
        ",
        expect![[r"
            #5 session 50 gains pts/1: Some(Open); pts/1 foreground none → 50
            #6 50 forks 60
            #8 session 60 of 60; group 60 of 60 by setsid; 60 leaves pts/1
            #10 session 60 gains pts/2: Some(Ioctl); pts/2 foreground none → 60
            #11 50 forks 70
            #13 session 70 of 70; group 70 of 70 by setsid; 70 leaves pts/1
            #15 session 70 gains pts/3: Some(Open); pts/3 foreground none → 70
        "]],
    );
}

#[test]
fn a_terminal_that_is_gained_unseen_is_noticed_later() {
    check(
        "
        50: takes SIGWINCH 0 {tty=pts/1 fg=50}
        50: fork 60
        ",
        expect![[r"
            #5 unseen call: ControllingTty of 50; session 50 gains pts/1: None; pts/1 foreground none → 50
            #6 50 forks 60
        "]],
    );
}

#[test]
fn setsid_leaves_the_terminal_and_says_nothing_of_it() {
    check(
        "
        10: fork 20
        20: setsid() = 20
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 20 of 20; group 20 of 20 by setsid; 20 leaves pts/0
        "]],
    );
}

#[test]
fn one_process_leaves_the_terminal_and_the_session_keeps_it() {
    check(
        "
        10: fork 20
        20: ioctl(0,TIOCNOTTY,0,0) = 0 {tty=-}
        10: fork 21
        ",
        expect![[r"
            #5 10 forks 20
            #7 20 leaves pts/0
            #8 10 forks 21
        "]],
    );
}

#[test]
fn a_terminal_is_stolen_silently() {
    let model = check(
        "
        10: fork 20
        50: ioctl(0,TIOCSCTTY,1,0) = 0 {tty=pts/0 ttysid=50 fg=50}
        10: takes SIGWINCH 0 {tty=-}
        20: takes SIGWINCH 0 {tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 10 loses pts/0: Some(Stolen); session 50 gains pts/0: Some(Ioctl); pts/0 foreground 10 → 50
        "]],
    );
    assert_eq!(model.process_by_pid(Pid(20)).unwrap().tty, None);
}

#[test]
fn who_is_seen_before_the_call_returns_has_lost_it_by_that_call() {
    check(
        "
        10: fork 20
        10: > ioctl(0,TIOCNOTTY,0,0)
        20: takes SIGHUP 0 {tty=-}
        10: < ioctl(0,TIOCNOTTY,0,0) = 0 {tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 10 loses pts/0: Some(GivenUp)
        "]],
    );
    check(
        "
        10: fork 20
        10: > vhangup()
        20: takes SIGWINCH 0 {tty=-}
        10: < vhangup() = 0 {tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 10 loses pts/0: Some(Hangup)
        "]],
    );
}

#[test]
fn who_gives_up_its_own_alone_takes_it_from_nobody() {
    // Whatever else is going on: a signal from somebody, a hangup of another terminal, an attempt to steal one.
    check(
        "
        10: fork 20
        50: fork 60
        60: setsid() = 60
        50: > ioctl(7,TIOCVHANGUP,0,0)
        60: > ioctl(0,TIOCSCTTY,1,0)
        20: > ioctl(0,TIOCNOTTY,0,0)
        10: SIGCONT -> 20 {tty=-}
        20: < ioctl(0,TIOCNOTTY,0,0) = 0 {tty=-}
        60: < ioctl(0,TIOCSCTTY,1,0) = -1
        10: fork 21
        ",
        expect![[r"
            #5 10 forks 20
            #6 50 forks 60
            #8 session 60 of 60; group 60 of 60 by setsid
            #12 20 leaves pts/0; SIGCONT to 20 by an unseen call of 10
            #14 refused 1: TtyOfOtherSession
            #15 10 forks 21
        "]],
    );
}

#[test]
fn vhangup_takes_it_from_the_whole_session() {
    check(
        "
        10: fork 20
        10: > vhangup()
        10: SIGHUP -> 10 kernel {tty=- old=10}
        10: SIGCONT -> 10 kernel {tty=-}
        10: < vhangup() = 0 {tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #7 session 10 loses pts/0: Some(Hangup); SIGHUP to 10 by hangup by 10 (Terminal)
            #8 SIGCONT to 10 by hangup by 10 (Terminal)
        "]],
    );
}

#[test]
fn a_leader_reaped_before_its_last_record_has_lost_the_terminal_too() {
    check(
        "
        10: fork 20
        10: exit 0
        1: wait4(-1,0) = 10 got 10 exited:0
        20: takes SIGWINCH 0 {tty=- pp=1}
        ",
        expect![[r"
            #5 10 forks 20
            #6 10 exits exited:0; session 10 loses its leader, with pts/0
            #8 20 goes from parent 10 to 1; 10 reaped by 1 (Wait 7–8); session 10 loses pts/0: Some(LeaderExit); group 10 is leaderless: Reaped
        "]],
    );
}

#[test]
fn a_phantom_foreground_group_becomes_real() {
    check(
        "
        10: fork 20
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: setpgid(0,0) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 pts/0 foreground 10 → 20! by 10
            #9 group 20 of 20 by itself; pts/0 foreground 20! → 20
        "]],
    );
}

#[test]
fn the_foreground_dangles_after_its_group_and_a_new_group_of_the_number_is_another() {
    let model = check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        10: fork 20 {fg=20/1003 +fgempty}
        20: setpgid(0,0) = 0 {fg=20/1003 +fgempty}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 pts/0 foreground 10 → 20 by 10
            #10 20 exits exited:0
            #11 20 is a zombie; group 20 is held by zombies
            #13 20 reaped by 10 (Wait 12–13); group 20 ends: 20 was reaped; pts/0 foreground 20 → 20!
            #14 10 forks 20'2
            #16 group 20'2 of 20'2 by itself
        "]],
    );
    let row = query::ps(&model).into_iter().find(|row| row.pid == Pid(20)).unwrap();
    assert_eq!((row.tpgid, row.state.foreground), (20, false), "an alias: the same number, not the same group");
}

#[test]
fn the_same_alias_is_seen_on_a_kernel_without_inodes() {
    let model = model(
        "
        10: takes SIGWINCH 0 {ino=0 pg=10/0 sid=10/0 fg=10/0}
        10: fork 20 {ino=0 pg=10/0 sid=10/0 fg=10/0}
        20: setpgid(0,0) = 0 {pg=20/0 fg=10/0}
        10: ioctl(0,TIOCSPGRP,0,20) = 0 {fg=20/0 -fgempty}
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        10: fork 20 {ino=0 pg=10/0 sid=10/0 fg=20/0 +fgempty}
        20: setpgid(0,0) = 0 {pg=20/0 fg=20/0 +fgempty}
        ",
    );
    let row = query::ps(&model).into_iter().find(|row| row.pid == Pid(20)).unwrap();
    assert_eq!((row.tpgid, row.state.foreground), (20, false));
}

#[test]
fn a_foreground_change_without_a_call_is_unseen() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: takes SIGWINCH 0 {fg=20}
        10: > ioctl(0,TIOCSPGRP,0,10)
        20: takes SIGWINCH 0 {fg=10}
        10: < ioctl(0,TIOCSPGRP,0,10) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 unseen call: Foreground of 10; pts/0 foreground 10 → 20
            #10 pts/0 foreground 20 → 10 by 10
        "]],
    );
}

#[test]
fn two_containers_can_have_the_same_terminal_number() {
    let model = model("50: ioctl(0,TIOCSCTTY,0,0) = 0 {tty=136:0:2 fg=50}");
    let ttys: Vec<_> = model.terminals().map(|tty| (tty.key.tty.to_string(), tty.session.unwrap().number.0)).collect();
    assert_eq!(ttys, [("pts/0".to_owned(), 10), ("pts/0".to_owned(), 50)]);
}

#[test]
fn a_terminal_number_that_is_used_again_is_another_terminal() {
    let model = check(
        "
        10: exit 0
        10: dead
        50: fork 60
        60: setsid() = 60
        60: < open() = 3 {tty=pts/0 ttysid=60 fg=60}
        ",
        expect![[r"
            #5 10 exits exited:0
            #6 session 10 loses pts/0: Some(LeaderExit); 10 is a zombie; group 10 is held by zombies
            #7 50 forks 60
            #9 session 60 of 60; group 60 of 60 by setsid
            #10 session 60 gains pts/0'2: Some(Open); pts/0'2 foreground none → 60
        "]],
    );
    assert_eq!(model.terminals().count(), 1);
}

#[test]
fn a_foreground_change_that_another_event_shows_first_is_still_its_callers() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: > ioctl(0,TIOCSPGRP,0,20)
        20: takes SIGWINCH 0 {fg=20}
        10: < ioctl(0,TIOCSPGRP,0,20) = 0 {fg=20}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #9 pts/0 foreground 10 → 20 by 10
        "]],
    );
}

/// The begin of the parent's setpgid has an earlier number than the child's calls, and looked at the child after them.
#[test]
fn what_the_begin_of_a_setpgid_shows_too_early_is_no_unseen_call() {
    check(
        "
        10: fork 20
        10: > setpgid(20,20) {pg=20 fg=20}
        20: > setpgid(0,0) {pg=10 fg=10}
        20: < setpgid(0,0) = 0
        20: > ioctl(2,TIOCSPGRP,0,20)
        20: < ioctl(2,TIOCSPGRP,0,20) = 0 {fg=20}
        10: < setpgid(20,20) = 0
        10: > setpgid(20,20) {fg=10}
        10: < setpgid(20,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #8 group 20 of 20 by itself
            #10 pts/0 foreground 10 → 20 by 20
            #11 leader race of 20 and parent 10: Child first, errno 0
            #13 unseen call: Foreground of 20; pts/0 foreground 20 → 10
        "]],
    );
}
