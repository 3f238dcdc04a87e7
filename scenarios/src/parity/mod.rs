//! Parity: what two backends say of the same scenario, and the table of the differences that the kernel forces.
//!
//! Recordings are compared by what is said of them: the facts of [`crate::story`], in names. Two runs of one scenario are two
//! runs, so that times, numbers and the order of what is concurrent are not compared; the order that matters stands in each
//! scenario's expectation. Must hold no difference itself: the table is `docs/PARITY.md`, and it is compared in both
//! directions.

mod fields;
mod table;

use std::collections::{BTreeMap, BTreeSet};

pub use fields::Fields;
pub use table::{Row, Section, read};

use crate::story::{self, Recorded};

/// Which backend says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Only the probes.
    Ebpf,
    /// Only ptrace.
    Ptrace,
}

/// One thing that only one backend says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Of which scenario; empty for fields.
    pub scenario: String,
    /// Who says it.
    pub side: Side,
    /// What: a fact, or a field.
    pub what: String,
}

impl Difference {
    /// Whether a pattern of the table is of this: `PATTERN`, or `in SCENARIO: PATTERN`.
    fn fits(&self, pattern: &str) -> bool {
        match pattern.strip_prefix("in ").and_then(|rest| rest.split_once(": ")) {
            Some((scenario, what)) => story::fits(scenario, &self.scenario) && story::fits(what, &self.what),
            None => story::fits(pattern, &self.what),
        }
    }
}

/// What only one of two recordings of a scenario says.
#[must_use]
pub fn differences(scenario: &str, ebpf: &Recorded, ptrace: &Recorded) -> Vec<Difference> {
    only_one_has(scenario, &counted(ebpf), &counted(ptrace))
}

/// What the rules find in only one of two recordings of a scenario.
#[must_use]
pub fn findings(scenario: &str, ebpf: &Recorded, ptrace: &Recorded) -> Vec<Difference> {
    // How often a rule says the same of the same is chance where a call is made again and again.
    let found = |recorded| story::finds::tell(recorded).into_iter().map(|line| (line, 1)).collect();
    only_one_has(scenario, &found(ebpf), &found(ptrace))
}

fn only_one_has(scenario: &str, left: &BTreeMap<String, usize>, right: &BTreeMap<String, usize>) -> Vec<Difference> {
    let only = |side, one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
        let more = |(fact, count): (&String, &usize)| {
            (*count > other.get(fact).copied().unwrap_or(0)).then(|| Difference {
                scenario: scenario.to_owned(),
                side,
                what: fact.clone(),
            })
        };
        one.iter().filter_map(more).collect::<Vec<_>>()
    };
    let mut all = only(Side::Ebpf, left, right);
    all.extend(only(Side::Ptrace, right, left));
    all
}

/// The facts with how often each is told. How often a program calls what it calls (a wait that is interrupted is called
/// again) is chance, so that returns of calls count once.
fn counted(recorded: &Recorded) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for told in story::tell(recorded) {
        let is_call = told.fact.contains(" = ");
        let count = counts.entry(told.fact).or_insert(0);
        *count = if is_call { 1 } else { *count + 1 };
    }
    counts
}

/// Holds differences against a table and remembers which rows were needed.
#[derive(Debug)]
pub struct Ledger {
    rows: Vec<Row>,
    used: BTreeSet<(usize, Side, usize)>,
}

impl Ledger {
    /// For the rows of a table.
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        Self { rows, used: BTreeSet::new() }
    }

    /// Whether some row has this difference.
    pub fn explains(&mut self, difference: &Difference) -> bool {
        let mut found = false;
        for (number, row) in self.rows.iter().enumerate() {
            for (place, pattern) in row.patterns(difference.side).iter().enumerate() {
                if difference.fits(pattern) {
                    self.used.insert((number, difference.side, place));
                    found = true;
                }
            }
        }
        found
    }

    /// The patterns that no difference needed, and the one scenario, or family of them, that each is of.
    #[must_use]
    pub fn unused(&self) -> Vec<(Option<&str>, String)> {
        let mut unused = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            for side in [Side::Ebpf, Side::Ptrace] {
                for (place, pattern) in row.patterns(side).iter().enumerate() {
                    if !self.used.contains(&(number, side, place)) {
                        let of = pattern.strip_prefix("in ").and_then(|rest| rest.split_once(": "));
                        unused.push((of.map(|(scenario, _)| scenario), format!("{side:?}: {pattern}")));
                    }
                }
            }
        }
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ebpf: &str, ptrace: &str) -> Row {
        let list = |text: &str| text.split_terminator('/').map(str::to_owned).collect();
        Row { ebpf: list(ebpf), ptrace: list(ptrace), reason: "because".to_owned() }
    }

    fn difference(side: Side, what: &str) -> Difference {
        Difference { scenario: "daemon".to_owned(), side, what: what.to_owned() }
    }

    #[test]
    fn a_pattern_can_be_of_one_scenario() {
        let found = difference(Side::Ebpf, "job is freed");
        assert!(found.fits("* is freed") && found.fits("in dae*: job is *") && !found.fits("in pipeline: job is *"));
    }

    #[test]
    fn a_row_explains_its_own_side_only_and_is_missed_when_unused() {
        let mut ledger = Ledger::new(vec![row("* is freed", "* is gone"), row("never*", "")]);
        assert!(ledger.explains(&difference(Side::Ebpf, "job is freed")));
        assert!(!ledger.explains(&difference(Side::Ptrace, "job is freed")));
        let unused: Vec<String> = ledger.unused().into_iter().map(|(_, pattern)| pattern).collect();
        assert_eq!(unused, ["Ptrace: * is gone", "Ebpf: never*"]);
    }
}
