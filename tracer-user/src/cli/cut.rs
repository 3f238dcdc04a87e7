//! `sesstrace cut`: a part of a recording as a recording. It begins with a snapshot of the state at its begin.
//!
//! Must not: change what is recorded.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    copy::{Change, copy},
    exit::ExpectedError,
    window::Window,
};

/// Arguments of `cut`.
#[derive(Debug, Args)]
pub struct CutArgs {
    /// The recording, `-` for standard input
    #[arg(value_name = "REC")]
    from_recording: PathBuf,
    /// The new one: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(value_name = "NEW")]
    to_recording: PathBuf,
    #[command(flatten)]
    window: Window,
}

/// Writes the part.
pub fn run(args: &CutArgs) -> anyhow::Result<ExitCode> {
    if !args.window.is_part() {
        return Err(ExpectedError::usage(
            "cut needs --from or --to: without them it would be the whole recording",
            "sesstrace cut REC NEW --from TIME --to TIME",
        )
        .into());
    }
    let change = Change { window: args.window, header: &|_| {}, event: &|_| {} };
    Ok(copy(&args.from_recording, &args.to_recording, &change)?)
}
