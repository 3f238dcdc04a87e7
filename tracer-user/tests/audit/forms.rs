//! The four forms: a command, processes, the machine, a recording.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    actor::terminal,
    place::{Place, Sleeper, field, rows},
};

#[test]
fn a_command_is_watched_until_it_has_settled_and_left_running() {
    let place = Place::new();
    let script = format!("setsid -f sh -c 'echo $$ > {}; exec sleep 60' >/dev/null 2>&1", place.path("pid").display());
    let output = place.audit(&[], &["-b", "ptrace", "--no-seccomp", "--format", "json", "--", "sh", "-c", &script]);
    let rows = rows(&output);
    let pid: u32 = fs::read_to_string(place.path("pid")).unwrap().trim().parse().unwrap();
    let row = rows.iter().find(|row| row.get("pid").is_some_and(|it| *it == pid)).unwrap();
    assert_eq!((field(row, "verdict"), field(row, "policy")), ("detached", "sysv"));
    let steps: Vec<&str> =
        row.get("path").and_then(Value::as_array).unwrap().iter().map(|step| field(step, "step")).collect();
    let setsid = steps.iter().position(|step| *step == "setsid").unwrap();
    assert!(steps.get(setsid..).is_some_and(|after| after.contains(&"exec")), "{steps:?}");
    // Its parent ends at once after the fork: before or after the setsid, as it happens.
    assert!(steps.contains(&"adopted"), "{steps:?}");
    let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
    assert_eq!(alive, Ok(()), "it was left running");
}

#[test]
fn usage_is_told() {
    let place = Place::new();
    assert_eq!(place.audit(&[], &[]).status.code(), Some(2));
    let gone = place.audit(&[], &["-p", "4194304"]);
    assert_eq!(gone.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("4194304"));
    fs::write(place.path("policy"), "name=x nonsense\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let faulty = place.audit(&[], &["--policy", &policy, "-p", "1"]);
    assert_eq!(faulty.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&faulty.stderr).contains("policy:1: there is no policy nonsense"));
    let not_found = place.audit(&[], &["--", "no-such-command-anywhere"]);
    assert_eq!(not_found.status.code(), Some(127));
}

/// A control group that is removed with the test.
struct Unit(std::path::PathBuf);

impl Unit {
    /// Below the hierarchy that an audit reads: version 2, or where there is none the named one of systemd.
    fn new(name: &str) -> Option<Self> {
        let there = |path: &str| std::path::Path::new(path).join("cgroup.procs").exists();
        let root =
            ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"].into_iter().find(|it| there(it))?;
        let path = std::path::Path::new(root).join(name);
        fs::create_dir(&path).ok().map(|()| Self(path))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_unit_is_every_process_in_its_control_group() {
    let place = Place::new();
    let name = format!("sesstrace-test-{}.service", std::process::id());
    let nobody = place.audit(&[], &["--unit", &name]);
    assert_eq!(nobody.status.code(), Some(2), "nobody is in it yet");
    let Some(unit) = Unit::new(&name) else { return eprintln!("SKIPPED: no control group can be made here") };
    let sleepers = [0, 1].map(|_| Sleeper::new(Command::new("setsid").args(["-w", "sleep", "60"])));
    for sleeper in &sleepers {
        fs::write(unit.0.join("cgroup.procs"), sleeper.pid()).unwrap();
    }
    let judged = rows(&place.audit(&[], &["--format", "json", "--unit", &name]));
    drop(sleepers);
    assert_eq!(judged.len(), 2, "{judged:?}");
}

#[test]
fn the_policy_file_overrides_what_is_recognised() {
    let place = Place::new();
    let sleeper = Sleeper::new(Command::new("sleep").arg("60"));
    fs::write(place.path("policy"), "name=sleep supervised\n").unwrap();
    let policy = place.path("policy").to_string_lossy().into_owned();
    let output = place.audit(&[], &["--format", "json", "--policy", &policy, "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    let row = rows_seen.first().unwrap();
    assert_eq!((field(row, "policy"), field(row, "policy_line")), ("supervised", "name=sleep supervised"));
}

/// A daemon that keeps the terminal that it is given, and goes on without its first thread. Its launcher ends after that has.
const WITHOUT_FIRST_THREAD: &str = r#"
import ctypes, os, sys, threading
hears, says = os.pipe()
if os.fork():
    os.read(hears, 1)
    os._exit(0)
os.setsid()
os.close(hears)
os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
null = os.open("/dev/null", os.O_RDWR)
for fd in (0, 1, 2): os.dup2(null, fd)
def goes_on():
    while open(f"/proc/{os.getpid()}/stat").read().rsplit(")")[-1].split()[0] != "Z": pass
    os.write(says, b".")
    os.close(says)
    threading.Event().wait()
threading.Thread(target=goes_on).start()
ctypes.CDLL(None).pthread_exit(None)
"#;

#[test]
fn who_goes_on_without_its_first_thread_is_looked_at_whole() {
    let place = Place::new();
    let (_master, name) = terminal();
    let command = ["--", "python3", "-c", WITHOUT_FIRST_THREAD, &name];
    let options = ["-b", "ptrace", "--no-seccomp", "--format", "json"];
    let followed = rows(&place.audit(&[], &[&options[..], &command].concat()));
    let pid = followed.first().and_then(|row| row.get("pid")).and_then(Value::as_u64).unwrap();
    let number = pid.to_string();
    let asked = rows(&place.audit(&[], &["--format", "json", "-p", &number]));
    let all = rows(&place.audit(&[], &["--format", "json", "--all"]));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    for (form, rows) in [("command", followed), ("-p", asked), ("--all", all)] {
        let row = rows.iter().find(|row| row.get("pid").is_some_and(|it| *it == pid));
        let row = row.unwrap_or_else(|| panic!("{form}: not judged"));
        assert_eq!(field(row, "verdict"), "partial", "{form}: {row}");
        assert!(field(row, "reason").ends_with("is a terminal"), "{form}: {row}");
    }
}
