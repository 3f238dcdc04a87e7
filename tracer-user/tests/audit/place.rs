//! What every test here needs: a place with the program, processes that end with the test, JSON.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::executable;

/// A folder that every user may look into, with the program: the build's own folder may be closed to others.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        // What whoever runs the tests has left open is nothing that a daemon of theirs was given.
        // SAFETY: it closes nothing here.
        let kept = unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) };
        assert_eq!(kept, 0, "{}", std::io::Error::last_os_error());
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        executable::install(env!("CARGO_BIN_EXE_sesstrace"), folder.path().join("sesstrace"));
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What an audit with these arguments prints.
    pub fn audit(&self, before: &[&str], arguments: &[&str]) -> Output {
        let program = self.path("sesstrace");
        let mut words = before.iter().map(|word| (*word).to_owned()).chain([program.to_string_lossy().into_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("audit").args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null()).current_dir("/").output().unwrap()
    }
}

/// The rows of an audit in JSON.
pub fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("kind").is_some_and(|kind| kind == "audit")).collect()
}

pub fn field<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A process that lives until the test ends.
pub struct Sleeper(Child);

impl Sleeper {
    pub fn new(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// One with the descriptors that the command has.
    pub fn as_it_is(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// One that says a line when it is ready, and lives as long as nobody closes its input.
    pub fn talking(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }

    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Words that make a command run as an ordinary user.
pub const NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// The same with exactly what `sesstrace doctor` names.
pub const ABLE: [&str; 10] = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
    "--inh-caps",
    "+bpf,+perfmon,+sys_ptrace,+dac_read_search",
    "--ambient-caps",
    "+bpf,+perfmon,+sys_ptrace,+dac_read_search",
];
