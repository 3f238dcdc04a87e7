//! `sesstrace verify`: traces, and compares the model with the kernel, over and over. A divergence is exit code 1.
//!
//! Must not: judge a difference.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tracer_model::ids::Pid;

use super::{
    attach,
    command::{self, Destination, Recording},
    engine::Outputs,
    exit::{ExpectedError, INCOMPLETE, INTERNAL},
    target::{CaptureArgs, CommandArgs, TargetArgs, absolute},
};
use crate::{
    sink::Sink,
    trace_file::Unwritten,
    verify::{Checker, Mutation, Options, Outcome, Whose, report, too_many_in_flight},
};

/// The model differs from the kernel.
const DIVERGED: u8 = 1;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// End after this time: `60s`, `500ms`, `2m`; a command is waited for however long it takes
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with = "command")]
    limit: Option<Duration>,
    /// How often everything is compared
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "20ms")]
    every: Duration,
    /// How long to go on at the end until a quiet point has been compared; a second Ctrl-C ends at once
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    rest: Duration,
    /// Swallow one change before it is seen, to see that the check notices: exit code 1 is then what must come
    #[arg(long, value_enum, value_name = "KIND")]
    mutate: Option<Kind>,
    /// Keep a recording of what was compared: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(short, long, value_name = "REC")]
    write: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What can be swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A setpgid
    Setpgid,
    /// A reap
    Reap,
    /// Another foreground group of a terminal
    Terminal,
    /// The end of a process whose children get another parent
    Reparenting,
    /// What the look at the begin says of the group of a process
    Snapshot,
}

/// `60s`, `500ms`, `2m`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a number and a unit: 60s".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err("the unit is ms, s or m".to_owned()),
    }
}

/// Checks until the command or the process and its descendants have ended, the time is over, or SIGINT.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    // A command is captured by another process than this one: what it found comes back in a file that both have.
    let mut found = File::from(memfd_create(c"verify", MFdFlags::MFD_CLOEXEC)?);
    let checker = checker(args, found.try_clone()?);
    let code = if args.target.command.is_empty() {
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(checker)];
        let recording = args.write.as_deref().map(absolute).transpose()?;
        let recording = recording.map(|path| Unwritten::open(&path)).transpose().map_err(ExpectedError::from)?;
        let outputs = Outputs { recording, sinks, place: "to standard output".to_owned() };
        attach::trace(args.target.pid.map(Pid), &args.capture, outputs, args.limit)?
    } else {
        let make = Box::new(move |_| vec![Box::new(checker) as Box<dyn Sink>]);
        let recording = args.write.clone().map_or(Recording::None, Recording::Named);
        let destination = Destination::Stderr;
        command::trace(&args.target.command, &args.capture, &args.command_args, &recording, &destination, make)?;
        ExitCode::SUCCESS
    };
    let mut text = Vec::new();
    found.rewind()?;
    found.read_to_end(&mut text)?;
    let Some((verdict, text)) = text.split_first() else {
        anyhow::bail!("the check came to no end");
    };
    io::stdout().write_all(text)?;
    Ok(if *verdict == 0 { code } else { ExitCode::from(*verdict) })
}

fn checker(args: &VerifyArgs, mut found: File) -> Checker {
    let mutation = args.mutate.map(|kind| match kind {
        Kind::Setpgid => Mutation::Setpgid,
        Kind::Reap => Mutation::Reap,
        Kind::Terminal => Mutation::Terminal,
        Kind::Reparenting => Mutation::Reparenting,
        Kind::Snapshot => Mutation::Snapshot,
    });
    let whose = if args.target.all { Whose::Everyone } else { Whose::Followed };
    // A model that was deceived comes to no rest.
    let rest = if mutation.is_some() { Duration::ZERO } else { args.rest };
    let options = Options { whose, every: args.every, rest, mutation };
    let conclude = move |outcome: Outcome| {
        found.write_all(&[verdict(mutation, &outcome)])?;
        if mutation.is_some() {
            writeln!(
                found,
                "swallowed     {}",
                outcome.swallowed.as_deref().unwrap_or("nothing: nothing of the kind happened")
            )?;
        }
        found.write_all(report(&outcome.counts, &outcome.divergences).as_bytes())
    };
    Checker::new(&options, Box::new(conclude))
}

/// The exit code: that there is a divergence comes first. A check that was to be deceived and was not says nothing.
fn verdict(mutation: Option<Mutation>, outcome: &Outcome) -> u8 {
    let deceived = mutation.is_some() && outcome.swallowed.is_some();
    if outcome.counts.divergences > 0 || too_many_in_flight(&outcome.counts) {
        DIVERGED
    } else if deceived {
        INTERNAL
    } else if mutation.is_some() || outcome.counts.checks == 0 {
        INCOMPLETE
    } else {
        0
    }
}
