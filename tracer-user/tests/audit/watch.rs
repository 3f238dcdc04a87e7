//! Watching the machine: real processes on real terminals and pipes, in the order in which it happens.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::{
        fd::AsRawFd as _,
        unix::fs::{PermissionsExt as _, symlink},
    },
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use crate::{
    actor::{Actor, name_of_this_test, terminal},
    place::Place,
    watcher::Watcher,
};

#[test]
fn a_daemon_is_told_when_it_settles_and_when_it_gets_a_terminal_back() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    let (_master, name) = terminal();
    let mut daemon = Actor::daemon();
    let settled = watcher.row_of(daemon.pid);
    assert_eq!((settled.text("verdict"), settled.text("occasion")), ("detached", "settled"));
    assert!(settled.rules().contains(&"JC502") && !settled.rules().contains(&"JC503"), "{settled:?}");
    daemon.does(&format!("open {name}"));
    let again = watcher.row_of(daemon.pid);
    assert_eq!((again.text("verdict"), again.text("occasion")), ("attached", "its terminal changed"));
    assert!(again.rules().contains(&"JC503"), "{again:?}");
    let (status, last) = watcher.end();
    assert_eq!(status.code(), Some(1), "{last}");
}

#[test]
fn a_terminal_that_is_opened_again_without_control_is_judged_when_it_is_opened() {
    let place = Place::new();
    // Nobody is looked at just because its time has come.
    let Some(mut watcher) = Watcher::start(&place, &[], &["--again", "86400s", "--repeat"]) else { return };
    let (_master, name) = terminal();
    for (how, found) in [("open-noctty", "is a terminal"), ("input", "fd 0 is a terminal")] {
        let mut daemon = Actor::daemon();
        assert_eq!(watcher.row_of(daemon.pid).text("verdict"), "detached");
        daemon.does(&format!("{how} {name}"));
        let again = watcher.row_of(daemon.pid);
        assert_eq!((again.text("verdict"), again.text("occasion")), ("partial", "opened a terminal"));
        assert!(again.text("reason").ends_with(found), "{again:?}");
        assert!(!again.rules().contains(&"JC503"), "{again:?}");
    }
}

#[test]
fn what_starts_under_a_supervisor_is_looked_at() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    // What the kernel calls a process is the name of the file that it executes.
    let (shell, service) = (place.path("runsv"), place.path(&name_of_this_test()));
    for (link, program) in [(&shell, "sh"), (&service, "sleep")] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        symlink(String::from_utf8(found.stdout).unwrap().trim(), link).unwrap();
    }
    let script = format!("'{}' 600 & echo $!; read line; kill $!; wait", service.display());
    let mut runsv = Command::new(&shell);
    runsv.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut runsv = runsv.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(runsv.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let supervised = watcher.row_of(line.trim().parse().unwrap());
    assert_eq!((supervised.text("policy"), supervised.text("occasion")), ("supervised", "settled"));
    drop(runsv.stdin.take());
    assert!(runsv.wait().is_ok());
}

/// A launcher that starts a process with a pipe and waits for a line before it ends. The name of the file is that of the process.
const LAUNCHER: &str = r#"
import subprocess, sys
child = subprocess.Popen(["sleep", "600"], executable=sys.argv[1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
print(child.pid, flush=True)
sys.stdin.readline()
"#;

struct Launcher {
    child: Child,
    stdin: ChildStdin,
    launched: u32,
}

impl Launcher {
    fn start(place: &Place) -> Self {
        let program = place.path(&name_of_this_test());
        let found = Command::new("sh").args(["-c", "command -v sleep"]).output().unwrap();
        symlink(String::from_utf8(found.stdout).unwrap().trim(), &program).unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", LAUNCHER]).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/").spawn().unwrap();
        let (stdin, stdout): (ChildStdin, ChildStdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        Self { child, stdin, launched: line.trim().parse().unwrap() }
    }

    fn end(self) {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

fn kill(pid: u32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn a_pipe_of_a_launcher_that_has_ended_is_told_when_it_ends() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    let launcher = Launcher::start(&place);
    let launched = launcher.launched;
    let served = watcher.row_of(launched);
    assert_eq!(served.text("verdict"), "detached", "while its launcher lives, the pipe is for that: {served:?}");
    launcher.end();
    let left = watcher.row_of(launched);
    assert_eq!((left.text("verdict"), left.text("occasion")), ("partial", "its launcher has ended"));
    assert!(left.rules().contains(&"JC504"), "{left:?}");
    kill(launched);
}

/// Whose launchers have ended, and which has one end of a pipe that nobody saw being made: who has it is looked for then.
#[test]
fn a_pipe_of_a_stranger_makes_it_unknown_and_says_whose_it_is() {
    let place = Place::new();
    // Its fork is not seen, so that nobody who lives is its launcher.
    let mut actor = Actor::daemon();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    // Nobody has it when everybody is looked at first.
    let (reader, writer) = std::io::pipe().unwrap();
    actor.does(&format!("open-to-write /proc/{}/fd/{}", std::process::id(), writer.as_raw_fd()));
    drop(writer);
    actor.does("fork");
    let row = watcher.row_of(actor.pid);
    let reason = format!("is a pipe of {}, too, and who made it was not seen", std::process::id());
    assert_eq!((row.text("verdict"), row.text("occasion")), ("unknown", "settled"), "{row:?}");
    assert!(row.text("reason").ends_with(&reason), "{row:?}");
    drop(reader);
}

#[test]
fn what_the_baseline_has_is_not_told_again() {
    let place = Place::new();
    let baseline = place.path("baseline").to_string_lossy().into_owned();
    let name = name_of_this_test();
    let entries = || fs::read_to_string(&baseline).unwrap().lines().filter(|line| line.contains(&name)).count();
    let Some(mut watcher) = Watcher::start(&place, &[], &["--baseline", &baseline]) else { return };
    let first = Actor::daemon();
    assert_eq!(watcher.row_of(first.pid).text("verdict"), "detached");
    // Its like comes, settles before the other kind does, and is no news.
    let second = Actor::daemon();
    let (_master, name) = terminal();
    let mut other = Actor::daemon();
    other.does(&format!("open {name}"));
    assert_eq!(watcher.row_of(other.pid).text("verdict"), "attached");
    assert!(!watcher.has_told(second.pid), "{:?}", watcher.said);
    watcher.end();
    assert_eq!(entries(), 2);
    assert_eq!(fs::metadata(&baseline).unwrap().permissions().mode() & 0o7777, 0o600);
    // Neither is news for who begins with the baseline, though how they were launched is not seen this time.
    let Some(mut again) = Watcher::start(&place, &[], &["--baseline", &baseline]) else { return };
    let launcher = Launcher::start(&place);
    again.row_of(launcher.launched);
    for known in [first.pid, second.pid, other.pid] {
        assert!(!again.has_told(known), "{:?}", again.said);
    }
    kill(launcher.launched);
    launcher.end();
}

#[test]
fn what_is_deleted_from_the_baseline_is_news_again_while_it_is_watched() {
    let place = Place::new();
    let baseline = place.path("baseline").to_string_lossy().into_owned();
    let watched = Watcher::start(&place, &[], &["--baseline", &baseline, "--again", "1s"]);
    let Some(mut watcher) = watched else { return };
    let daemon = Actor::daemon();
    let name = fs::read_to_string(format!("/proc/{}/comm", daemon.pid)).unwrap();
    watcher.row_of(daemon.pid);
    let text = || fs::read_to_string(&baseline).unwrap();
    let begun = Instant::now();
    while !text().contains(name.trim_end()) {
        assert!(begun.elapsed().as_secs() < 60, "it is not kept");
        std::thread::yield_now();
    }
    let kept = text();
    let others = kept.lines().filter(|line| !line.contains(name.trim_end())).map(|line| format!("{line}\n"));
    fs::write(place.path("edited"), others.collect::<String>()).unwrap();
    fs::rename(place.path("edited"), &baseline).unwrap();
    assert_eq!(watcher.row_of(daemon.pid).text("occasion"), "looked at again");
}

#[test]
fn steps_that_were_too_many_are_counted_and_said_at_the_verdict() {
    const STEPS: u64 = 20_000;
    /// Twice what may be recorded in a second, for two processors may both believe that there is room.
    const RECORDED: f64 = 4000.0;
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    let mut daemon = Actor::daemon();
    // A machine that lets it wait for so long that all of them may be recorded is asked again.
    let at_least = loop {
        let begun = Instant::now();
        daemon.does(&format!("chdir {STEPS}"));
        let recorded = (RECORDED * (begun.elapsed().as_secs_f64() + 0.1)) as u64;
        if recorded < STEPS {
            break STEPS - recorded;
        }
    };
    daemon.does("fork");
    let row = watcher.row_of(daemon.pid);
    let left_out = row.0["steps_left_out"].as_u64().unwrap();
    assert!(left_out >= at_least, "{left_out} of {STEPS}, of which {at_least} at least cannot have been recorded");
    let (_, last) = watcher.end();
    assert!(last["steps_left_out"].as_u64().is_some_and(|all| all >= left_out), "{last}");
}

#[test]
fn whoever_settles_at_the_end_is_judged_still() {
    let place = Place::new();
    let Some(watcher) = Watcher::start(&place, &[], &[]) else { return };
    let daemon = Actor::daemon();
    let (_, last, said) = watcher.end_with_all();
    let told = said.iter().any(|line| line.get("pid").is_some_and(|pid| *pid == daemon.pid));
    assert!(told, "{last}");
    assert_eq!(last.get("unjudged").and_then(serde_json::Value::as_u64), Some(0), "{last}");
}

#[test]
fn who_is_left_unjudged_is_counted_and_is_no_clean_end() {
    let place = Place::new();
    // Whatever else runs here, no rule finds anything.
    fs::write(place.path("policy"), "name=* multiplexer JC404\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let Some(watcher) = Watcher::start(&place, &[], &["--policy", &policy]) else { return };
    // At any time somebody has begun a session just now.
    let mut busy = Command::new("sh");
    busy.args(["-c", "while :; do setsid sleep 3 & echo; sleep 0.1; done"]).stdin(Stdio::null());
    let mut busy = busy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(busy.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    // Asked twice, it does not wait.
    let (status, last, _) = watcher.end_at_once();
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert!(last.get("unjudged").and_then(serde_json::Value::as_u64).is_some_and(|many| many > 0), "{last}");
    assert_eq!(status.code(), Some(3), "{last}");
}

#[test]
fn a_file_that_is_no_baseline_is_refused_and_left_alone() {
    let place = Place::new();
    fs::write(place.path("precious"), "mine\n").unwrap();
    let precious = place.path("precious").to_string_lossy().into_owned();
    let output = place.audit(&[], &["--watch", "--for", "1s", "--baseline", &precious]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !text.contains("precious:1: this is no baseline of sesstrace") {
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ebpf"), "{text}");
        return eprintln!("SKIPPED: no eBPF here: {text}");
    }
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine\n");
}

#[test]
fn what_it_needs_no_more_is_given_up() {
    let place = Place::new();
    let Some(watcher) = Watcher::start(&place, &[], &[]) else { return };
    // Capabilities are a thread's own.
    let threads = fs::read_dir(format!("/proc/{}/task", watcher.pid())).unwrap();
    let statuses: Vec<String> =
        threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap()).collect();
    assert!(!statuses.is_empty());
    for status in statuses {
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        // CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: bits 19 and 2.
        for set in ["CapEff:", "CapPrm:"] {
            assert_eq!(u64::from_str_radix(&line(set), 16).unwrap() & !(1 << 19 | 1 << 2), 0, "{set}: {status}");
        }
        assert_eq!((u64::from_str_radix(&line("CapInh:"), 16).unwrap(), line("NoNewPrivs:").as_str()), (0, "1"));
    }
}

#[test]
fn the_end_of_what_was_seen_decides_the_exit_code() {
    let place = Place::new();
    // Whatever else runs here, the rule that is left finds nothing: it is of a command, and none is followed.
    fs::write(place.path("policy"), "name=* multiplexer JC404\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let Some(mut watcher) = Watcher::start(&place, &[], &["--policy", &policy]) else { return };
    let daemon = Actor::daemon();
    assert!(watcher.row_of(daemon.pid).rules().is_empty());
    let (status, last) = watcher.end();
    let whole = last.get("unknown").is_some_and(|it| *it == false) && last.get("lost").is_some_and(|it| *it == 0);
    assert_eq!(status.code(), Some(if whole { 0 } else { 3 }), "{last}");
    // With a buffer for a few records, a burst of them is lost: seen or not, that is not the whole.
    let small = ["--policy", &policy, "--ring-bytes", "4096"];
    let Some(watcher) = Watcher::start(&place, &[], &small) else { return };
    let burst =
        Command::new("sh").args(["-c", "i=0; while [ $i -lt 2000 ]; do (:); i=$((i+1)); done"]).status().unwrap();
    assert!(burst.success());
    let (status, last, said) = watcher.end_with_all();
    let gap = said.iter().position(|line| line.get("kind").is_some_and(|kind| kind == "gap"));
    assert!(gap.is_some_and(|gap| gap + 1 < said.len()), "a loss is told when it happens: {said:?}");
    assert!(last.get("lost").and_then(serde_json::Value::as_u64).is_some_and(|lost| lost > 0), "{last}");
    assert_eq!(status.code(), Some(3), "{last}");
}
