//! `sesstrace why` and `sesstrace who-killed`: one answer about one process of a recording.
//!
//! Must not: word the answer; the model and the sink do.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use tracer_model::{
    findings::{Answer, Findings},
    ids::{BootNs, Pid},
    state::Model,
};

use super::{
    at::{At, Limit},
    common::{ColorChoice, stdout, style_for},
    exit::{ExpectedError, INCOMPLETE, unwritable},
    state, store,
};
use crate::{
    live::unix_now,
    sink::findings::answer,
    trace_file::{Reader, Scope},
};

/// Arguments of both.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The process, by its number
    #[arg(value_name = "PID")]
    pid: u32,
    /// The recording, `-` for standard input; without one, that of the last `run`
    #[arg(value_name = "REC")]
    recording: Option<PathBuf>,
    /// An instant of the recording instead of its end: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, or #812 for an event
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<At>,
}

/// What a recording shows up to an instant.
pub struct History {
    /// The state at its end.
    pub model: Model,
    /// The rules after it.
    pub findings: Findings,
    /// Time 0.
    pub base: BootNs,
    warnings: Vec<String>,
}

/// Says why a process is as it is.
pub fn why(args: &WhyArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    answer_with(args, color, |history, pid| history.findings.why(&history.model, pid))
}

/// Says who killed a process.
pub fn who_killed(args: &WhyArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    answer_with(args, color, |history, pid| history.findings.who_killed(&history.model, pid))
}

fn answer_with(
    args: &WhyArgs,
    color: ColorChoice,
    ask: impl FnOnce(&History, Pid) -> Option<Answer>,
) -> anyhow::Result<ExitCode> {
    let recording = args.recording.clone().map_or_else(store::newest, Ok)?;
    let history = read(&recording, args.at)?;
    let Some(found) = ask(&history, Pid(args.pid)) else {
        let what = format!("no process {} is in {}", args.pid, recording.display());
        return Err(ExpectedError::usage(what, "sesstrace ps -e REC    lists those that are").into());
    };
    let mut out = stdout();
    answer::write(&found, history.base, style_for(color, &io::stdout()), &mut *out)
        .and_then(|()| out.flush())
        .map_err(|error| unwritable("the answer to standard output", error))?;
    state::warn(&history.warnings);
    Ok(if history.warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// Reads a recording up to an instant.
pub fn read(path: &Path, at: Option<At>) -> Result<History, ExpectedError> {
    let mut reader = Reader::open(path)?;
    let (mut model, mut findings) = (reader.header().model(), Findings::new());
    if let Scope::Tree { root, .. } = reader.header().scope {
        model.follow(root);
    }
    let base = reader.header().boot_ns;
    let mut limit = at.map(|at| Limit::new(at.resolve(unix_now()), reader.header()));
    let mut reached = limit.is_none();
    for event in &mut reader {
        if limit.as_mut().is_some_and(|limit| limit.is_before(&event)) {
            reached = true;
            // Nothing happened in between.
            if let Some(instant) = limit.and_then(|limit| limit.instant()) {
                findings.advance(instant.min(event.at), &model);
            }
            break;
        }
        findings.advance(event.at, &model);
        let delta = model.apply(&event);
        findings.observe(&event, &delta, &model);
        reached |= limit.is_some_and(|limit| limit.is_reached(&event));
    }
    let mut warnings = reader.warnings().lines();
    if !reached {
        warnings.push("the recording ends before that instant: this is its end".to_owned());
    }
    Ok(History { model, findings, base, warnings })
}
