//! `cargo xtask bench recording`: hands over to the program that links sesstrace, which this crate must not.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, bail};

/// What is measured.
#[derive(clap::Args)]
pub struct Recording {
    /// How many events are generated: an interactive shell's jobs.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Measure with the events of this recording instead.
    recording: Option<PathBuf>,
}

/// Builds and runs the program.
pub fn run(arguments: &Recording) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-user", "--example", "bench_recording", "--"]);
    match &arguments.recording {
        Some(path) => command.arg(std::path::absolute(path)?),
        None => command.args(["generated", &arguments.events.to_string()]),
    };
    let status = command.current_dir(crate::root()?).status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
