//! `sesstrace replay`: what `run` printed, from its recording.
//!
//! Must not: do anything that a live report does not; the pipeline and the sinks are the same.

use std::{io, path::PathBuf, process::ExitCode, rc::Rc};

use clap::Args;

use super::{
    common::{ColorChoice, filtered, looked_up, sink, stdout, style_for, suppressing},
    exit::{ExpectedError, INCOMPLETE, unwritable},
    progress::Progress,
    state, store,
    window::{Part, Window},
};
use crate::{config::Config, filter::Filter, pipeline::Pipeline, trace_file::Reader};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording, `-` for standard input; without one, that of the last `run`
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// Print the events as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    window: Window,
    /// Show only what this lets through: name=bash and not kind=exec
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
}

/// Prints the report. A recording that is not whole is shown as far as it goes, with exit code 3.
pub fn run(args: &ReplayArgs, color: ColorChoice, config: &Rc<Config>) -> anyhow::Result<ExitCode> {
    let recording = args.recording.clone().map_or_else(store::newest, Ok)?;
    let mut reader = Reader::open(&recording).map_err(ExpectedError::from)?;
    let form = if args.json { "json" } else { "timeline" };
    let sinks =
        filtered(sink(form, stdout(), style_for(color, &io::stdout())), looked_up(args.filter.as_ref())?.as_ref());
    let sinks = suppressing(sinks, config);
    let failed = |error| unwritable("the report to standard output", error);
    let mut pipeline = Pipeline::begin(reader.header(), None, sinks).map_err(failed)?;
    let (mut span, model) = args.window.open(&mut reader);
    if args.window.from.is_some() {
        pipeline.begin_with(model);
    }
    let mut stopped = false;
    // JSON comes out as it is read: that is progress enough.
    let mut progress = (!args.json).then(|| Progress::of(&recording));
    while let Some(event) = reader.read() {
        if let Some(progress) = &mut progress {
            progress.event();
        }
        match span.part(event) {
            Part::Before => pipeline.pass_over(event),
            Part::Inside => pipeline.event(event).map_err(failed)?,
            Part::After => {
                stopped = true;
                break;
            }
        }
    }
    drop(progress);
    let ended = pipeline.end(stopped || reader.summary().complete).map_err(failed)?;
    let warnings = reader.warnings().lines();
    state::warn(&warnings);
    let whole = ended.summary.complete && ended.summary.lost == 0 && warnings.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
