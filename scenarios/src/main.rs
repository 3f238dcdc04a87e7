//! `scenarios list`, `scenarios run NAME`, `scenarios world` ([`scenarios::world`]); under another name, one of the programs that scenarios execute.

use std::{env, io::Write as _, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use scenarios::{cases, find, kit::process, programs, world};

fn main() -> ExitCode {
    let mut words = env::args();
    let called = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match programs::run(name, &words).unwrap_or_else(|| act(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is closed.
            let _unheard = writeln!(std::io::stderr(), "{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => {
            let mut out = std::io::stdout().lock();
            for scenario in cases::all() {
                writeln!(out, "{:28} {}", scenario.name, scenario.shows)?;
            }
            Ok(())
        }
        ["run", name] => {
            let scenario = find(name).with_context(|| format!("no scenario {name}; `scenarios list` has them"))?;
            process::begin_afresh()?;
            (scenario.run)()
        }
        ["world", words @ ..] => world::run(words),
        ["world-traced", words @ ..] => world::traced::run(words),
        ["world-check", recording, stamps] => {
            let (checked, differences) = world::traced::check(Path::new(recording), Path::new(stamps))?;
            writeln!(std::io::stdout(), "{checked:?}\n{}", differences.join("\n")).context("stdout")
        }
        _ => bail!("usage: scenarios list | scenarios run NAME | scenarios world ..."),
    }
}
