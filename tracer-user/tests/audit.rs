//! Audits of commands, processes and recordings, with and without privilege.

#![expect(clippy::unwrap_used, reason = "this is a test, helpers and all")]

#[path = "support/executable.rs"]
mod executable;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// A folder that every user may look into, with the program: the build's own folder may be closed to others.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        executable::install(env!("CARGO_BIN_EXE_sesstrace"), folder.path().join("sesstrace"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What an audit with these arguments prints.
    fn audit(&self, before: &[&str], arguments: &[&str]) -> Output {
        let program = self.path("sesstrace");
        let mut words = before.iter().map(|word| (*word).to_owned()).chain([program.to_string_lossy().into_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("audit").args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null()).current_dir("/").output().unwrap()
    }
}

/// The rows of an audit in JSON.
fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("kind").is_some_and(|kind| kind == "audit")).collect()
}

fn field<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A process that lives until the test ends.
struct Sleeper(Child);

impl Sleeper {
    fn new(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

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
fn what_may_not_be_looked_at_is_unknown_and_says_so() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let place = Place::new();
    let sleeper = Sleeper::new(Command::new("setsid").args(["-w", "sleep", "60"]));
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let output = place.audit(&nobody, &["--format", "json", "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    let row = rows_seen.first().unwrap();
    assert_eq!(field(row, "verdict"), "unknown");
    assert!(field(row, "reason").contains("CAP_SYS_PTRACE"), "{row}");
    assert_eq!(output.status.code(), Some(3));
    // The same with exactly the capability that shows it.
    let able = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--inh-caps",
        "+sys_ptrace,+dac_read_search",
        "--ambient-caps",
        "+sys_ptrace,+dac_read_search",
    ];
    let output = place.audit(&able, &["--format", "json", "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    assert_ne!(field(rows_seen.first().unwrap(), "verdict"), "unknown");
}

#[test]
fn an_ordinary_user_sees_what_is_its_own() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let place = Place::new();
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut own = Command::new("setpriv");
    own.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "setsid", "-w", "sleep", "60"])
        .current_dir("/");
    let sleeper = Sleeper::new(&mut own);
    let output = place.audit(&nobody, &["--format", "json", "-p", &sleeper.pid()]);
    assert_ne!(field(rows(&output).first().unwrap(), "verdict"), "unknown");
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
