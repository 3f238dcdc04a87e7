//! The command line: verbs, and what they share. Chooses source, sinks and filters; nothing else in the library prints,
//! exits or reads the environment.

pub(crate) mod at;
mod attach;
mod audit;
mod backend;
mod command;
pub mod common;
mod completions;
mod convert;
mod copy;
mod cut;
mod doctor;
mod engine;
pub mod exit;
mod explain;
mod help;
mod history;
mod holders;
mod inspector;
mod launchers;
mod leftovers;
mod live;
mod man;
mod place_left;
mod progress;
mod ps;
mod record;
mod replay;
mod report;
mod run;
mod scrub;
mod signals;
mod state;
mod store;
mod target;
mod tree;
mod verify;
mod why;
mod window;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use common::ColorChoice;

/// Traces process groups, sessions and job control.
///
/// Says who created, joined and left which process group and session, who holds the terminal, who stopped, continued or
/// killed whom, and what was left behind.
#[derive(Debug, Parser)]
#[command(name = "sesstrace", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    /// When to use colour (the environment: `NO_COLOR`, `CLICOLOR_FORCE`)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// Findings that are known and accepted, each with a reason: docs/CONFIGURATION.md (otherwise
    /// `$XDG_CONFIG_HOME/sesstrace/config.toml` or /etc/sesstrace/config.toml, if it is there)
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a command and report on its job control afterwards
    Run(run::RunArgs),
    /// Record a command, a process with its descendants, or everything; silent
    Record(record::RecordArgs),
    /// Print a line for each event as it happens
    Live(live::LiveArgs),
    /// Print what `run` printed, from its recording
    Replay(replay::ReplayArgs),
    /// Say why a process is as it is: stopped, waiting, a zombie, gone; and what would change that
    Why(why::WhyArgs),
    /// Say who killed a process, along which path, and who else got the signal
    WhoKilled(why::WhoKilledArgs),
    /// Run a command and say what it left behind; --fail makes that a failure
    Leftovers(leftovers::LeftoversArgs),
    /// Say whether daemons are detached: a command, processes, units, the whole machine, or a recording
    Audit(Box<audit::AuditArgs>),
    /// Say what went wrong in a recording, and why
    Report(report::ReportArgs),
    /// Print the manual page of a rule, or list the rules
    Explain(explain::ExplainArgs),
    /// List processes with their groups, sessions and terminals, now or at an instant of a recording
    Ps(ps::PsArgs),
    /// Show sessions, their groups and processes as a tree, now or at an instant of a recording
    Tree(tree::TreeArgs),
    /// Write a recording in the other form: NAME.sesstrace is compact, any other name is JSON Lines
    Convert(convert::ConvertArgs),
    /// Write a part of a recording as a recording
    Cut(cut::CutArgs),
    /// Write a recording without arguments, host and user, to be shared
    Scrub(scrub::ScrubArgs),
    /// Print what lets a shell complete the words of sesstrace
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them into a folder
    Man(man::ManArgs),
    /// Say what this system allows to be traced, and the one command for each thing that it does not
    Doctor(doctor::DoctorArgs),
    /// Trace, and compare what is known with what the kernel holds, over and over
    Verify(verify::VerifyArgs),
}

/// The command line with the examples of each verb.
fn command() -> Command {
    help::with_examples(Cli::command())
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; the rest is usage. Either may meet a closed pipe.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let color = cli.color;
    let config = || common::config(cli.config.as_deref());
    let outcome = match cli.verb {
        Verb::Run(args) => config().map_err(Into::into).and_then(|config| run::run(&args, color, config)),
        Verb::Record(args) => record::run(&args),
        Verb::Live(args) => config().map_err(Into::into).and_then(|config| live::run(&args, color, config)),
        Verb::Replay(args) => config().map_err(Into::into).and_then(|config| replay::run(&args, color, &config)),
        Verb::Why(args) => why::why(&args, color),
        Verb::WhoKilled(args) => why::who_killed(&args, color),
        Verb::Leftovers(args) => config().map_err(Into::into).and_then(|config| leftovers::run(&args, color, &config)),
        Verb::Audit(args) => audit::run(&args, color),
        Verb::Report(args) => config().map_err(Into::into).and_then(|config| report::run(&args, color, config)),
        Verb::Explain(args) => explain::run(&args),
        Verb::Ps(args) => ps::run(&args, color),
        Verb::Tree(args) => tree::run(&args, color),
        Verb::Convert(args) => convert::run(&args),
        Verb::Cut(args) => cut::run(&args),
        Verb::Scrub(args) => scrub::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Completions(args) => completions::run(&args, &mut command()),
        Verb::Man(args) => man::run(&args, command()),
        Verb::Doctor(args) => doctor::run(&args, &mut io::stdout().lock()),
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

/// Says what went wrong. The one place where a reader that went away (`| head`) is recognised: it is no error.
fn fail(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let (text, code) = exit::explain(error);
    let _ = writeln!(io::stderr(), "{text}");
    code
}
