//! Exit codes of an audit, each with what makes it.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    actor::{Actor, terminal},
    place::{NOBODY, Place, is_root, rows},
};

#[test]
fn the_exit_code_tells_findings_from_an_incomplete_look() {
    let place = Place::new();
    let code = |arguments: &[&str]| place.audit(&[], arguments).status.code();
    let (_master, name) = terminal();
    let mut daemon = Actor::daemon();
    let pid = daemon.pid.to_string();
    assert_eq!(code(&["-p", &pid]), Some(0), "detached, with information at most");
    assert_eq!(code(&["-p", &pid, "--fail-on", "info"]), Some(1), "it leads its session");
    daemon.does(&format!("open-noctty {name}"));
    assert_eq!(code(&["-p", &pid]), Some(1), "partial counts as a warning");
    assert_eq!(code(&["-p", &pid, "--fail-on", "error"]), Some(0));
    assert_eq!(code(&["-p", &pid, "--exit-zero"]), Some(0));
    assert_eq!(code(&["-p", &pid, "--all"]), Some(2));
    assert_eq!(code(&["-p", "4194304"]), Some(4), "nobody has this number");
    assert_eq!(code(&["--", "no-such-command-anywhere"]), Some(127));
    assert_eq!(code(&["--", "/"]), Some(126), "a directory");
    if is_root() {
        let refused = place.audit(&NOBODY, &["-b", "ebpf", "--", "true"]);
        assert_eq!(refused.status.code(), Some(125), "an ordinary user may use no probes");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let of = |case: &str| golden.join(case).join("recording.jsonl").to_string_lossy().into_owned();
    let old = golden.join("../compatibility/1.1/not-inspected.jsonl").to_string_lossy().into_owned();
    assert_eq!(code(&[&old]), Some(3), "its descriptors were not looked at");
    assert_eq!(code(&[&of("careful-daemon")]), Some(3), "nobody is left to be judged");
    assert_eq!(code(&[&of("left-holds-pipe")]), Some(1));
    // What was found counts; else a recording that is cut off is incomplete, whoever is detached in it.
    let whole = fs::read_to_string(of("left-holds-pipe")).unwrap();
    let cut = whole.trim_end().rsplit_once('\n').unwrap().0;
    fs::write(place.path("cut.jsonl"), cut).unwrap();
    fs::write(place.path("whole.jsonl"), &whole).unwrap();
    fs::write(place.path("policy"), "name=* multiplexer JC502\n").unwrap();
    let meant = |name: &str| {
        let [policy, recording] = ["policy", name].map(|name| place.path(name).to_string_lossy().into_owned());
        code(&["--policy", &policy, &recording])
    };
    assert_eq!((meant("whole.jsonl"), meant("cut.jsonl")), (Some(0), Some(3)));
}

/// It has nothing open that the test reads to its end.
const QUIET: &str = "exec sleep 600 </dev/null >/dev/null 2>&1";

#[test]
fn a_command_that_says_nothing_is_judged_within_its_time_with_either_backend() {
    let place = Place::new();
    for backend in ["ptrace", "ebpf"] {
        let arguments = ["-b", backend, "--within", "300ms", "--format", "json", "--", "sh", "-c", QUIET];
        // In a session that has a leader, whoever runs this. It would wait for the end of `sleep` otherwise.
        let output = place.audit(&["setsid", "-w", "timeout", "60"], &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        if output.status.code() == Some(125) && !required.contains(backend) {
            eprintln!("SKIPPED: {said}");
            continue;
        }
        let rows = rows(&output);
        let pid = rows.first().unwrap_or_else(|| panic!("{backend}: {said}")).get("pid").unwrap().as_i64().unwrap();
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
        let name = rows.first().unwrap().pointer("/name/text");
        assert!(name.is_some_and(|name| name == "sleep"), "{backend}: {rows:?}");
        assert_eq!((rows.len(), output.status.code()), (1, Some(1)), "it is attached, and was not waited for: {said}");
    }
}
