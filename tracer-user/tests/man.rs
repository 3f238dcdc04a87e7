//! Manual pages, as groff and man read them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

fn sesstrace(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_sesstrace")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What groff makes of a page and what it complains of.
fn formatted(page: &[u8]) -> (String, String) {
    let mut groff = Command::new("groff");
    groff.args(["-Kutf8", "-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u"]).stdin(Stdio::piped());
    let mut child = groff.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(page).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_verb_has_a_page_that_groff_reads_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let output = sesstrace(&["man", "--to", folder.path().to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    let help = String::from_utf8(sesstrace(&["--help"]).stdout).unwrap();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> =
        verbs.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 15, "{help}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), verbs.len() + 1);
    for verb in verbs {
        let page = fs::read(folder.path().join(format!("sesstrace-{verb}.1"))).unwrap();
        let (text, complaints) = formatted(&page);
        assert_eq!(complaints, "", "{verb}");
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"] {
            assert!(text.lines().any(|line| line == heading), "{verb} has no {heading}:\n{text}");
        }
        assert!(
            text.contains(&format!("sesstrace-{verb}(1)")) && text.contains(&format!("sesstrace {verb}")),
            "{text}"
        );
    }
}

#[test]
fn a_page_is_printed() {
    let output = sesstrace(&["man"]);
    assert!(output.status.success());
    let (text, complaints) = formatted(&output.stdout);
    assert_eq!(complaints, "");
    assert!(text.contains("sesstrace-why(1)") && text.contains("FILES"), "{text}");
    let why = String::from_utf8(sesstrace(&["man", "why"]).stdout).unwrap();
    assert!(why.contains(".SH EXAMPLES"), "{why}");
    let none = sesstrace(&["man", "frobnicate"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("there is no verb frobnicate"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Path::new(folder.path()).join("man1");
    let refused = sesstrace(&["man", "--to", missing.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("mkdir -p") && said.contains("ENOENT"), "{said}");
}
