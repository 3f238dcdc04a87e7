//! A `sesstrace audit --watch` that a test listens to.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::place::{Place, field};

/// A line that does not come within this will not come.
const DEADLINE: Duration = Duration::from_mins(1);

/// It, and what it said.
pub struct Watcher {
    child: Child,
    lines: Receiver<Value>,
    /// Every line so far.
    pub said: Vec<Value>,
}

impl Watcher {
    /// Starts it behind the words `before` and waits until it watches. `None`, loudly, where the probes are not allowed.
    pub fn start(place: &Place, before: &[&str], arguments: &[&str]) -> Option<Self> {
        let program = place.path("sesstrace").to_string_lossy().into_owned();
        let mut words = before.iter().map(|word| (*word).to_owned()).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["audit", "--watch", "--format", "json"]).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            let values = out.lines().map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap());
            values.map_while(|value| sender.send(value).ok()).for_each(drop);
        });
        let mut watcher = Self { child, lines, said: Vec::new() };
        if watcher.next().is_some_and(|head| field(&head, "kind") == "watching") {
            return Some(watcher);
        }
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but it does not watch");
        eprintln!("SKIPPED: no eBPF here");
        None
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn next(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(DEADLINE).ok()?;
        self.said.push(line.clone());
        Some(line)
    }

    /// The next row of this process, with the rules that it tells.
    pub fn row_of(&mut self, pid: u32) -> Row {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("nothing was said of {pid} within a minute"));
            if field(&line, "kind") == "audit" && line.get("pid").is_some_and(|it| *it == pid) {
                return Row(line);
            }
        }
    }

    /// Whether a row of this process was told so far.
    pub fn has_told(&self, pid: u32) -> bool {
        self.said.iter().any(|line| field(line, "kind") == "audit" && line.get("pid").is_some_and(|it| *it == pid))
    }

    /// Asks it to end. Its exit status, and its last line.
    pub fn end(self) -> (ExitStatus, Value) {
        let (status, last, _) = self.end_with_all();
        (status, last)
    }

    /// Asks it to end. Its exit status, its last line, and everything before that.
    pub fn end_with_all(self) -> (ExitStatus, Value, Vec<Value>) {
        self.asked(&[Signal::SIGINT])
    }

    /// Asks it to end, and not to wait for anybody.
    pub fn end_at_once(self) -> (ExitStatus, Value, Vec<Value>) {
        self.asked(&[Signal::SIGINT, Signal::SIGTERM])
    }

    fn asked(mut self, signals: &[Signal]) -> (ExitStatus, Value, Vec<Value>) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        for signal in signals {
            nix::sys::signal::kill(pid, *signal).unwrap();
        }
        while self.next().is_some_and(|line| field(&line, "kind") != "watched") {}
        let last = self.said.pop().unwrap();
        (self.child.wait().unwrap(), last, std::mem::take(&mut self.said))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was said of a process.
#[derive(Debug)]
pub struct Row(pub Value);

impl Row {
    /// A field that is a text.
    pub fn text(&self, name: &str) -> &str {
        field(&self.0, name)
    }

    /// The rules that found something.
    pub fn rules(&self) -> Vec<&str> {
        self.0.get("rules").and_then(Value::as_array).unwrap().iter().filter_map(Value::as_str).collect()
    }
}
