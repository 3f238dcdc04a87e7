//! Measures recordings: bytes an event, and how fast they are written, read and replayed, beside JSON Lines and beside plain
//! decompression, which is the floor. `cargo xtask bench recording` runs it.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a table is its output, and its own arrays are not empty"
)]

mod generate;

use std::{
    hint::black_box,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::time::{ClockId, clock_gettime};
use tracer_model::{
    event::Event,
    ids::{BootNs, Pid},
    state::Model,
};
use tracer_user::trace_file::{Header, Reader, Scope, Unwritten};

/// Repetitions, of which the quickest counts: the machine is shared.
const TIMES: usize = 3;
/// Events that are written as JSON Lines.
const MOST_LINES: usize = 1_000_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = std::env::temp_dir().join(format!("sesstrace-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = match arguments.first().map(String::as_str) {
        None | Some("generated") => {
            let count = arguments.get(1).map_or(Ok(1_000_000), |count| count.parse::<usize>())?;
            generated(&folder, count)
        }
        Some(path) => recorded(&folder, Path::new(path)),
    };
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn generated(folder: &Path, count: usize) -> anyhow::Result<()> {
    let header = Header {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        host: b"bench".to_vec(),
        kernel: String::new(),
        boot_id: String::new(),
        backend: "generated".to_owned(),
        tier: String::new(),
        tier_reason: String::new(),
        pid_namespace: 0,
        boot_ns: BootNs(5_000_000_000),
        unix_ns: 1_795_507_200_000_000_000,
        command: Vec::new(),
        scope: Scope::Tree { root: Pid(300), name: b"bash".to_vec() },
        user: None,
    };
    println!("{count} generated events");
    measure(folder, &header, || generate::Jobs::new().take(count))
}

fn recorded(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let header = Reader::open(path)?.header().clone();
    let events: Vec<Event> = Reader::open(path)?.collect();
    println!("{} events of {}", events.len(), path.display());
    measure(folder, &header, || events.iter().cloned())
}

/// Writes both forms and reads them again.
fn measure<I: Iterator<Item = Event>>(folder: &Path, header: &Header, events: impl Fn() -> I) -> anyhow::Result<()> {
    let (lines, compact) = (folder.join("bench.jsonl"), folder.join("bench.sesstrace"));
    // JSON Lines of more would fill a disk.
    let few = events().take(MOST_LINES).count() as u64;
    write(&lines, header, events().take(MOST_LINES))?;
    let count = events().count() as u64;
    let written = quickest(|| write(&compact, header, events()))?;
    let size = |path: &PathBuf| std::fs::metadata(path).map(|metadata| metadata.len());
    let (lines_size, compact_size) = (size(&lines)?, size(&compact)?);
    println!(
        "bytes an event   {:7.2} compact, {:7.2} JSON Lines: {:.1} times smaller",
        per(compact_size, count),
        per(lines_size, few),
        per(lines_size, few) / per(compact_size, count)
    );

    let floor = quickest(|| decompress(&compact))?;
    let read = quickest(|| decode(&compact))?;
    let applied = quickest(|| replay(&compact))?;
    let read_lines = quickest(|| decode(&lines))?;
    for (what, time) in [
        ("decompress (the floor)", floor),
        ("make and write compact", written),
        ("read compact", read),
        ("read compact and apply", applied),
        ("read JSON Lines", read_lines.mul_f64(per(count, few))),
    ] {
        let ns = time.as_nanos() as f64 / count as f64;
        println!(
            "{what:24} {ns:8.1} ns an event, {:6.2} million events/s, {:6.1} times the floor",
            1000.0 / ns,
            time.as_secs_f64() / floor.as_secs_f64()
        );
    }
    let mut worst = Duration::ZERO;
    for part in 1..=9 {
        let seek = || instant(&compact, count * part / 10);
        worst = worst.max(quickest(seek)?);
    }
    println!("state at an instant      {:8.1} ms at most, of 9 instants; the bar is 100 ms", worst.as_secs_f64() * 1e3);
    println!("largest memory           {:8.1} MiB, of all of this", peak_memory()?);
    Ok(())
}

fn per(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// Processor time, which other work on the machine changes less than it does the time of the clock.
fn quickest(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let now = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    let mut best = Duration::MAX;
    for _ in 0..TIMES {
        let begin = now()?;
        run()?;
        best = best.min(now()?.saturating_sub(begin));
    }
    Ok(best)
}

fn write(path: &Path, header: &Header, events: impl Iterator<Item = Event>) -> anyhow::Result<()> {
    let mut writer = Unwritten::open(path)?.begin(header)?;
    let mut model = model(header);
    for event in events {
        writer.write(&event)?;
        model.apply(&event);
        writer.note_state(&model)?;
    }
    writer.finish(true)?;
    Ok(())
}

fn model(header: &Header) -> Model {
    let mut model = Model::new();
    if let Scope::Tree { root, .. } = header.scope {
        model.follow(root);
    }
    model
}

fn decompress(path: &Path) -> anyhow::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::new(std::fs::File::open(path)?)?;
    let mut buffer = vec![0; 64 * 1024];
    while decoder.read(&mut buffer)? > 0 {
        black_box(&buffer);
    }
    Ok(())
}

fn decode(path: &Path) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    for event in &mut reader {
        black_box(&event);
    }
    whole(&reader)
}

fn replay(path: &Path) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let mut model = model(reader.header());
    for event in &mut reader {
        black_box(model.apply(&event));
    }
    whole(&reader)
}

fn whole(reader: &Reader) -> anyhow::Result<()> {
    if !reader.summary().complete || !reader.warnings().lines().is_empty() {
        bail!("the recording is not whole: {:?}", reader.warnings());
    }
    Ok(())
}

/// Goes to the state after so many events, as `ps --at` does.
fn instant(path: &Path, events: u64) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let found = reader.begin_at(|place| place.events <= events);
    let (mut model, from) = found.map_or_else(|| (model(reader.header()), 0), |(model, place)| (model, place.events));
    let left = usize::try_from(events - from).context("too many events")?;
    for event in reader.by_ref().take(left) {
        black_box(model.apply(&event));
    }
    Ok(())
}

/// Of this process so far, in MiB.
fn peak_memory() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kib / 1024.0)
}
