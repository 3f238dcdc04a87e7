//! `ps` and `tree`: the listings of the well-known introduction to process groups come out as they are printed there.

use expect_test::expect;
use tracer_model::query;

use super::*;
use crate::sink::{ps, tree};

/// The state after a history.
fn model(history: &str) -> Model {
    let mut model = Model::new();
    for event in dsl::parse(history).unwrap_or_else(|error| panic!("{error}")) {
        model.apply(&event);
    }
    model
}

/// `ps -Ho …` of one session.
fn listing(model: &Model, columns: &[&str]) -> String {
    let rows = query::ps_of(model, |process| process.session.is_some_and(|session| session.number.0 == 1684));
    let columns: Vec<_> = columns.iter().map(|name| ps::column(name).expect("a column")).collect();
    let mut out = Vec::new();
    ps::write(&rows, &columns, 5, Style::PLAIN, &mut out).expect("a page never fails");
    String::from_utf8(out).expect("UTF-8")
}

const COLUMNS: [&str; 6] = ["pid", "ppid", "pgid", "tpgid", "sess", "args"];

/// A shell that is a session leader on a terminal, and a child of a terminal emulator.
const TERMINAL: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 3057 xterm
    snapshot 1684 /bin/bash {pp=3057 pg=1684 sid=1684 +leader tty=pts/0 fg=1684}
    snapshot-end
";

/// The shell runs ps in the foreground.
fn with_ps(history: &str, pid: u32) -> Model {
    model(&format!(
        "{TERMINAL}{history}
        1684: fork {pid}
        1684: setpgid({pid},{pid}) = 0
        1684: ioctl(255,TIOCSPGRP,0,{pid}) = 0 {{fg={pid}}}
        {pid}: exec ps -Ho pid,ppid,pgid,tpgid,sess,args"
    ))
}

#[test]
fn a_shell_and_ps() {
    expect![[r#"
          PID  PPID  PGID TPGID  SESS COMMAND
         1684  3057  1684 59829  1684 /bin/bash
        59829  1684 59829 59829  1684   ps -Ho pid,ppid,pgid,tpgid,sess,args
    "#]]
    .assert_eq(&listing(&with_ps("", 59829), &COLUMNS));
}

#[test]
fn a_stopped_pipeline_in_the_background() {
    let pipeline = "
        1684: fork 17390
        1684: setpgid(17390,17390) = 0
        1684: fork 17391
        1684: setpgid(17391,17390) = 0
        17390: exec cat
        17391: exec sed s/hello/goodbye/
        17390: SIGTTIN -> 17391 kernel
        17390: SIGTTIN -> 17390 kernel
        17390: stops SIGTTIN
        17391: stops SIGTTIN
    ";
    let model = with_ps(pipeline, 17401);
    expect![[r#"
          PID  PPID  PGID TPGID  SESS COMMAND
         1684  3057  1684 17401  1684 /bin/bash
        17390  1684 17390 17401  1684   cat
        17391  1684 17390 17401  1684   sed s/hello/goodbye/
        17401  1684 17401 17401  1684   ps -Ho pid,ppid,pgid,tpgid,sess,args
    "#]]
    .assert_eq(&listing(&model, &COLUMNS));
    expect![[r#"
          PID  PPID  PGID  SESS TPGID TTY      STAT LEADER ORPHANED COMMAND
         1684  3057  1684  1684 17401 pts/0    ·s   alive  yes      /bin/bash
        17390  1684 17390  1684 17401 pts/0    T    alive  no         cat
        17391  1684 17390  1684 17401 pts/0    T    alive  no         sed s/hello/goodbye/
        17401  1684 17401  1684 17401 pts/0    ·+   alive  no         ps -Ho pid,ppid,pgid,tpgid,sess,args
    "#]]
    .assert_eq(&listing(&model, &ps::USUAL));
    let mut out = Vec::new();
    tree::write(&query::tree(&model), &query::ps(&model), &model, Style::PLAIN, &mut out).expect("a page never fails");
    expect![[r#"
        session 1, no controlling terminal
        └─ group 1, orphaned
           └─ 1 init
        session 1684, controlling terminal pts/0, foreground group 17401
        ├─ group 1684, background, orphaned
        │  └─ 1684 /bin/bash
        ├─ group 17390, background
        │  ├─ 17390 cat  (stopped by SIGTTIN)
        │  └─ 17391 sed s/hello/goodbye/  (stopped by SIGTTIN)
        └─ group 17401, foreground
           └─ 17401 ps -Ho pid,ppid,pgid,tpgid,sess,args
        session 3057, no controlling terminal
        └─ group 3057, orphaned
           └─ 3057 xterm
    "#]]
    .assert_eq(&String::from_utf8(out).expect("UTF-8"));
}

#[test]
fn a_child_that_was_killed_is_defunct() {
    let catcher = "
        1684: fork 33635
        1684: setpgid(33635,33635) = 0
        33635: exec python signal-catcher.py
        33635: fork 33640
        33640: exit 0
        33640: dead
    ";
    expect![[r#"
          PID  PPID  PGID TPGID  SESS COMMAND
         1684  3057  1684 33744  1684 /bin/bash
        33635  1684 33635 33744  1684   python signal-catcher.py
        33640 33635 33635 33744  1684     [python] <defunct>
        33744  1684 33744 33744  1684   ps -Ho pid,ppid,pgid,tpgid,sess,args
    "#]]
    .assert_eq(&listing(&with_ps(catcher, 33744), &COLUMNS));
}

#[test]
fn a_child_whose_parent_was_killed_is_a_child_of_init_and_in_the_same_session() {
    let catcher = "
        1684: fork 49149
        1684: setpgid(49149,49149) = 0
        49149: exec python signal-catcher.py
        49149: fork 49154
        49149: exit 0
        49149: dead
        49154: takes SIGCHLD 0 {pp=1}
        1684: wait4(-1,2) = 49149 got 49149 exited:0
    ";
    let model = with_ps(catcher, 51192);
    let text = listing(&model, &COLUMNS);
    let mut lines: Vec<&str> = text.lines().collect();
    // ps(1) orders roots by number where start times are equal to it; here they are the exact ones.
    lines
        .sort_unstable_by_key(|line| (line.contains("signal-catcher"), line.contains("ps -Ho"), line.contains("bash")));
    assert_eq!(
        lines,
        [
            "  PID  PPID  PGID TPGID  SESS COMMAND",
            " 1684  3057  1684 51192  1684 /bin/bash",
            "51192  1684 51192 51192  1684   ps -Ho pid,ppid,pgid,tpgid,sess,args",
            "49154     1 49149 51192  1684 python signal-catcher.py",
        ]
    );
    expect![[r#"
          PID  PPID  PGID  SESS TPGID TTY      STAT LEADER ORPHANED COMMAND
         1684  3057  1684  1684 51192 pts/0    ·s   alive  yes      /bin/bash
        51192  1684 51192  1684 51192 pts/0    ·+   alive  no         ps -Ho pid,ppid,pgid,tpgid,sess,args
        49154     1 49149  1684 51192 pts/0    ·    reaped yes      python signal-catcher.py
    "#]]
    .assert_eq(&listing(&model, &ps::USUAL));
}

#[test]
fn hostile_names_are_cleaned_and_lines_fit_the_terminal() {
    let model = with_ps("1684: fork 5\n5: exec x:1b5b324a x:e280ae61 {comm=x:0a0a}\n", 9);
    let rows = query::ps(&model);
    let columns: Vec<_> = ps::USUAL.iter().filter_map(|name| ps::column(name)).collect();
    for wide in [20, 60, 80] {
        let style = Style { width: Some(wide), ascii: true, color: false };
        let mut out = Vec::new();
        ps::write(&rows, &columns, 5, style, &mut out).expect("a page never fails");
        tree::write(&query::tree(&model), &rows, &model, style, &mut out).expect("a page never fails");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= wide), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    }
}

#[test]
fn every_column_has_a_name_of_its_own() {
    for column in ps::COLUMNS {
        assert_eq!(ps::column(column.name()).expect("itself").name(), column.name());
    }
}
