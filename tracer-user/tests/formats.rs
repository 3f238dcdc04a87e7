//! Recordings of both forms, as a user meets them: converted, cut, read at an instant, read by other programs.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tracer_user::trace_file::{FORMAT_MAJOR, FORMAT_MINOR};

fn sesstrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sesstrace"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .expect("sesstrace")
}

/// Standard output of what must succeed.
fn ok(arguments: &[&str]) -> String {
    let output = sesstrace(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(case).join("recording.jsonl")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A golden recording in both forms.
struct Both {
    folder: tempfile::TempDir,
    lines: PathBuf,
    compact: PathBuf,
}

impl Both {
    fn new(case: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (lines, compact) = (golden(case), folder.path().join("rec.sesstrace"));
        assert_eq!(ok(&["convert", text(&lines), text(&compact)]), "");
        Self { folder, lines, compact }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn both_forms_are_shown_alike_and_converted_back() {
    for case in ["bash-pipeline", "bash-stop-and-resume", "daemon", "outside-kill", "hangup"] {
        let both = Both::new(case);
        for verb in [&["replay"][..], &["replay", "--json"], &["tree", "-e"], &["ps", "-e"]] {
            let shown = |path| ok(&[&verb[..1], &[text(path)], &verb[1..]].concat());
            assert!(shown(&both.compact) == shown(&both.lines), "{case} {verb:?}");
        }
        let back = both.beside("back.jsonl");
        ok(&["convert", text(&both.compact), text(&back)]);
        // Findings follow from the events; a recording holds none.
        let shown = ok(&["replay", "--json", text(&both.lines)]);
        let events: Vec<_> = shown.lines().filter(|line| !line.contains("\"kind\":\"finding\"")).collect();
        let back = fs::read_to_string(back).expect("lines");
        assert!(back.lines().eq(events), "{case}");
    }
}

#[test]
fn every_golden_recording_is_replayed_alike_from_either_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut cases = 0;
    for case in fs::read_dir(folder).expect("golden recordings") {
        let case = case.expect("a case").file_name().into_string().expect("UTF-8");
        let lines = golden(&case);
        let both = tempfile::tempdir().expect("a folder");
        let compact = both.path().join("rec.sesstrace");
        ok(&["convert", text(&lines), text(&compact)]);
        let shown = |path: &Path| {
            let output = sesstrace(&["replay", text(path)]);
            (output.status.code(), output.stdout, output.stderr)
        };
        assert!(shown(&compact) == shown(&lines), "{case}");
        cases += 1;
    }
    assert!(cases > 50, "{cases}");
}

#[test]
fn recordings_of_this_version_stay_readable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compatibility");
    let mut versions = 0;
    for version in fs::read_dir(&folder).expect("recordings of each version") {
        let version = version.expect("a version").path();
        for compact in fs::read_dir(&version).expect("recordings").map(|it| it.expect("a recording").path()) {
            if compact.extension().is_none_or(|extension| extension != "sesstrace") {
                continue;
            }
            let lines = compact.with_extension("jsonl");
            let events = ok(&["replay", "--json", text(&compact)]);
            let events: Vec<_> = events.lines().skip(1).filter(|line| !line.contains("\"kind\":\"finding\"")).collect();
            let there = fs::read_to_string(&lines).expect("lines");
            assert!(there.lines().skip(1).eq(events), "{}", compact.display());
            assert!(ok(&["replay", text(&compact)]) == ok(&["replay", text(&lines)]), "{}", compact.display());
            versions += 1;
        }
    }
    assert!(versions > 0);
    let this = folder.join(format!("{FORMAT_MAJOR}.{FORMAT_MINOR}"));
    assert!(this.is_dir(), "{}: a minor version is kept before there is the next", this.display());
}

#[test]
fn an_unfinished_recording_is_pointed_at() {
    let both = Both::new("daemon");
    fs::rename(&both.compact, both.beside("rec.sesstrace.part")).expect("renamed");
    let refused = sesstrace(&["replay", text(&both.compact)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("rec.sesstrace: ENOENT") && said.contains("rec.sesstrace.part    is there"), "{said}");
}

#[test]
fn a_part_is_a_recording_that_begins_with_the_state() {
    let both = Both::new("bash-pipeline");
    let whole = ok(&["replay", text(&both.lines)]);
    assert!(whole.contains("setpgid"), "{whole}");
    for (part, form) in [("part.sesstrace", "compact"), ("part.jsonl", "lines")] {
        let part = both.beside(part);
        ok(&["cut", text(&both.compact), text(&part), "--from", "#135", "--to", "#147"]);
        // An instant of the part is that instant of the whole.
        for at in ["#136", "#140", "#143", "#146"] {
            let tree = |path| ok(&["tree", "-e", text(path), "--at", at]);
            assert_eq!(tree(&part), tree(&both.compact), "{form} {at}");
        }
        let events = ok(&["replay", "--json", text(&part)]);
        let events: Vec<&str> = events.lines().filter(|line| !line.contains("\"kind\":\"snapshot")).collect();
        let all = ok(&["replay", "--json", text(&both.lines)]);
        assert!(events.len() > 10, "{}", events.len());
        for event in &events[1..events.len() - 1] {
            assert!(all.contains(event), "not an event of the whole: {event}");
        }
    }
    let shown = ok(&["replay", text(&both.compact), "--from", "#135", "--to", "#147"]);
    let rows = |text: &str| text.lines().filter(|line| line.contains("exit")).count();
    assert!(rows(&shown) > 0 && rows(&shown) < rows(&whole), "{shown}");
}

/// What happened, line by line: without brackets and numbers, which depend on all lines, and without what only a longer past
/// tells: how many had been in a group that ends, and that a terminal is taken back.
fn rows(report: &str) -> Vec<String> {
    let lines = report.lines().skip_while(|line| !line.trim_start().starts_with("ms ")).skip(1);
    let row = |line: &str| {
        let is_word = |word: &&str| !word.chars().all(|c| c.is_ascii_digit() || ".├│└┌┤".contains(c));
        let row = line.split([' ', '├', '│', '└', '┌']).filter(is_word).collect::<Vec<_>>().join(" ");
        let row = row.replace(" back foreground", " foreground");
        match row.split_once(" ends (") {
            Some((before, after)) => format!("{before} ends{}", after.split_once(')').expect("a count").1),
            None => row,
        }
    };
    lines.take_while(|line| !line.is_empty()).map(row).collect()
}

#[test]
fn a_part_is_told_as_it_is_told_in_the_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let (mut parts, mut compared) = (0, 0);
    for case in fs::read_dir(folder).expect("golden recordings") {
        let path = case.expect("a case").path().join("recording.jsonl");
        let shown = |arguments: &[&str]| {
            let output = sesstrace(&[&["replay", text(&path)], arguments].concat());
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let json = |arguments: &[&str]| {
            let lines = shown(&[&["--json"], arguments].concat());
            let events = lines.lines().filter(|line| line.contains("\"seq\":") && !line.contains("\"finding\""));
            events.map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<serde_json::Value>>()
        };
        let all = json(&[]);
        let is = |event: &&serde_json::Value, kinds: &[&str]| kinds.iter().any(|kind| event["kind"] == *kind);
        // Where nothing that one line tells is cut in two, mostly.
        let begin = all.iter().skip(all.len() / 3).find(|event| is(event, &["exec"]));
        let end = all.iter().rev().skip(all.len() / 6).find(|event| is(event, &["exec", "exit", "stopped"]));
        let (Some(begin), Some(end)) = (begin, end) else { continue };
        let (from, to) = (format!("#{}", begin["seq"]), format!("#{}", end["seq"]));
        let part = json(&["--from", &from, "--to", &to]);
        let place = all.iter().position(|event| event == begin).expect("a begin");
        assert_eq!(part, all[place..place + part.len()], "{}", path.display());
        let (all, part) = (rows(&shown(&[])), rows(&shown(&["--from", &from, "--to", &to])));
        for row in &part {
            // These stand for several events, of which the begin may have cut some off.
            let several = row.contains("setpgid") || row.contains(" forks ");
            assert!(several || all.contains(row), "{} from {from}: {row}\n{}", path.display(), all.join("\n"));
        }
        (parts, compared) = (parts + 1, compared + part.len());
    }
    assert!(parts > 50 && compared > 500, "{parts} {compared}");
}

#[test]
fn who_was_there_when_a_part_begins_is_counted() {
    let both = Both::new("bash-pipeline");
    let part = ok(&["replay", text(&both.compact), "--from", "#143"]);
    let group = part.lines().find(|line| line.contains("16895  cat, sed")).expect("a group");
    assert!(group.contains("at least 2 processes"), "{part}");
    assert!(part.contains("reaps 16896: group 16895 ends\n"), "{part}");
}

#[test]
fn from_the_start_to_the_end_is_the_whole() {
    let both = Both::new("bash-stop-and-resume");
    let whole = ok(&["replay", text(&both.compact)]);
    assert_eq!(ok(&["replay", text(&both.compact), "--from=-1s", "--to", "1h"]), whole);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let both = Both::new("bash-pipeline");
    let same = sesstrace(&["convert", text(&both.compact), text(&both.compact)]);
    assert_eq!(same.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&same.stderr).contains("cannot be made from itself"));
    let whole = sesstrace(&["cut", text(&both.compact), text(&both.beside("all.jsonl"))]);
    assert_eq!(whole.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&whole.stderr).contains("cut needs --from or --to"));
    ok(&["replay", text(&both.compact)]);
}

#[test]
fn a_new_recording_is_its_owners_and_replaces_the_old_one_at_once() {
    let both = Both::new("bash-pipeline");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(&both.compact), 0o600);
    fs::set_permissions(&both.compact, fs::Permissions::from_mode(0o644)).expect("a mode");
    // Held by a reader, the old file stays what it was.
    let old = fs::File::open(&both.compact).expect("a file");
    ok(&["convert", text(&golden("daemon")), text(&both.compact)]);
    assert_eq!(mode(&both.compact), 0o600);
    let length = old.metadata().expect("metadata").len();
    assert!(length > 0 && length != fs::metadata(&both.compact).expect("metadata").len());
    assert!(!both.beside("rec.sesstrace.part").exists());
    let link = both.beside("link.sesstrace");
    std::os::unix::fs::symlink(&both.compact, &link).expect("a link");
    let refused = sesstrace(&["convert", text(&both.lines), text(&link)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("symbolic link"));
}

#[test]
fn two_writers_do_not_share_a_file() {
    let both = Both::new("daemon");
    let part = both.beside("new.sesstrace.part");
    let other = fs::File::create(&part).expect("a file");
    other.lock().expect("a lock");
    let refused = sesstrace(&["convert", text(&both.lines), text(&both.beside("new.sesstrace"))]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("another sesstrace is recording to it"), "{said}");
    drop(other);
    ok(&["convert", text(&both.lines), text(&both.beside("new.sesstrace"))]);
}

#[test]
fn zstd_reads_it() {
    let both = Both::new("bash-pipeline");
    let output = Command::new("zstd").args(["-dc", text(&both.compact)]).output().expect("zstd");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = |needle: &[u8]| output.stdout.windows(needle.len()).any(|bytes| bytes == needle);
    assert!(found(b"\"kind\":\"header\"") && found(b"s/hello/goodbye/"));
}

#[test]
fn scrubbing_removes_what_others_need_not_know() {
    let both = Both::new("bash-pipeline");
    let scrubbed = both.beside("clean.jsonl");
    let output = sesstrace(&["scrub", text(&both.compact), text(&scrubbed)]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("names of programs"));
    let (clean, full) =
        (fs::read_to_string(&scrubbed).expect("lines"), fs::read_to_string(&both.lines).expect("lines"));
    for private in ["s/hello/goodbye/", "--norc", "\"text\":\"vm\""] {
        assert!(full.contains(private) && !clean.contains(private), "{private}");
    }
    assert_eq!(clean.lines().count(), full.lines().count());
    let tree = |path| ok(&["ps", "-e", "-o", "pid,ppid,pgid,sid,tty,stat,comm", text(path)]);
    assert_eq!(tree(&scrubbed), tree(&both.compact));
    let some = both.beside("some.sesstrace");
    assert!(sesstrace(&["scrub", text(&both.compact), text(&some), "--redact", "s/*"]).status.success());
    let some = ok(&["replay", "--json", text(&some)]);
    assert!(some.contains("--norc") && !some.contains("s/hello/goodbye/") && some.contains("[removed]"));
}

/// A byte string of JSON Lines, as the Python reader shows it.
fn shown(bytes: &serde_json::Value) -> &str {
    bytes["text"].as_str().unwrap_or_default()
}

#[test]
fn a_reader_in_another_language_reads_the_same() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/read_sesstrace.py");
    assert!(fs::read_to_string(&script).expect("the script").lines().count() <= 60, "the format takes no more to read");
    for case in ["bash-pipeline", "daemon"] {
        let both = Both::new(case);
        let output = Command::new("python3").arg(&script).arg(&both.compact).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: Vec<serde_json::Value> =
            output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let lines = fs::read_to_string(&both.lines).expect("lines");
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(read[0]["boot_id"], lines[0]["boot_id"]);
        let start: i64 = lines[0]["boot_ns"].as_str().expect("a time").parse().expect("a number");
        let (events, there) = (&read[1..], &lines[1..lines.len() - 1]);
        assert_eq!(events.len(), there.len());
        for (event, line) in events.iter().zip(there) {
            assert_eq!((&event["seq"], &event["kind"]), (&line["seq"], &line["kind"]));
            assert_eq!(event["at"].as_i64().map(|at| at - start), line["at"].as_i64(), "{event} {line}");
            assert_eq!(event["by"]["pid"].as_i64(), line["by"]["pid"].as_i64().or(Some(0)));
            assert_eq!(event["by"]["comm"], shown(&line["by"]["comm"]));
            assert_eq!(event["of"].is_object(), line["of"].is_object(), "{event} {line}");
            if line["of"].is_object() {
                for name in ["pid", "pgid", "sid"] {
                    assert_eq!(event["of"][name], line["of"][name], "{event} {line}");
                }
                assert_eq!(event["of"]["comm"], shown(&line["of"]["comm"]));
            }
        }
    }
}
