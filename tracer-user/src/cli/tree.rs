//! `sesstrace tree`: sessions, their process groups and the processes in them, now or at an instant of a recording.
//!
//! Must not: format; `sink::tree` does.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tracer_model::query;

use super::{
    at::At,
    common::{ColorChoice, stdout, style_for},
    exit::{INCOMPLETE, unwritable},
    state,
};
use crate::sink::tree::write;

/// Arguments of `tree`.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// A recording, `-` for standard input; without one the machine is shown as it is now
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// An instant of the recording instead of its end: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, 3m ago, or #812 for an
    /// event
    #[arg(long, value_name = "TIME", requires = "recording", allow_hyphen_values = true)]
    at: Option<At>,
    /// Every session; otherwise those of the followed processes, or this one
    #[arg(short = 'e', long = "every")]
    every: bool,
}

/// Prints the tree.
pub fn run(args: &TreeArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let instant = match &args.recording {
        Some(recording) => state::of_recording(recording, args.at)?,
        None => state::now(),
    };
    let mut sessions = query::tree(&instant.model);
    sessions.retain(|session| args.every || instant.shows_session(session.key));
    let mut out = stdout();
    write(&sessions, &query::ps(&instant.model), &instant.model, style_for(color, &io::stdout()), &mut *out)
        .and_then(|()| out.flush())
        .map_err(|error| unwritable("the tree to standard output", error))?;
    state::warn(&instant.warnings);
    Ok(if instant.whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
