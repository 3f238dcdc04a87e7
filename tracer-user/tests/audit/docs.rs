//! What docs/AUDIT.md shows of a recording is what its commands print. `UPDATE_EXPECT=1` writes what they print now.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// The text with what each command prints, run from the root of the repository.
fn run(text: &str, root: &Path) -> String {
    let (mut out, mut lines) = (String::new(), text.lines());
    while let Some(line) = lines.next() {
        out.extend([line, "\n"]);
        let Some(words) = line.strip_prefix("$ sesstrace ") else { continue };
        let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
        command.args(words.split_whitespace()).current_dir(root).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        let output = command.output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{line}: {output:?}");
        out += &String::from_utf8(output.stdout).unwrap();
        let end = lines.find(|line| *line == "```").unwrap_or_else(|| panic!("`{line}` has no end"));
        out.extend([end, "\n"]);
    }
    out
}

#[test]
fn every_example_is_what_its_command_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    assert!(text.matches("\n$ sesstrace audit ").count() >= 3);
    expect_test::expect_file!["../../../docs/AUDIT.md"].assert_eq(&run(&text, root));
}
