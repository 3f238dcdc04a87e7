//! `cargo xtask suites`: test suites and programs that nobody here wrote, under `sesstrace verify --all`. Each runs untraced and
//! traced: its own results must be the same, the model must be the kernel's state, and the calls that were recorded must be as
//! many as another tracer counted.
//!
//! Must not: judge a finding; what the rules say of a suite is written beside it, for people.

mod count;
mod fetch;
mod list;
mod outcome;
mod place;
mod table;
mod trace;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};

pub use list::{SUITES, Suite};
use place::Place;
use table::Row;

/// Run test suites that nobody here wrote, and compare the model with the kernel all the while (root, Debian).
#[derive(clap::Args)]
pub struct Arguments {
    /// Suites; all when none is named.
    names: Vec<String>,
    /// Repeat each until so many processes, groups, sessions and terminals have been compared.
    #[arg(long, default_value_t = 1_000_000)]
    entities: u64,
    /// How often everything is compared.
    #[arg(long, default_value = "2ms")]
    every: String,
    /// This sesstrace instead of a release build.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<String>,
    /// Say which there are.
    #[arg(long)]
    list: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        return SUITES.iter().try_for_each(|suite| say(&format!("{:14} {}", suite.name, suite.about)));
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("the probes, bpftrace and a cgroup need root: sudo cargo xtask suites");
    }
    let named = |suite: &&Suite| arguments.names.is_empty() || arguments.names.iter().any(|name| name == suite.name);
    let unknown: Vec<_> = arguments.names.iter().filter(|name| !SUITES.iter().any(|it| it.name == **name)).collect();
    if !unknown.is_empty() {
        bail!("no such suite: {unknown:?}; cargo xtask suites --list");
    }
    let sesstrace = arguments.program.clone().map_or_else(crate::bench::build, Ok)?;
    let mut rows = Vec::new();
    for suite in SUITES.iter().filter(named) {
        say(&format!("{}: {}", suite.name, suite.about))?;
        let row = one(suite, &sesstrace, arguments).with_context(|| suite.name.to_owned())?;
        say(&row.lines())?;
        rows.push(row);
    }
    say(&table::table(&rows))?;
    let bad: Vec<_> = rows.iter().filter(|row| !row.is_good()).map(|row| row.name).collect();
    if bad.is_empty() { Ok(()) } else { bail!("not as it should be: {}", bad.join(", ")) }
}

/// Fetches, builds and runs one suite.
fn one(suite: &'static Suite, sesstrace: &str, arguments: &Arguments) -> anyhow::Result<Row> {
    let place = Place::new(suite, prepare(suite)?)?;
    let mut untraced = vec![place.run("untraced")?];
    let mut row = Row::new(suite.name);
    // A line that only one traced run shows is shown again, or it is chance: what a suite finds out in a race of its own, on a
    // busy machine.
    while row.entities < arguments.entities || row.is_to_be_repeated() {
        let round = trace::round(&place, sesstrace, &arguments.every, row.rounds + 1)?;
        // A line that two untraced runs differ in tells nothing of tracing.
        for _ in 0..3 {
            if outcome::unexplained(&untraced, &round.outcome).is_empty() {
                break;
            }
            untraced.push(place.run(&format!("untraced-{}", untraced.len() + 1))?);
        }
        row.add(&round, outcome::unexplained(&untraced, &round.outcome));
        say(&row.progress())?;
        if row.is_beyond_repair() {
            break;
        }
    }
    row.untraced = untraced.len();
    row.flaky = outcome::flaky(&untraced);
    Ok(row)
}

/// Fetches and builds a suite. Returns its folder.
pub fn prepare(suite: &Suite) -> anyhow::Result<PathBuf> {
    let folder = crate::root()?.join("target/suites").join(suite.name);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    fetch::fetch(suite, &folder)?;
    Ok(folder)
}

/// Prints a line at once.
fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout")
}
