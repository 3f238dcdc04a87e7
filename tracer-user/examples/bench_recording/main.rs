//! Measures recordings: bytes an event, and how fast they are written, read and replayed, beside JSON Lines and beside plain
//! decompression, which is the floor. `cargo xtask bench recording` runs it; what it prints ends `docs/PERFORMANCE.md`.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a table is its output, and its own arrays are not empty"
)]

mod generate;
mod measure;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use clap::Parser;
use measure::{Figures, Step, Subject};
use tracer_model::event::Event;
use tracer_user::trace_file::Reader;

/// What is measured.
#[derive(Parser)]
struct Arguments {
    /// Generated events
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Replay so many generated events once, and look at the memory meanwhile
    #[arg(long, default_value_t = 10_000_000)]
    long: usize,
    /// Live processes beside those that work
    #[arg(long, value_delimiter = ',', default_value = "200,1000,10000,100000")]
    live: Vec<u32>,
    /// Replay so many generated events that are in no file, beside the first number of live processes; nothing else
    #[arg(long)]
    soak: Option<u64>,
    /// Write the generated events to this recording, and nothing else
    #[arg(long)]
    generate: Option<PathBuf>,
    /// Do one step with each recording, once, and measure nothing: for a profiler
    #[arg(long, value_enum)]
    only: Option<Step>,
    /// Recordings, measured beside the generated one
    recordings: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.generate {
        return measure::write(path, &generate::header(), generate::Jobs::new(BYSTANDERS).take(arguments.events));
    }
    if let Some(events) = arguments.soak {
        return soak(events, arguments.live.first().copied().unwrap_or(BYSTANDERS));
    }
    if let Some(step) = arguments.only {
        return arguments.recordings.iter().try_for_each(|path| step.run(path));
    }
    let folder = std::env::temp_dir().join(format!("sesstrace-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = all(&arguments, &folder);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn all(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    println!("{HEAD}");
    let events = arguments.events;
    let generated =
        Subject { name: format!("{} generated events: jobs of shells", told(events)), header: generate::header() };
    table(&generated, &generated.measure(folder, || generate::Jobs::new(BYSTANDERS).take(events))?);
    for path in &arguments.recordings {
        let header = Reader::open(path)?.header().clone();
        let events: Vec<Event> = Reader::open(path)?.collect();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let recorded = Subject { name: format!("{} events of {file}", told(events.len())), header };
        table(&recorded, &recorded.measure(folder, || events.iter().cloned())?);
    }
    live(arguments)?;
    long(arguments, folder)
}

/// Other processes, which are there from the start and do nothing.
const BYSTANDERS: u32 = 200;

const HEAD: &str = "
Processor time of one core, the quickest of several repetitions, on a machine that others share: compare within a table.
";

fn table(subject: &Subject, figures: &Figures) {
    let Figures { events, compact, lines, floor, steps, seek } = figures;
    println!("## {}\n", subject.name);
    println!(
        "{compact:.2} bytes an event, {:.1} times smaller than JSON Lines ({lines:.0}). Going to an instant: {:.1} ms at most.\n",
        lines / compact,
        seek.as_secs_f64() * 1e3
    );
    println!("| step | ns an event | million events/s | times the floor | times JSON Lines |");
    println!("|---|---:|---:|---:|---:|");
    let slowest = steps.last().map_or(Duration::ZERO, |(_, time)| *time);
    for (step, time) in steps {
        let ns = time.as_nanos() as f64 / *events as f64;
        println!(
            "| {step} | {ns:.0} | {:.2} | {:.1} | {:.1} quicker |",
            1000.0 / ns,
            time.as_secs_f64() / floor.as_secs_f64(),
            slowest.as_secs_f64() / time.as_secs_f64(),
        );
    }
    println!();
}

/// The cost of an event must not depend on how many processes live.
fn live(arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "## Live processes\n\n| live processes | ns an event, model and rules | bytes a live process, model | and rules |"
    );
    println!("|---:|---:|---:|---:|");
    for processes in &arguments.live {
        let (time, model, rules) = measure::live(&generate::header(), *processes, arguments.events.min(1_000_000))?;
        println!("| {processes} | {time:.0} | {model:.0} | {rules:.0} |");
    }
    println!();
    Ok(())
}

/// The memory must not depend on how many events there were.
fn long(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("long.sesstrace");
    measure::write(&path, &generate::header(), generate::Jobs::new(BYSTANDERS).take(arguments.long))?;
    let seek = measure::seek(&path, arguments.long as u64, 1)?;
    let (time, memory) = measure::long(&path, arguments.long as u64)?;
    println!(
        "## {} events\n\nReplayed with model and rules in {:.1} s. Going to an instant: {:.1} ms at most of nine.\n",
        told(arguments.long),
        time.as_secs_f64(),
        seek.as_secs_f64() * 1e3
    );
    println!("| events so far | resident MiB |\n|---:|---:|");
    for (events, mib) in &memory {
        println!("| {} | {mib:.1} |", told(*events as usize));
    }
    flat(&memory)
}

/// Time and memory must not depend on the length of the history.
fn soak(events: u64, live: u32) -> anyhow::Result<()> {
    println!("| events so far | resident MiB | ns an event |\n|---:|---:|---:|");
    let mut memory = Vec::new();
    measure::soak(&generate::header(), live, events, |(count, mib, ns)| {
        println!("| {} | {mib:.1} | {ns} |", told(count as usize));
        memory.push((count, mib));
    })?;
    flat(&memory)
}

/// From so many events on: before, what is bounded may not be full.
const FULL: u64 = 1_000_000;

/// Fails when the memory after these numbers of events grows.
fn flat(memory: &[(u64, f64)]) -> anyhow::Result<()> {
    let mut full = memory.iter().filter(|(count, _)| *count >= FULL).map(|(_, mib)| mib);
    if let Some(first) = full.next()
        && let Some(last) = full.next_back()
        && *last > first * 1.2 + 4.0
    {
        bail!("the memory grows with the events: {first:.1} MiB, then {last:.1} MiB");
    }
    Ok(())
}

/// `1,000,000`.
fn told(count: usize) -> String {
    let digits = count.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
