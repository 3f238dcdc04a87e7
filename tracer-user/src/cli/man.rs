//! `sesstrace man`: manual pages, made from the declarations of verbs and options and the examples.
//!
//! Must not: describe an option; its declaration does.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{
    exit::{ExpectedError, unwritable},
    help::examples,
};

/// Exit codes that are the same for every verb; docs/ARCHITECTURE.md has all.
const CODES: [(&str, &str); 6] = [
    ("0", "done; of run, record, live and leftovers: the status of the command, or the signal that it died of"),
    ("1", "report, audit: findings at or above --fail-on; leftovers --fail: something was left; verify: a difference"),
    ("2", "usage"),
    ("3", "incomplete: records were lost, or the recording could not be read whole"),
    ("4", "internal error"),
    ("125, 126, 127", "the command was not started; it cannot be executed; it was not found"),
];
const FILES: [(&str, &str); 2] = [
    ("$XDG_STATE_HOME/sesstrace", "the last ten recordings of run; without that variable ~/.local/state/sesstrace"),
    (
        "$XDG_CONFIG_HOME/sesstrace/config.toml, /etc/sesstrace/config.toml",
        "findings that are known and accepted; the first that there is",
    ),
];

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The verb; without one, the page of sesstrace itself
    #[arg(value_name = "VERB", conflicts_with = "to")]
    verb: Option<String>,
    /// Write the pages of all verbs into this folder
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
pub fn run(args: &ManArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    command.build();
    if let Some(folder) = &args.to {
        write_all(&command, folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = match &args.verb {
        None => Some(&command),
        Some(verb) => command.find_subcommand(verb),
    };
    let Some(found) = found else {
        let verb = crate::text::sanitize(args.verb.as_deref().unwrap_or_default().as_bytes()).into_owned();
        let fix = "sesstrace --help    lists the verbs";
        return Err(ExpectedError::usage(format!("there is no verb {verb}"), fix).into());
    };
    let page = page(found, &command)?;
    io::stdout().lock().write_all(&page).map_err(|error| unwritable("the page to standard output", error))?;
    Ok(ExitCode::SUCCESS)
}

fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    for one in std::iter::once(command).chain(command.get_subcommands()) {
        let path = folder.join(format!("{}.1", name(one)));
        fs::write(&path, page(one, command)?).map_err(|error| ExpectedError {
            what: format!("cannot write {}: {}", path.display(), crate::trace_file::cause(&error)),
            fix: Some(format!("mkdir -p {}", folder.display())),
            code: super::exit::INTERNAL,
            cause: None,
        })?;
    }
    Ok(())
}

/// `sesstrace`, `sesstrace-why`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(one: &Command, all: &Command) -> io::Result<Vec<u8>> {
    let is_verb = one.get_name() != all.get_name();
    let examples = if is_verb { examples(one.get_name()) } else { &[] };
    let named = one.clone().after_help("").after_long_help("");
    let named = if is_verb { named } else { named.subcommand_help_heading("verbs") };
    let man =
        Man::new(named).section("1").source(format!("sesstrace {}", env!("CARGO_PKG_VERSION"))).manual("sesstrace");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if !is_verb {
        man.render_subcommands_section(&mut page)?;
        section("FILES", &FILES, &mut page)?;
    }
    section("EXIT STATUS", &CODES, &mut page)?;
    section("EXAMPLES", examples, &mut page)?;
    Ok(page)
}

/// A heading, and under it each row as a term and what it is.
fn section(heading: &str, rows: &[(&str, &str)], page: &mut Vec<u8>) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut roff = Roff::default();
    roff.control("SH", [heading]);
    for (term, about) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*about)]);
    }
    roff.to_writer(page)
}
