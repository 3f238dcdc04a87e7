//! The process list as `ps -Ho` prints it, with two columns that ps(1) lacks: what became of the group's leader, and whether
//! the group is orphaned.
//!
//! Columns are chosen by the names that ps uses, and have its headings and alignment, so that the two can be compared. Must not: select or order processes.

use std::io::{self, Write};

use tracer_model::{
    delta::LeaderState,
    query::PsRow,
    state::{Orphaned, Phase},
};

use super::{Style, Tone};
use crate::text::{fit, width};

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its names: the first is the usual one.
    names: &'static [&'static str],
    /// Its heading.
    heading: &'static str,
    /// Least width. That of numbers depends on the numbers.
    width: usize,
    cell: Cell,
}

/// How a cell is made.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Number(fn(&PsRow) -> i64),
    Word(fn(&PsRow, Style) -> String),
}

/// Every column.
pub const COLUMNS: &[Column] = &[
    number(&["pid", "tgid"], "PID", |row| row.pid.0.into()),
    number(&["ppid"], "PPID", |row| row.ppid.0.into()),
    number(&["pgid", "pgrp"], "PGID", |row| row.pgid.0.into()),
    number(&["sess", "session"], "SESS", |row| row.sid.0.into()),
    number(&["sid"], "SID", |row| row.sid.0.into()),
    number(&["tpgid"], "TPGID", |row| row.tpgid),
    word(&["tname"], "TTY", 8, tty),
    word(&["tty", "tt"], "TT", 8, tty),
    word(&["stat", "state"], "STAT", 4, |row, style| {
        let shown = row.state.to_string();
        if style.ascii { shown.replace('·', ".") } else { shown }
    }),
    word(&["leader"], "LEADER", 6, |row, _| of_group(row, leader(row.leader))),
    word(&["orphaned"], "ORPHANED", 8, |row, _| of_group(row, orphaned(row.orphaned))),
    word(&["comm", "ucmd", "ucomm"], "COMMAND", 15, |row, style| {
        format!("{:1$}{2}", "", 2 * row.depth, style.clean(&row.comm.0))
    }),
    word(&["args", "command"], "COMMAND", 7, args),
    word(&["cmd"], "CMD", 3, args),
];

/// What is shown unless columns are chosen.
pub const USUAL: [&str; 10] = ["pid", "ppid", "pgid", "sess", "tpgid", "tname", "stat", "leader", "orphaned", "args"];

const fn number(names: &'static [&'static str], heading: &'static str, cell: fn(&PsRow) -> i64) -> Column {
    Column { names, heading, width: heading.len(), cell: Cell::Number(cell) }
}

const fn word(
    names: &'static [&'static str],
    heading: &'static str,
    width: usize,
    cell: fn(&PsRow, Style) -> String,
) -> Column {
    Column { names, heading, width, cell: Cell::Word(cell) }
}

/// The column of this name.
#[must_use]
pub fn column(name: &str) -> Option<Column> {
    COLUMNS.iter().find(|column| column.names.contains(&name)).copied()
}

/// Writes heading and rows. `digits`: least width of numbers, which in ps(1) is that of the largest pid there can be.
pub fn write(rows: &[PsRow], columns: &[Column], digits: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|c| c.cell(row, style)).collect()).collect();
    let number_width = |column: &Column| match column.cell {
        Cell::Number(_) => digits.max(column.width),
        Cell::Word(_) => column.width,
    };
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let longest = cells.iter().filter_map(|row| row.get(index)).map(|cell| width(cell)).max().unwrap_or(0);
            let is_last = index + 1 == columns.len();
            if is_last && matches!(column.cell, Cell::Word(_)) { 0 } else { longest.max(number_width(column)) }
        })
        .collect();
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let heading = line(&headings, columns, &widths, style);
    writeln!(out, "{}", style.paint(Tone::Heading, &heading))?;
    cells.iter().try_for_each(|row| writeln!(out, "{}", line(row, columns, &widths, style)))
}

/// One line, cut off at the width of the terminal.
fn line(cells: &[String], columns: &[Column], widths: &[usize], style: Style) -> String {
    let cell = |((cell, column), wide): ((&String, &Column), &usize)| {
        let pad = " ".repeat(wide.saturating_sub(width(cell)));
        match column.cell {
            Cell::Number(_) => format!("{pad}{cell}"),
            Cell::Word(_) => format!("{cell}{pad}"),
        }
    };
    let line = cells.iter().zip(columns).zip(widths).map(cell).collect::<Vec<_>>().join(" ");
    match style.width {
        Some(wide) => fit(&line, wide, style.ellipsis()).into_owned(),
        None => line,
    }
}

impl Column {
    /// Its usual name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    fn cell(&self, row: &PsRow, style: Style) -> String {
        match self.cell {
            Cell::Number(number) => number(row).to_string(),
            Cell::Word(word) => word(row, style),
        }
    }
}

fn tty(row: &PsRow, _: Style) -> String {
    row.tty.map_or_else(|| "?".to_owned(), |tty| tty.to_string())
}

/// Kernel threads are in group 0, which is none (kernel/fork.c, `init_struct_pid`).
fn of_group(row: &PsRow, fact: &str) -> String {
    if row.pgid.0 == 0 { "-" } else { fact }.to_owned()
}

/// State of a group's leader in a word.
fn leader(state: LeaderState) -> &'static str {
    match state {
        LeaderState::Alive => "alive",
        LeaderState::Zombie => "zombie",
        LeaderState::Reaped => "reaped",
        LeaderState::MovedAway => "moved",
        LeaderState::Unknown => "?",
    }
}

fn orphaned(orphaned: Orphaned) -> &'static str {
    match orphaned {
        Orphaned::No => "no",
        Orphaned::Yes => "yes",
        Orphaned::Unknown => "?",
    }
}

/// The command line, indented below the parent, as ps -H has it.
fn args(row: &PsRow, style: Style) -> String {
    format!("{:1$}{2}", "", 2 * row.depth, command(row, style))
}

/// The command line as ps(1) shows it: `[name]` when there are no arguments, `<defunct>` after a zombie's name.
pub(super) fn command(row: &PsRow, style: Style) -> String {
    let name = || style.clean(&row.comm.0).into_owned();
    match row.state.phase {
        Phase::Zombie | Phase::Released | Phase::Reaped => format!("[{}] <defunct>", name()),
        Phase::Alive | Phase::Exiting if row.args.is_empty() => format!("[{}]", name()),
        Phase::Alive | Phase::Exiting => row.args.iter().map(|arg| style.clean(arg)).collect::<Vec<_>>().join(" "),
    }
}
