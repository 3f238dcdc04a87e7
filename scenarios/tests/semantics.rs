//! `docs/SEMANTICS.md` names nothing that does not exist, and leaves out nothing that does: every statement has its evidence, every
//! sequence has a history and a recording or a limit, every predicate its scenario; every history of the model shows a statement,
//! every scenario one or something of a finding, and every limit is of one.

#![expect(clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::{collections::BTreeSet, fs, path::Path};

use scenarios::{cases::all, find, golden::recording};

const DOCUMENT: &str = include_str!("../../docs/SEMANTICS.md");
const LIMITS: &str = include_str!("../../docs/LIMITATIONS.md");
/// What findings and reports of others are shown by.
const OF_FINDINGS: [&str; 2] = [include_str!("../../docs/SCENARIOS.md"), include_str!("../../docs/REPORTS.md")];
/// What there is beside the histories of the model, each of which is of something that the kernel does: how they are written, how the
/// model is compared with the kernel, what is shown of lifetimes, and properties of all histories.
const NO_HISTORIES: [&str; 6] = ["mod.rs", "dsl.rs", "census.rs", "intervals.rs", "lifetimes.rs", "properties.rs"];
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
            take(&path, tests);
        }
    }
}

/// The tests of one file.
fn take(path: &Path, tests: &mut BTreeSet<String>) {
    let file = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let marked = text.split("#[test]").skip(1);
    let name = |after: &str| Some(after.split_once("fn ")?.1.split_once('(')?.0.to_owned());
    tests.extend(marked.filter_map(name).map(|name| format!("{file}::{name}")));
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
fn every_history_and_every_scenario_shows_a_statement() {
    let named: BTreeSet<&str> = rows(None).into_iter().flat_map(|(_, evidence)| evidence).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = fs::read_dir(root.join("tracer-model/src/tests")).unwrap().map(|file| file.unwrap());
    let mut unnamed = BTreeSet::new();
    for file in files.filter(|file| !NO_HISTORIES.iter().any(|other| file.file_name() == *other)) {
        take(&file.path(), &mut unnamed);
    }
    assert!(unnamed.len() > 100, "the histories are elsewhere: {unnamed:?}");
    let of_a_finding = |name: &str| OF_FINDINGS.iter().any(|document| document.contains(&format!("`{name}`")));
    unnamed.extend(all().map(|scenario| scenario.name.to_owned()).filter(|name| !of_a_finding(name)));
    unnamed.retain(|it| !named.contains(it.as_str()));
    assert!(unnamed.is_empty(), "no statement names {unnamed:#?}");
}

#[test]
fn every_limit_is_of_a_statement() {
    let named: BTreeSet<&str> =
        rows(None).into_iter().flat_map(|(_, evidence)| evidence).filter_map(|it| it.strip_prefix("limit: ")).collect();
    let limits = LIMITS.lines().filter_map(|line| line.strip_prefix("| ")).filter(|line| !line.starts_with("what | "));
    let unnamed: Vec<&str> = limits.filter(|limit| !named.iter().any(|name| limit.starts_with(name))).collect();
    assert!(unnamed.is_empty(), "no statement names {unnamed:#?}");
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
