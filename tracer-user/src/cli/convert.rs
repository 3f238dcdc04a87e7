//! `sesstrace convert`: a recording in the other form, without loss.
//!
//! Must not: change what is recorded.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    copy::{Change, copy},
    window::Window,
};

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The recording, `-` for standard input
    #[arg(value_name = "REC")]
    from: PathBuf,
    /// The new one: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(value_name = "NEW")]
    to: PathBuf,
}

/// Writes the copy.
pub fn run(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let change = Change { window: Window::default(), header: &|_| {}, event: &|_| {} };
    Ok(copy(&args.from, &args.to, &change)?)
}
