//! Runs a script in every mode and compares what was seen with the matrix in the manual.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{
    manual::{Cell, Row, matrix},
    mode::Mode,
    observation::{Observation, explain, rows},
};

/// How often a topic may differ otherwise than the manual says before that counts. Real programs race with each other, also
/// untraced; what tracing does to them, it does each time.
const ATTEMPTS: usize = 3;

/// Runs `script`, which needs this program, untraced and in every mode for which the manual has a result in the rows of
/// `group`.
pub fn check(group: &str, program: &str, script: impl Fn(Mode) -> Observation) {
    if !have(program) {
        return;
    }
    let rows_of_group: Vec<_> =
        matrix().into_iter().filter(|row| row.groups.iter().any(|name| name == group)).collect();
    let mut untraced = script(Mode::Untraced);
    let mut faults = String::new();
    let topics: BTreeSet<&str> = untraced.keys().copied().collect();
    let written: BTreeSet<&str> = rows_of_group.iter().map(|row| &*row.topic).collect();
    if topics != written {
        writeln!(faults, "{group}: the manual has rows for {written:?}; the topics are {topics:?}").unwrap();
    }
    for (column, mode) in Mode::COLUMNS.into_iter().enumerate() {
        let Some(backend) = mode.backend() else { continue };
        let run = rows_of_group.iter().any(|row| row.cells[column] != Cell::NotRun);
        if !run || !backend.works() {
            continue;
        }
        let mut unwritten = differences(&rows_of_group, column, &script(mode), &untraced);
        for _ in 1..ATTEMPTS {
            if unwritten.is_empty() {
                break;
            }
            for (topic, fault) in &unwritten {
                eprintln!("AGAIN: {group}, {topic}, {mode:?}: {fault}");
            }
            untraced = script(Mode::Untraced);
            let again = differences(&rows_of_group, column, &script(mode), &untraced);
            unwritten = again.into_iter().filter(|(topic, _)| unwritten.contains_key(topic)).collect();
        }
        for (topic, fault) in unwritten {
            writeln!(faults, "{group}, {topic}, {mode:?}: {fault}").unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The topics in which a run differs from the untraced one otherwise than a column of the manual says, and how.
fn differences(
    rows_of_group: &[Row],
    column: usize,
    observed: &Observation,
    untraced: &Observation,
) -> BTreeMap<&'static str, String> {
    let mut differences = BTreeMap::new();
    for (topic, before) in untraced {
        let Some(after) = observed.get(topic) else {
            differences.insert(*topic, "it is not there".to_owned());
            continue;
        };
        let found = Cell::Differs(rows(after, before));
        let cell = rows_of_group.iter().find(|row| row.topic == *topic).map(|row| &row.cells[column]);
        if cell != Some(&found) {
            let cell = cell.map(ToString::to_string).unwrap_or_default();
            let fault = format!("the manual says {cell}, seen was {found}\n{}", explain(after, before));
            differences.insert(*topic, fault);
        }
    }
    differences
}

/// Whether a program is installed. Says so loudly if not, and fails where everything is required.
fn have(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(program).exists());
    if !found {
        assert!(std::env::var_os("SESSTRACE_REQUIRE").is_none(), "{program} is required: cargo xtask test installs it");
        eprintln!("SKIPPED: {program} is not installed: cargo xtask test installs it");
    }
    found
}
