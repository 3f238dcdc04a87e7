//! Shells on a terminal, the same on every machine.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::pty::Terminal;

pub const INNER: &str = "inner>";
pub const OUTER: &str = "outer>";

/// A shell that can be told its prompt and nothing else.
pub const BASH: &[&str] = &["bash", "--norc", "--noprofile", "-i"];
/// Reports the end of a job at the next prompt, not in the middle of a line, as the others do.
pub const ZSH: &[&str] = &["zsh", "-f", "-i", "+o", "notify"];
pub const DASH: &[&str] = &["dash", "-i"];

/// A directory with two commands for use in scripts: `stopped NAME` and `gone NAME` return when the process of this terminal
/// with that name is stopped, or reaped.
pub fn tools() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let tool = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    tool("stopped", "#!/bin/sh\nuntil ps -o stat=,comm= | grep -q \"^T[^ ]* *$1\\$\"; do :; done\n");
    tool("gone", "#!/bin/sh\nwhile ps -o comm= | grep -q \"^$1\\$\"; do :; done\n");
    directory
}

/// Starts `words` on a terminal with nothing in the environment that differs from machine to machine.
pub fn start(words: &[String], tools: &Path, prompt: &str, start: &str) -> Terminal {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tools.display());
    let environment = [
        ("PATH", &*path),
        ("TERM", "vt100"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("PS1", prompt),
        ("START", start),
    ];
    Terminal::start(&words.iter().map(String::as_str).collect::<Vec<_>>(), &environment)
}

/// Whether a shell is installed. Says so loudly if not, and fails where everything is required.
pub fn have(shell: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(shell).exists());
    if !found {
        assert!(std::env::var_os("SESSTRACE_REQUIRE").is_none(), "{shell} is required: apt-get install {shell}");
        eprintln!("SKIPPED: {shell} is not installed: apt-get install {shell}");
    }
    found
}
