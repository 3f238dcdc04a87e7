//! Every scenario has a golden recording, and it says what is written beside the scenario. Needs no privilege.

use scenarios::{
    cases,
    golden::{failures as faults, read, recording, root},
    story,
};

#[test]
fn golden_recordings_say_what_they_must() {
    let mut failures = Vec::new();
    for scenario in cases::all() {
        let path = recording(scenario);
        let found = faults(scenario, &path);
        let found = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
        failures.extend(found.into_iter().map(|failure| format!("{}: {failure}", scenario.name)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_false_expectation_is_noticed() {
    let scenario = scenarios::find("join-too-late").unwrap();
    let events = read(&recording(scenario)).unwrap();
    for (expectation, wanted) in [
        ("then joiner joins group leader *", "not in this order"),
        ("then joiner exits 0\nthen leader exits 0", "not in this order"),
        ("then joiner exits 0\nwith joiner: stopped", "joiner is not stopped"),
        ("then joiner exits 0\nwith nobody else: alive", "no process is named"),
        ("some joiner is stopped by SIGTTIN", "nowhere"),
        ("once * exits 0", "not once but"),
        ("never leader exits 0", "must never be"),
    ] {
        let failures = story::check(expectation, &events).unwrap();
        assert!(failures.iter().any(|failure| failure.contains(wanted)), "{expectation}: {failures:?}");
    }
}

#[test]
fn every_golden_recording_belongs_to_a_scenario() {
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(scenarios::find(&name).is_some(), "tests/golden/{name} is no scenario's");
    }
}
