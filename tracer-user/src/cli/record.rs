//! `sesstrace record`: a recording and nothing else.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tracer_model::ids::Pid;

use super::{
    at::At,
    attach,
    command::{self, Destination, Recording},
    engine::Outputs,
    exit::ExpectedError,
    target::{CaptureArgs, CommandArgs, TargetArgs, absolute},
};
use crate::trace_file::{Rotation, Unwritten};

/// Arguments of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// The recording: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(short, long, value_name = "REC", default_value = "recording.sesstrace")]
    output: PathBuf,
    #[command(flatten)]
    rotation: RotationArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Recording in several files, each of which can be read alone: REC names them, `rec.000001.sesstrace` and so on.
#[derive(Debug, Args)]
pub struct RotationArgs {
    /// Begin a new file after so many bytes: 500K, 100M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    rotate_size: Option<u64>,
    /// Begin a new file after so long: 90s, 10min, 1h
    #[arg(long, value_name = "TIME")]
    rotate_age: Option<At>,
    /// Keep so many files and remove older ones
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,
}

impl RotationArgs {
    fn rotation(&self) -> Result<Option<Rotation>, ExpectedError> {
        let age = match self.rotate_age {
            None => None,
            Some(At::Since(ns)) if ns > 0 => Some(ns.cast_unsigned()),
            Some(_) => return Err(ExpectedError::usage("--rotate-age takes a duration", "--rotate-age 1h")),
        };
        let rotation = Rotation { bytes: self.rotate_size, age, kept: self.keep };
        if rotation.kept.is_some() && rotation.bytes.is_none() && rotation.age.is_none() {
            let what = "--keep needs --rotate-size or --rotate-age: otherwise there is one file";
            return Err(ExpectedError::usage(what, "--rotate-size 100M --keep 10"));
        }
        Ok((rotation != Rotation::default()).then_some(rotation))
    }
}

/// Bytes: digits, and K, M or G for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let (digits, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    let number: u64 = digits.parse().map_err(|_| "a size is digits, then K, M or G".to_owned())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(|| "there is no such size".to_owned())
}

/// Records until the command ended, the process and its descendants are gone, or SIGINT.
pub fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let rotation = args.rotation.rotation()?;
    if args.target.command.is_empty() {
        let path = absolute(&args.output)?;
        let recording = match rotation {
            Some(rotation) => Unwritten::open_segment(&path, rotation),
            None => Unwritten::open(&path),
        };
        let recording = recording.map_err(ExpectedError::from)?;
        let outputs = Outputs { recording: Some(recording), sinks: Vec::new(), place: String::new() };
        return attach::trace(args.target.pid.map(Pid), &args.capture, outputs, None);
    }
    let nothing = Box::new(|_| Vec::new());
    let output = args.output.clone();
    let recording = rotation.map_or(Recording::Named(output.clone()), |it| Recording::Segments(output, it));
    command::trace(&args.target.command, &args.capture, &args.command_args, &recording, &Destination::Nowhere, nothing)
}
