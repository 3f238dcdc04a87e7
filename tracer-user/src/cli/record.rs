//! `sesstrace record`: a recording and nothing else.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tracer_model::ids::Pid;

use super::{
    attach,
    command::{self, Destination, Recording},
    engine::Outputs,
    exit::ExpectedError,
    target::{CaptureArgs, CommandArgs, TargetArgs, absolute},
};
use crate::trace_file::Unwritten;

/// Arguments of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// The recording
    #[arg(short, long, value_name = "REC", default_value = "sesstrace.jsonl")]
    output: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
}

/// Records until the command ended, the process and its descendants are gone, or SIGINT.
pub fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    if args.target.command.is_empty() {
        let recording = Unwritten::open(&absolute(&args.output)?).map_err(ExpectedError::from)?;
        let outputs = Outputs { recording: Some(recording), sinks: Vec::new(), place: String::new() };
        return attach::trace(args.target.pid.map(Pid), &args.capture, outputs, None);
    }
    let nothing = Box::new(|_| Vec::new());
    let recording = Recording::Named(args.output.clone());
    command::trace(&args.target.command, &args.capture, &args.command_args, &recording, &Destination::Nowhere, nothing)
}
