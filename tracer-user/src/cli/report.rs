//! `sesstrace report`: the findings of a recording, for people, CI servers and code hosts.

use std::{io, path::PathBuf, process::ExitCode, rc::Rc};

use clap::{Args, ValueEnum};
use tracer_model::findings::Severity;

use super::{
    common::{ColorChoice, stdout, style_for},
    copy::{has_arguments, warn_of_arguments},
    exit::{ExpectedError, FOUND, INCOMPLETE, unwritable},
    progress::Progress,
    state, store,
};
use crate::{
    config::Config,
    pipeline::Pipeline,
    sink::{
        Sink, Suppressing,
        findings::{Format, RaceReport, Report},
    },
    trace_file::Reader,
};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The recording, `-` for standard input; without one, that of the last `run`
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// In which format
    #[arg(short, long, value_enum, default_value = "text")]
    format: FormatChoice,
    /// Exit with 1 when there is a finding of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Print the races instead: how often each was lost, how close it was, and a histogram of the margins (text, md, json)
    #[arg(long)]
    races: bool,
}

/// `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatChoice {
    /// For a terminal
    Text,
    /// Markdown
    Md,
    /// One JSON object a line
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// `JUnit` XML, for CI servers
    Junit,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    /// An error
    Error,
    /// An error or a warning
    Warning,
}

/// Prints the report.
pub fn run(args: &ReportArgs, color: ColorChoice, config: Rc<Config>) -> anyhow::Result<ExitCode> {
    let recording = args.recording.clone().map_or_else(store::newest, Ok)?;
    let mut reader = Reader::open(&recording).map_err(ExpectedError::from)?;
    let format = match args.format {
        FormatChoice::Text => Format::Text,
        FormatChoice::Md => Format::Markdown,
        FormatChoice::Json => Format::Json,
        FormatChoice::Sarif => Format::Sarif,
        FormatChoice::Junit => Format::Junit,
    };
    let failed = |error| unwritable("the report to standard output", error);
    if args.races && matches!(format, Format::Sarif | Format::Junit) {
        let fix = "sesstrace report --races -f json REC";
        return Err(ExpectedError::usage("SARIF and JUnit have findings only, and no place for races", fix).into());
    }
    let style = style_for(color, &io::stdout());
    let report: Box<dyn Sink> = if args.races {
        Box::new(RaceReport::new(stdout(), style, format))
    } else {
        Box::new(Report::new(stdout(), style, format, Rc::clone(&config)))
    };
    let report = Suppressing::new(report, config);
    let worst = report.worst();
    let mut pipeline = Pipeline::begin(reader.header(), None, vec![Box::new(report)]).map_err(failed)?;
    let mut progress = Progress::of(&recording);
    let mut with_arguments = 0;
    while let Some(event) = reader.read() {
        progress.event();
        with_arguments += u64::from(has_arguments(event));
        pipeline.event(event).map_err(failed)?;
    }
    drop(progress);
    let ended = pipeline.end(reader.summary().complete).map_err(failed)?;
    let warnings = reader.warnings().lines();
    state::warn(&warnings);
    // A report of findings is what a bug report begins with, and the recording is what is attached to it.
    warn_of_arguments(&recording, with_arguments);
    let least = args.fail_on.map(|fail_on| match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
    });
    let found = least.is_some_and(|least| worst.get().is_some_and(|worst| worst >= least));
    let whole = ended.summary.complete && ended.summary.lost == 0 && warnings.is_empty();
    Ok(match (found, whole) {
        (true, _) => ExitCode::from(FOUND),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(INCOMPLETE),
    })
}
