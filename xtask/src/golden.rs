//! `cargo xtask record` and `cargo xtask replay`: builds what is needed and hands over to the `golden` program of the
//! scenarios. This crate must not link sesstrace: it builds the probe object without which sesstrace does not build.

use std::process::Command;

use anyhow::{Context as _, bail};

/// Record scenarios under the probes (as root), into tests/golden/.
#[derive(clap::Args)]
pub struct Record {
    /// Every scenario.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Names; `cargo run -p scenarios -- list` has them.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
}

/// Replay golden recordings and compare what is printed, byte for byte.
#[derive(clap::Args)]
pub struct Replay {
    /// Take what is printed now as right.
    #[arg(long)]
    bless: bool,
    /// Names; all when none is given.
    names: Vec<String>,
}

/// Runs `record`.
pub fn record(arguments: &Record) -> anyhow::Result<()> {
    let all = arguments.all.then(|| "--all".to_owned());
    golden("record", all.iter().chain(&arguments.names))
}

/// Runs `replay`.
pub fn replay(arguments: &Replay) -> anyhow::Result<()> {
    let bless = arguments.bless.then(|| "--bless".to_owned());
    golden("replay", bless.iter().chain(&arguments.names))
}

fn golden<'a>(verb: &str, words: impl Iterator<Item = &'a String>) -> anyhow::Result<()> {
    run(Command::new("cargo").args(["build", "--quiet", "-p", "tracer-user", "-p", "scenarios", "--bins"]))?;
    run(Command::new("cargo").args(["run", "--quiet", "-p", "scenarios", "--bin", "golden", "--", verb]).args(words))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.current_dir(crate::root()?).status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

/// Start the daemon zoo, audit every animal in each form, and compare with the truth.
#[derive(clap::Args)]
pub struct Zoo {
    /// Only animals whose name contains one of these.
    names: Vec<String>,
}

/// Runs `zoo`.
pub fn zoo(arguments: &Zoo) -> anyhow::Result<()> {
    run(Command::new("cargo").args(["build", "--quiet", "-p", "tracer-user", "-p", "scenarios", "--bins"]))?;
    run(Command::new("cargo").args(["run", "--quiet", "-p", "scenarios", "--bin", "zoo", "--"]).args(&arguments.names))
}
