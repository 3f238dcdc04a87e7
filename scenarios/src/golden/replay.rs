//! Replays golden recordings through the program that users have, and compares what it prints byte for byte.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{Tools, diff, picture, read, recording, root};
use crate::{Scenario, story};

/// What to do with a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Report it.
    Compare,
    /// Take what is printed now.
    Bless,
}

/// Replays one golden recording. Each string is a difference, or a picture that does not show what it must.
pub fn replay(scenario: &Scenario, mode: Mode, tools: &Tools) -> Result<Vec<String>> {
    let golden = recording(scenario);
    let folder = root().join(scenario.name);
    let events = read(&golden)?;
    let told = story::tell(&events);
    let mut failures = Vec::new();
    let timeline = print(tools, &["replay"], &golden, &[])?;
    failures.extend(compare(&folder.join("timeline.txt"), &timeline, mode)?);
    for picture in scenario.pictures {
        let instant = story::first(&told, picture.after);
        let instant = instant.with_context(|| format!("{}: never `{}`", picture.name, picture.after))?;
        let shown = print(tools, &["ps"], &golden, &["--at", &format!("#{}", instant.0)])?;
        failures.extend(picture::differences(picture, &shown, &events));
        failures.extend(compare(&folder.join(format!("ps-{}.txt", picture.name)), &shown, mode)?);
    }
    Ok(failures)
}

fn print(tools: &Tools, verb: &[&str], recording: &Path, options: &[&str]) -> Result<String> {
    let output =
        Command::new(tools.sesstrace()).args(verb).arg(recording).args(options).output().context("sesstrace")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "sesstrace {} {}: {complaint}", verb.join(" "), options.join(" "));
    String::from_utf8(output.stdout).context("sesstrace prints text")
}

fn compare(path: &Path, new: &str, mode: Mode) -> Result<Option<String>> {
    let old = fs::read_to_string(path).unwrap_or_default();
    if old == new {
        return Ok(None);
    }
    if mode == Mode::Bless {
        fs::write(path, new).with_context(|| path.display().to_string())?;
        return Ok(None);
    }
    Ok(Some(format!("{} is not what is printed now:\n{}", path.display(), diff::lines(&old, new))))
}
