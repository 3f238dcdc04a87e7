//! The animals of the daemon zoo that need nothing but what every test here needs: truth, verdicts and rules in all four forms.
//! `cargo xtask zoo` has everyone.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

use std::process::Command;

/// Parts of their names.
const HERE: [&str; 14] = [
    "nohup",
    "setsid -f",
    "start-stop-daemon -d",
    "daemon(3)",
    "start_new_session",
    "posix_spawn",
    "perl",
    "rust, the crate",
    "disown",
    "cron's job",
    "at's job",
    "ssh leftover",
    "ssh leftover that keeps",
    "systemd,",
];

#[test]
fn verdicts_and_rules_are_those_of_the_truth_in_every_form() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("SKIPPED: only root sees what a daemon of another session shares");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_zoo")).args(HERE).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // A line for each of the forms, of every animal that was here.
    let animals = text.lines().filter(|line| !line.starts_with([' ', 'S'])).count();
    assert!(animals >= HERE.len() - 1, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  -- CMD")).count(), animals);
    let watched = text.lines().filter(|line| line.starts_with("  --watch")).count();
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|required| required.contains("ebpf"));
    assert!(watched == animals || !required && text.contains("SKIPPED --watch"), "{text}");
}
