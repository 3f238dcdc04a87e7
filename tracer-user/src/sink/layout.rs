//! Columns: where the parts of a line stand, and what gives way when the terminal is narrow.
//!
//! Time, process, brackets, group (and session, where there are several), what happened, and a margin for reasons. Without a
//! terminal lines are as long as they are; on one, text is wrapped inside its column. Must not: word anything.

use std::io::{self, Write};

use tracer_model::ids::{BootNs, SessionKey};

use super::{
    Style, Tone,
    lanes::{Lanes, MOST, Mark, below},
    row::Row,
    time,
};
use crate::text::{fit, width};

/// A name takes at most so many columns.
const NAME_MOST: usize = 20;
/// The margin begins at most so far behind the text column.
const MARGIN_MOST: usize = 44;
/// What happened has at least so many columns, even if lines are then longer than the terminal is wide.
const TEXT_LEAST: usize = 24;

/// Widths of the columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    time: usize,
    number: usize,
    name: usize,
    lanes: usize,
    group: usize,
    /// `None`: all lines are of one session.
    session: Option<usize>,
    /// From the text column to the margin.
    margin: usize,
    style: Style,
    base: BootNs,
}

impl Columns {
    /// Columns that fit lines that are not known yet.
    pub(super) fn streaming(base: BootNs, style: Style) -> Self {
        Self { time: 11, number: 7, name: 15, lanes: 3, group: 7, session: None, margin: MARGIN_MOST, style, base }
    }

    /// Columns that fit these lines.
    pub(super) fn fitting(rows: &[Row], marks: &[Vec<Mark>], base: BootNs, style: Style) -> Self {
        let longest = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let insiders = rows.iter().filter(|row| !row.outsider);
        let mut sessions: Vec<SessionKey> = insiders.filter_map(|row| row.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let session = (sessions.len() > 1).then(|| longest(|row| digits(row.session.map(|key| key.number.0))).max(7));
        let noted = rows.iter().filter(|row| !row.note.is_empty()).map(|row| width(&row.text()));
        Self {
            time: rows.iter().map(|row| time::ms(row.at, base).len()).max().unwrap_or(0).max(7),
            number: longest(|row| row.number.len()).max(3),
            name: longest(|row| width(&row.name)).clamp(4, NAME_MOST),
            lanes: marks.iter().map(Vec::len).max().unwrap_or(0),
            group: longest(|row| digits(row.group.map(|key| key.number.0))).max(5),
            session,
            margin: noted.filter(|width| *width <= MARGIN_MOST).max().unwrap_or(0) + 2,
            style,
            base,
        }
    }

    /// The names of the columns.
    pub(super) fn heading(&self) -> String {
        let process = self.number + 1 + self.name;
        let lanes = self.lane_width();
        let session = self.session.map(|wide| format!("{:<wide$}  ", "session")).unwrap_or_default();
        format!(
            "{:>time$}  {:<process$} {:lanes$}{:<group$}  {session}what happened",
            "ms",
            "process",
            "",
            "group",
            time = self.time,
            group = self.group,
        )
    }

    /// The same, with room for what other lines may have: these are not all.
    pub(super) fn for_more(self) -> Self {
        Self { session: self.session.or(Some(7)), lanes: self.lanes.max(MOST), ..self }
    }

    /// Columns of the brackets and the space behind them.
    fn lane_width(&self) -> usize {
        if self.lanes == 0 { 1 } else { self.lanes + 2 }
    }

    /// Columns before the text.
    fn before_text(&self) -> usize {
        let session = self.session.map_or(0, |wide| wide + 2);
        self.time + 2 + self.number + 1 + self.name + 1 + self.lane_width() + self.group + 2 + session
    }

    /// Writes one line, or several where the text is wrapped.
    pub(super) fn write(&self, row: &Row, marks: &[Mark], out: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.text_lines(row).into_iter();
        let first = lines.next().unwrap_or_default();
        self.write_first(row, marks, &first, out)?;
        let marks = below(marks);
        let before_lanes = self.time + 2 + self.number + 1 + self.name;
        let behind_lanes = self.before_text() - before_lanes - 1 - self.lane_width();
        for line in lines {
            write!(out, "{:before_lanes$} ", "")?;
            self.write_marks(&marks, out)?;
            line.write(self.style, row.tone, behind_lanes, out)?;
        }
        Ok(())
    }

    fn write_first(&self, row: &Row, marks: &[Mark], text: &Line, out: &mut dyn Write) -> io::Result<()> {
        let Self { time, number, name, group, .. } = *self;
        if row.continues {
            write!(out, "{:1$} ", "", time + 2 + number + 1 + name)?;
        } else {
            let shown = fit(&row.name, name, self.style.ellipsis());
            let pad = name.saturating_sub(width(&shown));
            write!(out, "{:>time$}  {:>number$} {shown}{:pad$} ", time::ms(row.at, self.base), row.number, "")?;
        }
        self.write_marks(marks, out)?;
        let shown = row.group.map(|key| key.number.to_string()).unwrap_or_default();
        write!(out, "{shown:<group$}  ")?;
        if let Some(wide) = self.session {
            let shown = row.session.map(|key| key.number.to_string()).unwrap_or_default();
            write!(out, "{shown:<wide$}  ")?;
        }
        text.write(self.style, row.tone, 0, out)
    }

    fn write_marks(&self, marks: &[Mark], out: &mut dyn Write) -> io::Result<()> {
        let drawn: String = marks.iter().take(self.lanes).map(|mark| mark.glyph(self.style)).collect();
        write!(out, "{drawn}{:1$}", "", self.lane_width() - marks.len().min(self.lanes))
    }

    /// Text and note of a line, arranged in the room there is.
    fn text_lines(&self, row: &Row) -> Vec<Line> {
        let text = row.text();
        let Some(wide) = self.style.width else {
            return vec![Line { margin: self.margin_after(&text), text, note: row.note.clone() }];
        };
        let room = wide.saturating_sub(self.before_text()).max(TEXT_LEAST);
        let mut lines: Vec<Line> = if row.clip {
            vec![Line::text(fit(&text, room, self.style.ellipsis()).into_owned())]
        } else {
            wrap(&text, room).into_iter().map(Line::text).collect()
        };
        if row.note.is_empty() {
            return lines;
        }
        match lines.last_mut() {
            Some(last) if width(&last.text) + 2 + width(&row.note) <= room => {
                last.margin = self.margin_after(&last.text).min(room - width(&row.note) - width(&last.text));
                last.note.clone_from(&row.note);
            }
            _ => {
                let noted =
                    wrap(&row.note, room - 2).into_iter().map(|note| Line { text: String::new(), margin: 2, note });
                lines.extend(noted);
            }
        }
        lines
    }

    /// Spaces between this text and the margin.
    fn margin_after(&self, text: &str) -> usize {
        self.margin.saturating_sub(width(text)).max(2)
    }
}

/// The text column and the margin of one line of output.
#[derive(Clone, Debug, Default)]
struct Line {
    text: String,
    margin: usize,
    note: String,
}

impl Line {
    fn text(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    fn write(&self, style: Style, tone: Tone, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        let margin = if self.note.is_empty() { 0 } else { self.margin };
        let indent = if self.text.is_empty() && self.note.is_empty() { 0 } else { indent };
        writeln!(out, "{:indent$}{}{:margin$}{}", "", style.paint(tone, &self.text), "", self.note)
    }
}

/// Lines of at most `room` columns, broken at spaces; a longer word is broken anywhere.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let wide = width(word);
        if used > 0 && used + 1 + wide > room {
            lines.push(String::new());
            used = 0;
        }
        let mut line = lines.pop().unwrap_or_default();
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = width(c.encode_utf8(&mut [0; 4]));
            if used > 0 && used + wide > room {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
        lines.push(line);
    }
    lines
}

/// Marks of every line.
pub(super) fn brackets(rows: &[Row], lanes: &mut Lanes) -> Vec<Vec<Mark>> {
    rows.iter().map(|row| lanes.line(row.group, &row.opens, &row.closes)).collect()
}

/// Columns of a number that may not be known.
fn digits(number: Option<u32>) -> usize {
    number.map_or(0, |number| number.to_string().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("joins group 41211", 40), ["joins group 41211"]);
        assert_eq!(wrap("joins group 41211", 11), ["joins group", "41211"]);
        assert_eq!(wrap("joins group 41211", 6), ["joins", "group", "41211"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("日本語 x", 4), ["日本", "語 x"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
