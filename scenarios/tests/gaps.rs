//! Records that were lost never make a rule assert what is not so: with a hole at any place of its recording a rule says what it
//! says without, or that it is undecided, or nothing; and where a scenario is well, no hole makes a warning of it.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::collections::BTreeSet;

use scenarios::{
    find,
    golden::{read, recording},
    pairs::{PAIRS, Pair},
    story::{Recorded, finds},
};
use tracer_model::{
    event::{EventKind, GapCause},
    findings::{Finding, Severity, Subject},
    order::gap,
};

/// So many records in a row are lost.
const LOST: [usize; 3] = [1, 4, 16];

fn golden(scenario: &str) -> Recorded {
    read(&recording(find(scenario).unwrap_or_else(|| panic!("no scenario {scenario}")))).unwrap()
}

/// The recording without `lost` events from the one at `from`.
fn holed(whole: &Recorded, from: usize, lost: usize) -> Recorded {
    let mut events = whole.events.clone();
    let end = (from + lost).min(events.len());
    let hole: Vec<_> = events.drain(from..end).collect();
    let (first, last) = (&hole[0], &hole[hole.len() - 1]);
    let before = events[from - 1].at;
    let gap = gap(first.seq, before, last.at, hole.len() as u64, GapCause::MissingSequence);
    events.insert(from, gap);
    Recorded { events, by_tracer: whole.by_tracer, followed: whole.followed }
}

/// What a rule says for certain.
fn asserted(findings: &[Finding], rule: &str, least: Severity) -> BTreeSet<String> {
    let certain = |it: &&Finding| it.rule.id == rule && it.undecided.is_none() && it.severity >= least;
    findings.iter().filter(certain).map(|it| subject(&it.subject)).collect()
}

/// Whom or what it is about, by number: which life of a number that is depends on what was seen of it.
fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Process(process, _) => format!("process {}", process.number),
        Subject::Group(group) => format!("group {}", group.number),
        Subject::Session(session) => format!("session {}", session.number),
        Subject::Terminal(tty) => tty.tty.to_string(),
    }
}

/// Every place after the state at the start.
fn places(whole: &Recorded) -> std::ops::Range<usize> {
    let start = whole.events.iter().position(|event| matches!(event.kind, EventKind::SnapshotEnd { .. }));
    start.map_or(1, |start| start + 1)..whole.events.len()
}

#[test]
fn a_hole_makes_no_rule_assert_what_is_not_so() {
    let mut faults = Vec::new();
    let (mut holes, mut undecided) = (0, BTreeSet::new());
    for Pair { rule, fires, well, .. } in PAIRS {
        for scenario in [fires, well] {
            let whole = golden(scenario);
            let so = asserted(&finds::find(&whole), rule, Severity::Info);
            for lost in LOST {
                for from in places(&whole) {
                    holes += 1;
                    let found = finds::find(&holed(&whole, from, lost));
                    for said in asserted(&found, rule, Severity::Warning).difference(&so) {
                        let seq = whole.events[from].seq.0;
                        faults.push(format!("{rule} in {scenario} without {lost} from #{seq}: {said}"));
                    }
                    if found.iter().any(|it| it.rule.id == *rule && it.undecided.is_some()) {
                        undecided.insert(*rule);
                    }
                }
            }
        }
    }
    assert!(holes > 5000, "{holes}");
    assert!(undecided.len() > 15, "undecided: {undecided:?}");
    assert!(faults.is_empty(), "{} of {holes}:\n{}", faults.len(), faults.join("\n"));
}
