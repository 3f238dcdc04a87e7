//! Examples of every verb: at the end of its `--help`, and in its manual page.
//!
//! Must not: say what an option does; its declaration does.

use clap::Command;

/// A command and what it is for.
pub type Example = (&'static str, &'static str);

/// Examples by verb.
pub const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "run",
        &[
            ("sesstrace run -- make -j4", "what its processes did to groups, sessions and the terminal"),
            ("sesstrace run -o report.txt -w run.sesstrace -- ./test.sh", "with report and recording in files"),
            (
                "sudo sesstrace run -u $USER -- sudo -k true",
                "as oneself, and set-user-ID programs gain their privilege",
            ),
        ],
    ),
    (
        "record",
        &[
            ("sesstrace record -o ci.sesstrace -- ./ci-step.sh", "a recording and no word"),
            ("sudo sesstrace record --all -o all.sesstrace --rotate-size 100M --keep 10", "the machine, in ten files"),
            (
                "sesstrace record -p 4711 --redact '--password=*'",
                "what runs already, without what nobody needs to know",
            ),
        ],
    ),
    (
        "live",
        &[
            ("sudo sesstrace live --all --filter 'kind=signal_*'", "every signal of the machine, as it is sent"),
            ("sesstrace live -p 4711", "a shell, from another terminal"),
            ("sesstrace live --json -- ./server", "for programs"),
        ],
    ),
    (
        "replay",
        &[
            ("sesstrace replay", "the last run, as it was printed"),
            ("sesstrace replay ci.sesstrace --from 1.2s --to 1.3s", "a part of it"),
            ("sesstrace replay ci.sesstrace --filter 'pid=4711'", "what concerns one process"),
        ],
    ),
    (
        "why",
        &[
            ("sesstrace why 4711", "as it is now, from /proc"),
            ("sesstrace why 4711 run.sesstrace --at 1.2s", "as it was in a recording"),
            (
                "sesstrace why --signal INT --to -4711",
                "what became of the SIGINT to process group 4711, in the last run",
            ),
            ("sesstrace why 4711 --json", "for programs: docs/ANSWERS.md has the fields"),
        ],
    ),
    (
        "who-killed",
        &[
            ("sesstrace who-killed 4711", "in the recording of the last run"),
            ("sesstrace who-killed 4711 ci.sesstrace --json", "in another one, for programs"),
        ],
    ),
    (
        "leftovers",
        &[
            ("sesstrace leftovers -- make test", "what is still there when make has ended"),
            ("sesstrace leftovers --fail -- ./ci-step.sh", "the same as a gate: exit 1 when something is"),
            ("sesstrace leftovers --kill --grace 5s -- npm test", "ends it: SIGTERM and SIGCONT, 5 s later SIGKILL"),
        ],
    ),
    (
        "audit",
        &[
            ("sesstrace audit -- ./daemon --detach", "from its start until it has settled"),
            ("sudo sesstrace audit --all", "every daemon of the machine, as it is"),
            ("sesstrace audit -p 4711 -f json", "one of them, for programs"),
        ],
    ),
    (
        "report",
        &[
            ("sesstrace report", "what went wrong in the last run"),
            ("sesstrace report ci.sesstrace --fail-on warning", "as a gate: exit 1 at a warning or an error"),
            ("sesstrace report ci.sesstrace -f junit > findings.xml", "for a CI server"),
            ("sesstrace report --races ci.sesstrace", "how often each race was lost, and how close the others were"),
        ],
    ),
    ("explain", &[("sesstrace explain", "every rule in a line"), ("sesstrace explain JC102", "the page of one")]),
    (
        "ps",
        &[
            ("sesstrace ps", "this session, now"),
            ("sesstrace ps -e run.sesstrace --at 305.4ms", "every process of a recording, then"),
        ],
    ),
    (
        "tree",
        &[
            ("sesstrace tree", "this session, now"),
            ("sesstrace tree -e run.sesstrace --at '#812'", "everything, as it was at an event"),
        ],
    ),
    (
        "convert",
        &[
            ("sesstrace convert run.sesstrace run.jsonl", "for jq and the like"),
            ("sesstrace convert run.jsonl run.sesstrace", "and back"),
        ],
    ),
    (
        "cut",
        &[("sesstrace cut run.sesstrace part.sesstrace --from 1.2s --to 1.3s", "a tenth of a second, for a report")],
    ),
    (
        "scrub",
        &[
            ("sesstrace scrub run.sesstrace public.sesstrace", "without arguments, host and user"),
            ("sesstrace scrub run.sesstrace public.sesstrace --redact '*secret*'", "without these arguments alone"),
        ],
    ),
    (
        "completions",
        &[
            ("sesstrace completions bash > ~/.local/share/bash-completion/completions/sesstrace", "bash"),
            ("sesstrace completions fish > ~/.config/fish/completions/sesstrace.fish", "fish"),
        ],
    ),
    (
        "man",
        &[
            ("sesstrace man why | man -l -", "the page of a verb"),
            ("sesstrace man --to /usr/local/share/man/man1", "all pages, to be installed"),
        ],
    ),
    (
        "doctor",
        &[
            ("sesstrace doctor", "what is allowed here, and the one command for what is not"),
            ("sudo sesstrace doctor --costs", "and what the probes cost"),
        ],
    ),
    (
        "verify",
        &[
            ("sudo sesstrace verify --all --for 60s", "the model of everything beside the kernel's own tables"),
            ("sesstrace verify -- ./test.sh", "that of a command"),
        ],
    ),
];

/// The examples of a verb.
pub fn examples(verb: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|row| row.0 == verb).map(|row| row.1).unwrap_or_default()
}

/// Adds them to the `--help` of each verb.
pub fn with_examples(command: Command) -> Command {
    EXAMPLES
        .iter()
        .fold(command, |command, (verb, examples)| command.mut_subcommand(verb, |verb| verb.after_help(text(examples))))
}

fn text(examples: &[Example]) -> String {
    /// A longer command has its purpose on the next line.
    const COLUMN: usize = 44;
    let mut text = String::from("Examples:");
    for (command, about) in examples {
        text += "\n  ";
        text += command;
        let width = command.len();
        if width > COLUMN {
            text += "\n";
        }
        text.extend(std::iter::repeat_n(' ', if width > COLUMN { COLUMN + 4 } else { COLUMN + 2 - width }));
        text += about;
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, command};

    /// Words as a shell makes them of an example, without `sudo`, variables, and where its output goes.
    fn words(example: &str) -> Vec<String> {
        let example = example.split([" > ", " | "].iter().find(|it| example.contains(**it)).copied().unwrap_or("\n"));
        let example = example.into_iter().next().unwrap_or_default().trim_start_matches("sudo ");
        let parts = example.split('\'').enumerate();
        let words = |(quoted, part): (usize, &str)| match quoted % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(ToOwned::to_owned).collect(),
        };
        parts.flat_map(words).collect()
    }

    #[test]
    fn every_verb_has_examples_and_every_example_is_one_of_its_verb() {
        let verbs: Vec<String> = command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        assert_eq!(EXAMPLES.iter().map(|row| row.0).collect::<Vec<_>>(), verbs);
        for (verb, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{verb}");
            for (example, about) in *examples {
                let words = words(example);
                assert_eq!(words.get(1).map(String::as_str), Some(*verb), "{example}");
                assert!(!about.ends_with('.'), "{about}");
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn help_ends_with_the_examples() {
        for (verb, examples) in EXAMPLES {
            let mut command = command();
            let verb = command.find_subcommand_mut(verb).expect("a verb");
            // It is wrapped.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let help = words(&verb.render_long_help().to_string());
            for (example, about) in *examples {
                assert!(help.contains(&words(example)) && help.contains(&words(about)), "{help}");
            }
        }
    }
}
