//! Reads JSON Lines, as a stream: from a file, or from a pipe that is still being written.
//!
//! Refuses what is no recording or has another major version. Everything else is read as far as it is good: a damaged line
//! becomes a gap, an unknown kind is skipped and counted, a torn end is told. Nothing here panics on any bytes.

use std::{io::BufRead, path::Path};

use tracer_model::{
    event::{Event, EventKind},
    ids::{BootNs, Seq},
};

use super::{
    super::{
        FORMAT_MAJOR, FORMAT_MINOR, LONGEST_NAME, ReadError, cause,
        event::{FileEvent, KINDS},
        finding,
        header::{FileEnd, FileHeader, Header, HeaderVersion, Summary},
        reader::malformed_gap,
        warning::Warnings,
    },
    line::{Line, read_line},
};
use crate::text::sanitize;

/// JSON Lines being read: an iterator of the events.
pub(in super::super) struct Reader<R: BufRead> {
    input: R,
    header: Header,
    /// Number of the line that was read last, from 1.
    line: u64,
    buffer: Vec<u8>,
    /// Events that were returned or are held back.
    summary: Summary,
    warnings: Warnings,
    last: Option<Position>,
    /// Damaged lines since the last event.
    damaged: u64,
    /// Records that the recording's own gaps tell as lost.
    recorded_losses: u64,
    /// An event that waits behind the gap before it.
    held: Option<Event>,
    ended: bool,
    /// By a later release than this, of a newer minor version.
    newer: bool,
}

/// Where the last event stood.
#[derive(Clone, Copy)]
struct Position {
    seq: Seq,
    at: BootNs,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header from `input`; `path` is for messages.
    pub(in super::super) fn new(path: &Path, mut input: R) -> Result<Self, ReadError> {
        let mut buffer = Vec::new();
        let first =
            read_line(&mut input, &mut buffer).map_err(|source| ReadError::Open { path: path.to_owned(), source })?;
        match first {
            Line::End => return Err(ReadError::Empty { path: path.to_owned() }),
            Line::TooLong => return Err(foreign(path, "it is longer than any line of a recording")),
            Line::Whole | Line::Unended => {}
        }
        let (header, newer_minor) = parse_header(path, &buffer)?;
        Ok(Self {
            input,
            header,
            line: 1,
            buffer,
            summary: Summary::default(),
            newer: newer_minor.is_some(),
            warnings: Warnings::of_lines(newer_minor),
            last: None,
            damaged: 0,
            recorded_losses: 0,
            held: None,
            ended: false,
        })
    }

    /// The header.
    pub(in super::super) fn header(&self) -> &Header {
        &self.header
    }

    /// What was read so far; once the iterator has ended, how the recording ended.
    pub(in super::super) fn summary(&self) -> Summary {
        self.summary
    }

    /// What had to be passed over so far.
    pub(in super::super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Reads until there is an event to return.
    fn advance(&mut self) -> Option<Event> {
        while !self.ended {
            let read = read_line(&mut self.input, &mut self.buffer);
            self.line += 1;
            match read {
                Ok(Line::Whole) => {
                    if let Some(event) = self.understand(false) {
                        return Some(self.behind_gap(event));
                    }
                }
                Ok(Line::Unended) => {
                    let event = self.understand(true);
                    self.cut_off(&format!("line {}, the last, is torn", self.line));
                    return event.map(|event| self.behind_gap(event));
                }
                Ok(Line::TooLong) => self.bad_line("it is longer than any line of a recording"),
                Ok(Line::End) => self.cut_off(&format!("there is no end record after line {}", self.line - 1)),
                Err(e) => self.cut_off(&format!("line {} cannot be read: {}", self.line, cause(&e))),
            }
        }
        self.gap_until(self.last.map(|last| last.at))
    }

    /// Understands the line in the buffer. `torn`: no newline ends it, so that it may be a part of a line.
    fn understand(&mut self, torn: bool) -> Option<Event> {
        let error = match serde_json::from_slice::<FileEvent>(&self.buffer) {
            Ok(file) => {
                let event = file.into_event(self.header.boot_ns);
                let names = event.subject.iter().map(|state| &state.comm).chain([&event.actor_comm]);
                if names.map(|name| name.0.len()).max() > Some(LONGEST_NAME) {
                    self.bad_line("the name of a process in it is too long");
                    return None;
                }
                if let EventKind::Gap(gap) = &event.kind {
                    self.recorded_losses = self.recorded_losses.saturating_add(gap.lost);
                }
                return Some(event);
            }
            Err(error) => error,
        };
        if let Ok(end) = serde_json::from_slice::<FileEnd>(&self.buffer) {
            self.end(end.into());
        } else if let Some(kind) = unknown_kind(&self.buffer) {
            // Findings in the output of `--json` follow from the events.
            if kind != finding::KIND {
                self.warnings.unknown_kind(kind, self.line);
            }
        } else if let Some(kind) = kind_of(&self.buffer).filter(|_| self.newer) {
            // Whole, and of a kind that is known: what is new is in it.
            self.warnings.unknown_kind(format!("{kind} with something new"), self.line);
        } else if !torn {
            self.bad_line(&describe(&error));
        }
        None
    }

    fn bad_line(&mut self, why: &str) {
        self.damaged += 1;
        self.warnings.damaged(self.line, why);
    }

    /// The end record was read.
    fn end(&mut self, said: Summary) {
        self.ended = true;
        self.warnings.counted(said.events, self.summary.events);
        self.summary.complete = said.complete;
        // What the capture lost it lost, whether or not the gaps that tell it could be read.
        let untold = said.lost.saturating_sub(self.recorded_losses);
        self.damaged = self.damaged.saturating_add(untold);
        if !matches!(read_line(&mut self.input, &mut self.buffer), Ok(Line::End)) {
            self.warnings.after_end(self.line + 1);
        }
    }

    /// The recording ends without an end record.
    fn cut_off(&mut self, how: &str) {
        if !self.ended {
            self.ended = true;
            self.warnings.ending(format!("{how}: the recording is incomplete, and shown as far as it goes"));
        }
    }

    /// Puts a gap before `event` when lines before it were damaged.
    fn behind_gap(&mut self, event: Event) -> Event {
        let gap = self.gap_until(Some(event.at));
        self.last = Some(Position { seq: event.seq, at: event.at });
        match gap {
            None => event,
            Some(gap) => {
                self.held = Some(event);
                gap
            }
        }
    }

    /// The gap for the damaged lines since the last event.
    fn gap_until(&mut self, until: Option<BootNs>) -> Option<Event> {
        let lost = std::mem::take(&mut self.damaged);
        let last = self.last.map(|last| (last.seq, last.at));
        (lost > 0).then(|| malformed_gap(self.header.boot_ns, last, until, lost))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let event = self.held.take().or_else(|| self.advance())?;
        self.summary.count(&event);
        Some(event)
    }
}

fn foreign(path: &Path, why: &str) -> ReadError {
    ReadError::Foreign { path: path.to_owned(), why: format!("line 1 is not its header ({why})") }
}

/// The header, and its version when that is newer than this release's.
pub(in super::super) fn parse_header(path: &Path, line: &[u8]) -> Result<(Header, Option<(u32, u32)>), ReadError> {
    let version: HeaderVersion = serde_json::from_slice(line).map_err(|e| foreign(path, &describe(&e)))?;
    let (major, minor) = version.format().ok_or_else(|| foreign(path, "its version is not MAJOR.MINOR"))?;
    if major != FORMAT_MAJOR {
        return Err(ReadError::Major { path: path.to_owned(), major, minor, tool: recorder(line) });
    }
    let header: FileHeader = serde_json::from_slice(line).map_err(|e| foreign(path, &describe(&e)))?;
    Ok((header.into(), (minor > FORMAT_MINOR).then_some((major, minor))))
}

/// The release that wrote this header, of whatever version it is; empty when it does not say.
pub(in super::super) fn recorder(line: &[u8]) -> String {
    let version = serde_json::from_slice::<HeaderVersion>(line);
    version.map_or_else(|_| String::new(), |version| sanitize(version.tool.as_bytes()).into_owned())
}

/// The kind of a line that is whole, and is of a kind that this release does not know.
fn unknown_kind(line: &[u8]) -> Option<String> {
    kind_of(line).filter(|kind| !KINDS.contains(&kind.as_str()) && kind != "end" && kind != "header")
}

/// The kind of a line that is whole.
fn kind_of(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Kind {
        kind: String,
    }
    serde_json::from_slice(line).ok().map(|Kind { kind }| kind)
}

/// What `serde_json` says, with the column only: every message here names the line of the file.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = sanitize(what.as_bytes());
    if error.column() == 0 { what.into_owned() } else { format!("{what} at column {}", error.column()) }
}
