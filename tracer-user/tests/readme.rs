//! What the README shows is what the commands print: its example is the replay of a recording that was made by its command.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, path::Path, process::Command};

/// The block of the README that follows `after`, without its fences.
fn block(readme: &str, after: &str) -> String {
    let rest = &readme[readme.find(after).unwrap() + after.len()..];
    let start = rest.find("```text\n").unwrap() + "```text\n".len();
    let end = rest[start..].find("```").unwrap();
    rest[start..start + end].to_owned()
}

#[test]
fn the_example_is_what_replay_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("../README.md")).unwrap();
    let example = "cargo run --release -- run -- bash -ic 'sleep 0.3 | cat; sleep 0.2 & wait'";
    let replay = Command::new(env!("CARGO_BIN_EXE_sesstrace"))
        .arg("replay")
        .arg(root.join("tests/data/readme.jsonl"))
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    assert_eq!(block(&readme, example), String::from_utf8(replay.stdout).unwrap());
}

#[test]
fn every_verb_of_the_readme_exists_and_every_verb_is_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("../README.md")).unwrap();
    let table: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| `sesstrace ")?.split([' ', '`']).next()).collect();
    let help = Command::new(env!("CARGO_BIN_EXE_sesstrace")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // A line that goes on is indented further.
    let verbs: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' ').map(|words| words.0))
        .filter(|verb| !verb.is_empty())
        .collect();
    assert_eq!(table, verbs);
}

#[test]
fn the_size_of_an_event_is_the_one_that_was_measured() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let measured = fs::read_to_string(root.join("docs/PERFORMANCE.md")).unwrap();
    let size = measured.lines().find(|line| line.contains(" bytes an event, ")).unwrap().split(',').next().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&format!("[{size}](docs/PERFORMANCE.md)")), "cargo xtask bench recording --write: {size}");
}
