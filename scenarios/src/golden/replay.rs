//! Replays golden recordings through the program that users have, and compares what it prints byte for byte.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{Tools, diff, picture, read, recording, root};
use crate::{Picture, Scenario, story};

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
    let timeline = print(tools, &["replay"], &golden, &[])?;
    let mut failures = Vec::new();
    failures.extend(compare(&folder.join("timeline.txt"), &timeline, mode)?);
    for (picture, shown) in pictures(scenario, &golden, tools)? {
        failures.extend(shown.differences);
        failures.extend(compare(&folder.join(format!("ps-{}.txt", picture.name)), &shown.text, mode)?);
    }
    Ok(failures)
}

/// What `sesstrace ps --at` shows at an instant.
#[derive(Debug)]
pub struct Shown {
    /// As printed.
    pub text: String,
    /// What it should show and does not.
    pub differences: Vec<String>,
}

/// Every picture of a scenario, taken from a recording of it.
pub fn pictures(scenario: &Scenario, recording: &Path, tools: &Tools) -> Result<Vec<(&'static Picture, Shown)>> {
    if scenario.pictures.is_empty() {
        return Ok(Vec::new());
    }
    let events = read(recording)?;
    let told = story::tell(&events);
    let take = |picture: &'static Picture| {
        let instant = story::first(&told, picture.after);
        let instant = instant.with_context(|| format!("{}: never `{}`", picture.name, picture.after))?;
        let text = print(tools, &["ps"], recording, &["--at", &format!("#{}", instant.0)])?;
        let differences = picture::differences(picture, &text, &events);
        Ok((picture, Shown { text, differences }))
    };
    scenario.pictures.iter().map(take).collect()
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
