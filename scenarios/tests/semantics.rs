//! `docs/SEMANTICS.md` names nothing that does not exist: every statement has its evidence, every sequence has a history and a
//! recording or a limit, and every predicate its scenario.

#![expect(clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::{collections::BTreeSet, fs, path::Path};

use scenarios::{find, golden::recording};

const DOCUMENT: &str = include_str!("../../docs/SEMANTICS.md");
const LIMITS: &str = include_str!("../../docs/LIMITATIONS.md");
/// Where tests are that the document names, as `file::test`.
const PLACES: [&str; 4] = ["tracer-model/src", "tracer-model/src/tests", "tracer-user/tests", "scenarios/tests"];

/// A row: what is stated, and the names of its evidence.
fn rows(section: Option<&str>) -> Vec<(&'static str, Vec<&'static str>)> {
    let text = section.map_or(DOCUMENT, |heading| DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap().1);
    let text = section.map_or(text, |_| text.split("\n## ").next().unwrap());
    let is_row = |line: &&str| line.starts_with("| ") && !line.ends_with("| shown by |");
    text.lines().filter(is_row).map(row).collect()
}

fn row(line: &'static str) -> (&'static str, Vec<&'static str>) {
    let (statement, evidence) = line.trim_matches(['|', ' ']).rsplit_once(" | ").unwrap();
    (statement, evidence.split('`').skip(1).step_by(2).collect())
}

/// Every test, as `file::test`.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut tests = BTreeSet::new();
    for place in PLACES {
        collect(&root.join(place), &mut tests);
    }
    tests
}

fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let marked = text.split("#[test]").skip(1);
            let name = |after: &str| Some(after.split_once("fn ")?.1.split_once('(')?.0.to_owned());
            tests.extend(marked.filter_map(name).map(|name| format!("{file}::{name}")));
        }
    }
}

fn fault(evidence: &str, tests: &BTreeSet<String>) -> Option<String> {
    let (there, what) = if let Some(limit) = evidence.strip_prefix("limit: ") {
        (LIMITS.lines().any(|line| line.starts_with(&format!("| {limit}"))), "no such row in docs/LIMITATIONS.md")
    } else if evidence.contains("::") {
        (tests.contains(evidence), "no such test")
    } else {
        (find(evidence).is_some_and(|found| recording(found).exists()), "no such scenario with a recording")
    };
    (!there).then(|| format!("{what}: {evidence}"))
}

#[test]
fn every_statement_names_evidence_that_exists() {
    let tests = tests();
    let mut faults = Vec::new();
    for (statement, evidence) in rows(None) {
        if evidence.is_empty() {
            faults.push(format!("nothing shows: {statement}"));
        }
        let missing = evidence.into_iter().filter_map(|evidence| fault(evidence, &tests));
        faults.extend(missing.map(|fault| format!("{statement}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_does_not_exist_is_noticed() {
    for evidence in ["no-such-scenario", "calls::no_such_test", "limit: no such limit"] {
        assert!(fault(evidence, &tests()).is_some(), "{evidence}");
    }
}

#[test]
fn every_sequence_has_a_history_and_a_recording_or_a_limit() {
    let mut numbers = Vec::new();
    for (statement, evidence) in rows(Some("Sequences")) {
        let number = statement.split(' ').next().unwrap();
        let history = format!("sequences::{}_", number.to_lowercase());
        assert!(evidence.iter().any(|it| it.starts_with(&history)), "{statement} has no history");
        assert!(evidence.iter().any(|it| !it.contains("::")), "{statement} has no recording");
        numbers.push(number);
    }
    let wanted: Vec<String> = (1..=21).map(|number| format!("A{number}")).collect();
    assert_eq!(numbers, wanted);
}

#[test]
fn every_predicate_is_there_once() {
    let rows = rows(Some("Predicates"));
    let numbers: Vec<&str> = rows.iter().map(|(statement, _)| statement.split(' ').next().unwrap()).collect();
    let mut wanted: Vec<String> = (1..=46).map(|number| number.to_string()).collect();
    wanted.insert(14, "14b".to_owned());
    assert_eq!(numbers, wanted);
}
