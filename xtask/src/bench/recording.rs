//! `cargo xtask bench recording`: hands over to the program that links sesstrace, which this crate must not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

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
    /// How many pipelines of a real bash with job control are recorded with the probes, and measured beside the generated
    /// events; 0 where probes cannot be loaded.
    #[arg(long, default_value_t = 8_000)]
    real: u32,
    /// Write the tables to the end of docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
    /// Measure these recordings, too.
    recordings: Vec<PathBuf>,
}

/// The program, which is built first.
pub fn program() -> anyhow::Result<Command> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-user", "--example", "bench_recording", "--"]);
    command.current_dir(crate::root()?);
    Ok(command)
}

/// Builds and runs the program.
pub fn run(arguments: &Recording) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = program()?;
    command.args(["--events", &arguments.events.to_string(), "--long", &arguments.long.to_string()]);
    if arguments.real > 0 {
        command.arg(record(arguments.real, folder.path())?);
    }
    for path in &arguments.recordings {
        command.arg(std::path::absolute(path)?);
    }
    if arguments.write {
        let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("{command:?} ended with {}", output.status);
        }
        return write(&String::from_utf8(output.stdout)?);
    }
    let status = command.status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

/// Writes the tables, and the size of an event where the README has it.
fn write(tables: &str) -> anyhow::Result<()> {
    let root = crate::root()?;
    let (path, readme) = (root.join("docs/PERFORMANCE.md"), root.join("README.md"));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, _) = text.split_once(TABLES).with_context(|| format!("no line {TABLES:?} in {}", path.display()))?;
    fs::write(&path, format!("{before}{TABLES}{tables}"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let text = fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let size = tables.lines().find_map(|line| line.split_once(" bytes an event, ")).context("no size in the tables")?.0;
    let (before, after) = text.split_once(LINK).context("the README has no size of an event")?;
    let (before, _) = before.rsplit_once('[').context("the README has no size of an event")?;
    fs::write(&readme, format!("{before}[{size} bytes an event{LINK}{after}"))
        .with_context(|| format!("cannot write {}", readme.display()))
}

/// What is printed stands behind this line.
const TABLES: &str = "<!-- cargo xtask bench recording --write -->\n";

/// After the size of an event.
const LINK: &str = "](docs/PERFORMANCE.md)";

/// Records what bash does for so many pipelines.
fn record(pipelines: u32, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("bash.sesstrace");
    let script = format!("set -m; for ((i = 0; i < {pipelines}; i++)); do echo $i | cat | tail -1; done");
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-user", "--", "record", "--backend", "ebpf", "-o"]);
    command.arg(&path).args(["--", "bash", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.current_dir(crate::root()?).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("{command:?} ended with {status}; without probes: cargo xtask bench recording --real 0");
    }
    Ok(path)
}
