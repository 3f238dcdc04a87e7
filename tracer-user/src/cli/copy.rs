//! A recording made from another one: what `convert`, `cut` and `scrub` have in common.
//!
//! Must not: change what it was not asked to change.

use std::{
    fs,
    io::{self, IsTerminal as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::ExitCode,
};

use tracer_model::{
    event::{Event, EventKind},
    ids::Seq,
    state::Model,
};

use super::{
    exit::{ExpectedError, INCOMPLETE, say},
    progress::Progress,
    state,
    window::{Part, Span, Window},
};
use crate::{
    redaction::REMOVED,
    trace_file::{Header, Place, Reader, Unwritten, unfinished},
};

/// What is done on the way.
pub struct Change<'a> {
    /// The part that is copied.
    pub window: Window,
    /// Changes the header.
    pub header: &'a dyn Fn(&mut Header),
    /// Changes an event.
    pub event: &'a dyn Fn(&mut Event),
}

/// Copies `from` to `to`, whose name says its form. A recording that is not whole is copied as far as it goes, with exit
/// code 3.
pub fn copy(from: &Path, to: &Path, change: &Change) -> Result<ExitCode, ExpectedError> {
    // What is copied may be what a killed capture left under the name that the copy has until it is finished.
    if same_file(from, to) || same_file(from, &unfinished(to)) {
        let what = format!("{} cannot be made from itself", to.display());
        return Err(ExpectedError::usage(what, "name another file"));
    }
    let mut reader = Reader::open(from)?;
    let (span, before) = change.window.open(&mut reader);
    let mut header = reader.header().clone();
    (change.header)(&mut header);
    let unwritten = Unwritten::open(to)?;
    let mut part = Selected { reader, span, before, change, progress: Progress::of(from), ended: false };
    let mut next = part.next();
    let clock_offset = part.span.clock_offset();
    if clock_offset != Place::start(&header).clock_offset {
        // The clock was set since the recording began.
        header.unix_ns = clock_offset.saturating_add_unsigned(header.boot_ns.0);
    }
    let mut writer = unwritten.begin(&header)?;
    // Where nothing happened in the part, the state is what there is to tell.
    let begin = next.as_ref().map(|event| (Seq(event.seq.0.saturating_sub(1)), event.at));
    let (seq, at) = begin.unwrap_or((part.before.now().seq, part.before.now().at));
    // The state by the copy's own events: what a reader of it has.
    let mut state = header.model();
    for event in &part.before.to_snapshot(seq, at) {
        writer.write(event)?;
        state.apply(event);
    }
    let mut with_arguments = 0_u64;
    while let Some(event) = next {
        with_arguments += u64::from(has_arguments(&event));
        writer.write(&event)?;
        state.apply(&event);
        writer.note_state(&state)?;
        next = part.next();
    }
    let Selected { reader, span, progress, ended, .. } = part;
    drop(progress);
    let complete = ended || reader.summary().complete;
    let summary = writer.finish(complete)?;
    let mut warnings = reader.warnings().lines();
    if !span.has_begun() {
        warnings
            .push("the recording ends before that instant: the copy has the state at its end, and no event".to_owned());
    }
    state::warn(&warnings);
    warn_of_arguments(to, with_arguments);
    let whole = complete && summary.lost == 0 && warnings.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// The part of a recording that is copied.
struct Selected<'a> {
    reader: Reader<'a>,
    span: Span,
    /// The state where it begins.
    before: Model,
    change: &'a Change<'a>,
    progress: Progress,
    /// There is more in the recording after it.
    ended: bool,
}

impl Selected<'_> {
    fn next(&mut self) -> Option<Event> {
        for mut event in self.reader.by_ref() {
            self.progress.event();
            (self.change.event)(&mut event);
            match self.span.part(&event) {
                Part::Before => drop(self.before.apply(&event)),
                Part::Inside => return Some(event),
                Part::After => {
                    self.ended = true;
                    return None;
                }
            }
        }
        None
    }
}

/// Tells a person, who may be about to give a recording to others, what is in it.
pub(super) fn warn_of_arguments(recording: &Path, programs: u64) {
    if programs > 0 && io::stderr().is_terminal() {
        let recording = recording.display();
        say(&format!("{recording} has the arguments of {programs} programs; before others get it: sesstrace scrub"));
    }
}

/// Whether it tells more of a program than its name.
pub(super) fn has_arguments(event: &Event) -> bool {
    let (EventKind::Exec { args, .. } | EventKind::Snapshot { args }) = &event.kind else { return false };
    args.iter().skip(1).any(|argument| argument != REMOVED)
}

/// Whether both are one file, by whatever names.
fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| (file.dev(), file.ino()));
    id(one).is_some() && id(one) == id(other)
}
