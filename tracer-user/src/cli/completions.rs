//! `sesstrace completions`: what lets a shell complete verbs, options and the keys of filters.
//!
//! `clap_complete` writes the scripts. It knows no values that are a language: where it would offer files for a filter, the
//! keys take their place. Must not: know an option by name but `--filter`.

use std::{io::Write as _, process::ExitCode};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::common::stdout;
use crate::filter::KEYS;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell: its script goes to standard output
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs, command: &mut Command) -> anyhow::Result<ExitCode> {
    stdout().write_all(script(args.shell, command).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    generate(shell, command, "sesstrace", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let keys = |each: fn(&str, &str) -> String, between: &str| {
        KEYS.iter().map(|(key, _, about)| each(key, about)).collect::<Vec<_>>().join(between)
    };
    match shell {
        Shell::Bash => {
            let words = keys(|key, _| format!("{key}="), " ");
            let offered = format!(
                "--filter)\n                    compopt -o nospace 2>/dev/null\n                    COMPREPLY=($(compgen -W \"{words}\" -- \"${{cur}}\"))"
            );
            script.replace("--filter)\n                    COMPREPLY=($(compgen -f \"${cur}\"))", &offered)
        }
        Shell::Zsh => {
            let words =
                keys(|key, about| format!("{key}=\\:\"{}\"", about.replace([':', '[', ']', '\'', '"'], "")), " ");
            script.replace(":FILTER:_default", &format!(":FILTER:(({words}))"))
        }
        Shell::Fish => {
            // Only where the verb has filters.
            let line = |key: &str, about: &str| {
                let about = about.replace('\'', "");
                format!(
                    "complete -c sesstrace -n '__fish_seen_subcommand_from replay live' -l filter -r -f -a '{key}=' -d '{about}'\n"
                )
            };
            script + &keys(line, "")
        }
        Shell::Elvish | Shell::PowerShell | _ => script,
    }
}
