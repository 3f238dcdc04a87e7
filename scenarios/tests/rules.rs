//! Every rule has a scenario in which it must find something and a close neighbour in which it must not, every path of a signal
//! is told, and `docs/SCENARIOS.md` says so: no more and no less.

#![expect(clippy::panic, clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::collections::BTreeSet;

use scenarios::{
    cases, find,
    golden::{read, recording},
    pairs::{CAUSES, PAIRS, PATHS, Pair, cites, document},
    reports::{self, REPORTS},
    story::{Recorded, finds, fits},
};
use tracer_model::findings::RULES;

fn golden(scenario: &str) -> Recorded {
    read(&recording(find(scenario).unwrap_or_else(|| panic!("no scenario {scenario}")))).unwrap()
}

fn found(scenario: &str) -> Vec<&'static str> {
    finds::find(&golden(scenario)).iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn every_rule_has_a_scenario_in_which_it_fires_and_a_neighbour_in_which_it_does_not() {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(PAIRS.iter().map(|row| row.rule).collect::<Vec<_>>(), ids);
    let mut faults = Vec::new();
    for Pair { rule, fires, well, .. } in PAIRS {
        if !found(fires).contains(rule) {
            faults.push(format!("{rule} finds nothing in {fires}"));
        }
        if found(well).contains(rule) {
            faults.push(format!("{rule} finds something in {well}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_path_of_a_signal_is_told() {
    says(PATHS.iter().map(|(_, scenario, says)| ("JC309", *scenario, *says)));
}

/// By the words that the finding has.
#[test]
fn who_killed_knows_every_path_along_which_a_signal_kills() {
    let mut faults = Vec::new();
    for (path, scenario, says) in
        PATHS.iter().filter(|(_, _, says)| !says.contains("stopped by") && !says.contains("continued by"))
    {
        let (who, how) = says.split_once(": ").unwrap();
        let wanted = format!("{who} at then: {}", how.split("; also to").next().unwrap());
        let told = finds::killers(&golden(scenario));
        if !told.iter().any(|told| fits(&wanted, told)) {
            faults.push(format!("{path}: in {scenario} nothing fits `{wanted}`:\n  {}", told.join("\n  ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn causes_that_only_a_look_shows_are_told() {
    says(CAUSES.iter().copied());
}

fn says<'a>(rows: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
    let mut faults = Vec::new();
    for (rule, scenario, says) in rows {
        let said = finds::said(rule, &golden(scenario));
        if !said.iter().any(|said| fits(says, said)) {
            faults.push(format!("{rule}: in {scenario} nothing fits `{says}`:\n  {}", said.join("\n  ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_report_that_a_scenario_names_is_in_the_table() {
    let shown: BTreeSet<&str> = RULES.iter().flat_map(|rule| cites(rule.id)).collect();
    let named: BTreeSet<&str> = cases::all().flat_map(|scenario| scenario.cites.iter().copied()).collect();
    assert_eq!(shown, named);
}

#[test]
fn each_report_is_reproduced_or_it_is_said_why_not_and_each_scenario_names_reports_of_the_table() {
    let reports: Vec<_> = REPORTS.iter().flat_map(|(_, reports)| *reports).collect();
    let mut faults = Vec::new();
    for report in &reports {
        let names: Vec<&str> = reports::scenarios(report).collect();
        if names.is_empty() == report.why_not.is_empty() {
            faults.push(format!("{}: {} or {names:?}", report.cites.join(", "), report.why_not));
        }
    }
    let cites: Vec<&str> = reports.iter().flat_map(|report| report.cites).copied().collect();
    let listed: BTreeSet<&str> = cites.iter().copied().collect();
    assert_eq!(listed.len(), cites.len(), "one is there twice");
    let named = cases::all().flat_map(|scenario| scenario.cites);
    faults.extend(named.filter(|cite| !listed.contains(*cite)).map(|cite| format!("{cite} is in no row")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reports_in_the_repository_are_those_of_the_table() {
    expect_test::expect_file!["../../docs/REPORTS.md"].assert_eq(&reports::document());
}

#[test]
fn the_table_in_the_repository_is_that_of_the_scenarios() {
    expect_test::expect_file!["../../docs/SCENARIOS.md"].assert_eq(&document());
}
