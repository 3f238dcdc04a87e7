//! `cargo xtask bench recording`: hands over to the program that links sesstrace, which this crate must not.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, bail};

/// What is measured.
#[derive(clap::Args)]
pub struct Recording {
    /// How many events are generated: an interactive shell's jobs.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How many are replayed once to look at the memory.
    #[arg(long, default_value_t = 10_000_000)]
    long: u64,
    /// Write the tables to docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
    /// Measure these recordings, too.
    recordings: Vec<PathBuf>,
}

/// Builds and runs the program.
pub fn run(arguments: &Recording) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-user", "--example", "bench_recording", "--"]);
    command.args(["--events", &arguments.events.to_string(), "--long", &arguments.long.to_string()]);
    for path in &arguments.recordings {
        command.arg(std::path::absolute(path)?);
    }
    let root = crate::root()?;
    command.current_dir(&root);
    if arguments.write {
        let output = command.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("{command:?} ended with {}", output.status);
        }
        let path = root.join("docs/PERFORMANCE.md");
        return fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()));
    }
    let status = command.status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
