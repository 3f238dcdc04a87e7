//! `cargo xtask noise`: records ordinary sessions and programs, and counts what the rules say of them, where nothing is wrong.
//!
//! Must not: judge; errors and warnings are printed for people, who compare them with docs/NOISE.md.

mod rows;

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, bail};
use nix::{errno::Errno, sys::stat::Mode, unistd};
use serde_json::Value;

use crate::suites::{self, SUITES, Suite};
use rows::{ROWS, Row};

/// Files that the scripts use, beside each other.
const FILES: [(&str, &str); 3] = [
    ("noise.sh", include_str!("noise/noise.sh")),
    ("session.exp", include_str!("noise/session.exp")),
    ("Makefile", include_str!("noise/Makefile")),
];
/// Where sshd listens, on loopback.
const PORT: &str = "47022";

/// Count the findings of sessions in which nothing is wrong (root, Debian: the shells, expect, make, less, tmux, sudo, tini …).
#[derive(clap::Args)]
pub struct Arguments {
    /// Rows; all that need no network when none is named.
    names: Vec<String>,
    /// Those of `cargo xtask suites` instead, which are fetched: each runs once, without a terminal.
    #[arg(long)]
    suites: bool,
    /// This sesstrace instead of a release build.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<String>,
    /// Say which there are.
    #[arg(long)]
    list: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let all: Vec<Recorded> = if arguments.suites {
        SUITES.iter().map(Recorded::Suite).collect()
    } else {
        ROWS.iter().map(Recorded::Row).collect()
    };
    if arguments.list {
        return all.iter().try_for_each(|it| say(&format!("{:16} {}", it.name(), it.about())));
    }
    if !unistd::geteuid().is_root() {
        bail!("the probes, su and sshd need root: sudo cargo xtask noise");
    }
    let unknown: Vec<_> = arguments.names.iter().filter(|name| !all.iter().any(|it| it.name() == **name)).collect();
    if !unknown.is_empty() {
        bail!("no such row: {unknown:?}; --list says which there are");
    }
    let named = |it: &&Recorded| match &arguments.names[..] {
        [] => !matches!(it, Recorded::Row(row) if row.network),
        names => names.iter().any(|name| name == it.name()),
    };
    let sesstrace = arguments.program.clone().map_or_else(crate::bench::build, Ok)?;
    let sesstrace = fs::canonicalize(&sesstrace).with_context(|| sesstrace.clone())?;
    let here = crate::root()?.join("target/noise");
    fs::create_dir_all(&here).with_context(|| here.display().to_string())?;
    // What whoever calls this has open is no concern of what is recorded, which would inherit it.
    // SAFETY: no memory is passed, and nothing is closed here.
    Errno::result(unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) })
        .context("close_range")?;
    for (name, text) in FILES {
        fs::write(here.join(name), text)?;
    }
    say("| recorded | errors | warnings | for information | events |\n|---|---|---|---|---|")?;
    let mut told = Vec::new();
    for it in all.iter().filter(named) {
        let recording = here.join(format!("{}.sesstrace", it.name()));
        let _ = fs::remove_file(&recording);
        let recorded = match it {
            Recorded::Row(row) => record(row, &sesstrace, &here, &recording),
            Recorded::Suite(suite) => record_suite(suite, &sesstrace, &here, &recording),
        };
        if let Some(why_not) = recorded.with_context(|| it.name().to_owned())? {
            say(&format!("| {} | {why_not} | | | |", it.about()))?;
            continue;
        }
        let counts = count(&sesstrace, &recording)?;
        say(&counts.line(it.about()))?;
        told.extend(counts.told.into_iter().map(|line| format!("{}: {line}", it.name())));
    }
    told.iter().try_for_each(|line| say(line))
}

/// What is recorded.
enum Recorded {
    Row(&'static Row),
    Suite(&'static Suite),
}

impl Recorded {
    fn name(&self) -> &'static str {
        match self {
            Self::Row(row) => row.name,
            Self::Suite(suite) => suite.name,
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Row(row) => row.about,
            Self::Suite(suite) => suite.about,
        }
    }
}

/// Whether a program is found.
fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
    found.is_ok_and(|status| status.success())
}

/// Runs a row; says why not, where it cannot.
fn record(row: &Row, sesstrace: &Path, here: &Path, recording: &Path) -> anyhow::Result<Option<String>> {
    let missing: Vec<_> = row.needs.iter().filter(|program| !is_installed(program)).collect();
    if !missing.is_empty() {
        return Ok(Some(format!("not recorded: {missing:?} is not installed")));
    }
    let folder = here.join(row.name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    unistd::mkfifo(&folder.join("up"), Mode::S_IRUSR | Mode::S_IWUSR)?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!(". ./noise.sh\n{}", row.run)]).current_dir(here).env("HERE", here).env("DIR", &folder);
    command.env("SESSTRACE", sesstrace).env("RECORDING", recording).env("PORT", PORT);
    let log = folder.join("log");
    let status = finish(&mut command, &log, recording)?;
    if !status.success() {
        bail!("it did not come to its end ({status}): {}", log.display());
    }
    Ok(None)
}

/// Fetches and runs a suite, whose own results are no matter here.
fn record_suite(suite: &Suite, sesstrace: &Path, here: &Path, recording: &Path) -> anyhow::Result<Option<String>> {
    let folder = suites::prepare(suite)?;
    let mut command = Command::new("setsid");
    command.arg("-w").arg(sesstrace).args(["record", "-o"]).arg(recording).args(["--", "sh", "-c", suite.run]);
    finish(command.current_dir(folder), &here.join(format!("{}.log", suite.name)), recording).map(|_| None)
}

fn finish(command: &mut Command, log: &Path, recording: &Path) -> anyhow::Result<ExitStatus> {
    let out = fs::File::create(log)?;
    let status = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).status()?;
    if !recording.exists() {
        bail!("nothing was recorded ({status}): {}", log.display());
    }
    Ok(status)
}

/// What a report says.
#[derive(Default)]
struct Counts {
    errors: usize,
    warnings: usize,
    information: usize,
    /// Its last line: how many events there are, and what was lost.
    events: String,
    /// Errors and warnings.
    told: Vec<String>,
}

impl Counts {
    fn line(&self, about: &str) -> String {
        let Self { errors, warnings, information, events, .. } = self;
        format!("| {about} | {errors} | {warnings} | {information} | {events} |")
    }
}

fn count(sesstrace: &Path, recording: &Path) -> anyhow::Result<Counts> {
    let report = |arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(sesstrace).arg("report").args(arguments).arg(recording).output()?;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("a report that is no text")
    };
    let mut counts = counted(&report(&["--format", "json"])?)?;
    let text = report(&[])?;
    let last = text.lines().last().unwrap_or_default();
    last.strip_suffix(" events, none lost").unwrap_or(last).clone_into(&mut counts.events);
    Ok(counts)
}

/// The findings of a report in JSON, one a line.
fn counted(report: &str) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for line in report.lines() {
        let finding: Value = serde_json::from_str(line)?;
        if finding.get("kind").and_then(Value::as_str) != Some("finding") {
            continue;
        }
        let word = |field| finding.get(field).and_then(Value::as_str).unwrap_or_default();
        match word("severity") {
            "error" => counts.errors += 1,
            "warning" => counts.warnings += 1,
            _ => {
                counts.information += 1;
                continue;
            }
        }
        counts.told.push(format!("{} {}: {}: {}", word("severity"), word("rule"), word("fact"), word("cause")));
    }
    Ok(counts)
}

/// Prints a line at once.
fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_row_has_a_recording_of_its_own() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
    }

    #[test]
    fn findings_are_counted_by_severity() {
        let report = r#"{"kind":"finding","severity":"warning","rule":"JC401","fact":"it","cause":"why"}
{"kind":"finding","severity":"info","rule":"JC309","fact":"it","cause":"why"}
{"kind":"summary"}
"#;
        let counts = counted(report).unwrap();
        assert_eq!((counts.errors, counts.warnings, counts.information), (0, 1, 1));
        assert_eq!(counts.told, ["warning JC401: it: why"]);
    }
}
