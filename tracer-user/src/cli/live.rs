//! `sesstrace live`: a line for each event as it happens. On standard output, or on standard error beside a command.

use std::{io, process::ExitCode};

use clap::Args;
use tracer_model::ids::Pid;

use super::{
    attach,
    command::{self, Destination, Recording},
    common::{ColorChoice, sink, stdout, style_for},
    engine::Outputs,
    target::{CaptureArgs, CommandArgs, TargetArgs},
};

/// Arguments of `live`.
#[derive(Debug, Args)]
pub struct LiveArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// Print the events as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Prints until the command ended, the process and its descendants are gone, or SIGINT.
pub fn run(args: &LiveArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let form = if args.json { "json" } else { "live" };
    if args.target.command.is_empty() {
        let sinks = sink(form, stdout(), style_for(color, &io::stdout()));
        let outputs = Outputs { recording: None, sinks, place: "to standard output".to_owned() };
        return attach::trace(args.target.pid.map(Pid), &args.capture, outputs, None);
    }
    let style = style_for(color, &io::stderr());
    let make = Box::new(move |out| sink(form, out, style));
    let (recording, destination) = (Recording::None, Destination::Stderr);
    command::trace(&args.target.command, &args.capture, &args.command_args, &recording, &destination, make)
}
