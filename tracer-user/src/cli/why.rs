//! `sesstrace why` and `sesstrace who-killed`: answers about one process, or about one signal, of a recording or of the machine
//! as it is.
//!
//! Must not: word the answer; the model and the sink do.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tracer_model::{
    findings::{Answer, Asked},
    ids::{Pgid, Pid, Signal},
};

use super::{
    at::At,
    common::{ColorChoice, stdout, style_for},
    exit::{ExpectedError, INCOMPLETE, say, unwritable},
    history::{self, History},
    state, store,
};
use crate::{sink::findings::answer, text};

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The process, by its number; without a recording it is looked at as it is now, with what privilege there is
    #[arg(value_name = "PID", required_unless_present = "to")]
    pid: Option<OsString>,
    /// A recording, `-` for standard input
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// An instant of the recording instead of its end: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, 3m ago, or #812 for an
    /// event
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<At>,
    /// Of which signal to say whom it reached: TERM, SIGTERM or 15
    #[arg(long, value_name = "SIGNAL", value_parser = signal, requires = "to")]
    signal: Option<Signal>,
    /// A process, or with - before it a process group: what became of the signals that were sent to it
    #[arg(long, value_name = "PID|-PGID", value_parser = target, allow_hyphen_values = true)]
    to: Option<Target>,
    /// Print the answer as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Arguments of `who-killed`.
#[derive(Debug, Args)]
pub struct WhoKilledArgs {
    /// The process, by its number
    #[arg(value_name = "PID")]
    pid: u32,
    /// The recording, `-` for standard input; without one, that of the last `run`
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// An instant of the recording instead of its end: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, 3m ago, or #812 for an
    /// event
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<At>,
    /// Print the answer as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// `--to`.
#[derive(Clone, Copy, Debug)]
struct Target(Asked);

fn target(text: &str) -> Result<Target, String> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let asked = match text.strip_prefix('-') {
        Some(group) => number(group).map(|group| Asked::Group(Pgid(group))),
        None => number(text).map(|pid| Asked::Process(Pid(pid))),
    };
    asked.map(Target).ok_or_else(|| "that is neither a process (4711) nor a process group (-4711)".to_owned())
}

fn signal(text: &str) -> Result<Signal, String> {
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    let number = text.parse::<u32>().ok().filter(|number| (1..=64).contains(number)).map(Signal);
    number.or_else(|| Signal::from_name(&name)).ok_or_else(|| "that is no signal (kill -l lists them)".to_owned())
}

/// Says why a process is as it is, or what became of a signal.
pub fn why(args: &WhyArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    if let Some(Target(asked)) = args.to {
        // What stands at the place of the process is the recording.
        let recording = match (&args.pid, &args.recording) {
            (Some(_), Some(_)) => {
                let fix = "sesstrace why --signal TERM --to -PGID REC";
                return Err(ExpectedError::usage(
                    "--to names whom the question is about: a PID does not go with it",
                    fix,
                )
                .into());
            }
            (recording, _) => recording.as_ref().map(PathBuf::from),
        };
        return signals(recording, asked, args, color);
    }
    let pid = pid(args.pid.as_ref())?;
    let history = match &args.recording {
        Some(recording) => history::read(recording, args.at, Some((Asked::Process(pid), None)))?,
        None => match history::now(pid).filter(|_| args.at.is_none()) {
            Some(history) => history,
            None => of_last_run(pid, args.at)?,
        },
    };
    let answer = history.findings.why(&history.model, pid, &history.look);
    let answer = answer.ok_or_else(|| not_seen(pid, args.recording.as_ref(), args.at))?;
    print("why", &[answer], args.json, &history, color)
}

/// Says who killed a process.
pub fn who_killed(args: &WhoKilledArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let (pid, asked) = (Pid(args.pid), Asked::Process(Pid(args.pid)));
    let recording = args.recording.clone().map_or_else(store::newest, Ok)?;
    let history = history::read(&recording, args.at, Some((asked, None)))?;
    let answer = history.findings.who_killed(&history.model, pid);
    let answer = answer.ok_or_else(|| not_seen(pid, Some(&recording), args.at))?;
    print("who-killed", &[answer], args.json, &history, color)
}

fn signals(recording: Option<PathBuf>, asked: Asked, args: &WhyArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let recording = recording.map_or_else(store::newest, Ok)?;
    let history = history::read(&recording, args.at, Some((asked, args.signal)))?;
    let answers = history.findings.signals(&history.model);
    if answers.is_empty() {
        let signal = args.signal.map_or_else(|| "a signal".to_owned(), |signal| signal.to_string());
        let to = match asked {
            Asked::Process(pid) => format!("process {pid}"),
            Asked::Group(group) => format!("process group {group}"),
        };
        let what = format!("nobody was seen to send {signal} to {to} in {}", recording.display());
        return Err(
            ExpectedError::usage(what, "sesstrace replay REC --filter 'kind=signal_*'    lists all of them").into()
        );
    }
    print("signal", &answers, args.json, &history, color)
}

fn pid(text: Option<&OsString>) -> Result<Pid, ExpectedError> {
    let text = text.map(|text| text.to_string_lossy()).unwrap_or_default();
    text.parse().map(Pid).map_err(|_| {
        let what = format!("{} is no number of a process", text::sanitize(text.as_bytes()));
        ExpectedError::usage(what, "sesstrace why PID [REC]")
    })
}

/// The process is not there now: the last run may have seen it.
fn of_last_run(pid: Pid, at: Option<At>) -> Result<History, ExpectedError> {
    let recording = store::newest().map_err(|_| not_seen(pid, None, at))?;
    let history = history::read(&recording, at, Some((Asked::Process(pid), None)))?;
    if history.findings.why(&history.model, pid, &history.look).is_none() {
        return Err(not_seen(pid, None, at));
    }
    say(&format!("there is no process {pid} now: this is from {}", recording.display()));
    Ok(history)
}

fn not_seen(pid: Pid, recording: Option<&PathBuf>, at: Option<At>) -> ExpectedError {
    match recording {
        Some(recording) if at.is_some() => ExpectedError::usage(
            format!("no process {pid} had been seen by then in {}", recording.display()),
            "sesstrace why PID REC    without --at tells of the end, if it came later",
        ),
        Some(recording) => ExpectedError::usage(
            format!("no process {pid} is in {}", recording.display()),
            "sesstrace ps -e REC    lists those that are",
        ),
        None => ExpectedError::usage(
            format!("there is no process {pid}, nor was it in the last run"),
            "sesstrace ps -e    lists those that are there",
        ),
    }
}

fn print(
    question: &str,
    answers: &[Answer],
    json: bool,
    history: &History,
    color: ColorChoice,
) -> anyhow::Result<ExitCode> {
    let (mut out, style) = (stdout(), style_for(color, &io::stdout()));
    let written = answers.iter().enumerate().try_for_each(|(index, found)| {
        if json {
            return answer::json(question, found, history.base, &mut *out);
        }
        if index > 0 {
            writeln!(out)?;
        }
        answer::write(found, history.base, style, &mut *out)
    });
    written.and_then(|()| out.flush()).map_err(|error| unwritable("the answer to standard output", error))?;
    state::warn(&history.warnings);
    Ok(if history.warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
