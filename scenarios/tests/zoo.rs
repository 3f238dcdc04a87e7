//! The animals of the daemon zoo that need nothing but what every test here needs: truth, verdicts and rules in all four forms.
//! `cargo xtask zoo` has everyone.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

use std::{
    fs,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

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
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoo"));
    let null = fs::File::open("/dev/null").unwrap();
    // What whoever runs this has open is no animal's, whatever number it has.
    let left_open = move || {
        [10, 251].into_iter().try_for_each(|number| {
            // SAFETY: integers only.
            let copied = unsafe { libc::dup2(null.as_raw_fd(), number) };
            nix::errno::Errno::result(copied).map(drop).map_err(std::io::Error::from)
        })
    };
    // SAFETY: dup2 is async-signal-safe.
    let output = unsafe { command.pre_exec(left_open) }.args(HERE).output().unwrap();
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

/// The processes that have to do with this keeper, by the environment of its animals or by their directories, with their names.
fn kept_by(keeper: u32) -> Vec<(u32, String)> {
    let marks = ["ZOO", "ZOO_MARK"].map(|name| format!("{name}={keeper}-"));
    let directory = format!("/tmp/zoo.{keeper}");
    let words = |process: &Path, file: &str| {
        let bytes = fs::read(process.join(file)).unwrap_or_default();
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>()
    };
    let is_marked = |variable: &String| marks.iter().any(|mark| variable.starts_with(mark));
    let is_there = |word: &String| {
        let mut found = word.match_indices(&directory).map(|(at, it)| &word[at + it.len()..]);
        found.any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let kept = processes.filter(|process| {
        words(process, "environ").iter().any(is_marked) || words(process, "cmdline").iter().any(is_there)
    });
    let named = |process: PathBuf| {
        let name = fs::read_to_string(process.join("comm")).ok()?;
        Some((process.file_name()?.to_str()?.parse().ok()?, name.trim_end().to_owned()))
    };
    kept.filter_map(named).collect()
}

/// Looks until it is so. It takes as long as it takes; what never comes does not come in a minute.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A service manager, the programs of the machine that it started, and the watcher would live as long as the machine.
#[test]
fn nobody_outlives_who_keeps_the_animals_even_when_that_is_killed() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("SKIPPED: only root can have a service manager");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoo"));
    command
        .args(["systemd, simple", "nohup", "setsid -f"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut keeper = command.spawn().unwrap();
    let number = keeper.id();
    let is_there = |name: &str| kept_by(number).iter().any(|it| it.1 == name);
    until("an animal is there", || is_there("errand") || keeper.try_wait().unwrap().is_some());
    if !is_there("errand") {
        let said = std::io::read_to_string(keeper.stdout.take().unwrap()).unwrap();
        assert!(said.contains("SKIPPED systemd, simple"), "{said}");
        return eprintln!("SKIPPED: no service manager can be had here");
    }
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    until("everybody has ended", || kept_by(number).is_empty());
    assert!(!fs::exists(format!("/tmp/zoo.{number}")).unwrap(), "nothing is left");
}

#[test]
fn nobody_outlives_who_keeps_the_animals_when_the_guard_is_killed_either() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoo"));
    command.args(["nohup"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut keeper = command.spawn().unwrap();
    let number = keeper.id();
    // By another name than the keeper's: nobody kills both by one.
    let guard = || kept_by(number).into_iter().find(|it| it.1 == "keeps-the-zoo");
    until("the guard is there", || guard().is_some());
    let pid = nix::unistd::Pid::from_raw(guard().unwrap().0.cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    keeper.wait().unwrap();
    assert_eq!(kept_by(number), []);
    assert!(!fs::exists(format!("/tmp/zoo.{number}")).unwrap(), "nothing is left");
}
