//! What becomes of a recording when it cannot be written on, and what of the traced programs gets into it. Captures with
//! ptrace, which needs no privilege; a file system of its own needs root, and without it that test says so.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, helpers and all")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tracer_user::trace_file::Reader;

/// More events than a small disk can take, and a sign that the command came to its end.
const WORK: &str = "i=0; while [ $i -lt 400 ]; do /bin/true $i; i=$((i+1)); done; echo done > done; exit 7";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command of a shell, in which `"$0"` is sesstrace and `"$@"` are the arguments.
    fn shell(&self, script: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sesstrace")]).args(arguments);
        command.current_dir(self.0.path()).stdin(Stdio::null()).env("XDG_STATE_HOME", self.path("state"));
        command.output().unwrap()
    }

    fn sesstrace(&self, arguments: &[&str]) -> Output {
        self.shell("exec \"$0\" \"$@\"", arguments)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The command went on to its end; what was written until then is a recording, whose missing end is told.
fn ended_early(place: &Place, output: &Output, why: &str, recording: &Path) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(place.path("done").exists(), "{said}");
    assert!(said.contains("ends early: ") && said.contains(why) && said.contains("fix"), "{said}");
    let mut reader = Reader::open(recording).unwrap();
    assert!(reader.by_ref().count() > 10);
    assert!(!reader.summary().complete && !reader.warnings().lines().is_empty());
}

#[test]
fn a_full_disk_leaves_a_recording() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: a small file system needs root");
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path("disk")).unwrap();
    fs::create_dir(place.path("kept")).unwrap();
    let script = "unshare --mount sh -c 'mount -t tmpfs -o size=16k none disk && { \"$0\" \"$@\"; s=$?; \
                  cp -p disk/* kept; exit $s; }' \"$0\" \"$@\"";
    let output = place.shell(script, &["record", "-b", "ptrace", "-o", "disk/r.sesstrace", "--", "sh", "-c", WORK]);
    ended_early(&place, &output, "ENOSPC", &place.path("kept/r.sesstrace"));
}

#[test]
fn a_limit_on_the_size_of_files_leaves_a_recording() {
    let place = Place::new();
    // The command lines of those above this test are recorded too, however long: what a recording begins with is measured first.
    let script = "ulimit -f $(($(stat -c %s begin) / 512 + 16)); exec \"$0\" \"$@\"";
    for file in ["r.sesstrace", "r.jsonl"] {
        let begin = place.sesstrace(&["record", "-b", "ptrace", "-o", file, "--", "true"]);
        assert!(begin.status.success(), "{}", text(&begin.stderr));
        fs::rename(place.path(file), place.path("begin")).unwrap();
        let output = place.shell(script, &["record", "-b", "ptrace", "-o", file, "--", "sh", "-c", WORK]);
        ended_early(&place, &output, "EFBIG", &place.path(file));
        fs::remove_file(place.path("done")).unwrap();
    }
}

#[test]
fn what_is_redacted_is_neither_written_nor_shown() {
    let place = Place::new();
    let command = ["--", "/bin/echo", "--password=hush", "kept"];
    let captured = |verb: &[&str]| {
        let arguments = [verb, &["-b", "ptrace", "--redact", "--password=*"], &command].concat();
        let output = place.sesstrace(&arguments);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "--password=hush kept\n", "the command has its argument");
        assert!(!said.contains("hush"), "{said}");
        said
    };
    let is_clean = |text: &str| text.contains("[removed]") && text.contains("kept") && !text.contains("hush");
    for verb in [&["record", "-o", "r.jsonl"][..], &["run", "-w", "r.jsonl", "-o", "out"]] {
        captured(verb);
        assert!(is_clean(&fs::read_to_string(place.path("r.jsonl")).unwrap()));
    }
    assert!(is_clean(&captured(&["live", "--json"])));
    assert!(!fs::read_to_string(place.path("out")).unwrap().contains("hush"));
}

#[test]
fn what_is_written_to_is_opened_before_anything_is_attached_or_started() {
    let place = Place::new();
    // Neither backend can be had by this user; that is said only of what could be recorded.
    let nobody = "setpriv --bounding-set=-all --inh-caps=-all sh -c 'exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let refused = |arguments: &[&str]| {
        let output =
            if nix::unistd::geteuid().is_root() { place.shell(nobody, arguments) } else { place.sesstrace(arguments) };
        assert!(!output.status.success() && !place.path("started").exists());
        text(&output.stderr)
    };
    for (verb, file) in [("record", "-o"), ("run", "-w"), ("run", "-o")] {
        let said = refused(&[verb, "-b", "ebpf", file, "nowhere/r.jsonl", "--", "touch", "started"]);
        assert!(said.contains("nowhere/r.jsonl: ENOENT") && !said.contains("probes"), "{verb} {file}: {said}");
    }
}

#[test]
fn whoever_may_share_a_recording_is_told_what_is_in_it() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/bash-pipeline/recording.jsonl");
    let place = Place::new();
    fs::copy(golden, place.path("r.jsonl")).unwrap();
    let on_terminal = |words: &str| {
        let script = format!("exec script -qec '\"$0\" {words}' /dev/null");
        let script = script.replace("\"$0\"", env!("CARGO_BIN_EXE_sesstrace"));
        text(&place.shell(&script, &[]).stdout)
    };
    let warning = "before others get it: sesstrace scrub";
    for words in ["report r.jsonl", "convert r.jsonl new.sesstrace", "cut --from 0s r.jsonl part.jsonl"] {
        assert!(on_terminal(words).contains(warning), "{words}: {}", on_terminal(words));
    }
    on_terminal("scrub r.jsonl clean.jsonl");
    assert!(!on_terminal("report clean.jsonl").contains(warning));
    assert!(!text(&place.sesstrace(&["report", "r.jsonl"]).stderr).contains(warning), "nobody reads it there");
}
