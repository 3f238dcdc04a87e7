//! What came of each suite, for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::trace::Round;

/// All rounds of a suite together.
#[derive(Default)]
pub struct Row {
    /// The suite.
    pub name: &'static str,
    /// Traced runs.
    pub rounds: usize,
    /// Untraced runs.
    pub untraced: usize,
    /// Lines that untraced runs differ in.
    pub flaky: usize,
    /// Entities compared.
    pub entities: u64,
    checks: u64,
    quiet: u64,
    facts: u64,
    in_flight: u64,
    divergences: u64,
    lost: u64,
    open: u64,
    calls: u64,
    lines: usize,
    /// Lines that tracing changed in each run that showed one, and those that only one of several runs showed.
    changed: BTreeSet<String>,
    once: BTreeSet<String>,
    runs_changed: usize,
    miscounted: Vec<String>,
    findings: BTreeMap<String, u64>,
    trouble: Vec<String>,
}

impl Row {
    /// Of a suite that has not run yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Adds a traced run and what tracing changed.
    pub fn add(&mut self, round: &Round, changed: Vec<String>) {
        self.rounds += 1;
        self.checks += round.number("checks");
        self.quiet += round.verify.lines().find_map(quiet).unwrap_or(0);
        self.entities += round.number("compared");
        self.facts += round.verify.lines().find_map(facts).unwrap_or(0);
        self.in_flight += round.number("in flight");
        self.divergences += round.number("divergences");
        self.lost += round.number("lost");
        self.open += round.not_closed;
        self.calls += round.calls;
        self.lines = round.outcome.values().sum();
        self.note_changes(changed);
        self.miscounted.extend(round.miscounted.iter().cloned());
        for (rule, count) in &round.findings {
            *self.findings.entry(rule.clone()).or_insert(0) += count;
        }
        if round.code != Some(0) {
            self.trouble.push(format!("verify ended with {:?}", round.code));
        }
        if !round.is_at_rest() {
            self.trouble.push("verify came to no quiet point at the end".to_owned());
        }
        if round.number("compared") == 0 {
            self.trouble.push("nothing was compared".to_owned());
        }
        if round.calls == 0 {
            self.trouble.push("bpftrace counted nothing".to_owned());
        }
    }

    /// `changed`: lines of a traced run with what was counted, which no untraced run explains.
    fn note_changes(&mut self, changed: Vec<String>) {
        let changed: BTreeSet<String> =
            changed.into_iter().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect();
        if self.changed.is_empty() {
            self.changed = changed;
        } else {
            self.once.extend(self.changed.symmetric_difference(&changed).cloned());
            self.changed.retain(|line| changed.contains(line));
        }
        self.runs_changed += usize::from(!self.changed.is_empty());
    }

    /// Tracing seems to have changed something, in one run.
    pub fn is_to_be_repeated(&self) -> bool {
        !self.changed.is_empty() && self.runs_changed < 2
    }

    /// More runs would not make it better.
    pub fn is_beyond_repair(&self) -> bool {
        !self.is_good() && !self.is_to_be_repeated()
    }

    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.divergences + self.open == 0
            && self.changed.is_empty()
            && self.miscounted.is_empty()
            && self.trouble.is_empty()
    }

    /// How far it is, in a line.
    pub fn progress(&self) -> String {
        format!(
            "  run {}: {} entities, {} divergences, {} in flight, {} calls",
            self.rounds, self.entities, self.divergences, self.in_flight, self.calls
        )
    }

    /// What is wrong, and the findings by rule.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for line in self.trouble.iter().chain(&self.miscounted) {
            let _ = writeln!(text, "  {line}");
        }
        for line in &self.changed {
            let _ = writeln!(text, "  changed by tracing: {line}");
        }
        for line in &self.once {
            let _ = writeln!(text, "  in one of {} traced runs: {line}", self.rounds);
        }
        let findings: Vec<_> = self.findings.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let findings = if findings.is_empty() { "none".to_owned() } else { findings.join(", ") };
        let _ = write!(text, "  findings of the whole machine: {findings}");
        text
    }
}

/// All suites, as a table of Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| suite | runs untraced, traced | its results | checks (quiet) | entities | facts | in flight | divergences | \
                    lost | not closed | calls, as bpftrace counts |\n|---|---|---|---|---|---|---|---|---|---|---|"
        .to_owned();
    for row in rows {
        let results = match (row.changed.len(), row.flaky + row.once.len()) {
            (0, 0) => format!("{} lines, the same", row.lines),
            (0, chance) => format!("{} lines, the same but for {chance} of chance", row.lines),
            (changed, _) => format!("{changed} of {} lines CHANGED", row.lines),
        };
        let calls = if row.miscounted.is_empty() {
            format!("{}, equal", row.calls)
        } else {
            format!("{}, {} kinds DIFFER", row.calls, row.miscounted.len())
        };
        let part = row.in_flight as f64 * 100.0 / row.entities.max(1) as f64;
        let _ = write!(
            text,
            "\n| {} | {}, {} | {results} | {} ({}) | {} | {} | {} ({part:.3} %) | {} | {} | {} | {calls} |",
            row.name,
            row.untraced,
            row.rounds,
            row.checks,
            row.quiet,
            row.entities,
            row.facts,
            row.in_flight,
            row.divergences,
            row.lost,
            row.open,
        );
    }
    text
}

/// `checks        4112, 7 of them at quiet points`
fn quiet(line: &str) -> Option<u64> {
    line.strip_prefix("checks")?.split_once(", ")?.1.split(' ').next()?.parse().ok()
}

/// `compared      71 entities, 500 facts`
fn facts(line: &str) -> Option<u64> {
    line.strip_prefix("compared")?.split_once(", ")?.1.split(' ').next()?.parse().ok()
}
