//! Lifetimes as intervals.

use expect_test::expect;

use super::history;
use crate::{
    delta::GroupEnd,
    dsl::Names,
    event::RawTask,
    ids::{Pgid, Pid, Tid},
    state::Model,
    timeline::Lifetimes,
};

/// The account of a history: a line per group and session that the followed process 20 or its descendants were in.
fn lives(text: &str) -> String {
    let (mut model, mut lifetimes, mut names) = (Model::new(), Lifetimes::new(), Names::default());
    model.follow(Pid(20));
    for event in history(text) {
        let delta = model.apply(&event);
        lifetimes.observe(&event, &delta, &model);
    }
    let lives = lifetimes.finish(&model);
    let us = |at: crate::ids::BootNs| at.0 / 1000;
    let mut text = String::new();
    for life in lives.groups.iter().filter(|life| life.followed) {
        let group = names.group(life.key);
        let end = life.end.map_or_else(
            || "lives on".into(),
            |(bounds, end)| match end {
                GroupEnd::LastReaped { last } => format!("{} reap of {}", us(bounds.until), names.process(last)),
                GroupEnd::LastMoved { last } => format!("{} move of {}", us(bounds.until), names.process(last)),
                GroupEnd::NotSeen => format!("{} unseen", us(bounds.until)),
            },
        );
        text += &format!("group {group} {}–{end}\n", us(life.from));
        for member in &life.members {
            let until = member.until.map_or_else(String::new, |until| us(until).to_string());
            let how = if member.reaped { " reaped" } else { "" };
            let name = String::from_utf8_lossy(&member.name.0).into_owned();
            text += &format!("  {} {name} {}–{until}{how}\n", names.process(member.process), us(member.from));
        }
        for interval in &life.foreground {
            let until = interval.until.map_or_else(String::new, |until| us(until).to_string());
            text += &format!("  foreground of {} {}–{until}\n", interval.what.tty, us(interval.from));
        }
        for interval in &life.orphaned {
            let until = interval.until.map_or_else(String::new, |until| us(until).to_string());
            text += &format!("  orphaned {}–{until}\n", us(interval.from));
        }
    }
    for life in lives.sessions.iter().filter(|life| life.followed) {
        let name = String::from_utf8_lossy(&life.name.0).into_owned();
        let until = life.until.map_or_else(|| "lives on".into(), |until| us(until).to_string());
        text += &format!("session {} {name} {}–{until}", names.session(life.key), us(life.from));
        for (interval, lost) in &life.terminals {
            let until = interval.until.map_or_else(String::new, |until| us(until).to_string());
            text += &format!(", {} {}–{until} {lost:?}", interval.what.tty, us(interval.from));
        }
        text.push('\n');
    }
    let left: Vec<_> = lives.left_behind.iter().map(|(key, _)| key.number.to_string()).collect();
    text + &format!("left behind: {}\n", left.join(" "))
}

#[test]
fn a_pipeline_in_the_foreground() {
    let text = "
        10: fork 20
        20: setpgid(0,0) = 0
        10: fork 21
        10: setpgid(21,20) = 0
        10: ioctl(0,TIOCSPGRP,0,20) = 0
        20: exec /bin/sleep 0.3
        21: exec /bin/cat
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        21: exit 0
        21: dead
        10: wait4(-1,0) = 21 got 21 exited:0
        10: ioctl(0,TIOCSPGRP,0,10) = 0
    ";
    expect![[r"
        group 10 2–lives on
          10 bash 2–
          20 bash 5–7
          21 bash 8–10
          foreground of pts/0 2–12
          foreground of pts/0 24–
          orphaned 4–
        group 20 7–22 reap of 21
          20 sleep 7–18 reaped
          21 cat 10–22 reaped
          foreground of pts/0 12–22
        session 10 bash 2–lives on, pts/0 2– None
        left behind: 
    "]]
    .assert_eq(&lives(text));
}

#[test]
fn a_daemon_that_is_left_behind_and_a_session_that_loses_its_terminal() {
    let text = "
        10: fork 20
        20: setsid() = 20
        20: ioctl(0,TIOCSCTTY,0,0) = 0 {tty=pts/1 fg=20}
        20: fork 21
        21: fork 22
        21: setpgid(0,0) = 0
        20: exec /bin/sh
        20: exit 0
        20: dead
        10: wait4(-1,0) = 20 got 20 exited:0
        22: exec /usr/sbin/daemon
        21: exit 0
        21: dead
        1: wait4(-1,0) = 21 got 21 exited:0
    ";
    expect![[r"
        group 10 2–lives on
          10 bash 2–
          20 bash 5–7
          foreground of pts/0 2–
          orphaned 4–
        group 20 7–lives on
          20 sh 7–18 reaped
          21 bash 10–13
          22 daemon 11–
          foreground of pts/1 9–16
          orphaned 21–
        group 21 13–23 reap of 21
          21 bash 13–23 reaped
          orphaned 16–23
        session 10 bash 2–lives on, pts/0 2– None
        session 20 sh 7–lives on, pts/1 9–16 Some(LeaderExit)
        left behind: 22
    "]]
    .assert_eq(&lives(text));
}

#[test]
fn what_is_over_in_a_long_lived_group_is_a_bounded_history() {
    let mut text = String::from("10: fork 20\n20: setpgid(0,0) = 0\n");
    for pid in 100..200 {
        text += &format!("20: fork {pid}\n{pid}: exit 0\n{pid}: dead\n20: wait4(-1,0) = {pid} got {pid} exited:0\n");
        text.push_str("10: ioctl(0,TIOCSPGRP,0,20) = 0\n10: ioctl(0,TIOCSPGRP,0,10) = 0\n");
    }
    let (mut model, mut lifetimes) = (Model::new(), Lifetimes::with_history(8));
    for event in history(&text) {
        let delta = model.apply(&event);
        lifetimes.observe(&event, &delta, &model);
    }
    let key = model.group_by_pgid(Pgid(20)).unwrap().key;
    let life = lifetimes.group_life(key).unwrap();
    assert_eq!(life.members.len() + life.forgotten, 101, "the leader and everyone that it forked");
    assert!((9..=25).contains(&life.members.len()), "{}", life.members.len());
    assert_eq!(life.members.first().unwrap().process.number, Pid(20), "who is still there is never forgotten");
    assert_eq!(life.members.last().unwrap().process.number, Pid(199), "the latest are remembered");
    assert!((8..=24).contains(&life.foreground.len()), "{}", life.foreground.len());
}

/// They are all known, and when a complete look after a loss does not show them, they are all forgotten.
#[test]
fn a_hundred_thousand_live_processes_are_all_known_and_all_forgotten() {
    const MANY: u32 = 100_000;
    let text = "
        10: fork 1000
        #900000 gap 1 sequence 9000 10000
        #900001 snapshot 1 init {pp=0 +leader}
        snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
        snapshot 50 tmux {pp=1 +leader}
        snapshot-end from=900001
        50: takes SIGWINCH 0 handler
    ";
    let mut events = history(text);
    let end = events.split_off(5);
    let mut model = Model::new();
    for event in &events {
        model.apply(event);
    }
    let mut fork = events.pop().unwrap();
    for pid in 1001..1000 + MANY {
        (fork.seq.0, fork.at.0) = (fork.seq.0 + 1, fork.at.0 + 1);
        let child = fork.subject.as_mut().unwrap();
        child.id = RawTask { pid: Pid(pid), tid: Tid(pid), start: fork.at };
        model.apply(&fork);
    }
    let members = |model: &Model| model.group_by_pgid(Pgid(10)).unwrap().members.len();
    assert_eq!((model.processes().count(), members(&model)), (MANY as usize + 3, MANY as usize + 1));
    for mut event in end {
        event.at.0 += u64::from(MANY);
        model.apply(&event);
    }
    assert_eq!((model.processes().count(), members(&model)), (3, 1));
}
