//! `sesstrace run`: a command under capture, and the report afterwards.

use std::{ffi::OsString, io, path::PathBuf, process::ExitCode, rc::Rc};

use clap::Args;

use super::{
    command::{self, Destination, Recording},
    common::{ColorChoice, sink, style_for, suppressing},
    exit::ExpectedError,
    target::{CaptureArgs, CommandArgs, absolute},
};
use crate::{
    config::Config,
    sink::{Sink, Style, Timeline},
};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// Write the report here instead of to standard error
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the recording here (otherwise the last ten are kept in the state directory)
    #[arg(short, long, value_name = "REC")]
    write: Option<PathBuf>,
    /// Report the events as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command; returns its status.
pub fn run(args: &RunArgs, color: ColorChoice, config: Rc<Config>) -> anyhow::Result<ExitCode> {
    if args.command_args.in_place && args.output.is_none() {
        return Err(ExpectedError::usage(
            "--in-place leaves no standard error for the report: sesstrace becomes the command",
            "sesstrace run --in-place -o FILE -- COMMAND",
        )
        .into());
    }
    let (destination, style) = match &args.output {
        Some(path) => (Destination::File(path.clone()), Style { color: color == ColorChoice::Always, ..Style::PLAIN }),
        None => (Destination::Stderr, style_for(color, &io::stderr())),
    };
    let recording = args.write.clone().map_or(Recording::Unnamed, Recording::Named);
    if let (Some(report), Some(recording)) = (&args.output, &args.write)
        && absolute(report)? == absolute(recording)?
        && report.as_os_str() != "/dev/null"
    {
        let what = format!("the report and the recording cannot both be {}", report.display());
        return Err(ExpectedError::usage(what, "sesstrace run -o REPORT -w RECORDING -- COMMAND").into());
    }
    let form = if args.json { "json" } else { "timeline" };
    let announces = !args.json && args.output.is_none();
    let make = Box::new(move |out| {
        let sinks = if announces {
            vec![Box::new(Timeline::new(out, style).announcing()) as Box<dyn Sink>]
        } else {
            sink(form, out, style)
        };
        suppressing(sinks, &config)
    });
    command::trace(&args.command, &args.capture, &args.command_args, &recording, &destination, make)
}
