//! The four forms: a command, processes, the machine, a recording.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    actor::{Actor, terminal},
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
fn a_command_leads_its_own_group_as_a_shell_would_have_it() {
    let place = Place::new();
    let script = format!("cat /proc/$$/stat > {}", place.path("stat").display());
    for backend in [&["-b", "ptrace", "--no-seccomp"][..], &[]] {
        place.audit(&[], &[backend, &["--", "sh", "-c", &script]].concat());
        let stat = fs::read_to_string(place.path("stat")).unwrap();
        let fields: Vec<&str> = stat.split_whitespace().collect();
        assert_eq!(fields[0], fields[4], "{backend:?}: number and group");
        assert_ne!(fields[0], fields[5], "{backend:?}: it leads no session");
        fs::remove_file(place.path("stat")).unwrap();
    }
}

#[test]
fn what_found_no_room_makes_it_unknown() {
    let place = Place::new();
    let look = |pipes: usize| {
        let script = format!(
            "import os\nos.setsid()\nfor _ in range({pipes}):\n    r, w = os.pipe()\n    os.close(r)\nprint(flush=True)\ninput()"
        );
        let mut python = Command::new("python3");
        // Wherever the tests are run: a directory of another file system would be a finding.
        python.args(["-c", &script]).env("PYTHONUNBUFFERED", "1").current_dir("/");
        let sleeper = Sleeper::talking(&mut python);
        let output = place.audit(&[], &["--format", "json", "-p", &sleeper.pid()]);
        (rows(&output).remove(0), output.status.code())
    };
    let (few, _) = look(9);
    assert_ne!(field(&few, "reason"), "it has more than 64 pipes, and not all were kept");
    let (many, code) = look(80);
    assert_eq!(field(&many, "verdict"), "unknown", "{many}");
    assert_eq!(field(&many, "reason"), "it has more than 64 pipes, and not all were kept");
    assert_eq!(code, Some(3));
}

/// What the manager of services gives to a service, and in which unit; the policy by which it is judged then.
#[test]
fn a_service_is_recognised_by_its_control_group_and_its_environment() {
    let place = Place::new();
    let cases = [
        ("system.slice/x.service", "NOTIFY_SOCKET=@x", "systemd-notify"),
        ("system.slice/x.service", "JOURNAL_STREAM=1:2", "systemd-simple"),
        ("user.slice/user-9.slice/user@9.service/x.service", "INVOCATION_ID=1", "user-service"),
        ("system.slice/cron.service", "INVOCATION_ID=1", "scheduled"),
    ];
    for (path, mark, policy) in cases {
        let Some(unit) = Unit::below(path) else { return eprintln!("SKIPPED: no control group can be made here") };
        let (name, value) = mark.split_once('=').unwrap();
        let mut service = Command::new("setsid");
        service.args(["-w", "sh", "-c", "echo; exec sleep 60"]).env(name, value).current_dir("/");
        let sleeper = Sleeper::talking(&mut service);
        fs::write(unit.procs(), sleeper.pid()).unwrap();
        let output = place.audit(&[], &["--format", "json", "-p", &sleeper.pid()]);
        drop(sleeper);
        let row = rows(&output).remove(0);
        assert_eq!(field(&row, "policy"), policy, "{row}");
        assert!(!field(&row, "policy_why").is_empty());
        let rules = row.get("rules").and_then(Value::as_array).unwrap();
        assert!(rules.iter().all(|rule| rule != "JC502" && rule != "JC501"), "it is not blamed for its forks: {row}");
    }
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

/// A control group that is removed with the test, with those above it that it made.
pub struct Unit(Vec<std::path::PathBuf>);

impl Unit {
    /// Below the hierarchy that an audit reads: version 2, or where there is none the named one of systemd.
    pub fn new(name: &str) -> Option<Self> {
        let there = |path: &str| std::path::Path::new(path).join("cgroup.procs").exists();
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
        let root = std::path::Path::new(roots.into_iter().find(|it| there(it))?);
        let mut unit = Self(vec![root.to_owned()]);
        for part in name.split('/') {
            let next = unit.0.last()?.join(part);
            fs::create_dir(&next).ok()?;
            unit.0.push(next);
        }
        unit.0.remove(0);
        Some(unit)
    }

    /// As `name`, below a group that nobody else has.
    fn below(name: &str) -> Option<Self> {
        Self::new(&format!("sesstrace-test-{}/{name}", std::process::id()))
    }

    pub fn procs(&self) -> std::path::PathBuf {
        self.0.last().unwrap().join("cgroup.procs")
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        for group in self.0.iter().rev() {
            // Who was killed in it may not be reaped yet by who adopted it.
            let begun = std::time::Instant::now();
            while fs::remove_dir(group).is_err() && group.exists() && begun.elapsed().as_secs() < 10 {
                std::thread::yield_now();
            }
        }
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
        fs::write(unit.procs(), sleeper.pid()).unwrap();
    }
    let judged = rows(&place.audit(&[], &["--format", "json", "--unit", &name]));
    drop(sleepers);
    assert_eq!(judged.len(), 2, "{judged:?}");
}

/// What is there is read, and nothing is captured.
#[test]
fn options_of_a_capture_make_no_difference_to_what_is_there() {
    let place = Place::new();
    let daemon = Actor::daemon();
    let pid = daemon.pid.to_string();
    let look = |options: &[&str]| {
        let output = place.audit(&[], &[&["--format", "json", "-p", &pid], options].concat());
        (rows(&output), output.status.code())
    };
    let plain = look(&[]);
    assert_eq!(plain.0.len(), 1);
    for options in [&["--attributes"][..], &["-b", "ebpf"], &["--tty-io"]] {
        assert_eq!(look(options), plain, "{options:?}");
    }
}

#[test]
fn the_policy_file_overrides_what_is_recognised() {
    let place = Place::new();
    let sleeper = Sleeper::new(Command::new("sleep").arg("60"));
    let program = fs::read_link(format!("/proc/{}/exe", sleeper.pid())).unwrap();
    let unit = format!("sesstrace-policy-{}.service", std::process::id());
    let mut lines = vec!["name=sl*p".to_owned(), format!("program={}", program.display())];
    let cgroup = Unit::new(&unit);
    match &cgroup {
        Some(cgroup) => {
            fs::write(cgroup.procs(), sleeper.pid()).unwrap();
            lines.push(format!("unit={unit}"));
        }
        None => eprintln!("SKIPPED: no control group can be made here"),
    }
    for line in lines {
        let line = format!("{line} supervised");
        let others = "name=other sysv\nprogram=/bin/other sysv\nunit=other.service sysv\n";
        fs::write(place.path("policy"), format!("{others}{line}\n")).unwrap();
        let policy = place.path("policy").to_string_lossy().into_owned();
        let output = place.audit(&[], &["--format", "json", "--policy", &policy, "-p", &sleeper.pid()]);
        let row = rows(&output).remove(0);
        assert_eq!((field(&row, "policy"), field(&row, "policy_line")), ("supervised", &*line));
    }
    drop(sleeper);
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
