//! `cargo xtask bench`: what tracing without privilege costs, beside strace in the same run, and how long a start takes.
//!
//! Every way of running is repeated in turn, so that whatever else runs on the machine meets all of them alike, and the fastest
//! repetition of each counts. Must not: judge; it prints what was measured, and the bar beside it.

mod churn;
mod idle;
mod jobs;
mod latency;
mod recording;
mod soak;
mod ways;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use ways::{Way, attribute_ways, start_ways, tracing_ways};

/// Measure what tracing costs.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Repetitions of each measurement.
    #[arg(short, long, global = true, default_value_t = 7)]
    repetitions: usize,
}

#[derive(clap::Subcommand)]
enum What {
    /// ptrace beside strace: jobs, a build, an idle shell.
    Ptrace,
    /// How long `run -- true` takes beside `true`.
    Start,
    /// Size and speed of recordings, beside JSON Lines and plain decompression.
    Recording(recording::Recording),
    /// What recording the steps of daemons adds (`--attributes`), with either backend, to jobs that fork and to jobs that execute.
    Attributes {
        /// The program; built when it is not given.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// An hour of daemons that come and go, in minutes, under `audit --watch`: its memory and processor time.
    Churn(churn::Churn),
    /// How long it takes from an event to the finding that is printed for it, with either backend.
    Latency {
        /// Be what is traced.
        #[arg(long, hide = true)]
        act: bool,
        /// The program; built when it is not given.
        #[arg(long)]
        program: Option<String>,
    },
    /// Whether time and memory grow with the history: 10^8 events through model, rules and lifetimes.
    Soak(soak::Soak),
    /// The jobs that are traced: a fork, a group, an exit, a wait, so many times.
    #[command(hide = true)]
    Jobs {
        /// How many.
        count: usize,
        /// Where the pace of the fastest of them goes.
        pace: PathBuf,
        /// Each executes `true`.
        #[arg(long)]
        exec: bool,
    },
}

/// Jobs in one run: so many that starting the tracer hardly counts.
const JOBS: usize = 2000;
/// The part of what strace adds that ptrace may add.
const BAR: f64 = 0.6;
/// What a start may add.
const START_BAR: Duration = Duration::from_millis(10);

/// Runs the verb.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.what {
        What::Jobs { count, pace, exec } => jobs::run(*count, pace, *exec),
        What::Attributes { program } => attributes(program.as_deref(), arguments.repetitions),
        What::Recording(recording) => recording::run(recording),
        What::Churn(churn) => churn::run(churn),
        What::Latency { act: true, .. } => {
            latency::act();
            Ok(())
        }
        What::Latency { act: false, program } => latency::run(program.clone()),
        What::Soak(soak) => soak::run(soak),
        What::Ptrace => ptrace(arguments.repetitions),
        What::Start => start(arguments.repetitions.max(20)),
    }
}

fn ptrace(repetitions: usize) -> anyhow::Result<()> {
    let sesstrace = build()?;
    let folder = crate::root()?.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let ways = tracing_ways(&sesstrace, &folder)?;
    say("Other work on this machine shows in every number. Compare numbers of one table only.")?;
    let own = std::env::current_exe().context("this program's path")?;
    let pace = folder.join("pace");
    let words = ["bench", "jobs", &JOBS.to_string(), pace.to_str().context("the path of the repository")?];
    let jobs = [&[own.to_str().context("this program's path")?][..], &words].concat();
    let jobs: Vec<String> = jobs.into_iter().map(str::to_owned).collect();
    count_stops(&jobs)?;
    let mut whole = vec![None; ways.len()];
    let what = "1000 times fork, setpgid, exit, wait, at the pace of the fastest 20";
    compare(what, &ways, repetitions, |at, way| {
        keep_least(&mut whole, at, time(way, &jobs, &folder)?);
        jobs::pace(&pace)
    })?;
    table(&format!("{JOBS} times fork, setpgid, exit, wait: the fastest of {repetitions}"), &ways, &whole)?;
    let build = jobs::write_build(&folder)?;
    compare("a build: make -j2 of 40 targets, 7 commands each", &ways, repetitions, |_, way| {
        time(way, &build, &folder)
    })?;
    idle::compare(&ways, &folder)
}

fn attributes(program: Option<&Path>, repetitions: usize) -> anyhow::Result<()> {
    let sesstrace = match program {
        Some(program) => program.to_str().context("the path of the program")?.to_owned(),
        None => build()?,
    };
    let folder = crate::root()?.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let ways = attribute_ways(&sesstrace, &folder)?;
    say("Other work on this machine shows in every number. Compare numbers of one table only.")?;
    let (own, pace) = (std::env::current_exe().context("this program's path")?, folder.join("pace"));
    let own = own.to_str().context("this program's path")?.to_owned();
    let path = pace.to_str().context("the path of the repository")?.to_owned();
    for (what, options) in [("fork, setpgid, exit, wait", None), ("fork, setpgid, exec, exit, wait", Some("--exec"))] {
        let words = [&own, "bench", "jobs", &JOBS.to_string(), &path].map(str::to_owned);
        let jobs: Vec<String> = words.into_iter().chain(options.map(str::to_owned)).collect();
        let what = format!("1000 times {what}, at the pace of the fastest 20");
        compare(&what, &ways, repetitions, |_, way| {
            time(way, &jobs, &folder)?;
            jobs::pace(&pace)
        })?;
    }
    Ok(())
}

fn start(repetitions: usize) -> anyhow::Result<()> {
    let sesstrace = build()?;
    let folder = crate::root()?.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let ways = start_ways(&sesstrace, &folder);
    say("Other work on this machine shows in every number. Compare numbers of one table only.")?;
    let command = ["/bin/true".to_owned()];
    let fastest = compare("true", &ways, repetitions, |_, way| time(way, &command, &folder))?;
    let [Some(untraced), Some(ptrace), ..] = fastest.as_slice() else { bail!("nothing was measured") };
    let added = ptrace.saturating_sub(*untraced);
    let verdict = if added < START_BAR { "held" } else { "MISSED" };
    say(&format!("bar: ptrace adds less than {} ms: {verdict}", START_BAR.as_millis()))
}

/// The release build of sesstrace.
pub fn build() -> anyhow::Result<String> {
    let status = Command::new("cargo")
        .args(["build", "--release", "-p", "tracer-user", "--bin", "sesstrace"])
        .current_dir(crate::root()?)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("sesstrace does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(crate::root()?.join("target"), Into::into);
    let program = target.join("release/sesstrace");
    program.to_str().map(str::to_owned).with_context(|| program.display().to_string())
}

/// Measures every way in turn, prints a table, and returns the fastest of each.
fn compare(
    what: &str,
    ways: &[Way],
    repetitions: usize,
    mut measure: impl FnMut(usize, &Way) -> anyhow::Result<Duration>,
) -> anyhow::Result<Vec<Option<Duration>>> {
    let mut fastest = vec![None; ways.len()];
    for _ in 0..repetitions {
        for (at, way) in ways.iter().enumerate() {
            let now = measure(at, way)?;
            keep_least(&mut fastest, at, now);
        }
    }
    table(&format!("{what}: the fastest of {repetitions}"), ways, &fastest)?;
    Ok(fastest)
}

fn keep_least(times: &mut [Option<Duration>], at: usize, now: Duration) {
    if let Some(least) = times.get_mut(at) {
        *least = Some(least.map_or(now, |before| before.min(now)));
    }
}

/// How often sesstrace stops the jobs, by kind: numbers in which other work does not show.
fn count_stops(jobs: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "-p", "tracer-user", "--example", "count_stops", "--"]).args(jobs);
    let output = command.current_dir(crate::root()?).output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{command:?} ended with {}: {text}", output.status);
    }
    let counts = text.lines().filter_map(|line| line.split_once(' '));
    let counts = counts.map(|(kind, count)| count.parse().map(|count: f64| (kind, count / JOBS as f64)));
    let counts: Vec<(&str, f64)> = counts.collect::<Result<_, _>>().context("the counts")?;
    let list: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count:.2}")).collect();
    let all: f64 = counts.iter().map(|(_, count)| count).sum();
    say(&format!("\nstops of a job under sesstrace: {all:.2} ({})", list.join(", ")))
}

/// A row for each way: the time, what it adds to the first way's, and which part that is of what strace adds.
fn table(title: &str, ways: &[Way], times: &[Option<Duration>]) -> anyhow::Result<()> {
    say(&format!("\n{title}"))?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let untraced = times.first().copied().flatten().unwrap_or_default();
    let added = |time: Duration| ms(time) - ms(untraced);
    let row = |(way, time): (&Way, &Option<Duration>)| {
        let Some(time) = *time else { return format!("  {:38} not measured", way.name) };
        let mut parts = vec![format!("  {:38}{:10.2} ms", way.name, ms(time))];
        if time != untraced {
            parts.push(format!("adds {:9.2} ms", added(time)));
        }
        // A part of nothing is none.
        let compared = way.is_ours && added(time) > 0.0;
        let strace = ways.iter().zip(times).filter(|(other, _)| compared && other.is_strace);
        parts.extend(strace.filter_map(|(other, theirs)| {
            let part = added(time) / added((*theirs)?);
            let verdict = if part <= BAR { "" } else { " (MORE THAN THE BAR)" };
            Some(format!("{part:.2} of {}{verdict}", other.name))
        }));
        parts.join("  ")
    };
    ways.iter().zip(times).try_for_each(|pair| say(&row(pair)))
}

/// How long the command takes from its start to its end.
fn time(way: &Way, command: &[String], folder: &Path) -> anyhow::Result<Duration> {
    let words = way.words(command);
    let Some((program, arguments)) = words.split_first() else { bail!("no command") };
    let mut starting = Command::new(program);
    starting.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = starting.status().with_context(|| format!("cannot run {program}"))?;
    let took = begin.elapsed();
    if !status.success() {
        bail!("{}: {status}", words.join(" "));
    }
    Ok(took)
}

/// Prints a line at once.
fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout")
}
