//! An audit that watches the machine while the animals live.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::stage::until;

/// It, and what it said.
pub struct Watcher {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Watcher {
    /// Starts it with a mark, and waits until it watches. `None`: it may not.
    pub fn start(sesstrace: &Path, mark: &str) -> Result<Option<Self>> {
        let mut command = Command::new(sesstrace);
        command.args(["audit", "--watch", "--repeat", "--format", "json"]).env("ZOO", mark);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("sesstrace")?;
        let mut out = BufReader::new(child.stdout.take().context("its output")?).lines();
        if !out.next().and_then(Result::ok).is_some_and(|line| line.contains("\"watching\"")) {
            child.wait().context("sesstrace")?;
            return Ok(None);
        }
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let all = lines.clone();
        thread::spawn(move || {
            for line in out.map_while(Result::ok) {
                if let Ok(mut all) = all.lock() {
                    all.push(line);
                }
            }
        });
        Ok(Some(Self { child, lines }))
    }

    /// What it said of a process last, with everything behind that. Waits until there is something.
    pub(super) fn said(&self, pid: u32) -> Result<String> {
        let mut said = String::new();
        until(&format!("{pid} is judged"), || {
            let lines = self.lines.lock().ok().context("a thread panicked")?;
            let is_row = |line: &String| {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                line.get("kind").is_some_and(|kind| kind == "audit") && line.get("pid").is_some_and(|it| *it == pid)
            };
            let row = lines.iter().rposition(is_row);
            said = row.map(|row| lines.get(row..).unwrap_or_default().join("\n")).unwrap_or_default();
            Ok(row.is_some())
        })?;
        Ok(said)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
