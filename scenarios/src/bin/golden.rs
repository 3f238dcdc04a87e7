//! `golden record|replay|check|tell|try`: the work behind `cargo xtask record`, `cargo xtask replay` and `cargo xtask vm`.

use std::{env, fs, io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use scenarios::{
    Scenario, cases, find,
    golden::{
        Tools, read,
        record::{self, Backend},
        recording,
        replay::{Mode, replay},
        room,
    },
    story,
};

const USAGE: &str = "usage: golden record NAME…|--all, golden replay [--bless] [NAME…], golden check [NAME…], \
                     golden tell NAME|FILE, golden try ebpf|ptrace NAME…";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tools = Tools::beside(&env::current_exe().context("own path")?)?;
    let failed = match words.as_slice() {
        ["record", "--all"] => each(cases::all(), |scenario| make(scenario, &tools))?,
        ["record", names @ ..] if !names.is_empty() => each(named(names)?, |scenario| make(scenario, &tools))?,
        ["replay", "--bless", names @ ..] => each(named(names)?, |scenario| replay(scenario, Mode::Bless, &tools))?,
        ["replay", names @ ..] => each(named(names)?, |scenario| replay(scenario, Mode::Compare, &tools))?,
        ["check", names @ ..] => each(named(names)?, says_what_it_must)?,
        ["tell", what] => tell(what)?,
        ["try", "ebpf", names @ ..] => each(named(names)?, |scenario| attempt(scenario, Backend::Ebpf, &tools))?,
        ["try", "ptrace", names @ ..] => each(named(names)?, |scenario| attempt(scenario, Backend::Ptrace, &tools))?,
        _ => bail!(USAGE),
    };
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The scenarios of these names; without names, all.
fn named(names: &[&str]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(cases::all().collect());
    }
    names
        .iter()
        .map(|name| find(name).with_context(|| format!("no scenario {name}; `scenarios list` has them")))
        .collect()
}

/// Does something with each and prints what is wrong. Returns whether anything was.
fn each(
    scenarios: impl IntoIterator<Item = &'static Scenario>,
    work: impl Fn(&Scenario) -> Result<Vec<String>>,
) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let (mut good, mut bad) = (0, 0);
    for scenario in scenarios {
        let failures = work(scenario).unwrap_or_else(|error| vec![format!("{error:#}")]);
        if failures.is_empty() {
            good += 1;
            continue;
        }
        bad += 1;
        writeln!(out, "{}", scenario.name)?;
        for failure in failures {
            writeln!(out, "  {}", failure.replace('\n', "\n  "))?;
        }
    }
    writeln!(out, "{good} scenarios as they must be, {bad} not")?;
    Ok(bad > 0)
}

/// Records a scenario, and keeps the recording if it says what it must.
fn make(scenario: &Scenario, tools: &Tools) -> Result<Vec<String>> {
    let folder = room()?.join(format!("golden-{}", scenario.name));
    record::record(scenario, &folder, Backend::Ebpf, tools)?;
    let new = folder.join("recording.jsonl");
    let mut failures = story::check(scenario.expect, &read(&new)?)?;
    if !failures.is_empty() {
        failures.push(format!("the recording is {}", new.display()));
        return Ok(failures);
    }
    let golden = recording(scenario);
    fs::create_dir_all(golden.parent().context("no folder")?)?;
    fs::copy(&new, &golden).with_context(|| golden.display().to_string())?;
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(failures)
}

/// Records a scenario here and now, and keeps nothing. Of what a tracer cannot know the parity test judges.
fn attempt(scenario: &Scenario, backend: Backend, tools: &Tools) -> Result<Vec<String>> {
    let folder = room()?.join(format!("try-{}-{}", scenario.name, backend.name()));
    record::record(scenario, &folder, backend, tools)?;
    let failures = story::check(scenario.expect, &read(&folder.join("recording.jsonl"))?)?;
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(failures)
}

fn says_what_it_must(scenario: &Scenario) -> Result<Vec<String>> {
    story::check(scenario.expect, &read(&recording(scenario))?)
}

/// Prints the facts of a recording, to write expectations by.
fn tell(what: &str) -> Result<bool> {
    let path = find(what).map_or_else(|| what.into(), recording);
    let mut out = std::io::stdout().lock();
    for told in story::tell(&read(&path)?) {
        writeln!(out, "#{:<6} {}", told.seq.0, told.fact)?;
    }
    Ok(false)
}
