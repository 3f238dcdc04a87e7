//! Pictures of an instant: what `sesstrace ps --at` prints, held against rows with names in place of numbers.

use crate::{
    Picture,
    story::{Numbers, Recorded, fits},
};

/// The columns that a row is made of.
const COLUMNS: [&str; 6] = ["PID", "PPID", "PGID", "TPGID", "SESS", "STAT"];

/// What the picture should show and does not.
pub fn differences(picture: &Picture, shown: &str, events: &Recorded) -> Vec<String> {
    let numbers = Numbers::learn(events);
    let rows: Vec<String> = rows(shown, &numbers);
    let mut left = rows.iter();
    let missing = picture.rows.iter().filter(|wanted| !left.any(|row| fits(wanted, row)));
    missing
        .map(|wanted| format!("ps-{} lacks, in this order, `{wanted}`; it has:\n  {}", picture.name, rows.join("\n  ")))
        .collect()
}

/// The table's rows: the columns above, in names, and the command.
fn rows(shown: &str, numbers: &Numbers) -> Vec<String> {
    let mut lines = shown.lines().skip_while(|line| !line.contains("PGID"));
    let head: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    lines.filter_map(|line| row(&head, line, numbers)).collect()
}

fn row(head: &[&str], line: &str, numbers: &Numbers) -> Option<String> {
    let cells: Vec<&str> = line.split_ascii_whitespace().collect();
    let (cells, command) = cells.split_at_checked(head.len().checked_sub(1)?)?;
    let cell = |name: &str| {
        let at = head.iter().position(|column| *column == name)?;
        cells.get(at).map(|cell| numbers.name(cell))
    };
    let mut words: Vec<String> = COLUMNS.iter().map(|column| cell(column)).collect::<Option<_>>()?;
    words.push(command.join(" "));
    Some(words.join(" "))
}
