//! `sesstrace ps`: the process list with what concerns job control, now or at an instant of a recording.
//!
//! Must not: format; `sink::ps` does.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tracer_model::query;

use super::{
    at::At,
    common::{ColorChoice, stdout, style_for},
    exit::{INCOMPLETE, unwritable},
    state,
};
use crate::sink::ps::{COLUMNS, Column, USUAL, column, write};

/// Digits of a process number on a kernel that was left as it is (`/proc/sys/kernel/pid_max` of 32768).
const DIGITS: usize = 5;

/// Arguments of `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// A recording, `-` for standard input; without one the machine is shown as it is now
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// An instant of the recording instead of its end: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, 3m ago, or #812 for an
    /// event
    #[arg(long, value_name = "TIME", requires = "recording", allow_hyphen_values = true)]
    at: Option<At>,
    /// Every process; otherwise those of the sessions of the followed processes, or of this session
    #[arg(short = 'e', long = "every")]
    every: bool,
    /// The columns, by the names that ps(1) has for them, and `leader` and `orphaned`
    #[arg(short = 'o', long = "columns", value_name = "COLUMN,…", value_delimiter = ',', value_parser = parse_column)]
    columns: Option<Vec<Column>>,
    /// As ps -H: it is always a forest
    #[arg(short = 'H', hide = true)]
    forest: bool,
}

fn parse_column(name: &str) -> Result<Column, String> {
    column(name.trim()).ok_or_else(|| {
        let names: Vec<&str> = COLUMNS.iter().map(Column::name).collect();
        format!("there is no such column; there are {}", names.join(", "))
    })
}

/// Prints the list.
pub fn run(args: &PsArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let instant = match &args.recording {
        Some(recording) => state::of_recording(recording, args.at)?,
        None => state::now(),
    };
    let every = args.every;
    let rows = query::ps_of(&instant.model, |process| every || instant.shows(process));
    let columns = args.columns.clone().unwrap_or_else(|| USUAL.iter().filter_map(|name| column(name)).collect());
    let digits = if args.recording.is_some() { DIGITS } else { digits_here() };
    let mut out = stdout();
    write(&rows, &columns, digits, style_for(color, &io::stdout()), &mut *out)
        .and_then(|()| out.flush())
        .map_err(|error| unwritable("the list to standard output", error))?;
    state::warn(&instant.warnings);
    Ok(if instant.whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// Digits of the largest process number of this machine: ps(1) makes its columns that wide.
fn digits_here() -> usize {
    let pid_max = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    let largest = pid_max.trim().parse().unwrap_or(0_u32).saturating_sub(1);
    largest.to_string().len().max(DIGITS)
}
