//! `sesstrace scrub`: a recording without what others need not know: arguments, host, user.
//!
//! Must not: change what concerns job control.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tracer_model::event::{Event, EventKind};

use super::{
    copy::{Change, REMOVED, copy},
    exit::say,
    window::Window,
};
use crate::{filter::Glob, trace_file::Header};

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
    #[arg(long, value_name = "GLOB")]
    redact: Vec<String>,
}

/// Writes the copy.
pub fn run(args: &ScrubArgs) -> anyhow::Result<ExitCode> {
    let globs: Vec<Glob> = args.redact.iter().map(|text| Glob::new(text)).collect();
    let clean = |arguments: &mut Vec<Vec<u8>>| {
        for (place, argument) in arguments.iter_mut().enumerate() {
            let private = if globs.is_empty() { place > 0 } else { globs.iter().any(|glob| glob.matches(argument)) };
            if private {
                argument.clear();
                argument.extend_from_slice(REMOVED);
            }
        }
    };
    let header = |header: &mut Header| {
        header.host.clear();
        header.user = None;
        clean(&mut header.command);
    };
    let event = |event: &mut Event| {
        if let EventKind::Exec { args, .. } | EventKind::Snapshot { args } = &mut event.kind {
            clean(args);
        }
    };
    let code = copy(&args.from, &args.to, &Change { window: Window::default(), header: &header, event: &event })?;
    say("names of programs, process and user numbers, and times are still there: job control is told by them");
    Ok(code)
}
