//! What docs/AUDIT.md shows of a recording is what its commands print. `UPDATE_EXPECT=1` writes what they print now.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use crate::place::Place;

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

/// What a line says, whatever the numbers are.
fn shape(line: &str) -> String {
    let line = line.trim();
    let chunks = line.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let chunks = chunks.map(|chunk| {
        if chunk.first().is_some_and(u8::is_ascii_digit) { "0".into() } else { String::from_utf8_lossy(chunk) }
    });
    chunks.collect()
}

#[test]
fn what_watching_is_shown_to_say_it_says() {
    let place = Place::new();
    let mut command = Command::new(place.path("sesstrace"));
    command.args(["audit", "--watch", "--repeat"]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let mut watcher = command.stdin(Stdio::null()).stdout(Stdio::piped()).current_dir("/").spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map_while(Result::ok);
    if !lines.any(|line| line.starts_with("watching ")) {
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but it does not watch");
        assert!(!watcher.wait().unwrap().success());
        return eprintln!("SKIPPED: no eBPF here");
    }
    // The launcher lives until its input ends. What it starts begins a session as the last thing that it does, so that it is
    // looked at once. The kernel calls a process what the file is called that it executes.
    let program = Command::new("sh").args(["-c", "command -v perl"]).output().unwrap();
    symlink(String::from_utf8(program.stdout).unwrap().trim(), place.path("sleep")).unwrap();
    let daemon = format!(
        "'{}' -e 'use POSIX; POSIX::setsid(); sleep 60' </dev/null >/dev/null 2>&1 & read",
        place.path("sleep").display()
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &daemon]).current_dir("/");
    let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mine = format!(", launched by {} bash: ", bash.id());
    let told = lines.find(|line| line.contains(&mine)).unwrap();
    let pid = nix::unistd::Pid::from_raw(watcher.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let last = lines.last().unwrap();
    watcher.wait().unwrap();
    let sleeps = told.split_whitespace().nth(2).and_then(|pid| pid.parse().ok()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeps), nix::sys::signal::Signal::SIGKILL).unwrap();
    drop(bash.stdin.take());
    bash.wait().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    let shapes: Vec<String> = text.lines().filter(|line| line.starts_with("    ")).map(shape).collect();
    // What else the machine did meanwhile is not the example's.
    let last = last.replace(", some of whom could not be looked at whole", "");
    let last = last.split_once(" events, ").unwrap().0;
    for line in [format!("{last} events, none lost"), told] {
        assert!(shapes.contains(&shape(&line)), "docs/AUDIT.md shows nothing like {line}");
    }
}

#[test]
fn every_example_is_what_its_command_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    assert!(text.matches("\n$ sesstrace audit ").count() >= 4);
    expect_test::expect_file!["../../../docs/AUDIT.md"].assert_eq(&run(&text, root));
}
