//! What a reader had to pass over, in sentences for a person.
//!
//! A damaged recording can have a million bad lines: what is alike is counted, not listed. Must not: print.

use std::collections::BTreeMap;

use crate::text::sanitize;

/// Kinds of unknown events that are told apart.
const KINDS_LISTED: usize = 16;

/// What a recording is made of, and how a place in it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unit {
    /// By the number of the line.
    #[default]
    Line,
    /// By the byte at which the frame begins.
    Frame,
}

/// What a reader had to pass over. Places are lines, or offsets of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    unit: Unit,
    /// The file's minor version, when it is newer than this release's.
    newer_minor: Option<(u32, u32)>,
    /// Unknown kinds of events: the first line and how many.
    unknown: BTreeMap<String, (u64, u64)>,
    /// Unknown kinds beyond those that are told apart.
    unknown_more: u64,
    /// Lines that could not be understood: the first, why, and how many.
    damaged: Option<(u64, String, u64)>,
    /// How the recording ends, when not with an end record.
    ending: Option<String>,
    /// The end record counts other than what was read: said, read.
    differs: Option<(u64, u64)>,
    /// The line after an end record that was not the last.
    after_end: Option<u64>,
}

impl Warnings {
    /// Of JSON Lines.
    pub(super) fn of_lines(newer_minor: Option<(u32, u32)>) -> Self {
        Self { newer_minor, ..Self::default() }
    }

    /// Of frames.
    pub(super) fn of_frames(newer_minor: Option<(u32, u32)>) -> Self {
        Self { newer_minor, unit: Unit::Frame, ..Self::default() }
    }

    pub(super) fn unknown_kind(&mut self, kind: String, line: u64) {
        if self.unknown.len() < KINDS_LISTED || self.unknown.contains_key(&kind) {
            self.unknown.entry(kind).or_insert((line, 0)).1 += 1;
        } else {
            self.unknown_more += 1;
        }
    }

    pub(super) fn damaged(&mut self, line: u64, why: &str) {
        self.damaged.get_or_insert_with(|| (line, why.to_owned(), 0)).2 += 1;
    }

    pub(super) fn ending(&mut self, how: String) {
        self.ending.get_or_insert(how);
    }

    pub(super) fn after_end(&mut self, line: u64) {
        self.after_end.get_or_insert(line);
    }

    /// Compares the end record with what was read.
    pub(super) fn counted(&mut self, said: u64, read: u64) {
        // Skipped lines explain a difference, and are told already.
        if said != read && self.damaged.is_none() && self.unknown.is_empty() {
            self.differs = Some((said, read));
        }
    }

    /// How many events were skipped because this release does not know their kind.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.unknown.values().map(|(_, count)| count).sum::<u64>() + self.unknown_more
    }

    /// The sentences, in the order of the file. None: all is well.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((major, minor)) = self.newer_minor {
            lines.push(format!(
                "the recording has format {major}.{minor}, newer than the {}.{} of this sesstrace: what is new in it is not shown",
                super::FORMAT_MAJOR,
                super::FORMAT_MINOR
            ));
        }
        for (kind, (line, count)) in &self.unknown {
            let kind = sanitize(kind.as_bytes());
            lines.push(format!("{}: unknown kind of event {kind}: {} skipped", self.place(*line), events(*count)));
        }
        if self.unknown_more > 0 {
            lines.push(format!("{} of other unknown kinds skipped", events(self.unknown_more)));
        }
        if let Some((line, why, count)) = &self.damaged {
            let more = if *count > 1 { format!(", and {} more", self.units(count - 1)) } else { String::new() };
            let place = self.place(*line);
            lines.push(format!("{place} is damaged{more}: {why}; skipped, and counted as lost"));
        }
        if let Some(line) = self.after_end {
            lines.push(format!("{} comes after the end record: what follows is not read", self.place(line)));
        }
        if let Some((said, read)) = self.differs {
            lines.push(format!("the end record counts {}, the recording has {read}", events(said)));
        }
        lines.extend(self.ending.clone());
        lines
    }

    fn place(&self, place: u64) -> String {
        match self.unit {
            Unit::Line => format!("line {place}"),
            Unit::Frame => format!("the frame at byte {place}"),
        }
    }

    fn units(&self, count: u64) -> String {
        let unit = match self.unit {
            Unit::Line => "line",
            Unit::Frame => "frame",
        };
        if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
    }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}
