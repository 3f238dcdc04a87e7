//! `sesstrace verify` against this machine: it finds nothing where nothing is wrong, and every change that is swallowed. Needs
//! the probes: without privilege the tests say so on stderr and pass, unless `SESSTRACE_REQUIRE` contains `ebpf`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests; a skip must be seen"
)]

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{OpenptyResult, openpty},
    unistd::{Pid, geteuid, tcgetpgrp},
};
use tempfile::NamedTempFile;

const DEADLINE: Duration = Duration::from_mins(1);

fn probes_are_allowed() -> bool {
    if geteuid().is_root() {
        return true;
    }
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but this is not root");
    eprintln!("SKIPPED: a comparison with the kernel needs root");
    false
}

fn verify(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
    command.arg("verify").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it said and its exit code.
fn outcome(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text + &String::from_utf8_lossy(&output.stderr), output.status.code())
}

/// The number behind a word at the start of a line.
fn number(text: &str, word: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default();
    let digits: String = line.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Forks, moves into groups of their own, orphans and reaps. What the shell says of its jobs would only hide what differs.
const STORM: &str = "exec 2> /dev/null; set -m; for i in {1..60}; do (/bin/true &); /bin/true & done; wait; sleep 0.2;";

#[test]
fn nothing_differs_while_processes_come_and_go() {
    if !probes_are_allowed() {
        return;
    }
    let (text, code) =
        outcome(&verify(&["--every", "1ms", "--", "bash", "-c", &format!("{STORM} :")]).output().unwrap());
    assert_eq!(number(&text, "divergences"), 0, "{text}");
    assert!(number(&text, "checks") > 5 && number(&text, "compared") > 20, "{text}");
    assert!(text.contains("\nat the end    a quiet point\n"), "{text}");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn nothing_of_the_machine_differs() {
    if !probes_are_allowed() {
        return;
    }
    let (text, code) = outcome(&verify(&["--all", "--for", "500ms"]).output().unwrap());
    assert_eq!(number(&text, "divergences"), 0, "{text}");
    // Beside other tests records may be lost, and much may be in flight.
    assert!(code == Some(0) || number(&text, "lost") > 0 || text.contains("\ntoo much is in flight"), "{text}");
    assert!(number(&text, "checks") > 1 && number(&text, "compared") > 20, "{text}");
}

#[test]
fn after_a_loss_the_model_is_the_kernels_again_within_a_second() {
    if !probes_are_allowed() {
        return;
    }
    let script = format!("{STORM} sleep 2; :");
    let (text, _) = outcome(&verify(&["--ring-bytes", "4096", "--", "bash", "-c", &script]).output().unwrap());
    assert!(number(&text, "lost") > 0, "a ring of 4 KiB was large enough:\n{text}");
    assert_eq!(number(&text, "divergences"), 0, "{text}");
    // Whatever differed was as it is within a second, or it would be a divergence; and then everything was compared once more. How
    // often it is looked at meanwhile is for the machine to say.
    assert!(!text.contains(" ms at most, but ") && text.contains("\nat the end    a quiet point\n"), "{text}");
    assert!(number(&text, "settled       after") <= 1000, "{text}");
}

#[test]
fn every_change_that_is_swallowed_is_reported() {
    if !probes_are_allowed() {
        return;
    }
    swallow("ebpf");
}

/// Each command makes the change and lives on for a second, in which it is looked at fifty times. One whose first call is swallowed
/// with the reap would be one of those whose calls are not seen, and whose children the kernel is asked after.
fn swallow(backend: &str) {
    for (kind, script, fact) in [
        ("setpgid", "set -m; sleep 1 & wait", "process group"),
        ("reap", "kill -0 $$; /bin/true; sleep 1; :", "existence"),
        ("reparenting", "(sleep 1 &); sleep 1; :", "parent"),
    ] {
        let output = verify(&["-b", backend, "--mutate", kind, "--", "bash", "-c", script]).output().unwrap();
        let (text, code) = outcome(&output);
        assert_eq!(code, Some(1), "{kind}: {text}");
        let told = |line: &str| line.starts_with("divergence ") && line.contains(&format!(", {fact}, at"));
        assert!(text.lines().any(told), "{kind}: {text}");
        assert!(text.contains("\n  model  ") && text.contains("\n  kernel ") && text.contains("\n  event  "), "{text}");
    }
}

/// Processes that come and go without a pause, and jobs of a terminal, until a file is no more.
struct Load {
    shells: Vec<Child>,
    master: OwnedFd,
    going: NamedTempFile,
}

impl Load {
    fn start() -> Self {
        let going = NamedTempFile::new().unwrap();
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        // What moves lives long enough to be looked at; what else is under way is of others.
        let storm = "while [ -e $0 ]; do (/bin/true &); /bin/true | /bin/cat & kill -CONT $!; wait; done";
        let jobs = "set -m; while [ -e $0 ]; do (sleep 1 &); sleep 1 & wait; done";
        let foreground = "while [ -e $0 ]; do sleep 1; done";
        let start = |options: &str, script: &str| {
            let mut shell = Command::new("setsid");
            shell.args(options.split(' ')).arg(script).arg(going.path());
            shell.stdin(slave.try_clone().unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
            shell.spawn().unwrap()
        };
        // Only an interactive shell gives its terminal to a job.
        let shells =
            vec![start("-w bash -c", storm), start("-w bash -c", jobs), start("-cw bash --norc -ic", foreground)];
        Self { shells, master, going }
    }

    fn end(self) {
        let Self { mut shells, master: _master, going } = self;
        drop(going);
        for shell in &mut shells {
            shell.wait().unwrap();
        }
    }
}

/// What the first run said that could tell, or the tenth: on a machine that is busy enough records are lost, or nothing of the kind happens.
fn decided(arguments: &[&str]) -> (String, Option<i32>) {
    let mut said = (String::new(), None);
    for _ in 0..10 {
        said = outcome(&verify(arguments).output().unwrap());
        if matches!(said.1, Some(0 | 1)) {
            break;
        }
    }
    said
}

/// Whoever is swallowed is one of many to whom the same happens, and calls and exits are under way at every look: those of others
/// explain nothing.
#[test]
fn every_change_that_is_swallowed_is_reported_in_a_fork_storm() {
    if !probes_are_allowed() {
        return;
    }
    let load = Load::start();
    let options = ["--all", "--every", "1ms", "--for", "4s", "--ring-bytes", "67108864", "--mutate"];
    let kinds = [
        ("setpgid", "process group"),
        ("reap", "existence"),
        ("reparenting", "parent"),
        ("terminal", "foreground group"),
    ];
    let said = kinds.map(|(kind, fact)| (kind, fact, decided(&[&options[..], &[kind]].concat())));
    load.end();
    for (kind, fact, (text, code)) in said {
        assert_eq!(code, Some(1), "{kind}: {text}");
        // Of a father that is swallowed it is the end, or his children's parent.
        let facts = if kind == "reparenting" { vec![fact, "existence", "zombie"] } else { vec![fact] };
        let is_told = |line: &str| facts.iter().any(|fact| line.contains(&format!(", {fact}, at")));
        assert!(text.lines().any(|line| line.starts_with("divergence ") && is_told(line)), "{kind}: {text}");
    }
}

/// The probes are attached and everybody is looked at while processes fork, move and end: there is no hole between the two.
#[test]
fn what_happens_while_the_probes_are_attached_is_right() {
    if !probes_are_allowed() {
        return;
    }
    let load = Load::start();
    let said = [(); 3]
        .map(|()| verify(&["--all", "--every", "1ms", "--for", "300ms", "--ring-bytes", "67108864"]).output().unwrap());
    load.end();
    for output in said {
        let (text, _) = outcome(&output);
        assert_eq!(number(&text, "divergences"), 0, "{text}");
        assert!(number(&text, "checks") > 1 && number(&text, "compared") > 20, "{text}");
    }
}

#[test]
fn another_foreground_group_that_is_swallowed_is_reported() {
    if probes_are_allowed() {
        swallow_foreground("ebpf");
    }
}

#[test]
fn another_foreground_group_that_is_swallowed_is_reported_under_ptrace() {
    if ptrace_is_allowed() {
        swallow_foreground("ptrace");
    }
}

fn swallow_foreground(backend: &str) {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let command = ["setsid", "-cw", "bash", "--norc", "-ic", "sleep 1; :"];
    let script = [&["-b", backend, "--mutate", "terminal", "--"][..], &command].concat();
    let output = verify(&script).stdin(slave).output().unwrap();
    drop(master);
    let (text, code) = outcome(&output);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(", foreground group, at"), "{text}");
}

#[test]
fn what_the_model_is_told_at_the_begin_is_compared_with_another_look() {
    if probes_are_allowed() {
        alter_snapshot("ebpf");
    }
}

#[test]
fn what_the_model_is_told_at_the_begin_is_compared_with_another_look_under_ptrace() {
    if ptrace_is_allowed() {
        alter_snapshot("ptrace");
    }
}

/// A job in a group of its own that does nothing: only what sets the state at the begin tells of it, and that is altered.
fn alter_snapshot(backend: &str) {
    let script = "set -m; sleep 99 & echo there; read; kill %%";
    let mut shell = Command::new("setsid");
    let mut shell =
        shell.args(["-w", "bash", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // A group leader has forked it.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.id())).unwrap();
    let root = children.split_whitespace().next().map_or_else(|| shell.id().to_string(), str::to_owned);
    let output = verify(&["-b", backend, "--mutate", "snapshot", "--for", "1s", "-p", &root]).output().unwrap();
    drop(shell.stdin.take());
    shell.wait().unwrap();
    let (text, code) = outcome(&output);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(", process group, at"), "{text}");
}

fn ptrace_is_allowed() -> bool {
    let tried = verify(&["-b", "ptrace", "--", "true"]).output().unwrap();
    if tried.status.code().is_some_and(|code| code != 125) {
        return true;
    }
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    let says = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(!required.split(',').any(|word| word == "ptrace"), "SESSTRACE_REQUIRE=ptrace: {says}");
    eprintln!("SKIPPED: a comparison under ptrace: {says}");
    false
}

#[test]
fn nothing_differs_from_proc_under_ptrace() {
    if !ptrace_is_allowed() {
        return;
    }
    // A stopped job, so that a tracer holds what is stopped; then nothing happens for long enough to look at every process of a
    // busy machine meanwhile: a quiet point, at which alone groups are compared. A session of its own: where these tests run there
    // may be none (the children of an init that never called setsid are in session 0, the kernel's, which is not compared).
    let script = format!("{STORM} sleep 99 & kill -STOP %%; sleep 3; kill -CONT %%; sleep 1; kill %%; wait; :");
    let command = ["setsid", "-w", "bash", "-c", &script];
    let arguments = [&["-b", "ptrace", "--every", "1ms", "--"], &command[..]].concat();
    let (text, code) = outcome(&verify(&arguments).output().unwrap());
    assert_eq!(number(&text, "divergences"), 0, "{text}");
    assert!(number(&text, "checks") > 5 && number(&text, "compared") > 20, "{text}");
    let groups = text.lines().find_map(|line| line.strip_prefix("of these")).unwrap_or_default();
    assert!(!groups.contains(" 0 groups") && !groups.contains(" 0 sessions"), "{text}");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn every_change_that_is_swallowed_is_reported_under_ptrace() {
    if ptrace_is_allowed() {
        swallow("ptrace");
    }
}

/// A shell at a terminal, below `verify`.
struct Shell {
    master: File,
    seen: String,
    verify: Child,
}

impl Shell {
    fn start() -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let words = ["--", "setsid", "-cw", "bash", "--norc", "--noprofile", "-i"];
        let mut command = verify(&words);
        command.env("PS1", "ready> ").env("TERM", "dumb");
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        Self { master: File::from(master), seen: String::new(), verify: command.spawn().unwrap() }
    }

    fn say(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until this was shown, and forgets what came before.
    fn expect(&mut self, what: &str) {
        let begun = Instant::now();
        while !self.seen.contains(what) {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "{what:?} does not come; seen: {:?}", self.seen);
            let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
            let mut buffer = [0; 4096];
            let read = self.master.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        self.seen = self.seen.split_once(what).unwrap().1.to_owned();
    }

    /// Waits until the shell has given the terminal to a job, which is after it has said so.
    fn expect_job_in_foreground(&mut self, shell: Pid) {
        let begun = Instant::now();
        while tcgetpgrp(&self.master).unwrap() == shell {
            assert!(begun.elapsed() < DEADLINE, "no job comes to the foreground");
            std::thread::yield_now();
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // When the test failed. The shell itself goes with its terminal.
        let _ = self.verify.kill();
    }
}

#[test]
fn nothing_differs_while_a_shell_stops_resumes_and_ends_jobs() {
    if !probes_are_allowed() {
        return;
    }
    let mut shell = Shell::start();
    shell.expect("ready> ");
    let group = tcgetpgrp(&shell.master).unwrap();
    // The job says that it runs, in the foreground: the shell has given it the terminal by then.
    shell.say("sh -c 'echo run''ning; exec sleep 60'\n");
    shell.expect("running");
    shell.say("\x1a");
    shell.expect("Stopped");
    shell.expect("ready> ");
    shell.say("bg; echo be''hind\n");
    shell.expect("behind");
    shell.expect("ready> ");
    shell.say("fg\n");
    shell.expect("sleep 60'");
    shell.expect_job_in_foreground(group);
    shell.say("\x03");
    shell.expect("ready> ");
    shell.say("cat & (sleep 60 &); echo le''ft\n");
    shell.expect("left");
    shell.expect("ready> ");
    // The first one is refused: there is a stopped job.
    shell.say("exit\nexit\n");
    shell.expect("checks ");
    shell.expect("divergences   ");
    shell.expect("\n");
    let status = shell.verify.wait().unwrap();
    assert_eq!(status.code(), Some(0));
}
