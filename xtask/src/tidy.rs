//! `cargo xtask tidy`: rules of the house that no other tool checks. Every source file says first what it is, none is long,
//! and no output uses a name that the glossary bans.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Lines that a source file may have.
const LONGEST: usize = 600;
/// Names that are wrong in this field when they stand in a message, and the right ones.
const WRONG: [(&str, &str); 4] = [
    ("orphan process", "reparented process"),
    ("orphaned process ", "reparented process, or orphaned process group"),
    ("job group", "process group"),
    ("active process group", "foreground process group"),
];

/// Checks every Rust file of the repository.
pub fn run() -> anyhow::Result<()> {
    let root = crate::root()?;
    let mut files = Vec::new();
    for folder in ["fuzz", "scenarios", "tracer-common", "tracer-ebpf", "tracer-model", "tracer-user", "xtask"] {
        collect(&root.join(folder), &mut files)?;
    }
    let mut faults = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(&root).unwrap_or(file).display();
        // This file must name the wrong names.
        if file.ends_with("xtask/src/tidy.rs") {
            continue;
        }
        faults.extend(check(&text).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

fn check(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let first = text.lines().find(|line| !line.starts_with("// SPDX"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        faults.push("does not begin with //! and what it is".to_owned());
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        faults.push(format!("has {lines} lines; {LONGEST} at most"));
    }
    for (wrong, right) in WRONG {
        let quoted =
            |line: &&str| line.contains('"') && line.contains(wrong) && !line.contains("orphaned process group");
        faults.extend(text.lines().filter(quoted).map(|line| format!("`{}`: say {right}", line.trim())));
    }
    faults
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(check("fn f() {}\n").len(), 1);
        assert_eq!(check("//! F.\nfn f() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_named() {
        let long = format!("//! F.\n{}", "\n".repeat(LONGEST));
        assert_eq!(check(&long), ["has 601 lines; 600 at most"]);
    }

    #[test]
    fn wrong_names_are_faults_in_texts_only() {
        let text = |name: &str| format!("//! F.\nconst A: &str = \"an {name} is adopted\";\n");
        assert_eq!(check(&text(WRONG[0].0)).len(), 1);
        assert!(check(&text("orphaned process group")).is_empty());
    }
}
