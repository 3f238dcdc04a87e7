//! The verbs that read recordings, as a user calls them: good, torn, foreign and newer ones, and a reader that goes away.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tracer_model::{
    dsl,
    ids::{BootNs, Pid},
};
use tracer_user::trace_file::{Header, Scope, Unwritten};

const HISTORY: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot 70 cron
    snapshot-end
    @3000000 10: fork 11
    @3100000 10: setpgid(11,11) = 0
    @3200000 10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
    @4000000 11: exec x:636174ff /etc/motd
    @5000000 11: exit 0
    11: dead
    @6000000 10: wait4(-1,2) = 11 got 11 exited:0
    @6100000 10: ioctl(255,TIOCSPGRP,0,10) = 0 {fg=10}
    @7000000 10: exit 0
    10: dead
    @8000000 1: wait4(-1,0) = 10 got 10 exited:0
";

struct Recording {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Recording {
    fn new() -> Self {
        Self::of(HISTORY)
    }

    fn of(history: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rec.jsonl");
        let header = Header {
            tool: "0.1.0".to_owned(),
            host: b"build7".to_vec(),
            kernel: "6.18.44".to_owned(),
            boot_id: "6a1d0c3e".to_owned(),
            backend: "ebpf".to_owned(),
            tier: "tracepoint".to_owned(),
            tier_reason: String::new(),
            pid_namespace: 4_026_531_836,
            boot_ns: BootNs(0),
            // 2026-11-24T08:00:00Z
            unix_ns: 1_795_507_200_000_000_000,
            command: vec![b"bash".to_vec()],
            scope: Scope::Tree { root: Pid(10), name: b"bash".to_vec() },
            user: None,
        };
        let mut writer = Unwritten::open(&path).expect("a file").begin(&header).expect("a recording");
        for event in dsl::parse(history).expect("a history") {
            writer.write(&event).expect("an event");
        }
        writer.finish(true).expect("an end");
        Self { dir, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("the recording")
    }

    /// Another file beside it.
    fn other(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join("other.jsonl");
        fs::write(&path, bytes).expect("a file");
        path
    }
}

fn sesstrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "LC_ALL", "LANG", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

fn run(verb: &str, path: &Path, args: &[&str]) -> (String, String, Option<i32>) {
    let output = sesstrace().arg(verb).arg(path).args(args).stdin(Stdio::null()).output().expect("sesstrace");
    said(&output)
}

fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn a_whole_recording_is_replayed_in_silence() {
    let recording = Recording::new();
    let (out, err, code) = run("replay", &recording.path, &[]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(out.contains("setpgid: makes 11 the leader of new group 11"), "{out}");
    assert!(out.contains(r"exec 'cat\xff' /etc/motd"), "{out}");
    assert!(
        out.ends_with("left behind  nothing\nraces        none\nfindings     none\n20 events, none lost\n"),
        "{out}"
    );
    assert!(!out.contains('\x1b'), "colour in a file: {out}");
    let (colored, _, _) = run("replay", &recording.path, &["--color", "always"]);
    assert!(colored.contains("\x1b[3"), "{colored}");
}

#[test]
fn json_is_the_recording() {
    let recording = Recording::new();
    let (out, err, code) = run("replay", &recording.path, &["--json"]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert_eq!(out, recording.text());
}

#[test]
fn standard_input_is_a_recording_too() {
    let recording = Recording::new();
    let from_file = run("replay", &recording.path, &[]);
    let mut child = sesstrace()
        .args(["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sesstrace");
    child.stdin.take().expect("a pipe").write_all(recording.text().as_bytes()).expect("it reads");
    assert_eq!(said(&child.wait_with_output().expect("an end")), from_file);
}

#[test]
fn a_torn_recording_is_shown_as_far_as_it_goes() {
    let recording = Recording::new();
    let text = recording.text();
    let torn = recording.other(&text[..text.len() - 200]);
    let (out, err, code) = run("replay", &torn, &[]);
    assert_eq!(code, Some(3), "{err}");
    assert!(out.contains("reaps 11: group 11 ends"), "{out}");
    assert!(out.ends_with("19 events, none lost, incomplete: the capture was cut off\n"), "{out}");
    assert_eq!(
        err,
        "sesstrace: line 21, the last, is torn: the recording is incomplete, and shown as far as it goes\n"
    );
}

#[test]
fn a_damaged_line_is_a_loss() {
    let recording = Recording::new();
    let mut lines: Vec<String> = recording.text().lines().map(str::to_owned).collect();
    lines[9] = "\u{1b}[2Jgarbage".to_owned();
    let damaged = recording.other(lines.join("\n") + "\n");
    let (out, err, code) = run("replay", &damaged, &[]);
    assert_eq!(code, Some(3), "{err}");
    assert!(out.contains("1 record is lost") && out.contains("damaged data"), "{out}");
    assert_eq!(err, "sesstrace: line 10 is damaged: expected value at column 1; skipped, and counted as lost\n");
}

#[test]
fn what_is_no_recording_of_this_format_is_refused_with_a_way_out() {
    let recording = Recording::new();
    for verb in ["replay", "ps", "tree"] {
        let foreign = recording.other("{\"name\":\"package\"}\n");
        let (out, err, code) = run(verb, &foreign, &[]);
        assert_eq!((out.as_str(), code), ("", Some(2)), "{err}");
        assert!(err.contains("other.jsonl is not a recording of sesstrace: line 1 is not its header"), "{err}");
        assert!(err.contains("\n  fix    sesstrace record -o FILE -- COMMAND"), "{err}");

        let newer = recording.other(recording.text().replace("\"sesstrace\":\"1.3\"", "\"sesstrace\":\"2.0\""));
        let (_, err, code) = run(verb, &newer, &[]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("has recording format 2.0, and this sesstrace"), "{err}");
        assert!(err.contains("\n  fix    replay it with sesstrace 0.1.0, which recorded it"), "{err}");

        let (_, err, code) = run(verb, &recording.other(""), &[]);
        assert!(code == Some(2) && err.contains("is empty"), "{err}");
        let (_, err, code) = run(verb, recording.dir.path(), &[]);
        assert!(code == Some(2) && err.contains("it is a directory"), "{err}");
        let (_, err, code) = run(verb, &recording.dir.path().join("none"), &[]);
        assert!(code == Some(2) && err.contains("none: ENOENT: No such file or directory"), "{err}");
    }
}

#[test]
fn a_newer_minor_version_is_read_with_a_warning() {
    let recording = Recording::new();
    let newer = recording.text().replace("\"sesstrace\":\"1.3\"", "\"sesstrace\":\"1.9\"");
    let (out, err, code) = run("replay", &recording.other(newer), &[]);
    assert_eq!(code, Some(3));
    assert!(out.contains("20 events, none lost"), "{out}");
    assert!(err.contains("has format 1.9, newer than the 1.3 of this sesstrace"), "{err}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let recording = Recording::new();
    for args in [&["replay"][..], &["replay", "--json"], &["ps", "-e"], &["tree", "-e"]] {
        let mut child = sesstrace()
            .args(args)
            .arg(&recording.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sesstrace");
        drop(child.stdout.take());
        let (_, err, code) = said(&child.wait_with_output().expect("an end"));
        assert_eq!((err.as_str(), code), ("", Some(0)), "{args:?}");
    }
}

#[test]
fn ps_shows_the_processes_of_an_instant() {
    let recording = Recording::new();
    let columns = "pid,ppid,pgid,tpgid,sess,args";
    let at = |time: &str| run("ps", &recording.path, &["--at", time, "-o", columns]).0;
    let before = "  PID  PPID  PGID TPGID  SESS COMMAND\n   10     0    10    10    10 bash\n";
    let during = "  PID  PPID  PGID TPGID  SESS COMMAND\n   10     0    10    11    10 bash\n   11    10    11    11    10   cat\\xff /etc/motd\n";
    assert_eq!(at("0"), before);
    assert_eq!(at("2.999"), before);
    for instant in ["4.000", "4.5ms", "0.0045s", "2026-11-24T08:00:00.0045Z", "#10"] {
        assert_eq!(at(instant), during, "{instant}");
    }
    assert!(at("5.002").contains("   11    10    11    11    10   [cat\\xff] <defunct>\n"), "{}", at("5.002"));
    // The followed processes are gone at the end; their session with them.
    assert_eq!(at("1s"), "  PID  PPID  PGID TPGID  SESS COMMAND\n");
    let every = run("ps", &recording.path, &["--at", "4.5", "-e", "-o", "pid,comm"]).0;
    assert_eq!(every, "  PID COMMAND\n    1 init\n   10 bash\n   11   cat\\xff\n   70 cron\n");
}

#[test]
fn the_end_of_a_recording_is_told() {
    let recording = Recording::new();
    let (_, err, code) = run("ps", &recording.path, &["--at", "1s"]);
    assert_eq!(code, Some(0));
    assert_eq!(err, "sesstrace: the recording ends before that instant: this is its end\n");
    let (_, err, _) = run("ps", &recording.path, &["--at", "#20"]);
    assert_eq!(err, "");
}

#[test]
fn an_instant_that_is_none_is_pointed_at() {
    let recording = Recording::new();
    let (_, err, code) = run("tree", &recording.path, &["--at", "12.5x"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("    12.5x\n        ^\n"), "{err}");
}

#[test]
fn tree_marks_terminal_and_foreground() {
    let recording = Recording::new();
    let (out, err, code) = run("tree", &recording.path, &["--at", "4.5"]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    let expected = "\
session 10, controlling terminal pts/3, foreground group 11
├─ group 10, background, orphaned
│  └─ 10 bash
└─ group 11, foreground
   └─ 11 cat\\xff /etc/motd
";
    assert_eq!(out, expected);
}

#[test]
fn without_a_recording_the_machine_is_shown() {
    let here = std::process::id().to_string();
    let output =
        sesstrace().args(["ps", "-e", "-o", "pid,ppid,comm"]).stdin(Stdio::null()).output().expect("sesstrace");
    let (out, _, code) = said(&output);
    assert_eq!(code, Some(0));
    let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let children: Vec<_> = rows.filter(|row| row.get(1) == Some(&here.as_str())).collect();
    assert!(children.iter().any(|row| row.last() == Some(&"sesstrace")), "{out}");
    let (_, err, code) = said(&sesstrace().args(["ps", "--at", "3"]).output().expect("sesstrace"));
    assert!(code == Some(2) && err.contains("<REC>"), "{err}");
}

const PIPELINE_RACE: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot-end
    @3000000 10: fork 11
    @3100000 11: setpgid(0,0) = 0
    @4000000 11: exec echo
    @5000000 11: exit 0
    11: dead
    @5100000 10: wait4(-1,2) = 11 got 11 exited:0
    @5140000 10: fork 12
    @5141000 10: setpgid(12,11) = -1
    @6000000 12: exit 1
    12: dead
    @6100000 10: wait4(-1,2) = 12 got 12 exited:1
";

#[test]
fn findings_are_reported_in_every_format_and_decide_the_exit_code() {
    let recording = Recording::of(PIPELINE_RACE);
    let (text, err, code) = run("report", &recording.path, &[]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(text.contains("error JC102 join-dead-group  10 bash: setpgid(12 bash → 11) failed: EPERM"), "{text}");
    assert!(text.contains("reaped by 10 bash at 5.101 ms, 40 µs before this call"), "{text}");
    assert!(text.contains("findings  1 error"), "{text}");
    for (severity, wanted) in [("error", 1), ("warning", 1)] {
        assert_eq!(run("report", &recording.path, &["--fail-on", severity]).2, Some(wanted));
    }
    let (json, _, _) = run("report", &recording.path, &["--format", "json"]);
    let (events, _, _) = run("replay", &recording.path, &["--json"]);
    assert_eq!(json.lines().count(), 1);
    assert!(events.lines().any(|line| line == json.trim_end()), "{events}");
    for (format, wanted) in [
        ("md", "### error JC102 join-dead-group"),
        ("sarif", "\"ruleId\": \"JC102\""),
        ("junit", "<failure type=\"error\" message=\"10 bash: setpgid(12 bash → 11) failed: EPERM\">"),
    ] {
        let (text, err, code) = run("report", &recording.path, &["--format", format]);
        assert_eq!((err.as_str(), code), ("", Some(0)));
        assert!(text.contains(wanted), "{format}: {text}");
    }
}

#[test]
fn what_json_prints_is_a_recording_whose_findings_are_the_same() {
    let recording = Recording::of(PIPELINE_RACE);
    let (json, _, _) = run("replay", &recording.path, &["--json"]);
    let again = recording.other(&json);
    assert_eq!(run("replay", &again, &["--json"]), (json, String::new(), Some(0)));
}

#[test]
fn without_findings_nothing_fails() {
    let recording = Recording::new();
    assert_eq!(run("report", &recording.path, &["--fail-on", "warning"]).2, Some(0));
}

#[test]
fn rules_explain_themselves() {
    let explain = |args: &[&str]| said(&sesstrace().arg("explain").args(args).output().expect("sesstrace"));
    let (page, _, code) = explain(&["jc102"]);
    assert_eq!(code, Some(0));
    assert!(page.starts_with("JC102 join-dead-group (error at most)\n\nA process could not join"), "{page}");
    assert_eq!(explain(&["join-dead-group"]).0, page);
    assert!(explain(&[]).0.lines().any(|line| line.starts_with("JC201  background-read-stop")));
    let (_, err, code) = explain(&["JC999"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no rule JC999\n  fix    sesstrace explain"), "{err}");
}

#[test]
fn one_process_is_explained_at_an_instant_and_at_its_end() {
    let recording = Recording::of(PIPELINE_RACE);
    let ask = |verb: &str, pid: &str, args: &[&str]| {
        let output = sesstrace().args([verb, pid]).arg(&recording.path).args(args).output().expect("sesstrace");
        said(&output)
    };
    let (zombie, err, code) = ask("why", "11", &["--at", "5.05"]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(zombie.starts_with("11 echo is a zombie, for 50 µs: it exited with 0\n"), "{zombie}");
    assert!(zombie.contains("  because    its parent 10 bash has not waited for it\n"), "{zombie}");
    let (ended, _, _) = ask("why", "11", &[]);
    assert!(
        ended.starts_with("11 echo exited with 0 at 5.000 ms\n  by         nobody: it ended by itself\n"),
        "{ended}"
    );
    assert_eq!(ask("who-killed", "11", &[]).0, ended);
    assert!(ask("who-killed", "10", &[]).0.starts_with("10 bash has not died"));
    let (_, err, code) = ask("why", "4711", &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no process 4711 is in"), "{err}");
    let (_, err, code) = ask("why", "12", &["--at", "#4"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no process 12 had been seen by then"), "{err}");
}

#[test]
fn a_signal_is_asked_for_by_whom_it_was_sent_to() {
    let recording = Recording::of(
        "
        snapshot 1 init {+init_parent pp=0}
        snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
        snapshot 50 timeout {pg=50 sid=50 +leader}
        snapshot-end
        @3000000 10: fork 11
        11: setpgid(0,0) = 0
        11: exec node
        11: fork 12
        12: setsid() = 12
        12: exec watch
        @5000000 50: > kill(-11,SIGTERM)
        50: SIGTERM -> 11
        50: < kill(-11,SIGTERM) = 0
        11: exit SIGTERM
        ",
    );
    let path = recording.path.to_str().expect("UTF-8");
    let why = |args: &[&str]| said(&sesstrace().arg("why").args(args).output().expect("sesstrace"));
    let expected = "\
SIGTERM to group 11 at 5.001 ms reached 1 process
  by         sent by 50 timeout, to group 11
  reached    11 node died of it after 2 µs
  escaped    12 watch is in group 12 since 3.006 ms (12 node: setsid, leads new session and group 12), and lives on
  seen       5.001 ms  SIGTERM to 11 node: sent by 50 timeout, to group 11
             5.003 ms  11 node dies of SIGTERM
";
    assert_eq!(why(&["--signal", "TERM", "--to", "-11", path]), (expected.to_owned(), String::new(), Some(0)));
    assert_eq!(why(&["--signal", "15", "--to", "-11", path]).0, expected);
    assert!(why(&["--to", "12", path]).0.starts_with("SIGTERM at 5.001 ms did not reach 12 watch\n"));
    let (json, _, code) = why(&["--signal", "sigterm", "--to", "11", path, "--json"]);
    assert_eq!(code, Some(0));
    assert!(
        json.starts_with("{\"kind\":\"answer\",\"question\":\"signal\",\"pid\":11,\"state\":\"signal\","),
        "{json}"
    );
    let (_, err, code) = why(&["--signal", "INT", "--to", "11", path]);
    assert_eq!(code, Some(2));
    assert!(err.contains("nobody was seen to send SIGINT to process 11 in "), "{err}");
    for wrong in [
        &["--signal", "NOPE", "--to", "11"][..],
        &["--to", "0"],
        &["--to", "--"],
        &["--signal", "INT"],
        &["11", "--to", "12", path],
    ] {
        assert_eq!(why(wrong).2, Some(2), "{wrong:?}");
    }
}

#[test]
fn without_a_recording_the_process_is_looked_at() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' TERM; read line"]).stdin(Stdio::piped());
    // Whoever runs the tests may ignore signals, too.
    // SAFETY: the default action runs none of our code.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGPIPE, libc::SIGUSR1, libc::SIGUSR2] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
    let mut child = command.spawn().expect("sh");
    let pid = child.id().to_string();
    // Until it has come to its read.
    let answer = loop {
        let (answer, err, code) = said(&sesstrace().args(["why", &pid]).output().expect("sesstrace"));
        assert_eq!((err.as_str(), code), ("", Some(0)));
        if answer.contains(" is in read(0) on pipe:[") {
            break answer;
        }
    };
    assert!(answer.contains("ignores SIGTERM"), "{answer}");
    assert!(
        answer.contains(&format!("  not seen   what was before this look: sesstrace record -p {pid} ")),
        "{answer}"
    );
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), nix::sys::signal::SIGSTOP)
        .expect("kill");
    loop {
        let (answer, _, _) = said(&sesstrace().args(["why", &pid]).output().expect("sesstrace"));
        if answer.starts_with(&format!("{pid} sh is stopped by SIGSTOP\n")) {
            assert!(answer.contains("is in no wait for it; it has not been told of the stop\n"), "{answer}");
            break;
        }
    }
    child.kill().expect("kill");
    // Its parent, this test, has not waited for it.
    loop {
        let (answer, _, _) = said(&sesstrace().args(["why", &pid]).output().expect("sesstrace"));
        if answer.starts_with(&format!("{pid} sh is a zombie: it died of SIGKILL\n")) {
            break;
        }
    }
    child.wait().expect("wait");
    let (_, err, code) = said(&sesstrace().args(["why", &pid]).output().expect("sesstrace"));
    assert_eq!(code, Some(2));
    assert!(err.contains(&format!("there is no process {pid}")), "{err}");
}

#[test]
fn what_the_configuration_accepts_is_counted_and_told_in_every_format() {
    let recording = Recording::of(PIPELINE_RACE);
    let folder = recording.path.parent().expect("a folder");
    let config = folder.join("c.toml");
    let text = "[[suppress]]\nrule = \"JC102\"\nexecutable = \"bash\"\nreason = \"old <shell> & \\u001b[31m\"\n\n\
                [[suppress]]\nrule = \"JC403\"\nreason = \"none here\"\n\n\
                [[suppress]]\nrule = \"join-dead-group\"\nreason = \"over\"\nuntil = 2020-01-01\n";
    std::fs::write(&config, text).expect("a file");
    let path = config.to_str().expect("UTF-8");
    let report = |options: &[&str]| run("report", &recording.path, &[&["--config", path], options].concat());
    let (text, err, code) = report(&["--fail-on", "warning"]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(text.contains("findings  none\nsuppressed  1 finding by "), "{text}");
    for line in [
        "            line 1: JC102 join-dead-group of bash: 1 (old <shell> & \\x1b[31m)\n",
        "            line 6: JC403 leftover-after-root-exit: unused (none here)\n",
        "            line 10: JC102 join-dead-group: expired on 2020-01-01, suppresses nothing (over)\n",
    ] {
        assert!(text.contains(line), "{text}");
        let (md, junit) = (report(&["-f", "md"]).0, report(&["-f", "junit"]).0);
        assert!(md.contains(line.trim()), "{md}");
        let escaped = line.trim().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert!(junit.contains(&escaped) && junit.contains("failures=\"0\""), "{junit}");
    }
    let json = report(&["-f", "json"]).0;
    assert!(json.contains("\"suppressed\":\"old <shell> & \\u001b[31m\""), "{json}");
    let sarif: serde_json::Value = serde_json::from_str(&report(&["-f", "sarif"]).0).expect("JSON");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["suppressions"][0]["kind"], "external");
    assert_eq!(result["suppressions"][0]["justification"], "old <shell> & \\x1b[31m");
    let timeline = run("replay", &recording.path, &["--config", path]).0;
    assert!(timeline.contains("findings     none  1 suppressed\n") && !timeline.contains("error JC102"), "{timeline}");
    // Without it the finding is there; what is wrong with it is an error before anything is read.
    assert_eq!(run("report", &recording.path, &["--fail-on", "warning"]).2, Some(1));
    std::fs::write(&config, "[[suppress]]\nrule = \"JC999\"\nreason = \"x\"\n").expect("a file");
    let (_, err, code) = report(&[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("c.toml:2: there is no rule JC999\n    rule = \"JC999\"\n  fix    "), "{err}");
    let (_, err, code) = run("report", &recording.path, &["--config", "/nonexistent.toml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot read the configuration /nonexistent.toml: ENOENT"), "{err}");
}
