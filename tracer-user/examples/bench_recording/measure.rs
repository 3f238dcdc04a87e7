//! The measurements. Must not: print.

use std::{hint::black_box, io::Read as _, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use nix::time::{ClockId, clock_gettime};
use tracer_model::{delta::Delta, event::Event, findings::Findings, state::Model, timeline::Lifetimes};
use tracer_user::trace_file::{Header, Reader, Unwritten};

use crate::generate;

/// Repetitions, of which the quickest counts: the machine is shared.
const TIMES: usize = 5;
/// Events that are written as JSON Lines: more would fill a disk.
const MOST_LINES: usize = 200_000;

/// What is done with a recording.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Step {
    Decompress,
    Decode,
    Model,
    Rules,
}

impl Step {
    /// Does it once.
    pub fn run(self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Decompress => decompress(path),
            Self::Decode => decode(path),
            Self::Model => apply(path),
            Self::Rules => replay(path),
        }
    }
}

/// What is measured.
pub struct Subject {
    pub name: String,
    pub header: Header,
}

/// What came of it.
pub struct Figures {
    pub events: u64,
    /// Bytes an event.
    pub compact: f64,
    pub lines: f64,
    /// Decompression alone.
    pub floor: Duration,
    /// Steps, the last of which is that of JSON Lines.
    pub steps: Vec<(&'static str, Duration)>,
    /// The longest way to an instant.
    pub seek: Duration,
}

impl Subject {
    /// Writes both forms and reads them again.
    pub fn measure<I: Iterator<Item = Event>>(&self, folder: &Path, events: impl Fn() -> I) -> anyhow::Result<Figures> {
        let (lines, compact) = (folder.join("bench.jsonl"), folder.join("bench.sesstrace"));
        let few = events().take(MOST_LINES).count() as u64;
        write(&lines, &self.header, events().take(MOST_LINES))?;
        let count = events().count() as u64;
        let written = quickest(TIMES, || write(&compact, &self.header, events()))?;
        let made = quickest(TIMES, || {
            events().for_each(|event| drop(black_box(event)));
            Ok(())
        })?;
        let size = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len() as f64);
        let floor = quickest(TIMES, || decompress(&compact))?;
        let read_lines = quickest(TIMES, || decode(&lines))?.mul_f64(count as f64 / few as f64);
        Ok(Figures {
            events: count,
            compact: size(&compact)? / count as f64,
            lines: size(&lines)? / few as f64,
            floor,
            steps: vec![
                ("decompress (the floor)", floor),
                ("decode", quickest(TIMES, || decode(&compact))?),
                ("decode, model", quickest(TIMES, || apply(&compact))?),
                ("decode, model, rules", quickest(TIMES, || replay(&compact))?),
                ("model, encode, compress, write", written.saturating_sub(made)),
                ("decode JSON Lines", read_lines),
            ],
            seek: seek(&compact, count, 3)?,
        })
    }
}

/// Processor time, which other work on the machine changes less than it does the time of the clock.
fn quickest(times: usize, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let begin = now()?;
        run()?;
        best = best.min(now()?.saturating_sub(begin));
    }
    Ok(best)
}

fn now() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from)
}

/// Records events, with keyframes.
pub fn write(path: &Path, header: &Header, events: impl Iterator<Item = Event>) -> anyhow::Result<()> {
    let mut writer = Unwritten::open(path)?.begin(header)?;
    let (mut model, mut delta) = (header.model(), Delta::default());
    for event in events {
        writer.write(&event)?;
        model.apply_into(&event, &mut delta);
        writer.note_state(&model)?;
    }
    writer.finish(true)?;
    Ok(())
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
    while let Some(event) = reader.read() {
        black_box(event);
    }
    whole(&reader)
}

fn apply(path: &Path) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let (mut model, mut delta) = (reader.header().model(), Delta::default());
    while let Some(event) = reader.read() {
        model.apply_into(event, &mut delta);
        black_box(&delta);
    }
    whole(&reader)
}

/// The model and the rules, as in the pipeline.
struct Judge {
    model: Model,
    delta: Delta,
    findings: Findings,
}

impl Judge {
    fn new(header: &Header) -> Self {
        Self { model: header.model(), delta: Delta::default(), findings: Findings::new() }
    }

    fn take(&mut self, event: &Event) {
        let Self { model, delta, findings } = self;
        findings.reach(event, model);
        model.apply_into(event, delta);
        findings.observe(event, delta, model);
        if !findings.is_empty() {
            black_box(findings.take());
        }
    }
}

fn replay(path: &Path) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let mut judge = Judge::new(reader.header());
    while let Some(event) = reader.read() {
        judge.take(event);
    }
    judge.findings.end(&judge.model);
    whole(&reader)
}

fn whole(reader: &Reader) -> anyhow::Result<()> {
    if !reader.summary().complete || !reader.warnings().lines().is_empty() {
        bail!("the recording is not whole: {:?}", reader.warnings());
    }
    Ok(())
}

/// The longest time to the state at one of nine instants.
pub fn seek(path: &Path, events: u64, times: usize) -> anyhow::Result<Duration> {
    let ways = (1..=9).map(|part| quickest(times, || instant(path, events * part / 10)));
    ways.collect::<anyhow::Result<Vec<_>>>().map(|ways| ways.into_iter().max().unwrap_or_default())
}

/// Goes to the state after so many events, as `ps --at` does.
fn instant(path: &Path, events: u64) -> anyhow::Result<()> {
    let mut reader = Reader::open(path)?;
    let found = reader.begin_at(|place| place.events <= events);
    let (mut model, from) = found.map_or_else(|| (reader.header().model(), 0), |(model, place)| (model, place.events));
    let mut delta = Delta::default();
    for _ in from..events {
        let Some(event) = reader.read() else { break };
        model.apply_into(event, &mut delta);
    }
    black_box(&model);
    Ok(())
}

/// With so many live processes: ns an event, and bytes a live process in the model and in what the rules remember.
pub fn live(header: &Header, processes: u32, events: usize) -> anyhow::Result<(f64, f64, f64)> {
    let before = resident()?;
    let (mut model, mut delta) = (header.model(), Delta::default());
    let snapshot = || generate::Jobs::new(processes).take(processes as usize + 10);
    for event in snapshot() {
        model.apply_into(&event, &mut delta);
    }
    let bytes = |after: f64| (after - before) * 1024.0 * 1024.0 / f64::from(processes);
    let model_bytes = bytes(resident()?);
    drop(black_box(model));
    let mut judge = Judge::new(header);
    let mut jobs = generate::Jobs::new(processes);
    for event in jobs.by_ref().take(processes as usize + 10) {
        judge.take(&event);
    }
    let all_bytes = bytes(resident()?);
    let events: Vec<Event> = jobs.take(events).collect();
    let begin = now()?;
    for event in &events {
        judge.take(event);
    }
    let time = now()?.saturating_sub(begin);
    Ok((time.as_nanos() as f64 / events.len() as f64, model_bytes, all_bytes))
}

/// Replays once; the resident memory in MiB after each tenth.
pub fn long(path: &Path, events: u64) -> anyhow::Result<(Duration, Vec<(u64, f64)>)> {
    let begin = now()?;
    let mut reader = Reader::open(path)?;
    let mut judge = Judge::new(reader.header());
    let (mut count, mut memory) = (0, Vec::new());
    while let Some(event) = reader.read() {
        judge.take(event);
        count += 1;
        if count % (events / 10).max(1) == 0 {
            memory.push((count, resident()?));
        }
    }
    whole(&reader)?;
    Ok((now()?.saturating_sub(begin), memory))
}

/// What was seen on the way through a history that does not end: events so far, resident MiB, ns of processor time an event
/// since the line before.
pub type Passed = (u64, f64, u64);

/// Feeds model, rules and lifetimes with so many events that nobody keeps, and says twenty times what it costs.
pub fn soak(header: &Header, live: u32, events: u64, mut tell: impl FnMut(Passed)) -> anyhow::Result<()> {
    let (mut judge, mut lives) = (Judge::new(header), Lifetimes::with_history(HISTORY));
    let part = (events / 20).max(1);
    let mut begin = now()?;
    for (event, count) in generate::Jobs::new(live).zip(1..=events) {
        judge.take(&event);
        lives.observe(&event, &judge.delta, &judge.model);
        if count % FORGET == 0 {
            lives.forget_ended();
        }
        if count % part == 0 {
            let end = now()?;
            tell((count, resident()?, end.saturating_sub(begin).as_nanos() as u64 / part));
            begin = end;
        }
    }
    Ok(())
}

/// What a timeline remembers of each process and group, and after how many events it has been told: as a live view does.
const HISTORY: usize = 1000;
const FORGET: u64 = 100_000;

/// Of this process, in MiB.
pub fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kib / 1024.0)
}
