//! `sesstrace explain`: the manual page of a rule, or the list of rules.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use tracer_model::findings::{RULES, Rule};

use super::exit::{ExpectedError, unwritable};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Id or name of a rule, as in JC102 or join-dead-group; without one, all are listed
    #[arg(value_name = "RULE")]
    rule: Option<String>,
}

/// Prints it.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.rule {
        None => RULES
            .iter()
            .map(|rule| format!("{}  {:<26} {}\n", rule.id, rule.name, rule.summary()))
            .collect::<Vec<_>>()
            .concat(),
        Some(name) => page(Rule::find(name).ok_or_else(|| no_rule(name))?),
    };
    io::stdout().lock().write_all(text.as_bytes()).map_err(|error| unwritable("the page to standard output", error))?;
    Ok(ExitCode::SUCCESS)
}

fn page(rule: &Rule) -> String {
    format!("{} {} ({} at most)\n\n{}\n", rule.id, rule.name, rule.severity.name(), rule.page())
}

fn no_rule(name: &str) -> ExpectedError {
    let name = crate::text::sanitize(name.as_bytes());
    ExpectedError::usage(format!("there is no rule {name}"), "sesstrace explain    lists the rules")
}
