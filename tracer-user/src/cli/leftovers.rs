//! `sesstrace leftovers`: runs a command, and says what it left behind.
//!
//! Must not: decide what is left behind; the rule JC403 does.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use tracer_model::findings::{Finding, Severity};

use super::{
    command::{self, Destination, Recording},
    common::{ColorChoice, style_for},
    exit::{ExpectedError, FOUND, say},
    target::{CaptureArgs, CommandArgs},
    why,
};
use crate::sink::findings;

/// The rule that finds what is left behind.
const RULE: &str = "JC403";

/// Arguments of `leftovers`.
#[derive(Debug, Args)]
pub struct LeftoversArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// Exit with 1 when something is left behind that is no daemon; otherwise with the status of the command
    #[arg(long)]
    fail: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command; returns its status, or 1 with `--fail` when it left something behind.
pub fn run(args: &LeftoversArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    if args.command_args.in_place {
        let fix = "sesstrace leftovers -- COMMAND";
        return Err(ExpectedError::usage("--in-place leaves nobody who could say what is left behind", fix).into());
    }
    let folder = Folder::new()?;
    let recording = Recording::Named(folder.recording());
    let nothing = Box::new(|_| Vec::new());
    let status =
        command::observe(&args.command, &args.capture, &args.command_args, &recording, &Destination::Nowhere, nothing)?;
    let left = tell(&folder.recording(), color)?;
    drop(folder);
    Ok(if args.fail && left { ExitCode::from(FOUND) } else { status.pass_on() })
}

/// Says what is left behind on standard error. Returns whether there is something that is no daemon.
fn tell(recording: &Path, color: ColorChoice) -> anyhow::Result<bool> {
    let mut history = why::read(recording, None)?;
    history.findings.end(&history.model);
    let found: Vec<Finding> = history.findings.take().into_iter().filter(|it| it.rule.id == RULE).collect();
    let err = io::stderr();
    for finding in &found {
        // Nobody is left to tell that standard error is closed.
        let _ = findings::write(finding, &[], history.base, style_for(color, &err), &mut err.lock());
    }
    if found.is_empty() {
        say("nothing is left behind");
    }
    Ok(found.iter().any(|finding| finding.severity > Severity::Info))
}

/// A folder for the recording, which is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, ExpectedError> {
        let template = std::env::temp_dir().join("sesstrace.XXXXXX");
        nix::unistd::mkdtemp(&template).map(Self).map_err(|errno| ExpectedError {
            what: format!("cannot make a folder in {}: {errno:?}", std::env::temp_dir().display()),
            fix: Some("TMPDIR=/var/tmp sesstrace leftovers -- COMMAND".to_owned()),
            code: super::exit::BEFORE_COMMAND,
            cause: None,
        })
    }

    fn recording(&self) -> PathBuf {
        self.0.join("recording.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in a temporary place is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
