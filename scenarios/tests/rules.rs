//! Every rule has a scenario in which it must find something, and a close neighbour in which it must not.

#![expect(clippy::unwrap_used, reason = "this is a test, helpers and all")]

use scenarios::{
    find,
    golden::{read, recording},
    story::finds,
};
use tracer_model::findings::RULES;

/// Rule, a scenario that it fires in, one that looks like it and is well.
const PAIRS: &[(&str, &str, &str)] = &[
    ("JC101", "parent-late-harmful", "parent-late-innocuous"),
    ("JC102", "join-too-late", "join-zombie-leader"),
    ("JC103", "join-other-session", "setsid-twice"),
    ("JC104", "join-too-early", "race-parent-first"),
    ("JC105", "join-zombie-leader", "race-child-first"),
    ("JC201", "bash-background-reader", "bash-pipeline"),
    ("JC202", "timeout-hangs-stty", "timeout-foreground"),
    ("JC203", "tcsetpgrp-errors", "bash-pipeline"),
    ("JC204", "dangling-foreground", "bash-pipeline"),
    ("JC205", "nobody-in-foreground", "dangling-foreground"),
    ("JC206", "late-handoff", "dash-stop-and-resume"),
    ("JC207", "frozen-terminal", "bash-stop-and-resume"),
    ("JC208", "interactive-no-terminal", "interactive-on-terminal"),
    ("JC301", "setsid-escapes-kill", "wrapper-group-killed"),
    ("JC302", "wrapper-killed", "wrapper-group-killed"),
    ("JC303", "kill-own-group", "kill-other-group"),
    ("JC304", "stale-target", "fresh-target"),
    ("JC305", "ctrl-c-twice", "ctrl-c"),
    ("JC306", "ctrl-z-misses-children", "ctrl-z-passed-on"),
    ("JC307", "orphan-stop-discarded", "bash-stop-and-resume"),
    ("JC308", "thread-death-kills", "parent-death-kills"),
    ("JC309", "bash-ctrl-c", "bash-pipeline"),
    ("JC401", "orphan-stopped", "orphan-running"),
    ("JC402", "orphan-spins", "orphan-access"),
    ("JC403", "left-behind", "bash-pipeline"),
    ("JC405", "zombie-kept", "held-by-zombie"),
    ("JC406", "leader-exit", "bash-pipeline"),
    ("JC501", "half-daemon", "daemon"),
    ("JC502", "daemon-left-behind", "daemon"),
    ("JC503", "daemon-reacquires", "login-session"),
    ("JC601", "adopted-zombie", "subreaper"),
    ("JC602", "process-1-ignores", "process-1-handles"),
];

fn found(scenario: &str) -> Vec<&'static str> {
    let found = finds::find(&read(&recording(find(scenario).unwrap())).unwrap());
    found.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn every_rule_has_a_scenario_in_which_it_fires_and_a_neighbour_in_which_it_does_not() {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(PAIRS.iter().map(|row| row.0).collect::<Vec<_>>(), ids);
    let mut faults = Vec::new();
    for (rule, fires, well) in PAIRS {
        if !found(fires).contains(rule) {
            faults.push(format!("{rule} finds nothing in {fires}"));
        }
        if found(well).contains(rule) {
            faults.push(format!("{rule} finds something in {well}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
