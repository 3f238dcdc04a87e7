//! `cargo xtask test`: everything that must hold, a line per step. Says what it needs, and installs it where it may.
//!
//! Must not: know what a step tests. A step is a line of [`steps`].

mod needs;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};

/// Run every test: formatting, lints, unit and layout tests, packages, golden replays, live eBPF, transcripts, the rebuild
/// of the probe object.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only steps whose name contains this.
    only: Option<String>,
}

/// Lines that are shown of what failed.
const TAIL: usize = 80;

/// A step: its name and the command.
struct Step {
    name: &'static str,
    command: Vec<String>,
}

fn steps(nextest: bool, deny: bool) -> Vec<Step> {
    let step = |name, command: &str| Step { name, command: command.split(' ').map(str::to_owned).collect() };
    // What passing tests say goes into the log: a skip must be seen.
    let test = |name, arguments: &str| {
        let command = if nextest {
            // Real shells on real terminals, on a machine that others use: what passes only when it is run again is told.
            format!(
                "cargo nextest run --no-fail-fast --retries 2 --success-output immediate --failure-output immediate-final {arguments}"
            )
        } else {
            format!("cargo test --no-fail-fast {arguments} -- --show-output")
        };
        step(name, &command)
    };
    let mut steps = vec![
        step("formatting", "cargo fmt --all --check"),
        step("tidiness", "cargo xtask tidy"),
        step("lints", "cargo clippy --workspace --all-targets -- -D warnings"),
        step("build", "cargo build --workspace --bins"),
        test("tests: unit, layout, transcripts, capture", "--workspace --exclude scenarios"),
        test(
            "tests: golden recordings say what they must",
            "-p scenarios --lib --bins --test golden --test rules --test semantics --test gaps",
        ),
        step("replays: golden recordings, byte for byte", "cargo xtask replay"),
        test("tests: live recordings say what they must", "-p scenarios --test live"),
        test("tests: the daemon zoo", "-p scenarios --test zoo"),
        test("tests: the small world, on this kernel", "-p scenarios --test world"),
        test("tests: both backends say the same, but for a table", "-p scenarios --test parity"),
        step("packages", "cargo package --allow-dirty -p tracer-common -p tracer-model -p tracer-user"),
        step("probe object: rebuilt and compared", "cargo xtask build-ebpf --check --install"),
    ];
    if deny {
        steps.push(step("licences and sources", "cargo deny --offline check bans licenses sources"));
    }
    steps
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root()?;
    let logs = root.join("target/xtask-test");
    fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    // Some tests run as another user what is built here.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    // And what a daemon inherits is part of its verdict: nothing of whoever runs this is to get that far.
    // SAFETY: integers only; these descriptors stay open here.
    unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) };
    needs::install()?;
    needs::mount_tracefs();
    needs::forget_packages()?;
    let only = arguments.only.as_deref().unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (number, step) in steps(needs::has_cargo("nextest"), needs::has_cargo("deny")).iter().enumerate() {
        if !step.name.contains(only) {
            continue;
        }
        let log = logs.join(format!("{:02}.log", number + 1));
        if one(step, &root, &log)? {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    say(&format!("{passed} passed, {failed} failed"))?;
    if failed == 0 { Ok(()) } else { bail!("logs are in {}", logs.display()) }
}

/// Runs a step, its output into `log`. Says how it went, what failed, and what it skipped.
fn one(step: &Step, root: &Path, log: &PathBuf) -> anyhow::Result<bool> {
    let Some((program, arguments)) = step.command.split_first() else { bail!("{} has no command", step.name) };
    let begin = Instant::now();
    let output = File::create(log).with_context(|| log.display().to_string())?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TERM_COLOR", "never")
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    let outcome = if status.success() { "ok" } else { "FAILED" };
    say(&format!("{:52} {outcome:6} {:6.1} s", step.name, begin.elapsed().as_secs_f64()))?;
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    for worth_telling in text.lines().filter(|line| line.contains("SKIPPED") || line.contains("FLAKY")) {
        say(&format!("    {}", worth_telling.trim()))?;
    }
    if !status.success() {
        for failure in text.lines().filter(|line| line.contains(" FAIL [") || line.contains("panicked at")) {
            say(&format!("    {}", failure.trim()))?;
        }
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| format!("    {line}\n"));
        say(&format!("    {}\n{}    all of it: {}", step.command.join(" "), last.collect::<String>(), log.display()))?;
    }
    Ok(status.success())
}

/// Prints a line at once; a pipe that nobody reads is no reason to stop testing.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout")
}
