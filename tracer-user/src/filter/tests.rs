//! What filters say, and what they say of texts that are none.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use tracer_model::{dsl, ids::Pid, state::Model};

use super::*;
use crate::trace_file::{CALL_NAMES, KINDS, Scope, kind_name};

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
    check("not (time>=3ms or kind=snapshot_end) and pid>1", &expect!["snapshot2 snapshot3"]);
}

/// What is said of texts that are no filters: the text, and below it the place and what is wrong.
fn check_errors(texts: &[&str], expected: &Expect) {
    let mut said = String::new();
    for text in texts {
        let error = text.parse::<Filter>().expect_err(text).to_string();
        let lines: Vec<&str> = error.lines().collect();
        let what = lines[0].split("; the keys are").next().expect("a sentence");
        writeln!(said, "{}\n{} {what}", &lines[1][4..], &lines[2][4..]).expect("a string");
    }
    expected.assert_eq(&said);
}

#[test]
fn errors_point_at_the_character() {
    assert!("".parse::<Filter>().is_err());
    let texts = [
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
    ];
    check_errors(
        &texts,
        &expect![[r#"
        pid
           ^ =, !=, <, <=, > or >= must stand here
        pid=
            ^ a value must stand here
        pid=x
            ^ this is no number
        pid==1
            ^ an operator is =, !=, <, <=, > or >=; equality is a single =
        color=red
        ^ there is no such key, the nearest is cgroup
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
                 ^ a test must stand here
        日=1
        ^ a test must stand here
        \x1b[2J=1
        ^ a test must stand here
    "#]],
    );
}

#[test]
fn a_word_that_is_none_is_told_with_the_nearest() {
    let texts = [
        "pid=1 && uid=2",
        "pid=1 || uid=2",
        "!pid=1",
        "time=<1",
        "pid=1 AND uid=2",
        "kind=exit,exce",
        "kind=fork",
        "kind!=setpgrp",
        "kind=*pgrp",
        "signal=SIGTRM",
        "signal=15",
        "signal=term",
        "signal=RTMIN+31",
        "rule=JC999",
        "rule=\"zombie\"",
        "rule=jc*",
    ];
    check_errors(
        &texts,
        &expect![[r#"
        pid=1 && uid=2
              ^ & is no word of a filter; write and
        pid=1 || uid=2
              ^ | is no word of a filter; write or
        !pid=1
        ^ ! is no word of a filter; write not
        time=<1
             ^ an operator is =, !=, <, <=, > or >=; equality is a single =
        pid=1 AND uid=2
              ^ there is no such key, the nearest is and
        kind=exit,exce
                  ^ no event, call or terminal request has this name; the nearest is exec
        kind=fork
             ^ no event, call or terminal request has this name; the nearest is new_task
        kind!=setpgrp
              ^ no event, call or terminal request has this name; the nearest is setpgid
        kind=*pgrp
             ^ no event, call or terminal request has this name; the nearest is TIOCGPGRP
        signal=SIGTRM
               ^ there is no such signal; the nearest is SIGTERM
        signal=15
               ^ a signal has a name here: 15 is SIGTERM
        signal=term
               ^ there is no such signal; the nearest is TERM
        signal=RTMIN+31
               ^ there is no such signal; the nearest is RTMIN+13
        rule=JC999
             ^ there is no such rule; the nearest is JC309
        rule="zombie"
             ^ there is no such rule; the nearest is unreaped-zombie
        rule=jc*
             ^ there is no such rule; the nearest is JC605
    "#]],
    );
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
fn every_kind_signal_and_rule_is_a_word() {
    for kind in KINDS.into_iter().chain(CALL_NAMES) {
        assert!(format!("kind={kind}").parse::<Filter>().is_ok(), "{kind}");
    }
    for number in 1..=64 {
        let name = tracer_model::ids::Signal(number).to_string();
        assert!(format!("signal={name}").parse::<Filter>().is_ok(), "{name}");
    }
    for rule in tracer_model::findings::RULES {
        assert!(format!("rule={},{}", rule.id, rule.name).parse::<Filter>().is_ok(), "{}", rule.id);
    }
    assert!("kind=signal_*,TIOC* signal=RTMIN*,*STP rule=JC1*".parse::<Filter>().is_ok());
}

#[test]
fn a_unit_that_is_not_there_is_told() {
    let look_up = |text: &str| text.parse::<Filter>().expect("a filter").look_up().map_err(|error| error.to_string());
    let error = look_up("unit=no-such.service").expect_err("no such unit");
    assert!(error.starts_with("no cgroup of this machine has this name"), "{error}");
    assert!(error.ends_with("unit=no-such.service\n         ^"), "{error}");
    let mut folders = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let there = folders.find(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
    if let Some(name) = there.and_then(|it| it.file_name().into_string().ok()) {
        assert_eq!(look_up(&format!("unit=\"{name}\"")), Ok(()));
        let error = look_up(&format!("unit=\"{name}x\"")).expect_err("another");
        assert!(error.contains("; the nearest is "), "{error}");
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
