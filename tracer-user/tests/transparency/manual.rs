//! The tables of `docs/TRANSPARENCY.md`: the matrix, and the differences that its cells name.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
    fs,
};

use crate::{ends, mode::Mode, programs, shells};

/// What a cell of the matrix says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// These rows of the difference tables, and no others, are seen; none: the run equals the untraced one.
    Differs(BTreeSet<String>),
    /// This is not run.
    NotRun,
}

impl Display for Cell {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun => formatter.write_str("–"),
            Self::Differs(rows) if rows.is_empty() => formatter.write_str("="),
            Self::Differs(rows) => {
                let rows: Vec<_> = rows.iter().map(|row| format!("`{row}`")).collect();
                formatter.write_str(&rows.join(", "))
            }
        }
    }
}

impl Cell {
    fn parse(text: &str) -> Self {
        match text {
            "–" => Self::NotRun,
            "=" => Self::Differs(BTreeSet::new()),
            _ => {
                assert!(text.contains('`'), "a cell says {text:?}");
                Self::Differs(quoted(text))
            }
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A row of the matrix.
pub struct Row {
    /// The shells or programs that it is about.
    pub groups: Vec<String>,
    pub topic: String,
    /// In the order of [`Mode::COLUMNS`].
    pub cells: Vec<Cell>,
}

fn manual() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TRANSPARENCY.md")).unwrap()
}

/// The rows of all tables whose header begins like this.
fn tables(header: &str) -> Vec<Vec<String>> {
    let manual = manual();
    let mut rows = Vec::new();
    let mut lines = manual.lines();
    while lines.by_ref().any(|line| line.starts_with(header)) {
        let table = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        rows.extend(table.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()));
    }
    assert!(!rows.is_empty(), "no table {header}");
    rows
}

/// The matrix.
pub fn matrix() -> Vec<Row> {
    let row = |cells: Vec<String>| {
        assert_eq!(cells.len(), 2 + Mode::COLUMNS.len(), "{cells:?}");
        Row {
            groups: cells[0].split(", ").map(str::to_owned).collect(),
            topic: cells[1].clone(),
            cells: cells[2..].iter().map(|cell| Cell::parse(cell)).collect(),
        }
    };
    tables("| who | topic |").into_iter().map(row).collect()
}

/// The names in the first column of the difference tables.
fn differences(header: &str) -> BTreeSet<String> {
    tables(header).iter().flat_map(|row| quoted(&row[0])).collect()
}

#[test]
fn every_row_of_the_matrix_is_tested() {
    let written: BTreeSet<String> = matrix().into_iter().flat_map(|row| row.groups).collect();
    let shells = shells::ALL.iter().map(|shell| shell.name);
    let mut tested: BTreeSet<String> = shells.chain(programs::ALL).chain(ends::ALL).map(str::to_owned).collect();
    tested.extend(shells::ALL.iter().map(shells::Shell::of_an_ordinary_user));
    assert_eq!(written, tested);
}

/// The tests of the rows compare each cell with what is seen: what is here, is seen.
#[test]
fn every_difference_is_seen_and_every_cell_explained() {
    let mut named = [BTreeSet::new(), BTreeSet::new()];
    for row in matrix() {
        for (cell, mode) in row.cells.into_iter().zip(Mode::COLUMNS) {
            if let Cell::Differs(rows) = cell {
                named[usize::from(matches!(mode, Mode::Wrapper(_)))].extend(rows);
            }
        }
    }
    let [in_place, wrapper] = named;
    let (kernel, placement) = (differences("| the kernel shows |"), differences("| the wrapper shows |"));
    assert_eq!(in_place, kernel);
    assert_eq!(wrapper.difference(&kernel).cloned().collect::<BTreeSet<_>>(), placement);
}
