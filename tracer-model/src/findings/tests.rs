//! What the tests of rules have in common, and tests of the table.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::{
    Answer, Finding, Findings, RULES, Severity,
    words::{Word, Words},
};
use crate::{
    dsl::parse,
    event::Call,
    ids::{BootNs, Pid},
    state::Model,
};

/// A shell 10 on pts/0 that leads session 10 below init; 50 is a process elsewhere.
const SHELL: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot 50 tmux {pp=1 +leader}
    snapshot-end
";

/// The findings of a history after [`SHELL`]. A rule that was told of more would find the same.
fn findings(root: Option<u32>, text: &str) -> Vec<Finding> {
    let found = found_by(Findings::new(), root, text);
    assert_eq!(found, found_by(Findings::all_ears(), root, text), "the row of a rule lacks a kind of change");
    found
}

fn found_by(mut rules: Findings, root: Option<u32>, text: &str) -> Vec<Finding> {
    let events = parse(&format!("{SHELL}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let mut model = Model::new();
    if let Some(root) = root {
        model.follow(Pid(root));
    }
    for event in &events {
        rules.advance(event.at, &model);
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

/// Why a process is as it is at the end of a history, and who killed it.
#[expect(clippy::needless_pass_by_value, reason = "as above")]
fn ask(pid: u32, text: &str, expect: Expect) {
    let events = parse(&format!("{SHELL}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let (mut model, mut rules) = (Model::new(), Findings::new());
    for event in &events {
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
    }
    let show = |answer: Option<Answer>| {
        let Some(answer) = answer else { return "nobody\n".to_owned() };
        let rows: Vec<String> =
            answer.rows.iter().map(|(label, words)| format!("  {label}: {}\n", plain(words))).collect();
        format!("{}\n{}", plain(&answer.fact), rows.concat())
    };
    let said = format!("{}--\n{}", show(rules.why(&model, Pid(pid))), show(rules.who_killed(&model, Pid(pid))));
    expect.assert_eq(&said);
}

#[test]
fn why_a_process_is_stopped_and_who_hangs_for_it() {
    let make = "
        10: fork 11 {tty=pts/0}
        11: exec make
        11: fork 12
        12: setpgid(0,0) = 0
        12: exec vi
        11: > wait4(-1,0)
        12: SIGTTOU -> 12 kernel
        12: stops SIGTTOU
        @3000000000 50: takes SIGWINCH 0 handler
    ";
    ask(
        12,
        make,
        expect![[r"
        12 vi is stopped by SIGTTOU, for 2999987000 ns
          because: it changed pts/0, or wrote to it under `stty tostop`, from the background; in the foreground is 10 bash
          group: 12: 12 vi (stopped)
          waits: 11 make waits for it to end, and hangs with it
          release: fg in the shell that started it; kill -CONT -- -12 alone would let it stop again
        --
        12 vi has not died
          so far: SIGTTOU 2999988000 ns earlier, from the kernel, because it used its terminal from the background
    "]],
    );
    ask(
        11,
        make,
        expect![[r"
        11 make waits for a child
          because: 12 vi is stopped by SIGTTOU, and it waits for that
          waits: for 12 vi to end
          terminal: in the foreground of pts/0
        --
        11 make has not died
    "]],
    );
}

#[test]
fn who_killed_it_and_what_else_the_signal_met() {
    let kill = "
        10: fork 11
        11: setpgid(0,0) = 0
        11: exec node
        11: fork 12
        12: exec esbuild
        50: > kill(11,SIGTERM)
        50: SIGTERM -> 11 handler
        50: < kill(11,SIGTERM) = 0
        @2000000000 50: > kill(-11,SIGKILL)
        50: SIGKILL -> 12
        50: SIGKILL -> 11
        50: < kill(-11,SIGKILL) = 0
        11: exit SIGKILL
        11: dead
    ";
    ask(
        11,
        kill,
        expect![[r"
        11 node is a zombie, for 1000 ns: it died of SIGKILL
          because: its parent 10 bash has not waited for it
          release: 10 bash waits, or ends
          by: sent by 50 tmux, to group 11
        --
        11 node died of SIGKILL at @2000004000
          by: sent by 50 tmux, to group 11
          also: 12 esbuild
          lives on: 12 esbuild of the same group
          left: 12 esbuild
          before: SIGTERM (handled) 1999990000 ns earlier, sent by 50 tmux, to this process alone
    "]],
    );
}

#[test]
fn who_ended_by_itself_was_killed_by_nobody() {
    ask(
        11,
        "10: fork 11\n11: exit 3\n11: dead\n",
        expect![[r"
            11 bash is a zombie, for 1000 ns: it exited with 3
              because: its parent 10 bash has not waited for it
              release: 10 bash waits, or ends
              by: nobody: it ended by itself
            --
            11 bash exited with 3 at @6000
              by: nobody: it ended by itself
        "]],
    );
    ask(
        99,
        "10: fork 11\n",
        expect![[r"
        nobody
        --
        nobody
    "]],
    );
}

fn show(finding: &Finding) -> String {
    let Finding { rule, severity, at, undecided, fact, cause, fix, evidence, .. } = finding;
    let undecided = undecided.map(|_| " undecided").unwrap_or_default();
    let evidence: Vec<String> =
        evidence.iter().map(|it| format!("  seen  #{} {}\n", it.seq.0, plain(&it.text()))).collect();
    let evidence = evidence.concat();
    let head = format!("{}{undecided} {} {} @{}", severity.name(), rule.id, rule.name, at.0);
    format!("{head}: {}\n  why   {}\n  fix   {}\n{evidence}", plain(fact), plain(cause), plain(fix))
}

fn plain(words: &Words) -> String {
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
        assert!(rule.source.lines().count() <= 200, "{} is too long", rule.id);
    }
    assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Error);
}
