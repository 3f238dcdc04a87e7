//! Every rule has a scenario in which it must find something and a close neighbour in which it must not, every path of a signal
//! is told, and `docs/SCENARIOS.md` says so: no more and no less.

#![expect(clippy::panic, clippy::unwrap_used, reason = "this is a test, helpers and all")]

use std::collections::BTreeSet;

use scenarios::{
    cases, find,
    golden::{read, recording},
    pairs::{CAUSES, PAIRS, PATHS, Pair, cites, document},
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
fn the_table_in_the_repository_is_that_of_the_scenarios() {
    expect_test::expect_file!["../../docs/SCENARIOS.md"].assert_eq(&document());
}
