//! Narrow terminals, ASCII, colours, hostile names, many groups, many targets.

use std::fmt::Write as _;

use expect_test::expect;

use super::*;
use crate::text::{is_hostile, width};

const PIPELINE: &str = "
    10: fork 11
    @3931000 11: setpgid(0,0) = 0
    10: setpgid(11,11) = 0
    10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
    11: exec sleep 0.3 --an-argument-that-is-far-too-long-for-a-narrow-terminal and another
    10: fork 12
    12: exec cat
    10: setpgid(12,11) = -13
    @9000000 77~5(kworker/u8:1): SIGINT -> 11 kernel
    11: exit SIGINT
    11: dead
    10: wait4(-1,2) = 11 got 11 killed:SIGINT
";

fn styled(history: &str, style: Style) -> String {
    shown("timeline", &header(), &events(history), style)
}

#[test]
fn a_narrow_terminal_wraps_inside_the_column() {
    let text = styled(PIPELINE, Style { width: Some(72), ..Style::PLAIN });
    expect![[r#"
        sesstrace: eBPF, tracepoint tier (this kernel refuses trampolines) ·
          following 10 bash and all its descendants

             ms  process      group  what happened
          0.002   10 bash     10     session 10, terminal pts/3, in the
                                     foreground
          0.004   10 bash     10     forks 11
          3.932   11 bash  ┌  11     setpgid: leads new group 11
                           │           child first, by 1 µs
          3.936   10 bash  │  10     gives pts/3 to group 11  foreground 10 → 11
          3.937   11 sleep ├  11     exec sleep 0.3 --an-argument-that-is-far-t…
          3.938   10 bash  │  10     forks 12
          3.939   12 cat   │  10     exec cat
          3.941   10 bash  │  10     setpgid(12, 11): EACCES
                           │           12 had executed a program already, and
                           │           stays in group 10
          9.000      pts/3 │         ^C: SIGINT to foreground group 11: 11 sleep
          9.001   11 sleep ├  11     dies of SIGINT
          9.004   10 bash  └  10     reaps 11: group 11 ends (1 process, 5 ms)

        groups       10  bash ×2, cat  was there, lives on  foreground
                       3 processes
                     11  sleep         3.932–9.004 ms       foreground
                       1 process    last member reaped
        sessions     10  bash  was there, lives on  pts/3
        left behind  10 bash   group 10  session 10  pts/3  running
                       parent unknown
                       12 cat  group 10  session 10  pts/3  running
                       child of 10 bash
        races        child first  1 time  closest 1 µs
        findings     2 warnings  1 for information
        warning JC101 lost-setpgid-race
          fact   10 bash could not move 12 cat to group 11: EACCES
          why    12 cat had executed a program 1 µs before this call, and did
                 not call setpgid itself; it stays in group 10
          fix    call setpgid in the child too, before exec
          seen   3.939 ms  12 cat executes a program
                 3.941 ms  10 bash: setpgid(12, 11) = EACCES
        warning JC205 dead-foreground-group
          fact   nobody owns pts/3: Ctrl-C there reaches no process
          why    group 11 ended at 9.004 ms, and 10 bash has not taken the
                 terminal back since
          fix    take the terminal back with tcsetpgrp when the job has ended
          seen   9.001 ms  11 sleep dies of SIGINT
                 9.004 ms  10 bash reaps 11 sleep
        20 events, none lost
    "#]]
    .assert_eq(&text);
    assert!(text.lines().all(|line| width(line) <= 72), "{text}");
}

#[test]
fn no_width_makes_a_line_longer_than_the_least() {
    for wide in 1..200 {
        let text = styled(PIPELINE, Style { width: Some(wide), ..Style::PLAIN });
        let longest = text.lines().map(width).max().unwrap_or(0);
        assert!(longest <= wide.max(60), "{longest} columns of {wide}\n{text}");
    }
}

#[test]
fn ascii_has_no_other_characters() {
    let history = format!("{PIPELINE}\n 12: exec x:c3a9 {{comm=x:c3a9e280ae}}");
    let text = styled(&history, Style { ascii: true, ..Style::PLAIN });
    assert!(text.is_ascii(), "{text}");
    expect![[r#"
        sesstrace: eBPF, tracepoint tier (this kernel refuses trampolines) - following 10 bash and all its descendants

             ms  process               group  what happened
          0.002   10 bash              10     session 10, terminal pts/3, in the foreground
          0.004   10 bash              10     forks 11
          3.932   11 bash           ,  11     setpgid: leads new group 11  child first, by 1 us
          3.936   10 bash           |  10     gives pts/3 to group 11      foreground 10 -> 11
          3.937   11 sleep          +  11     exec sleep 0.3 --an-argument-that-is-far-too-long-for-a-narrow-terminal and another
          3.938   10 bash           |  10     forks 12
          3.939   12 cat            |  10     exec cat
          3.941   10 bash           |  10     setpgid(12, 11): EACCES      12 had executed a program already, and stays in group 10
          9.000      pts/3          |         ^C: SIGINT to foreground group 11: 11 sleep
          9.001   11 sleep          +  11     dies of SIGINT
          9.004   10 bash           '  10     reaps 11: group 11 ends (1 process, 5 ms)
          9.005   12 \u{e9}\u{202e}    10     exec '\u{e9}'

        groups       10  bash x2, \u{e9}\u{202e}  was there, lives on  foreground  3 processes
                     11  sleep                    3.932-9.004 ms       foreground  1 process    last member reaped
        sessions     10  bash  was there, lives on  pts/3
        left behind  10 bash              group 10  session 10  pts/3  running  parent unknown
                       12 \u{e9}\u{202e}  group 10  session 10  pts/3  running  child of 10 bash
        races        child first  1 time  closest 1 us
        findings     2 warnings  1 for information
        warning JC101 lost-setpgid-race  10 bash could not move 12 cat to group 11: EACCES
          why    12 cat had executed a program 1 us before this call, and did not call setpgid itself; it stays in group 10
          fix    call setpgid in the child too, before exec
          seen   3.939 ms  12 cat executes a program
                 3.941 ms  10 bash: setpgid(12, 11) = EACCES
        warning JC205 dead-foreground-group  nobody owns pts/3: Ctrl-C there reaches no process
          why    group 11 ended at 9.004 ms, and 10 bash has not taken the terminal back since
          fix    take the terminal back with tcsetpgrp when the job has ended
          seen   9.001 ms  11 sleep dies of SIGINT
                 9.004 ms  10 bash reaps 11 sleep
        21 events, none lost
    "#]].assert_eq(&text);
}

#[test]
fn colour_says_nothing_alone() {
    let colored = styled(PIPELINE, Style { color: true, ..Style::PLAIN });
    assert!(colored.contains("\x1b[32msetpgid: leads new group 11\x1b[0m"), "{colored}");
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').expect("the end of a colour").1;
    }
    plain.push_str(rest);
    assert_eq!(plain, styled(PIPELINE, Style::PLAIN));
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let history = "
        10: fork 11
        11: exec x:1b5d303b70776e656407 x:ff00 x:e280ae746e6d {comm=x:1b5b326a0a}
        10: fork 12
        12: setpgid(0,0) = 0
        10(x:9b33316d): SIGTERM -> 12
        11: exit 0
    ";
    let mut hostile = header();
    hostile.tier_reason = "\u{1b}[2J\u{9b}31m".to_owned();
    hostile.user = Some("root\u{202e}".to_owned());
    hostile.scope = Scope::Tree { root: Pid(10), name: b"ba\x07sh\n".to_vec() };
    for form in ["timeline", "live", "json"] {
        for style in [Style::PLAIN, Style { ascii: true, width: Some(80), ..Style::PLAIN }] {
            let text = shown(form, &hostile, &events(history), style);
            let bad: Vec<char> = text.chars().filter(|c| is_hostile(*c) && *c != '\n').collect();
            assert!(bad.is_empty(), "{form}: {bad:?}\n{text}");
        }
    }
    let text = shown("timeline", &hostile, &events(history), Style::PLAIN);
    expect![[r#"
        sesstrace: eBPF, tracepoint tier (\x1b[2J\u{9b}31m) · following 10 ba\x07sh\n and all its descendants · as user root\u{202e}

             ms  process          group  what happened
          0.002   10 bash         10     session 10, terminal pts/3, in the foreground
          0.004   10 bash         10     forks 11
          0.005   11 \x1b[2j\n    10     exec '\x1b]0;pwned\x07' '\xff\x00' '\u{202e}tnm'
          0.006   10 bash         10     forks 12
          0.008   12 bash      ┌  12     setpgid: leads new group 12
          0.009   10 bash      │  10     SIGTERM to 12 bash  by a call that was not seen: of a 32-bit program, or lost
          0.010   11 \x1b[2j\n │  10     exits 0

        groups       10  bash ×2, \x1b[2j\n  was there, lives on  foreground  3 processes
                     12  bash                0.008 ms, lives on   background  1 process
        sessions     10  bash  was there, lives on  pts/3
        left behind  10 bash         group 10  session 10  pts/3  running  parent unknown
                       11 \x1b[2j\n  group 10  session 10  pts/3  exiting  child of 10 bash
                       12 bash       group 12  session 10  pts/3  running  child of 10 bash
        races        none
        findings     none
        10 events, none lost
    "#]].assert_eq(&text);
}

#[test]
fn brackets_of_many_groups_stand_side_by_side() {
    let mut history = String::new();
    for pid in 11..19 {
        let _ = writeln!(history, "10: fork {pid}\n10: setpgid({pid},{pid}) = 0");
    }
    for pid in [12, 11, 18, 13] {
        let _ = writeln!(history, "{pid}: exit 0\n{pid}: dead\n10: wait4(-1,0) = {pid} got {pid} exited:0");
    }
    expect![[r#"
             ms  process          group  what happened
          0.002   10 bash         10     session 10, terminal pts/3, in the foreground
          0.004   10 bash         10     forks 11
          0.006   10 bash ┌       10     setpgid: makes 11 the leader of new group 11
          0.007   10 bash │       10     forks 12
          0.009   10 bash │┌      10     setpgid: makes 12 the leader of new group 12
          0.010   10 bash ││      10     forks 13
          0.012   10 bash ││┌     10     setpgid: makes 13 the leader of new group 13
          0.013   10 bash │││     10     forks 14
          0.015   10 bash │││┌    10     setpgid: makes 14 the leader of new group 14
          0.016   10 bash ││││    10     forks 15
          0.018   10 bash ││││┌   10     setpgid: makes 15 the leader of new group 15
          0.019   10 bash │││││   10     forks 16
          0.021   10 bash │││││┌  10     setpgid: makes 16 the leader of new group 16
          0.022   10 bash ││││││  10     forks 17
          0.024   10 bash ││││││  10     setpgid: makes 17 the leader of new group 17
          0.025   10 bash ││││││  10     forks 18
          0.027   10 bash ││││││  10     setpgid: makes 18 the leader of new group 18
          0.028   12 bash │├││││  12     exits 0
          0.031   10 bash │└││││  10     reaps 12: group 12 ends (1 process, 22 µs)
          0.032   11 bash ├ ││││  11     exits 0
          0.035   10 bash └ ││││  10     reaps 11: group 11 ends (1 process, 29 µs)
          0.036   18 bash   ││││  18     exits 0
          0.039   10 bash   ││││  10     reaps 18: group 18 ends (1 process, 12 µs)
          0.040   13 bash   ├│││  13     exits 0
          0.043   10 bash   └│││  10     reaps 13: group 13 ends (1 process, 31 µs)

        groups       10  bash ×9  was there, lives on  foreground  9 processes
                     11  bash     0.006–0.035 ms       background  1 process    last member reaped
                     12  bash     0.009–0.031 ms       background  1 process    last member reaped
                     13  bash     0.012–0.043 ms       background  1 process    last member reaped
                     14  bash     0.015 ms, lives on   background  1 process
                     15  bash     0.018 ms, lives on   background  1 process
                     16  bash     0.021 ms, lives on   background  1 process
                     17  bash     0.024 ms, lives on   background  1 process
                     18  bash     0.027–0.039 ms       background  1 process    last member reaped
        sessions     10  bash  was there, lives on  pts/3
        left behind  10 bash    group 10  session 10  pts/3  running  parent unknown
                       14 bash  group 14  session 10  pts/3  running  child of 10 bash
                       15 bash  group 15  session 10  pts/3  running  child of 10 bash
                       16 bash  group 16  session 10  pts/3  running  child of 10 bash
                       17 bash  group 17  session 10  pts/3  running  child of 10 bash
        races        none
        findings     none
        43 events, none lost
    "#]]
    .assert_eq(&timeline(&history));
}

#[test]
fn many_targets_are_counted_and_not_listed() {
    let mut history = String::from("10: fork 11\n11: setpgid(0,0) = 0\n");
    for pid in 12..40 {
        let _ = writeln!(history, "11: fork {pid}");
    }
    history.push_str("10: > kill(-11,SIGTERM)\n");
    for pid in 11..40 {
        let _ = writeln!(history, "10: SIGTERM -> {pid}");
    }
    history.push_str("10: < kill(-11,SIGTERM) = 0\n");
    let text = timeline(&history);
    let kill: Vec<&str> = text.lines().filter(|line| line.contains("kill SIGTERM")).collect();
    assert_eq!(kill.len(), 1, "{text}");
    assert!(kill[0].ends_with(" and 17 more"), "{text}");
    let forks = text.lines().filter(|line| line.contains("forks 12, 13,")).count();
    assert_eq!(forks, 1, "{text}");
}

#[test]
fn lines_far_apart_are_not_folded() {
    let text = timeline("10: fork 11\n@15000000 10: fork 12\n@16000000 10: fork 13\n");
    let forks: Vec<&str> = text.lines().filter_map(|line| line.split_once("forks ")).map(|(_, who)| who).collect();
    assert_eq!(forks, ["11", "12, 13"]);
}

#[test]
fn live_output_is_a_line_at_once_with_brackets() {
    let text = shown("live", &header(), &events(PIPELINE), Style::PLAIN);
    expect![[r#"
        sesstrace: eBPF, tracepoint tier (this kernel refuses trampolines) · following 10 bash and all its descendants
                 ms  process                      group    what happened
              0.002       10 bash                 10       session 10, terminal pts/3, in the foreground
              0.004       10 bash                 10       forks 11
              3.932       11 bash            ┌    11       setpgid: leads new group 11
              3.934       10 bash            │    10       setpgid: 11 leads group 11 already          child first, by 1 µs
              3.936       10 bash            │    10       gives pts/3 to group 11                     foreground 10 → 11
              3.937       11 sleep           ├    11       exec sleep 0.3 --an-argument-that-is-far-too-long-for-a-narrow-terminal and another
              3.938       10 bash            │    10       forks 12
              3.939       12 cat             │    10       exec cat
              3.941       10 bash            │    10       setpgid(12, 11): EACCES                     12 had executed a program already, and stays in group 10
              9.000          pts/3           │             ^C: SIGINT to foreground group 11: 11 sleep
              9.001       11 sleep           ├    11       dies of SIGINT
              9.004       10 bash            └    10       reaps 11: group 11 ends (1 process, 5 ms)
        warning JC101 lost-setpgid-race  10 bash could not move 12 cat to group 11: EACCES
          why    12 cat had executed a program 1 µs before this call, and did not call setpgid itself; it stays in group 10
          fix    call setpgid in the child too, before exec
          seen   3.939 ms  12 cat executes a program
                 3.941 ms  10 bash: setpgid(12, 11) = EACCES
        warning JC205 dead-foreground-group  nobody owns pts/3: Ctrl-C there reaches no process
          why    group 11 ended at 9.004 ms, and 10 bash has not taken the terminal back since
          fix    take the terminal back with tcsetpgrp when the job has ended
          seen   9.001 ms  11 sleep dies of SIGINT
                 9.004 ms  10 bash reaps 11 sleep
        20 events, none lost
    "#]].assert_eq(&text);
}

#[test]
fn every_form_has_a_row_and_a_name_of_its_own() {
    let mut names: Vec<&str> = SINKS.iter().map(|form| form.name).collect();
    assert!(names.iter().all(|name| !name.is_empty()) && SINKS.iter().all(|form| !form.about.is_empty()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SINKS.len());
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sink")).expect("the sources");
    let with_sinks = files
        .flatten()
        // What stands before another sink is no form of output.
        .filter(|file| !["filtered.rs", "suppressing.rs"].iter().any(|name| file.file_name() == *name))
        .filter(|file| std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("\nimpl Sink for ")));
    assert_eq!(with_sinks.count(), SINKS.len(), "a sink without a row in SINKS");
}
