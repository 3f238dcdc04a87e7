//! `cargo xtask bench soak`: hands over to the program that links sesstrace, which this crate must not.

use anyhow::bail;

use super::recording;

/// What is generated.
#[derive(clap::Args)]
pub struct Soak {
    /// How many events.
    #[arg(long, default_value_t = 100_000_000)]
    events: u64,
    /// How many processes are alive all the time.
    #[arg(long, default_value_t = 1000)]
    live: u64,
}

/// Builds and runs the program. It fails when the memory grows with the events.
pub fn run(arguments: &Soak) -> anyhow::Result<()> {
    let mut command = recording::program()?;
    command.args(["--soak", &arguments.events.to_string(), "--live", &arguments.live.to_string()]);
    let status = command.status()?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
