//! Lost records, resynchronisation, and what was there before.

use expect_test::expect;

use super::{check, history, model};
use crate::{
    delta::LeaderState,
    ids::{BootNs, Pgid, Pid},
    state::Model,
};

#[test]
fn a_complete_snapshot_after_a_gap_ends_what_is_not_in_it() {
    let model = check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 21
        gap 5 sequence 9000 10000
        snapshot 1
        snapshot 10
        snapshot 50
        snapshot 21 {pg=21}
        snapshot-end from=10
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 10 forks 21
            #9 gap of 5: MissingSequence
            #13 unseen call: ProcessGroup of 21; group 21 of 21 found
            #14 20 reaped by nobody (Snapshot 7–14); group 20 ends: 20 was reaped
        "]],
    );
    assert!(model.processes().all(|process| model.uncertain(process.key).is_none()));
}

#[test]
fn a_partial_snapshot_ends_nothing() {
    let model = model(
        "
        10: fork 20
        gap 5 sequence 9000 10000
        snapshot 10
        snapshot-end from=7 partial
        ",
    );
    let uncertain = |pid| model.uncertain(model.process_by_pid(Pid(pid)).unwrap().key).is_some();
    assert!(!uncertain(10), "it was seen since");
    assert!(uncertain(20));
}

#[test]
fn what_was_forked_while_the_iterator_ran_is_not_missed_by_it() {
    let model = model(
        "
        gap 5 sequence 4000 5000
        snapshot 1
        10: fork 20
        snapshot 10
        snapshot 50
        snapshot-end from=6
        ",
    );
    assert!(model.process_by_pid(Pid(20)).is_some());
}

#[test]
fn a_gap_touches_what_is_not_seen_after_it() {
    let model = model("10: fork 20\ngap 1 recursion 4000 5000\n10: takes SIGWINCH 0");
    let bounds = |pid| model.uncertain(model.process_by_pid(Pid(pid)).unwrap().key);
    assert_eq!(bounds(10), None);
    let bounds = bounds(20).unwrap();
    assert_eq!((bounds.after.0, bounds.until.0), (5000, 7000), "from its last event in which it was seen until now");
}

#[test]
fn a_zombie_whose_last_record_was_lost_is_one_as_soon_as_a_bundle_shows_it() {
    let model = model("10: fork 20\n20: exit\ngap 1 sequence 6000 7000\n10: SIGTERM -> 20 {es=32}");
    let process = model.process_by_pid(Pid(20)).unwrap();
    assert_eq!((process.phase, model.uncertain(process.key)), (crate::state::Phase::Zombie, None));
}

#[test]
fn a_changed_group_without_a_call_is_an_unseen_call() {
    check(
        "
        10: fork 20
        20: takes SIGWINCH 0 {pg=20}
        10: fork 21
        21: takes SIGWINCH 0 {pg=20}
        10: fork 22
        22: takes SIGWINCH 0 {pg=22 sid=22 +leader tty=-}
        ",
        expect![[r"
            #5 10 forks 20
            #6 unseen call: ProcessGroup of 20; group 20 of 20 found
            #7 10 forks 21
            #8 unseen call: ProcessGroup of 21; 21 joins 20 from 10 (leader Alive)
            #9 10 forks 22
            #10 unseen call: Session of 22; session 22 of 22; group 22 of 22 found; 22 leaves pts/0; group 22 orphaned: found so, 0 stopped
        "]],
    );
}

#[test]
fn a_change_that_another_thread_is_just_making_is_not_unseen() {
    check(
        "
        10: fork 20
        10: > setpgid(20,20)
        20: takes SIGWINCH 0 {pg=20}
        10: < setpgid(20,20) = 0
        20: thread 25 {-single}
        20/25: > setpgid(0,10)
        20: takes SIGWINCH 0 {pg=10}
        20/25: < setpgid(0,10) = 0
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by parent 10
            #11 20 joins 10 from 20 (leader Alive); group 20 ends: 20 moved away
        "]],
    );
}

#[test]
fn members_of_one_group_in_two_sessions_are_an_anomaly() {
    check(
        "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: takes SIGWINCH 0 {sid=50}
        ",
        expect![[r"
            #5 10 forks 20
            #7 group 20 of 20 by itself
            #8 20 forks 21
            #9 unseen call: Session of 21; anomaly: group 20 spans sessions; group 20 orphaned: found so, 0 stopped
        "]],
    );
}

#[test]
fn groups_that_are_found_orphaned_are_said_at_the_snapshots_end() {
    check(
        "
        snapshot 61 child {pp=60 pg=60 sid=60}
        snapshot 60 daemon {pp=1 +leader}
        snapshot-end partial
        ",
        expect![[r"
            #5 found 61; group 60 of 60 found
            #6 found 60
            #7 group 60 orphaned: found so, 0 stopped
        "]],
    );
}

#[test]
fn a_process_known_only_as_a_parent_has_no_group() {
    let model = model("20: takes SIGWINCH 0 {fresh id=20~3 pp=19~2}");
    let parent = model.process_by_pid(Pid(19)).unwrap();
    assert_eq!((parent.group, parent.knowledge), (None, crate::state::Knowledge::Referenced));
    assert!(crate::query::ps(&model).iter().all(|row| row.pid != Pid(19)));
}

#[test]
fn an_unreadable_bundle_says_only_that_the_process_is_there() {
    check(
        "10: fork 20\n20: takes SIGWINCH 0 {+unreadable pg=0 sid=0 tty=- pp=0}",
        expect![[r"
        #5 10 forks 20
    "]],
    );
}

#[test]
fn a_start_time_from_proc_matches_the_exact_one() {
    check(
        "
        snapshot 20 cat {id=20~70000000 pp=10 pg=10 sid=10 ino=0}
        @90000000 20~74000123: takes SIGWINCH 0 {id=20~74000123}
        @91000000 10: fork 30
        0: freed 20~74000123
        ",
        expect![[r"
            #5 found 20
            #7 10 forks 30
            #8 20 reaped by nobody (Freed 90000–91001)
        "]],
    );
}

#[test]
fn references_without_state_are_bounded() {
    let mut text = String::from("10: fork 20\n");
    for sender in 100_000..105_000 {
        text += &format!("{sender}~{sender}: SIGTERM -> 20\n");
    }
    let model = model(&text);
    assert!(model.processes().count() < 4200, "{}", model.processes().count());
}

#[test]
fn a_snapshot_of_the_followed_ends_those_of_them_that_it_does_not_show_and_nobody_else() {
    let text = "
        10: fork 20
        20: fork 21
        10: fork 30
        gap 2 sequence 9000 10000
        #90 snapshot 20 sleep
        snapshot-end from=90 followed
    ";
    let mut model = Model::new();
    model.follow(Pid(20));
    for event in history(text) {
        model.apply(&event);
    }
    let alive = |pid| model.process_by_pid(Pid(pid)).is_some();
    assert_eq!([20, 21, 30, 10].map(alive), [true, false, true, true]);
}

#[test]
fn a_zombie_whose_number_another_process_has_after_a_loss_is_gone() {
    // Of a snapshot that is not complete, too: nobody gets the number of a process, or of a group, before all of it was reaped.
    let text = "
        10: fork 20
        20: setpgid(0,0) = 0
        20: exit 0
        20: dead
        gap 2 sequence 9000 10000
        snapshot 20 sleep {fresh id=20~7000000 pp=1 pg=50 sid=50}
        snapshot-end partial
    ";
    let mut model = Model::new();
    model.follow(Pid(20));
    for event in history(text) {
        model.apply(&event);
    }
    let other = model.process_by_pid(Pid(20)).unwrap();
    assert_eq!((other.start, other.followed), (BootNs(7_000_000), false));
    assert!(model.processes().all(|process| !process.is_zombie()));
    assert!(model.groups().all(|group| group.key.number != Pgid(20)));
}

#[test]
fn a_leader_that_is_in_another_group_and_shown_after_a_member_is_found_there() {
    let model = model(
        "
        snapshot 10 bash {pp=1 pg=10 sid=10 +leader}
        snapshot 21 cat {pp=10 pg=20 sid=10}
        snapshot 20 python {pp=10 pg=10 sid=10}
        snapshot-end
        ",
    );
    let group = model.group_by_pgid(Pgid(20)).unwrap();
    assert_eq!(model.leader_state(group), LeaderState::MovedAway);
}

#[test]
fn whoever_descends_from_the_followed_when_it_is_shown_is_followed() {
    let mut model = Model::new();
    model.follow(Pid(40));
    // The grandchild comes first.
    let text = "
        snapshot 61 c {pp=60 pg=40 sid=40}
        snapshot 60 b {pp=40 pg=40 sid=40}
        snapshot 40 sh {pp=1 +leader}
        snapshot 62 d {pp=60 pg=40 sid=40}
        snapshot-end
    ";
    for event in history(text) {
        model.apply(&event);
    }
    for (pid, followed) in [(40, true), (60, true), (61, true), (62, true), (50, false), (10, false)] {
        assert_eq!(model.process_by_pid(Pid(pid)).unwrap().followed, followed, "{pid}");
    }
}
