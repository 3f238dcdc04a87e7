//! The same audits at three levels of privilege: an ordinary user, one with exactly what an audit can use, and root. Every
//! verdict says what it could not look at.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    actor::Actor,
    forms::Unit,
    place::{ABLE, NOBODY, Place, Sleeper, field, is_root, rows},
    watcher::Watcher,
};

/// Bits 39, 38, 19 and 2.
const ABLE_MASK: u64 = 1 << 39 | 1 << 38 | 1 << 19 | 1 << 2;

/// Levels are taken on by giving up root.
fn can_change_user() -> bool {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
    }
    is_root()
}

/// What a row says that it could not look at, each with its errno.
fn unseen(row: &Value) -> Vec<(&str, i64)> {
    let all = row.get("unseen").and_then(Value::as_array).unwrap();
    all.iter().map(|it| (field(it, "what"), it.get("errno").and_then(Value::as_i64).unwrap())).collect()
}

fn row_of(place: &Place, level: &[&str], pid: &str) -> (Value, Option<i32>) {
    let output = place.audit(level, &["--format", "json", "-p", pid]);
    (rows(&output).first().unwrap().clone(), output.status.code())
}

#[test]
fn the_level_between_has_exactly_these_capabilities() {
    if !can_change_user() {
        return;
    }
    let output = Command::new(ABLE[0]).args(&ABLE[1..]).args(["cat", "/proc/self/status"]).output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapEff:", "CapPrm:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&line(set), 16).unwrap(), ABLE_MASK, "{set}");
    }
    assert_eq!(line("Uid:").split_whitespace().next(), Some("65534"));
}

#[test]
fn of_somebody_elses_process_each_level_says_what_it_could_not_see() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    // One that leads its session by now.
    let daemon = Actor::daemon();
    let pid = daemon.pid.to_string();
    let (row, code) = row_of(&place, &NOBODY, &pid);
    assert_eq!(field(&row, "verdict"), "unknown");
    assert_eq!(field(&row, "reason"), "its descriptors could not be read: needs CAP_SYS_PTRACE");
    let eacces = i64::from(libc::EACCES);
    let hidden = ["descriptors", "working directory", "environment", "program"].map(|what| (what, eacces));
    assert_eq!((unseen(&row), code), (hidden.to_vec(), Some(3)), "the status and the cgroup are for all to see");
    let (able, able_code) = row_of(&place, &ABLE, &pid);
    let (root, root_code) = row_of(&place, &[], &pid);
    for row in [&able, &root] {
        assert_ne!(field(row, "verdict"), "unknown");
        assert_eq!(unseen(row), []);
    }
    assert_eq!((&able, able_code), (&root, root_code), "the four capabilities show all that root sees");
}

#[test]
fn an_ordinary_user_sees_what_is_its_own() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let mut own = Command::new(NOBODY[0]);
    own.args(&NOBODY[1..]).args(["setsid", "-w", "sleep", "60"]).current_dir("/");
    let sleeper = Sleeper::new(&mut own);
    let (row, _) = row_of(&place, &NOBODY, &sleeper.pid());
    assert_ne!(field(&row, "verdict"), "unknown");
    assert_eq!(unseen(&row), []);
}

#[test]
fn the_machine_as_an_ordinary_user_sees_it_is_incomplete() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let daemon = Actor::daemon();
    let look = |level: &[&str]| {
        let output = place.audit(level, &["--format", "json", "--fail-on", "error", "--all"]);
        let all = rows(&output);
        let row = all.into_iter().find(|row| row.get("pid").is_some_and(|it| *it == daemon.pid)).unwrap();
        (field(&row, "verdict") == "unknown", output.status.code())
    };
    let (unknown, code) = look(&NOBODY);
    assert!(unknown && code != Some(0), "what could not be seen is never clean: {code:?}");
    assert!(!look(&ABLE).0 && !look(&[]).0);
}

#[test]
fn a_unit_is_judged_at_every_level() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let name = format!("sesstrace-levels-{}.service", std::process::id());
    let Some(unit) = Unit::new(&name) else { return eprintln!("SKIPPED: no control group can be made here") };
    let daemon = Actor::daemon();
    fs::write(unit.procs(), daemon.pid.to_string()).unwrap();
    let look = |level: &[&str]| {
        let output = place.audit(level, &["--format", "json", "--unit", &name]);
        let mut all = rows(&output);
        assert_eq!(all.len(), 1, "{level:?}: {all:?}");
        (all.remove(0), output.status.code())
    };
    let (row, code) = look(&NOBODY);
    assert_eq!((field(&row, "verdict"), code), ("unknown", Some(3)));
    assert!(unseen(&row).contains(&("descriptors", i64::from(libc::EACCES))), "{row}");
    let (able, root) = (look(&ABLE), look(&[]));
    assert_eq!(unseen(&able.0), []);
    assert_ne!(field(&able.0, "verdict"), "unknown");
    assert_eq!(able, root, "the four capabilities show all that root sees");
}

#[test]
fn a_command_is_followed_at_every_level() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    for level in [&NOBODY[..], &ABLE, &[]] {
        let daemonises = "setsid -f sh -c 'exec sleep 600' </dev/null >/dev/null 2>&1";
        let output = place.audit(level, &["--format", "json", "--", "sh", "-c", daemonises]);
        let rows = rows(&output);
        let row = rows.iter().find(|row| field(&row["name"], "text") == "sleep").unwrap();
        let sleeps = row.get("pid").and_then(Value::as_i64).unwrap() as i32;
        kill(Pid::from_raw(sleeps), Signal::SIGKILL).unwrap();
        assert_eq!((field(row, "verdict"), unseen(row)), ("detached", vec![]), "{level:?}");
        let path = row.get("path").and_then(Value::as_array).unwrap();
        assert!(path.iter().any(|step| field(step, "step") == "setsid"), "{level:?}: {row}");
    }
}

#[test]
fn a_recording_says_the_same_at_every_level() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let golden =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/left-holds-pipe/recording.jsonl");
    fs::copy(golden, place.path("recording.jsonl")).unwrap();
    let recording = place.path("recording.jsonl").to_string_lossy().into_owned();
    let said: Vec<_> = [&NOBODY[..], &ABLE, &[]]
        .into_iter()
        .map(|level| {
            let output = place.audit(level, &["--format", "json", &recording]);
            (output.stdout, output.status.code())
        })
        .collect();
    assert!(!said[2].0.is_empty());
    assert!(said[0] == said[2] && said[1] == said[2]);
}

#[test]
fn while_a_command_runs_what_attaching_took_is_given_up() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    for (name, level) in [("able", &ABLE[..]), ("root", &[])] {
        let script = format!("cat /proc/$PPID/status > {}", place.path(name).display());
        place.audit(level, &["--", "sh", "-c", &script]);
        let status = fs::read_to_string(place.path(name)).unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        if u64::from_str_radix(effective.trim(), 16).unwrap() != 1 << 19 | 1 << 2 {
            assert!(!required.split(',').any(|word| word == "ebpf"), "{name}: {effective}");
            return eprintln!("SKIPPED: a tracer keeps what it has, and there is no eBPF here");
        }
    }
}

#[test]
fn watching_takes_the_capabilities_and_no_more() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let refused = place.audit(&NOBODY, &["--watch", "--for", "1s"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains("only eBPF sees every process") && text.contains("setcap"), "{text}");
    let Some(mut watcher) = Watcher::start(&place, &ABLE, &[]) else { return };
    let status = fs::read_to_string(format!("/proc/{}/status", watcher.pid())).unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    assert_eq!(u64::from_str_radix(effective.trim(), 16).unwrap(), 1 << 19 | 1 << 2, "what attaching took is given up");
    let daemon = Actor::daemon();
    let row = watcher.row_of(daemon.pid);
    assert_eq!((row.text("verdict"), unseen(&row.0)), ("detached", vec![]), "another user's process is seen whole");
}

/// A mount of `/proc` that hides processes of others, for an ordinary user with these words before.
fn behind_hidepid(words: &[&'static str]) -> Vec<&'static str> {
    let mount = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\"";
    [&["unshare", "-m", "sh", "-c", mount, "sh"][..], words].concat()
}

#[test]
fn what_proc_hides_is_no_clean_machine() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    fs::write(place.path("policy"), "name=* multiplexer JC404\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let all = ["--policy", &policy, "--all"];
    let output = place.audit(&behind_hidepid(&NOBODY), &all);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.matches("hidepid").count()), (Some(3), 1), "{said}");
    let output = place.audit(&behind_hidepid(&ABLE), &all);
    let said = String::from_utf8(output.stderr).unwrap();
    // CAP_SYS_PTRACE shows them, unless something else protects the first one.
    let words = behind_hidepid(&ABLE);
    let shown = Command::new(words[0]).args(&words[1..]).args(["cat", "/proc/1/stat"]).output().unwrap();
    assert_eq!(said.contains("hidepid"), !shown.status.success(), "{said}");
}

#[test]
fn who_is_hidden_while_the_machine_is_watched_is_unknown_and_has_not_ended() {
    if !can_change_user() {
        return;
    }
    let place = Place::new();
    let probes = ABLE.map(|word| if word.starts_with('+') { "+bpf,+perfmon,+dac_read_search" } else { word });
    let Some(mut watcher) = Watcher::start(&place, &behind_hidepid(&probes), &[]) else { return };
    let daemon = Actor::daemon();
    let row = watcher.row_of(daemon.pid);
    assert_eq!(row.text("verdict"), "unknown", "{row:?}");
    assert!(row.text("reason").contains("/proc hides it (hidepid)"), "{row:?}");
    let told = watcher.end();
    assert_ne!(told.0.code(), Some(0), "{}", told.1);
}
