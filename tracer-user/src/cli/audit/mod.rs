//! `sesstrace audit`: whether long-lived processes are detached, and what they still share.
//!
//! Must not: judge; the rules and `tracer_model::audit` do.

mod baseline;
mod policy_file;
mod run;
mod snapshot;
mod watch;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use tracer_model::findings::Severity;

use super::{
    at::At,
    common::{ColorChoice, stdout, style_for},
    exit::{ExpectedError, FOUND, INCOMPLETE, unwritable},
    state,
    target::CaptureArgs,
};
use crate::{
    pipeline::Pipeline,
    sink::{
        Style,
        audit::{Audit, Outcome, Whom},
        findings::Format,
    },
    trace_file::{self, Reader},
};

/// Arguments of `audit`.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).multiple(false)))]
pub struct AuditArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    /// A recording
    #[arg(value_name = "REC", group = "whom")]
    recording: Option<PathBuf>,
    /// These processes, as they are now
    #[arg(short, long, value_name = "PID", group = "whom")]
    pid: Vec<u32>,
    /// The processes of these units of systemd, as they are now
    #[arg(long, value_name = "UNIT", group = "whom")]
    unit: Vec<String>,
    /// Every process of the machine that nobody waits for or that leads a session, as it is now
    #[arg(long, group = "whom")]
    all: bool,
    /// The whole machine from now on: each process when it has settled, and again when something about it changes. Prints what
    /// was not seen before
    #[arg(long, group = "whom")]
    watch: bool,
    /// With --watch: what was seen before, and is not told again; kept up to date
    #[arg(long, value_name = "FILE", requires = "watch")]
    baseline: Option<PathBuf>,
    /// With --watch: look at everybody again so long after the last look
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "watch")]
    again: At,
    /// With --watch: tell every judgement, also what was seen before
    #[arg(long, requires = "watch")]
    repeat: bool,
    /// With --watch: end by itself after so long, instead of at SIGINT or SIGTERM
    #[arg(long = "for", value_name = "TIME", requires = "watch")]
    limit: Option<At>,
    /// A command, from its start until it and what it leaves behind have settled; it is left running
    #[arg(last = true, value_name = "COMMAND", group = "whom")]
    command: Vec<OsString>,
    /// With a command: judge after so long, settled or not
    #[arg(long, value_name = "TIME", default_value = "10s")]
    within: At,
    /// Which policy is for whom, where the recognised one is not right
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// In which format
    #[arg(short, long, value_enum, default_value = "text")]
    format: FormatChoice,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 when there is a finding of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    fail_on: FailOn,
    /// Exit with 0 whatever is found
    #[arg(long)]
    exit_zero: bool,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// For a terminal
    Text,
    /// Markdown
    Md,
    /// One JSON object a line
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// `JUnit` XML, for CI servers
    Junit,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// An error
    Error,
    /// An error or a warning
    Warning,
    /// Anything
    Info,
}

impl AuditArgs {
    fn format(&self) -> Format {
        match self.format {
            FormatChoice::Text => Format::Text,
            FormatChoice::Md => Format::Markdown,
            FormatChoice::Json => Format::Json,
            FormatChoice::Sarif => Format::Sarif,
            FormatChoice::Junit => Format::Junit,
        }
    }

    /// Where the audit goes, and how it may look there.
    fn out(&self, color: ColorChoice) -> Result<(Box<dyn Write>, Style), ExpectedError> {
        let Some(path) = &self.output else { return Ok((stdout(), style_for(color, &io::stdout()))) };
        let file = File::create(path).map_err(|error| ExpectedError {
            what: format!("cannot write the audit to {}: {}", path.display(), trace_file::cause(&error)),
            fix: Some(trace_file::how_to_create(path, &error)),
            code: super::exit::USAGE,
            cause: None,
        })?;
        Ok((Box::new(BufWriter::new(file)), Style::PLAIN))
    }

    /// A duration of more than nothing, in ns.
    fn duration(at: At, option: &str) -> Result<u64, ExpectedError> {
        match at {
            At::Since(ns) if ns > 0 => Ok(ns.unsigned_abs()),
            At::Since(_) | At::Wall(_) | At::Event(_) | At::Ago(_) => {
                Err(ExpectedError::usage(format!("{option} takes a duration"), &format!("{option} 60s")))
            }
        }
    }

    fn sink(
        &self,
        whom: Whom,
        color: ColorChoice,
    ) -> Result<(Audit, std::rc::Rc<std::cell::Cell<Outcome>>), ExpectedError> {
        let choose = policy_file::choose(self.policy.as_deref())?;
        let (out, style) = self.out(color)?;
        Ok(Audit::new(out, style, self.format(), whom, choose))
    }

    fn code(&self, outcome: Outcome, whole: bool) -> ExitCode {
        let least = match self.fail_on {
            FailOn::Error => Severity::Error,
            FailOn::Warning => Severity::Warning,
            FailOn::Info => Severity::Info,
        };
        let found = outcome.worst.is_some_and(|worst| worst >= least);
        let incomplete = outcome.unknown || !whole || outcome.judged == 0;
        ExitCode::from(match (self.exit_zero, found, incomplete) {
            (false, true, _) => FOUND,
            (false, false, true) => INCOMPLETE,
            (true, ..) | (false, false, false) => 0,
        })
    }
}

/// Audits.
pub fn run(args: &AuditArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    if !args.command.is_empty() {
        return run::command(args, color);
    }
    if args.watch {
        return watch::run(args, color);
    }
    match &args.recording {
        Some(path) => recording(args, path, color),
        None => snapshot::run(args, color),
    }
}

fn recording(args: &AuditArgs, path: &std::path::Path, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let mut reader = Reader::open(path).map_err(ExpectedError::from)?;
    let (audit, outcome) = args.sink(Whom::Followed, color)?;
    let failed = |error| unwritable("the audit", error);
    let mut pipeline = Pipeline::begin(reader.header(), None, vec![Box::new(audit)]).map_err(failed)?;
    for event in &mut reader {
        pipeline.event(&event).map_err(failed)?;
    }
    pipeline.end(reader.summary().complete).map_err(failed)?;
    let warnings = reader.warnings().lines();
    state::warn(&warnings);
    let whole = reader.summary().complete && warnings.is_empty();
    Ok(args.code(outcome.get(), whole))
}
