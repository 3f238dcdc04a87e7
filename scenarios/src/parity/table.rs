//! Reading `docs/PARITY.md`: its sections, and the rows of their tables.

use anyhow::{Context as _, Result, ensure};

use super::Side;

/// A part of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What is said.
    Facts,
    /// What the rules find.
    Findings,
    /// What two runs of a scenario differ in.
    Chance,
    /// Fields of events.
    Fields,
    /// Lines of expectations that do not hold under ptrace.
    Expectations,
}

impl Section {
    fn heading(self) -> &'static str {
        match self {
            Self::Facts => "## What is said",
            Self::Findings => "## Findings",
            Self::Chance => "## Chance",
            Self::Fields => "## Fields of events",
            Self::Expectations => "## Expectations",
        }
    }
}

/// One row: patterns in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What only the probes say.
    pub ebpf: Vec<String>,
    /// What only ptrace says.
    pub ptrace: Vec<String>,
    /// The kernel's reason.
    pub reason: String,
}

impl Row {
    /// The patterns of one side.
    #[must_use]
    pub fn patterns(&self, side: Side) -> &[String] {
        match side {
            Side::Ebpf => &self.ebpf,
            Side::Ptrace => &self.ptrace,
        }
    }
}

/// The rows of a section.
pub fn read(document: &str, section: Section) -> Result<Vec<Row>> {
    let (_, rest) = document.split_once(section.heading()).with_context(|| format!("no {}", section.heading()))?;
    let body = rest.split("\n## ").next().unwrap_or(rest);
    // Two lines of every table are its head.
    body.lines().filter(|line| line.starts_with('|')).skip(2).map(row).collect()
}

fn row(line: &str) -> Result<Row> {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [ebpf, ptrace, reason] = cells.as_slice() else { anyhow::bail!("not three cells: {line}") };
    ensure!(!reason.is_empty(), "no reason: {line}");
    Ok(Row { ebpf: quoted(ebpf), ptrace: quoted(ptrace), reason: (*reason).to_owned() })
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_section_are_read() {
        let document = "# P\n## What is said\nWords.\n\n| a | b | c |\n|---|---|---|\n| `x *`, `y` | – | z |\n\n## Fields of events\n";
        let rows = read(document, Section::Facts).unwrap();
        let row = Row { ebpf: vec!["x *".to_owned(), "y".to_owned()], ptrace: Vec::new(), reason: "z".to_owned() };
        assert_eq!(rows, [row]);
        assert!(read(document, Section::Fields).unwrap().is_empty());
        assert!(read(document, Section::Expectations).is_err());
    }
}
