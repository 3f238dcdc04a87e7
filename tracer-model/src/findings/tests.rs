//! What the tests of rules have in common, and tests of the table.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::{
    Finding, Findings, RULES, Severity, Undecided,
    words::{Word, Words},
};
use crate::{
    dsl::parse,
    event::Call,
    ids::{BootNs, Pid},
    state::Model,
};

/// A shell 10 on pts/0 that leads session 10 below init; 50 is a process elsewhere.
pub(super) const SHELL: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot 50 tmux {pp=1 +leader}
    snapshot-end
";

/// The findings of a history after [`SHELL`]. A rule that was told of more, or of the time more often, would find the same.
fn findings(root: Option<u32>, text: &str) -> Vec<Finding> {
    let found = found_by(Findings::new(), root, text, false);
    assert_eq!(found, found_by(Findings::all_ears(), root, text, false), "the row of a rule lacks a kind of change");
    assert_eq!(found, found_by(Findings::new(), root, text, true), "a leap in time is not decided as its steps are");
    found
}

/// `stepwise`: between two events, each deadline is told.
fn found_by(mut rules: Findings, root: Option<u32>, text: &str, stepwise: bool) -> Vec<Finding> {
    let events = parse(&format!("{SHELL}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let mut model = Model::new();
    if let Some(root) = root {
        model.follow(Pid(root));
    }
    for event in &events {
        while let Some(next) = rules.next().filter(|next| stepwise && *next < event.at) {
            rules.advance(next, &model);
        }
        rules.reach(event, &model);
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
    }
    rules.end(&model);
    rules.take()
}

/// Every finding of a history, with its evidence by number of the event.
#[expect(clippy::needless_pass_by_value, reason = "so that the calls read as `check(text, expect![…])`")]
pub(in crate::findings) fn check(text: &str, expect: Expect) {
    let said: String = findings(None, text).iter().map(show).collect();
    expect.assert_eq(&said);
}

/// The rules that find something.
pub(in crate::findings) fn ids(text: &str) -> Vec<&'static str> {
    findings(None, text).iter().map(|finding| finding.rule.id).collect()
}

/// The same when the descendants of one process are followed.
#[expect(clippy::needless_pass_by_value, reason = "as above")]
pub(in crate::findings) fn check_following(root: u32, text: &str, expect: Expect) {
    let said: String = findings(Some(root), text).iter().map(show).collect();
    expect.assert_eq(&said);
}

fn show(finding: &Finding) -> String {
    let Finding { rule, severity, at, undecided, fact, cause, fix, evidence, .. } = finding;
    let undecided = match undecided {
        Some(Undecided::Lost(_)) => " undecided",
        Some(Undecided::Ended(_)) => " too-early",
        None => "",
    };
    let evidence: Vec<String> =
        evidence.iter().map(|it| format!("  seen  #{} {}\n", it.seq.0, plain(&it.text()))).collect();
    let evidence = evidence.concat();
    let head = format!("{}{undecided} {} {} @{}", severity.name(), rule.id, rule.name, at.0);
    format!("{head}: {}\n  why   {}\n  fix   {}\n{evidence}", plain(fact), plain(cause), plain(fix))
}

pub(super) fn plain(words: &Words) -> String {
    words.0.iter().map(word).collect()
}

fn word(word: &Word) -> String {
    match word {
        Word::Text(text) => text.to_string(),
        Word::Process(pid, comm) => format!("{pid} {}", String::from_utf8_lossy(&comm.0)).trim_end().to_owned(),
        Word::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Word::Call(call) => call_text(*call),
        Word::Errno(errno) => format!("errno {errno}"),
        Word::Time(BootNs(at)) => format!("@{at}"),
        Word::Span(ns) => format!("{ns} ns"),
    }
}

fn call_text(call: Call) -> String {
    format!("{call:?}")
}

#[test]
fn every_rule_has_a_file_and_every_file_a_rule() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/findings/rules");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.collect();
    let rows: BTreeSet<String> = RULES.iter().map(|rule| format!("{}.rs", rule.name.replace('-', "_"))).collect();
    assert_eq!(files, rows);
}

#[test]
fn ids_are_in_order_and_pages_say_something() {
    assert!(RULES.is_sorted_by(|one, other| one.id < other.id));
    for rule in RULES {
        let page = rule.page();
        assert!(rule.summary().ends_with('.'), "{}: the first line is no sentence: {}", rule.id, rule.summary());
        for part in ["**Fix.**", "**Not a problem**", "Source:"] {
            assert!(page.contains(part), "the page of {} has no {part}", rule.id);
        }
        assert!(rule.source.lines().count() <= 300, "{} is too long", rule.id);
    }
    assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Error);
}

#[test]
fn a_gap_after_the_signal_leaves_a_death_undecided() {
    let killed = "
        10: fork 11
        50: > kill(11,SIGTERM)
        50: SIGTERM -> 11
        gap 3 sequence 7500 7900
        11: exit SIGTERM
    ";
    check(
        killed,
        expect![[r"
            info undecided JC309 signal-attribution @9000: 11 bash died of SIGTERM
              why   sent by 50 tmux, to this process alone, from session 50
              fix   if this was not meant, look at what 50 tmux was running when it sent it
              seen  #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
              seen  #9 11 bash dies of SIGTERM
        "]],
    );
}

/// Histories after which a rule gives somebody a time, and does not know what becomes of it when the recording ends before.
const TOO_EARLY: [(&str, &str); 10] = [
    ("JC101", "10: fork 11\n11: exec cat\n10: setpgid(11,11) = -13\n"),
    ("JC103", "10: fork 11\n11: setpgid(0,0) = 0\n11: exec daemon\n11: setsid() = -1\n"),
    ("JC201", "10: fork 11 {tty=pts/0}\n11: setpgid(0,0) = 0\n11: SIGTTIN -> 11 kernel\n11: stops SIGTTIN\n"),
    ("JC202", "10: fork 11 {tty=pts/0}\n11: setpgid(0,0) = 0\n11: SIGTTOU -> 11 kernel\n11: stops SIGTTOU\n"),
    (
        "JC301",
        "10: fork 11\n11: setpgid(0,0) = 0\n11: fork 12\n12: setsid() = 12\n50: > kill(-11,SIGTERM)\n50: SIGTERM -> 11\n",
    ),
    ("JC302", "10: fork 11\n11: fork 12\n10: > kill(11,SIGTERM)\n10: SIGTERM -> 11\n11: exit SIGTERM\n11: dead\n"),
    (
        "JC306",
        "10: fork 11 {tty=pts/0}\n11: setpgid(0,0) = 0\n10: ioctl(255,TIOCSPGRP,0,11) = 0\n11: exec ninja\n11: fork 12\n\
         12: setpgid(0,0) = 0\n77(kworker): SIGTSTP -> 11 kernel\n11: stops SIGTSTP\n",
    ),
    ("JC403", "10: fork 11\n11: setpgid(0,0) = 0\n11: fork 12\n11: exit 0\n11: dead\n"),
    (
        "JC501",
        "10: fork 11 {tty=pts/0}\n11: exec launcher\n11: fork 12\n11: exit 0\n11: dead\n12: takes SIGWINCH 0 handler\n",
    ),
    (
        "JC604",
        "50: fork 60 {pp=50 ns=4026532000/1/1/0/0}\n10: fork 11\n11: exec nsenter\n11: fork 12 {ns=4026532000/1/7/0/0}\n\
         12: exec tail\n11: exit SIGSEGV\n11: dead\n",
    ),
];

#[test]
fn what_the_recording_ends_before_is_not_asserted() {
    for (rule, history) in TOO_EARLY {
        let root = (rule == "JC403").then_some(11);
        let of_rule = |text: &str| findings(root, text).into_iter().find(|finding| finding.rule.id == rule);
        let early = of_rule(history).unwrap_or_else(|| panic!("{rule} does not tell what is open"));
        assert!(matches!(early.undecided, Some(Undecided::Ended(_))), "{rule}: {}", show(&early));
        assert_eq!(early.severity, Severity::Info, "{rule}");
        // The same with nothing that happens for a while.
        let late = of_rule(&format!("{history}@5000000000 50: takes SIGWINCH 0 handler\n")).unwrap();
        assert!(late.undecided.is_none() && late.severity > Severity::Info, "{rule}: {}", show(&late));
    }
}
