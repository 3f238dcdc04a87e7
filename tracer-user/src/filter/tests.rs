//! What filters say, and what they say of texts that are none.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use tracer_model::{dsl, ids::Pid, state::Model};

use super::*;
use crate::trace_file::{Scope, kind_name};

const HISTORY: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot 70 cron
    snapshot-end
    @3000000 10: fork 11
    @3100000 10: setpgid(11,11) = 0
    @3200000 10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
    @4000000 11: exec cat /etc/motd
    @4500000 11: fork 12
    @5000000 12: exit 3
    12: dead
    @5500000 11: wait4(-1,2) = 12 got 12 exited:3
    @6000000 11: exit 0
    11: dead
    @7000000 10: wait4(-1,2) = 11 got 11 exited:0
";

/// The events that a filter lets through, by kind, from `number` on.
fn check(filter: &str, expected: &Expect) {
    let mut filter: Filter = filter.parse().unwrap_or_else(|error| panic!("{error}"));
    let header =
        Header { scope: Scope::Tree { root: Pid(10), name: b"bash".to_vec() }, ..crate::trace_file::tests::header() };
    let header = Header { boot_ns: tracer_model::ids::BootNs(0), ..header };
    filter.begin(&header);
    let (mut model, mut shown) = (Model::new(), String::new());
    for event in dsl::parse(HISTORY).expect("a history") {
        let delta = model.apply(&event);
        filter.follow(&event);
        if filter.holds(&event, &delta, &model) {
            write!(shown, "{}{} ", kind_name(&event.kind), event.seq.0).expect("a string");
        }
    }
    expected.assert_eq(shown.trim_end());
}

#[test]
fn processes_are_found_by_what_they_are() {
    check("pid=12", &expect!["new_task11 exit12 dead13 leave15"]);
    check("pid=12 and not kind=exit", &expect!["new_task11 dead13 leave15"]);
    check("under=11 kind=exit,dead", &expect!["exit12 dead13 exit16 dead17"]);
    check("name=cr*", &expect!["snapshot3"]);
    check("exe=cat", &expect!["exec10 new_task11 exit12 dead13 enter14 leave15 exit16 dead17"]);
    check("session=10 and group!=10 kind=exit", &expect!["exit12 exit16"]);
    check("tty=pts/3 kind=snapshot", &expect!["snapshot2"]);
    check("kind=setpgid", &expect!["enter6 leave7"]);
    check("kind=TIOCSPGRP,exec", &expect!["enter8 leave9 exec10"]);
}

#[test]
fn instants_are_those_of_the_timeline() {
    check("time>=4.5 time<6", &expect!["new_task11 exit12 dead13 enter14 leave15"]);
    check("time=#11", &expect!["new_task11"]);
    check("time>#19", &expect![""]);
    check("!(time>=3ms or kind=snapshot_end) && pid>1", &expect!["snapshot2 snapshot3"]);
}

#[test]
fn errors_point_at_the_character() {
    let mut said = String::new();
    assert!("".parse::<Filter>().is_err());
    for text in [
        "pid",
        "pid=",
        "pid=x",
        "pid==1",
        "color=red",
        "pid=1 and",
        "(pid=1",
        "pid=1)",
        "name<b",
        "pid<1,2",
        "name=\"b",
        "time=9.9.9",
        "not",
        "pid=1 or or",
        "日=1",
        "\u{1b}[2J=1",
    ] {
        let error = text.parse::<Filter>().expect_err(text).to_string();
        let lines: Vec<&str> = error.lines().collect();
        let what = lines[0].split("; the keys are").next().unwrap_or_default();
        writeln!(said, "{}\n{} {what}", &lines[1][4..], &lines[2][4..]).expect("a string");
    }
    expect![[r#"
            pid
               ^ =, !=, <, <=, > or >= must stand here
            pid=
                ^ a value must stand here
            pid=x
                ^ this is no number
            pid==1
                ^ this is no number
            color=red
            ^ there is no such key
            pid=1 and
                     ^ a test must stand here
            (pid=1
            ^ this ( is not closed
            pid=1)
                 ^ a ( before this is missing
            name<b
                 ^ this key knows only = and !=
            pid<1,2
            ^ several values can only be compared by = or !=
            name="b
                 ^ this " is not closed
            time=9.9.9
                    ^ a second point
            not
               ^ a test must stand here
            pid=1 or or
                     ^ there is no such key
            日=1
            ^ a test must stand here
            \x1b[2J=1
            ^ a test must stand here
    "#]]
    .assert_eq(&said);
}

#[test]
fn no_text_panics_or_recurses_without_end() {
    assert!("(".repeat(100_000).parse::<Filter>().is_err());
    assert!("not ".repeat(100_000).parse::<Filter>().is_err());
    let words =
        ["pid", "=", "!=", "<", "(", ")", "not", "and", "or", "1", "\"", ",", " ", "*", "name", "time", "µ", "#"];
    let mut random = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random % 12 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(words[(random >> 33) as usize % words.len()]);
        }
        random = random.wrapping_add(1);
        let _ = text.parse::<Filter>();
    }
}

#[test]
fn stars_stand_for_anything() {
    for (glob, text, matches) in [
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "ab", false),
        ("*", "", true),
        ("*b*b*", "abb", true),
        ("*b*b*", "ab", false),
        ("ab*ab", "ab", false),
        ("", "", true),
        ("x", "xy", false),
    ] {
        assert_eq!(super::test::Glob::new(glob).matches(text.as_bytes()), matches, "{glob} {text}");
    }
}
