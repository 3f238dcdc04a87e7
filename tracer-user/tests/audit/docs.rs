//! What docs/AUDIT.md shows of a recording is what its commands print. `UPDATE_EXPECT=1` writes what they print now.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::{OpenOptionsExt as _, symlink},
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    actor::{Actor, terminal},
    place::{NOBODY, Place, is_root},
    watcher::Watcher,
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
    let mut said = Vec::new();
    let told = loop {
        let line = lines.next().unwrap();
        if line.contains(&mine) {
            break line;
        }
        said.push(line);
    };
    let pid = nix::unistd::Pid::from_raw(watcher.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    said.extend(lines);
    let last = said.pop().unwrap();
    watcher.wait().unwrap();
    let sleeps = told.split_whitespace().nth(2).and_then(|pid| pid.parse().ok()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeps), nix::sys::signal::Signal::SIGKILL).unwrap();
    drop(bash.stdin.take());
    bash.wait().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    let shapes: Vec<String> = text.lines().filter(|line| line.starts_with("    ")).map(shape).collect();
    // What else the machine did meanwhile is not the example's, but every loss is told when it happens and counted at the end.
    let (judged, rest) = last.split_once(" processes").unwrap();
    let (news, end) = rest.split_once("; ").and_then(|(_, news)| news.split_once(" events, ")).unwrap();
    let lost: Vec<&String> = said.iter().filter(|line| line.contains("Z  lost      ")).collect();
    let records: u64 = lost.iter().map(|line| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()).sum();
    let counted = if records == 0 { "none lost".to_owned() } else { format!("{records} records lost") };
    assert!(end.split(';').next() == Some(&*counted), "{counted}: {last}");
    for line in lost.into_iter().chain([&format!("{judged} processes; {news} events, none lost"), &told]) {
        assert!(shapes.contains(&shape(line)), "docs/AUDIT.md shows nothing like {line}");
    }
}

/// What `command` prints on a terminal of its own, until a line that counts verdicts.
fn on_a_terminal(command: &mut Command) -> String {
    let (master, name) = terminal();
    let slave = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name).unwrap();
    let copy = || slave.try_clone().unwrap();
    let mut child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    let is_last = |line: &str| line.split(' ').next().is_some_and(|many| many.parse::<u32>().is_ok());
    while !text.lines().any(is_last) {
        let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, PollTimeout::from(60_000_u16)), Ok(1), "it says no more than {text}");
        let read = nix::unistd::read(&master, &mut bytes).unwrap();
        text += &String::from_utf8_lossy(bytes.get(..read).unwrap());
    }
    child.wait().unwrap();
    text
}

#[test]
fn what_a_terminal_is_shown_to_be_told_it_is_told() {
    let place = Place::new();
    let audit = place.path("sesstrace");
    // As an interactive shell has it: nothing is ignored, and the umask is everybody's.
    let script = r#"umask 022; exec setsid --wait --ctty "$0" audit -- setsid -f sleep 60"#;
    let mut command = Command::new("env");
    command.args(["--default-signal", "sh", "-c", script]).arg(audit).current_dir(place.path(""));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let told = on_a_terminal(&mut command);
    let told = told.replace(&*place.0.path().to_string_lossy(), "/srv");
    let sleeps = told.lines().find_map(|line| line.split_once("partial  ")?.1.split(' ').next()?.parse().ok());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeps.unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    // Whether its parent had ended before it took a step is chance: a line has the same words in any order.
    let words = |line: &str| {
        let line = shape(line).replace(',', "");
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    };
    let shown: Vec<_> = text.lines().filter(|line| line.starts_with("    ")).map(words).collect();
    let mut plain = told.clone();
    for colour in ["\x1b[0m", "\x1b[1m", "\x1b[31m"] {
        plain = plain.replace(colour, "");
    }
    for line in plain.lines().filter(|line| !line.trim().is_empty()) {
        assert!(shown.contains(&words(line)), "docs/AUDIT.md shows nothing like {line:?}");
    }
    let verdict = told.lines().find(|line| line.contains("partial  ")).unwrap();
    assert!(verdict.contains("\x1b[31m"), "it is red: {verdict:?}");
}

#[test]
fn every_example_is_what_its_command_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    assert!(text.matches("\n$ sesstrace audit ").count() >= 4);
    expect_test::expect_file!["../../../docs/AUDIT.md"].assert_eq(&run(&text, root));
}

/// The words of the line in the documentation that begins so, from `sesstrace` on, with a baseline in the place.
fn documented(beginning: &str, place: &Place) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(beginning)).unwrap();
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let file = words.iter().position(|word| word == "--baseline").unwrap() + 1;
    *words.get_mut(file).unwrap() = place.path("state/baseline").to_string_lossy().into_owned();
    words
}

/// A daemon that nobody else here is like, with a terminal.
fn partial() -> (Actor, OwnedFd, String) {
    let (master, terminal) = terminal();
    let mut daemon = Actor::daemon();
    daemon.does(&format!("open-noctty {terminal}"));
    let name = fs::read_to_string(format!("/proc/{}/comm", daemon.pid)).unwrap();
    (daemon, master, name.trim_end().to_owned())
}

#[test]
fn the_service_that_is_shown_watches_with_what_it_is_given() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    let given = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_lowercase();
    let capabilities = given("AmbientCapabilities=CAP_").replace(" cap_", ",+");
    assert_eq!(given("AmbientCapabilities="), given("CapabilityBoundingSet="));
    if !is_root() {
        return eprintln!("SKIPPED: only root can become another user");
    }
    let capabilities = format!("+{capabilities}");
    let place = Place::new();
    fs::create_dir(place.path("state")).unwrap();
    std::os::unix::fs::chown(place.path("state"), Some(65534), Some(65534)).unwrap();
    let able = [&NOBODY[..], &["--inh-caps", &capabilities, "--ambient-caps", &capabilities]].concat();
    let words = documented("ExecStart=/usr/bin/sesstrace audit --watch", &place);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(mut watcher) = Watcher::start(&place, &able, &words) else { return };
    let (daemon, ..) = partial();
    assert_eq!(watcher.row_of(daemon.pid).text("verdict"), "partial");
    let (status, last) = watcher.end();
    let expected: Vec<i32> = given("SuccessExitStatus=").split(' ').map(|code| code.parse().unwrap()).collect();
    assert!(status.code().is_some_and(|code| expected.contains(&code)), "{status}: {last}");
}

#[test]
fn what_cron_is_shown_to_run_tells_each_time_what_is_new() {
    let place = Place::new();
    fs::create_dir(place.path("state")).unwrap();
    let words = documented("17 6 * * * root /usr/bin/sesstrace audit", &place);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (_daemon, _master, name) = partial();
    let run = || {
        let output = place.audit(&[], &words);
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, first, complaint) = run();
    if code == Some(4) {
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ebpf"), "{complaint}");
        return eprintln!("SKIPPED: no eBPF here");
    }
    assert_eq!(code, Some(1), "{first}{complaint}");
    assert!(first.contains(&name), "{first}");
    let (_, second, _) = run();
    assert!(second.contains("judgements are known") && !second.contains(&name), "{second}");
}
