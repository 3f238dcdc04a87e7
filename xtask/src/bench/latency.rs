//! How long it takes from an event to the finding that is printed for it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::{
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use serde_json::Value;

use super::say;

/// Events of which a rule decides at once.
const EVENTS: usize = 100;
/// They are as far apart as this: none waits for the one before it to be printed.
const APART: Duration = Duration::from_millis(50);
/// The rule.
const RULE: &str = "JC203";

/// What is traced: calls of tcsetpgrp on a descriptor that is not open.
pub fn act() {
    for _ in 0..EVENTS {
        std::thread::sleep(APART);
        // SAFETY: no memory is passed that is not ours.
        let _ = unsafe { libc::tcsetpgrp(999, Pid::this().as_raw()) };
    }
}

/// Measures both backends.
pub fn run(program: Option<String>) -> anyhow::Result<()> {
    let sesstrace = program.map_or_else(super::build, Ok)?;
    say(&format!("from {EVENTS} events to the findings that are printed for them, `sesstrace live --json`"))?;
    for backend in ["ebpf", "ptrace"] {
        let mut took = measure(&sesstrace, backend)?;
        took.sort_unstable();
        let [.., longest] = took[..] else {
            say(&format!("  {backend:8} not measured"))?;
            continue;
        };
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let middle = took.get(took.len() / 2).copied().unwrap_or(longest);
        say(&format!(
            "  {backend:8} {:8.2} ms in the middle, {:8.2} ms at most, of {}",
            ms(middle),
            ms(longest),
            took.len()
        ))?;
    }
    Ok(())
}

fn measure(sesstrace: &str, backend: &str) -> anyhow::Result<Vec<Duration>> {
    let own = std::env::current_exe().context("this program's path")?;
    let mut live = Command::new(sesstrace)
        .args(["live", "--json", "-b", backend, "--"])
        .arg(own)
        .args(["bench", "latency", "--act"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {sesstrace}"))?;
    // Standard output is that of the command.
    let lines = live.stderr.take().context("sesstrace has no output")?;
    let (mut base, mut took) = (None, Vec::new());
    for line in BufReader::new(lines).lines() {
        let line = line?;
        let now = now()?;
        let line: Value = serde_json::from_str(&line).context("a line that is no JSON")?;
        let word = |field| line.get(field).and_then(Value::as_str);
        match word("kind") {
            Some("header") => base = word("boot_ns").and_then(|ns| ns.parse::<i128>().ok()),
            Some("finding") if word("rule") == Some(RULE) => {
                let evidence = line.get("evidence").and_then(Value::as_array).and_then(|all| all.last());
                let at = evidence.and_then(|it| it.get("at")).and_then(Value::as_i64);
                let (Some(base), Some(at)) = (base, at) else { bail!("a finding without its time") };
                let ns = now - base - i128::from(at);
                took.push(Duration::from_nanos(u64::try_from(ns).context("a finding before its event")?));
            }
            _ => {}
        }
    }
    live.wait()?;
    Ok(took)
}

/// The clock of the events, ns.
fn now() -> anyhow::Result<i128> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec()))
}
