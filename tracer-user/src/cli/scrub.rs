//! `sesstrace scrub`: a recording without what others need not know: arguments, host, user.
//!
//! Must not: change what concerns job control.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tracer_model::event::{Event, EventKind, Inspection};

use super::{
    copy::{Change, copy},
    exit::say,
    window::Window,
};
use crate::{
    redaction::{REMOVED, Redaction},
    trace_file::Header,
};

/// Arguments of `scrub`.
#[derive(Debug, Args)]
pub struct ScrubArgs {
    /// The recording, `-` for standard input
    #[arg(value_name = "REC")]
    from: PathBuf,
    /// The new one: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(value_name = "NEW")]
    to: PathBuf,
    /// Remove only arguments that match, with * for anything: '--password=*'. Otherwise all but the first, the program's name
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    redact: Vec<String>,
}

/// Writes the copy.
pub fn run(args: &ScrubArgs) -> anyhow::Result<ExitCode> {
    let redaction = if args.redact.is_empty() { Redaction::AllButNames } else { Redaction::matching(&args.redact) };
    let header = |header: &mut Header| {
        header.host.clear();
        header.user = None;
        redaction.arguments(&mut header.command);
    };
    let event = |event: &mut Event| {
        redaction.event(event);
        if let EventKind::Inspected(inspection) = &mut event.kind {
            remove_paths(inspection);
        }
    };
    let code = copy(&args.from, &args.to, &Change { window: Window::default(), header: &header, event: &event })?;
    say("names of programs, process and user numbers, and times are still there: job control is told by them");
    Ok(code)
}

/// Paths tell of users and projects as arguments do. Devices and inodes stay: they say which descriptors are the same.
fn remove_paths(inspection: &mut Inspection) {
    let remove = |path: &mut Vec<u8>| {
        path.clear();
        path.extend_from_slice(REMOVED);
    };
    inspection.descriptors.iter_mut().flat_map(|it| &mut it.open).for_each(|it| remove(&mut it.path));
    inspection.directory.iter_mut().for_each(|it| remove(&mut it.path));
    inspection.program.iter_mut().for_each(remove);
}
