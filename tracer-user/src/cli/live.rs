//! `sesstrace live`: a line for each event as it happens. On standard output, or on standard error beside a command.

use std::{io, process::ExitCode, rc::Rc};

use clap::Args;
use tracer_model::ids::Pid;

use super::{
    attach,
    command::{self, Destination, Recording},
    common::{ColorChoice, filtered, looked_up, sink, stdout, style_for, suppressing},
    engine::Outputs,
    target::{CaptureArgs, CommandArgs, TargetArgs},
};
use crate::{config::Config, filter::Filter};

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
    /// Show only what this lets through: name=bash and not kind=exec
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Prints until the command ended, the process and its descendants are gone, or SIGINT.
pub fn run(args: &LiveArgs, color: ColorChoice, config: Rc<Config>) -> anyhow::Result<ExitCode> {
    let form = if args.json { "json" } else { "live" };
    let filter = looked_up(args.filter.as_ref())?;
    if args.target.command.is_empty() {
        let sinks = filtered(sink(form, stdout(), style_for(color, &io::stdout())), filter.as_ref());
        let sinks = suppressing(sinks, &config);
        let outputs = Outputs { recording: None, sinks, place: "to standard output".to_owned() };
        return attach::trace(args.target.pid.map(Pid), &args.capture, outputs, None);
    }
    let style = style_for(color, &io::stderr());
    let make = Box::new(move |out| suppressing(filtered(sink(form, out, style), filter.as_ref()), &config));
    let (recording, destination) = (Recording::None, Destination::Stderr);
    command::trace(&args.target.command, &args.capture, &args.command_args, &recording, &destination, make)
}
