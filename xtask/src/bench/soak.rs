//! `cargo xtask bench soak`: hands over to the program that links the model, which this crate must not.

use std::process::Command;

use anyhow::{Context as _, bail};

/// What is generated.
#[derive(clap::Args)]
pub struct Soak {
    /// How many events.
    #[arg(long, default_value_t = 100_000_000)]
    events: u64,
    /// How many processes are alive all the time.
    #[arg(long, default_value_t = 1000)]
    live: u64,
    /// Run the rules too.
    #[arg(long)]
    rules: bool,
}

/// Builds and runs the program.
pub fn run(arguments: &Soak) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-model", "--example", "soak", "--"]);
    command.args([arguments.events.to_string(), arguments.live.to_string()]);
    command.args(arguments.rules.then_some("rules"));
    let status = command.current_dir(crate::root()?).status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
