//! Births, moves and ends of groups and sessions; orphaned groups; reparenting.

use expect_test::expect;

use super::{check, model, ps};
use crate::{
    dsl::parse,
    ids::{Pgid, Pid},
    query,
    state::{Model, Orphaned},
};

#[test]
fn a_group_ends_at_the_reap_of_its_last_member_and_not_at_an_exit() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 21
        21: setpgid(0,20) = 0
        20: exit 0
        20: dead
        21: exit 0
        21: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        10: wait4(-1,0) = 21 got 21 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 10 forks 21
            #10 21 joins 20 from 10 (leader Alive)
            #11 20 exits exited:0
            #12 20 is a zombie; group 20 is leaderless: Zombie
            #13 21 exits exited:0
            #14 21 is a zombie; group 20 is held by zombies
            #16 20 reaped by 10 (Wait 15–16); group 20 is leaderless: Reaped
            #18 21 reaped by 10 (Wait 17–18); group 20 ends: 21 was reaped
        "]],
    );
}

#[test]
fn a_group_ends_when_its_last_member_moves_away() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 21
        21: setpgid(0,0) = 0
        10: setpgid(21,20) = 0
        21: fork 22
        22: setsid() = 22
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 10 forks 21
            #10 group 21 of 21 by itself
            #12 21 joins 20 from 21 (leader Alive); group 21 ends: 21 moved away
            #13 21 forks 22
            #15 session 22 of 22; group 22 of 22 by setsid; 22 leaves pts/0
        "]],
    );
}

#[test]
fn a_group_goes_on_when_its_leader_moves_away_and_when_that_is_reaped() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        20: setpgid(0,10) = 0
        20: setsid() = -1
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        1: fork 30
        21: exit 0
        21: dead
        1: wait4(-1,0) = 21 got 21 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #10 20 joins 10 from 20 (leader Alive); group 20 is leaderless: MovedAway
            #12 refused 1: NumberIsAGroup
            #13 20 exits exited:0
            #14 21 goes from parent 20 to 1; 20 is a zombie; group 20 orphaned: exit of 20, 0 stopped
            #16 20 reaped by 10 (Wait 15–16); group 20 is leaderless: Reaped
            #17 1 forks 30
            #18 21 exits exited:0
            #19 21 is a zombie; group 20 is held by zombies
            #21 21 reaped by 1 (Wait 20–21); group 20 ends: 21 was reaped
        "]],
    );
}

#[test]
fn a_group_can_be_born_on_a_zombie() {
    check(
        "
        10: fork 20
        20: exit 0
        20: dead
        10: setpgid(20,20) = 0
        10: wait4(-1,0) = 20 got 20 exited:0
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 exits exited:0
            #7 20 is a zombie
            #9 group 20 of 20 by parent 10 on a zombie
            #11 20 reaped by 10 (Wait 10–11); group 20 ends: 20 was reaped
        "]],
    );
}

#[test]
fn a_session_outlives_its_leader_and_ends_with_its_last_member() {
    check(
        "
        50: fork 60
        60: setsid() = 60
        60: fork 61
        60: exit 0
        60: dead
        50: wait4(-1,0) = 60 got 60 exited:0
        61: exit 0
        61: dead
        1: wait4(-1,0) = 61 got 61 exited:0
        ",
        expect![[r"
            #5 50 forks 60
            #7 session 60 of 60; group 60 of 60 by setsid
            #8 60 forks 61
            #9 60 exits exited:0; session 60 loses its leader, with no terminal
            #10 61 goes from parent 60 to 1; 60 is a zombie; group 60 is leaderless: Zombie
            #12 60 reaped by 50 (Wait 11–12); group 60 is leaderless: Reaped
            #13 61 exits exited:0
            #14 61 is a zombie; group 60 is held by zombies
            #16 61 reaped by 1 (Wait 15–16); group 60 ends: 61 was reaped; session 60 ends
        "]],
    );
}

#[test]
fn the_classic_daemon_leaves_by_fork_setsid_fork() {
    let model = check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        21: setsid() = 21
        21: fork 22
        21: exit 0
        21: dead
        1: wait4(-1,0) = 21 got 21 exited:0
        22: exec /usr/sbin/daemon
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 20 exits exited:0
            #10 21 goes from parent 20 to 1; 20 is a zombie; group 20 is leaderless: Zombie; group 20 orphaned: exit of 20, 0 stopped
            #12 20 reaped by 10 (Wait 11–12); group 20 is leaderless: Reaped
            #14 session 21 of 21; group 21 of 21 by setsid; group 20 ends: 21 moved away; 21 leaves pts/0
            #15 21 forks 22
            #16 21 exits exited:0; session 21 loses its leader, with no terminal
            #17 22 goes from parent 21 to 1; 21 is a zombie; group 21 is leaderless: Zombie
            #19 21 reaped by 1 (Wait 18–19); group 21 is leaderless: Reaped
            #20 22 executes
        "]],
    );
    expect![[r"
        1       0    1    1    -1 ?     ·s   init (Alive Yes)
        10      1   10   10    10 pts/0 ·s+    bash (Alive Yes)
        50      1   50   50    -1 ?     ·s     tmux (Alive Yes)
        22      1   21   21    -1 ?     ·      daemon (Reaped Yes)
    "]]
    .assert_eq(&ps(&model));
}

#[test]
fn exec_keeps_group_session_and_terminal() {
    let before = model("10: fork 20\n20: setpgid(0,0) = 0");
    let after = model("10: fork 20\n20: setpgid(0,0) = 0\n20: exec /bin/cat");
    let place = |model: &crate::state::Model| {
        let process = model.process_by_pid(Pid(20)).unwrap();
        (process.group.unwrap().number, process.session.unwrap().number, process.tty.map(|tty| tty.tty))
    };
    assert_eq!(place(&before), place(&after));
    assert_eq!(*after.process_by_pid(Pid(20)).unwrap().args, [b"/bin/cat"]);
}

#[test]
fn setsid_of_a_parent_orphans_a_group_and_the_kernel_sends_nothing() {
    check(
        "
        10: fork 30
        30: fork 31
        31: setpgid(0,0) = 0
        50: SIGSTOP -> 31
        31: stops SIGSTOP
        30: setsid() = 30
        ",
        expect![[r"
            #5 10 forks 30
            #6 30 forks 31
            #8 group 31 of 31 by itself
            #9 SIGSTOP to 31 by an unseen call of 50
            #10 31 stops by SIGSTOP of #9
            #12 session 30 of 30; group 30 of 30 by setsid; 30 leaves pts/0; group 31 orphaned: setsid of 30, 1 stopped
        "]],
    );
}

#[test]
fn the_only_linked_member_leaves_by_setpgid_and_another_joins() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: fork 22
        21: exit 0
        21: dead
        20: wait4(-1,0) = 21 got 21 exited:0
        20: setpgid(0,10) = 0
        10: fork 23
        23: setpgid(0,20) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 21 forks 22
            #10 21 exits exited:0
            #11 22 goes from parent 21 to 1; 21 is a zombie
            #13 21 reaped by 20 (Wait 12–13)
            #15 20 joins 10 from 20 (leader Alive); group 20 is leaderless: MovedAway; group 20 orphaned: found so, 0 stopped
            #16 10 forks 23
            #18 23 joins 20 from 10 (leader MovedAway); group 20 no longer orphaned
        "]],
    );
}

#[test]
fn a_parent_that_joins_its_childs_group_brings_its_own_link() {
    let model = check(
        "
        10: fork 20
        20: fork 21
        21: setpgid(0,0) = 0
        20: setpgid(0,21) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #6 20 forks 21
            #8 group 21 of 21 by itself
            #10 20 joins 21 from 10 (leader Alive)
        "]],
    );
    assert_eq!(model.group_by_pgid(Pgid(21)).unwrap().orphaned, Orphaned::No);
}

#[test]
fn a_subreaper_in_the_session_adopts_and_keeps_the_group_from_being_orphaned() {
    let model = check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: subreaper(1) = 0 {+subreaper}
        20: fork 21
        21: setpgid(0,0) = 0
        21: fork 22
        22: setpgid(0,0) = 0
        21: exit 0
        21: dead
        22: takes SIGWINCH 0 {pp=20}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #10 20 forks 21
            #12 group 21 of 21 by itself
            #13 21 forks 22
            #15 group 22 of 22 by itself
            #16 21 exits exited:0
            #17 22 goes from parent 21 to 20; 21 is a zombie; group 21 is held by zombies
        "]],
    );
    assert_eq!(model.group_by_pgid(Pgid(22)).unwrap().orphaned, Orphaned::No);
}

#[test]
fn who_adopts_is_not_guessed_when_an_ancestor_is_not_known() {
    let model = check(
        "
        90: fork 91 {fresh pp=90~5 pg=91 sid=90}
        91: fork 92
        92: setpgid(0,0) = 0
        91: exit 0
        91: dead {pp=90~5}
        92: takes SIGWINCH 0 {pp=80~3}
        ",
        expect![[r"
            #5 90 forks 91; group 91 of 91 found
            #6 91 forks 92
            #8 group 92 of 92 by itself
            #9 91 exits exited:0
            #10 91 is a zombie; group 91 is held by zombies
            #11 92 goes from parent 91 to 80
        "]],
    );
    assert_eq!(model.group_by_pgid(Pgid(92)).unwrap().orphaned, Orphaned::Unknown);
}

#[test]
fn a_parent_that_is_known_by_number_only_decides_the_orphan_rule_by_what_the_child_tells_of_it() {
    let of = |job: &str| {
        let text = format!("90: fork 91 {{fresh pp=80~3 pg=91 sid=90 {job}}}");
        model(&text).group_by_pgid(Pgid(91)).unwrap().orphaned
    };
    assert_eq!(of(""), Orphaned::Unknown, "an old recording does not tell");
    assert_eq!(of("ppg=80 psid=90"), Orphaned::No, "another group of the same session");
    assert_eq!(of("ppg=91 psid=90"), Orphaned::Yes, "the same group");
    assert_eq!(of("ppg=80 psid=80"), Orphaned::Yes, "another session");
    assert_eq!(of("pp=1~1 ppg=80 psid=90"), Orphaned::Yes, "init does not count");
}

#[test]
fn init_adopts_when_no_ancestor_is_a_subreaper_whether_they_are_known_or_not() {
    let model = check(
        "
        90: fork 91 {fresh pp=90~5 pg=91 sid=90}
        91: fork 92
        92: setpgid(0,0) = 0
        91: exit 0 {+no_subreaper_above}
        91: dead {pp=90~5}
        ",
        expect![[r"
            #5 90 forks 91; group 91 of 91 found
            #6 91 forks 92
            #8 group 92 of 92 by itself
            #9 91 exits exited:0
            #10 92 goes from parent 91 to 1; 91 is a zombie; group 91 is held by zombies; group 92 orphaned: exit of 91, 0 stopped
        "]],
    );
    assert_eq!(model.group_by_pgid(Pgid(92)).unwrap().orphaned, Orphaned::Yes);
}

/// Whoever descends from an init that never called setsid is in session 0, and so is that init.
#[test]
fn an_adopter_in_the_same_session_counts_unless_it_is_known_to_be_the_init() {
    let orphaned = |text: &str| {
        let begin = "
            snapshot 1 init {pp=0 pg=0/0 sid=0/0}
            snapshot 30 agent {pp=0 pg=0/0 sid=0/0}
            snapshot-end
            30: fork 31
            31: setpgid(0,0) = 0
            31: fork 32
            31: exit 0 {+no_subreaper_above}
            31: dead
        ";
        let mut model = Model::new();
        for event in &parse(&format!("{begin}{text}")).unwrap() {
            model.apply(event);
        }
        assert_eq!(model.process_by_pid(Pid(32)).unwrap().parent.unwrap().number, Pid(1));
        model.group_by_pgid(Pgid(31)).unwrap().orphaned
    };
    assert_eq!(orphaned(""), Orphaned::Unknown);
    assert_eq!(orphaned("32: exit 0"), Orphaned::Yes, "its bundle says who its parent is");
    assert_eq!(orphaned("32: exit 0 {-init_parent}"), Orphaned::No, "of another pid namespace");
}

#[test]
fn zombies_do_not_count_in_the_orphan_rule_but_a_zombie_leader_with_threads_does() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        20: thread 25 {-single}
        20: exit-thread
        20: dead {es=0x20 tes=0x20}
        20/25: exit 0 {es=0x20}
        20/25: dead {es=0x20 tes=0x10 +single}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #12 20 exits exited:0
            #13 21 goes from parent 20 to 1; 20 is a zombie; group 20 is leaderless: Zombie; group 20 orphaned: exit of 20, 0 stopped
        "]],
    );
}

#[test]
fn the_expected_orphan_signals_are_missed() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: setpgid(0,0) = 0
        50: SIGSTOP -> 21
        21: stops SIGSTOP
        20: exit 0
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
            #14 21 goes from parent 20 to 1; 20 is a zombie; group 20 is held by zombies; group 21 orphaned: exit of 20, 1 stopped; anomaly: orphan signals of group 21
        "]],
    );
}

#[test]
fn orphan_signals_to_a_group_that_is_not_orphaned_are_an_anomaly() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        10: fork 22
        22: setpgid(0,20) = 0
        20: exit 0
        20: SIGHUP -> 21 kernel {pp=1}
        20: SIGCONT -> 21 kernel
        20: dead
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 10 forks 22
            #11 22 joins 20 from 10 (leader Alive)
            #12 20 exits exited:0
            #13 21 goes from parent 20 to 1; SIGHUP to 21 by the orphan rule, exit of 20
            #14 SIGCONT to 21 by the orphan rule, exit of 20
            #15 20 is a zombie; group 20 is leaderless: Zombie; anomaly: orphan signals of group 20
        "]],
    );
}

#[test]
fn clone_parent_makes_a_sibling() {
    check(
        "
        10: fork 20
        20: fork 21 0x8000
        21: setpgid(0,0) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #6 10 forks 21
            #8 group 21 of 21 by itself
        "]],
    );
}

#[test]
fn the_tree_names_terminals_foregrounds_and_leaders() {
    let model = model(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        10: fork 30
        30: setpgid(0,0) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        ",
    );
    let line = |group: &query::GroupView| {
        let members: Vec<_> = group.processes.iter().map(|(key, depth)| format!("{}/{depth}", key.number)).collect();
        let foreground = group.foreground_of.map_or_else(String::new, |tty| format!(" fg of {}", tty.tty));
        format!("  {} {:?} {:?}{foreground}: {}\n", group.key.number, group.leader, group.orphaned, members.join(" "))
    };
    let mut text = String::new();
    for session in query::tree(&model) {
        let tty = session.tty.map_or_else(|| "-".into(), |tty| tty.tty.to_string());
        text += &format!("{} {:?} {tty}\n", session.key.number, session.leader);
        text.extend(session.groups.iter().map(line));
    }
    expect![[r"
        1 Alive -
          1 Alive Yes: 1/0
        10 Alive pts/0
          10 Alive Yes: 10/0
          20 Reaped Yes fg of pts/0: 21/0
          30 Alive No: 30/0
        50 Alive -
          50 Alive Yes: 50/0
    "]]
    .assert_eq(&text);
}

#[test]
fn what_is_left_behind_are_the_roots_descendants_however_they_were_adopted() {
    let mut model = crate::state::Model::new();
    model.follow(Pid(20));
    let text = "
        10: fork 20
        20: fork 21
        21: setsid() = 21
        21: fork 22 0x8000
        22: fork 23
        22: exit 0
        22: dead
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        10: fork 30
    ";
    for event in super::history(text) {
        model.apply(&event);
    }
    let left: Vec<_> = query::left_behind(&model).iter().map(|(key, depth)| (key.number.0, *depth)).collect();
    assert_eq!(left, [(21, 0), (22, 0), (23, 0)]);
}
