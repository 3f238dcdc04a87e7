//! Records that were lost never make a rule assert what is not so: with a hole at any place of its recording a rule says what it
//! says without, with the same cause, or less of it, or that it is undecided, or nothing. That holds for information as well.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::collections::{BTreeMap, BTreeSet};

use scenarios::{
    find,
    golden::{read, recording},
    pairs::{PAIRS, Pair},
    story::{Recorded, finds},
};
use tracer_model::{
    event::{EventKind, GapCause},
    findings::{Finding, Subject},
    order::gap,
};

/// What is said with a hole and is less than what is said without, and so: by rule, words in it, and what it does not say.
const LESS: &[(&str, &str, &str)] = &[
    ("JC101", "cat had executed a program, and did not", "how long before"),
    ("JC104", "no process that was seen has the number", "who had"),
    ("JC203", "there is no process group", "that there was one"),
    ("JC203", "is not in the caller's session", "in which it is"),
    ("JC207", "its parent shell did not take the terminal back", "that the parent waits and does not see stops"),
    ("JC208", "has no controlling terminal", "who made the session"),
    ("JC208", "it is not known what its standard input refers to", "what it is"),
    ("JC302", "sleep lives on: SIGTERM was sent to the process", "below whom it lives on"),
    ("JC303", "to itself and to agent", "the name that its child got by an exec that was lost"),
    ("JC304", "it reaped its child  at then; the number is that of stranger since then", "the name of that child"),
    ("JC304", "it reaped its child child at then; the number is that of stranger", "since when"),
    ("JC309", "with a call that was not seen", "the call"),
    ("JC401", "job died of SIGHUP; other ended", "of what: its end was lost"),
    ("JC402", "and can never be in the foreground again", "which exit orphaned the group"),
    ("JC406", "left 1 other: front got SIGHUP from the kernel and died of it", "the other, whose fork was lost"),
    ("JC504", "server still holds fd 0 /dev/pts", "other descriptors: the look at them was lost"),
    ("JC601", "it was adopted when init ended", "the name that its parent got by an exec that was lost"),
    ("JC602", "with a call that was not seen", "the call"),
];

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

/// What a rule says for certain: of whom, and what with its cause.
fn asserted(findings: &[Finding], rule: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in findings.iter().filter(|it| it.rule.id == rule && it.undecided.is_none()) {
        said.entry(subject(&finding.subject)).or_default().insert(finds::sentence(finding));
    }
    said
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
    let (mut holes, mut undecided, mut used) = (0, BTreeSet::new(), BTreeSet::new());
    for Pair { rule, fires, well, .. } in PAIRS {
        for scenario in [fires, well] {
            let whole = golden(scenario);
            let so = asserted(&finds::find(&whole), rule);
            for lost in LOST {
                for from in places(&whole) {
                    holes += 1;
                    let found = finds::find(&holed(&whole, from, lost));
                    for (subject, sentences) in asserted(&found, rule) {
                        let known = so.get(&subject).cloned().unwrap_or_default();
                        let seq = whole.events[from].seq.0;
                        let mut less = |said: &&String| {
                            let row = LESS.iter().position(|(of, words, _)| *of == *rule && said.contains(words));
                            used.extend(row);
                            row.is_some() && !known.is_empty()
                        };
                        faults.extend(sentences.difference(&known).filter(|said| !less(said)).map(|said| {
                            format!("{rule} in {scenario} without {lost} from #{seq}: {subject}: {said}; without a hole: {known:?}")
                        }));
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
    let unused = LESS.iter().enumerate().filter(|(row, _)| !used.contains(row)).map(|(_, row)| row);
    assert_eq!(unused.collect::<Vec<_>>(), Vec::<&(&str, &str, &str)>::new(), "rows that nothing needs");
    assert!(faults.is_empty(), "{} of {holes}:\n{}", faults.len(), faults.join("\n"));
}
