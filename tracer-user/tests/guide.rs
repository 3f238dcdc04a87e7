//! What the troubleshooting guide shows is what its commands print: every example is run, from the root of the repository.
//!
//! `UPDATE_EXPECT=1` writes what they print now into the guide.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Arguments as a shell would make them: separated by spaces, a part in quotes is one.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(index, part)| {
            if index % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(ToOwned::to_owned).collect()
            }
        })
        .collect()
}

/// What a command of the guide prints. Of one that runs something, numbers and times are replaced: they differ from run to run.
fn printed(command: &str) -> String {
    let arguments = words(command.strip_prefix("sesstrace ").unwrap());
    let live = arguments.first().is_some_and(|verb| verb == "leftovers");
    let backend = if live { &["-b", "ptrace"][..] } else { &[] };
    let (verb, rest) = arguments.split_first().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sesstrace"))
        .arg(verb)
        .args(backend)
        .args(rest)
        .current_dir(root())
        .env("XDG_CONFIG_HOME", folder.path())
        .env("TMPDIR", folder.path())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(!text.starts_with("error: ") && output.status.code().is_some_and(|code| code < 2), "{command}: {text}");
    if live { without_numbers(&text) } else { text }
}

/// `4711`, `12.345` and `pipe:[99]` as `N`; descriptors stay.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || (c == '.' && !digits.is_empty()) {
            digits.push(c);
            continue;
        }
        if digits.len() > 2 {
            out.push('N');
        } else {
            out.push_str(&digits);
        }
        digits.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// The guide with what the commands print behind each of them.
fn run(guide: &str) -> String {
    let mut out = String::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(command) = line.strip_prefix("$ ") else { continue };
        out.push_str(&printed(command));
        let end = lines.find(|line| *line == "```").unwrap_or_else(|| panic!("`{command}` has no end"));
        out.push_str(end);
        out.push('\n');
    }
    out
}

#[test]
fn every_example_of_the_guide_is_what_its_command_prints() {
    let path = root().join("docs/TROUBLESHOOTING.md");
    let guide = fs::read_to_string(path).unwrap();
    assert!(guide.matches("\n$ sesstrace ").count() >= 15);
    expect_test::expect_file!["../../docs/TROUBLESHOOTING.md"].assert_eq(&run(&guide));
}

#[test]
fn words_are_those_of_a_shell() {
    assert_eq!(words("leftovers -- sh -c 'sleep 1 &'"), ["leftovers", "--", "sh", "-c", "sleep 1 &"]);
    assert_eq!(without_numbers("4711 sh: fd 1, 2 at 12.345 ms\n"), "N sh: fd 1, 2 at N ms\n");
}
