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
    window::{Part, Window},
};
use crate::{
    redaction::REMOVED,
    trace_file::{Header, Reader, Unwritten},
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
    if same_file(from, to) {
        let what = format!("{} cannot be made from itself", to.display());
        return Err(ExpectedError::usage(what, "name another file"));
    }
    let mut reader = Reader::open(from)?;
    let (mut span, mut before) = change.window.open(&mut reader);
    let mut header = reader.header().clone();
    (change.header)(&mut header);
    let mut writer = Unwritten::open(to)?.begin(&header)?;
    // The state by the copy's own events: what a reader of it has.
    let mut model: Option<Model> = None;
    let mut stopped = false;
    let mut progress = Progress::of(from);
    let mut with_arguments = 0_u64;
    for mut event in &mut reader {
        progress.event();
        (change.event)(&mut event);
        match span.part(&event) {
            Part::Before => {
                before.apply(&event);
                continue;
            }
            Part::After => {
                stopped = true;
                break;
            }
            Part::Inside => {}
        }
        let state = if let Some(state) = &mut model {
            state
        } else {
            let mut state = header.model();
            for part in &before.to_snapshot(Seq(event.seq.0.saturating_sub(1)), event.at) {
                writer.write(part)?;
                state.apply(part);
            }
            model.insert(state)
        };
        with_arguments += u64::from(has_arguments(&event));
        writer.write(&event)?;
        state.apply(&event);
        writer.note_state(state)?;
    }
    drop(progress);
    let complete = stopped || reader.summary().complete;
    let summary = writer.finish(complete)?;
    let warnings = reader.warnings().lines();
    state::warn(&warnings);
    warn_of_arguments(to, with_arguments);
    let whole = complete && summary.lost == 0 && warnings.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
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
