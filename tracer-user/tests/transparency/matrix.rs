//! Runs a script in every mode and compares what was seen with the matrix in the manual.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    manual::{Cell, matrix},
    mode::Mode,
    observation::{Observation, explain, rows},
};

/// Runs `script`, which needs this program, untraced and in every mode for which the manual has a result in the rows of
/// `group`.
pub fn check(group: &str, program: &str, script: impl Fn(Mode) -> Observation) {
    if !have(program) {
        return;
    }
    let rows_of_group: Vec<_> =
        matrix().into_iter().filter(|row| row.groups.iter().any(|name| name == group)).collect();
    let untraced = script(Mode::Untraced);
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
        let observed = script(mode);
        for (topic, before) in &untraced {
            let Some(after) = observed.get(topic) else {
                writeln!(faults, "{group}, {topic}: not in {mode:?}").unwrap();
                continue;
            };
            let found = Cell::Differs(rows(after, before));
            let cell = rows_of_group.iter().find(|row| row.topic == *topic).map(|row| &row.cells[column]);
            if cell != Some(&found) {
                let cell = cell.map(ToString::to_string).unwrap_or_default();
                writeln!(faults, "{group}, {topic}, {mode:?}: the manual says {cell}, seen was {found}").unwrap();
                writeln!(faults, "{}", explain(after, before)).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
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
