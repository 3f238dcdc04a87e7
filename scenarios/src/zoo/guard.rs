//! Ends whatever the animals left when who keeps them is gone, however that ended: a daemon does not end by itself, and a service
//! manager least of all.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, setsid},
};

use super::stage::started;

/// A process of its own that waits for the end of this one. No signal to this one's group or terminal reaches it.
pub struct Guard(Child);

impl Guard {
    /// Runs `program WORD scratch`, in which [`Guard::keep`] is to be called.
    pub fn start(program: &Path, word: &str, scratch: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(word).arg(scratch).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let apart = || setsid().map(drop).map_err(io::Error::from);
        // SAFETY: setsid is async-signal-safe.
        unsafe { command.pre_exec(apart) };
        Ok(Self(command.spawn().context("the guard")?))
    }

    /// Waits for the end of who started this, which alone has the other end of standard input; then ends everything whose mark
    /// is `is_mark`, or that has to do with the scratch directory, and removes that.
    pub fn keep(is_mark: impl Fn(&str) -> bool + Copy, scratch: &Path) -> Result<()> {
        io::stdin().read_to_end(&mut Vec::new()).context("standard input")?;
        let is_marked = |variable: &[u8]| {
            let mark = variable.strip_prefix(b"ZOO=").map(String::from_utf8_lossy);
            mark.is_some_and(|mark| is_mark(&mark))
        };
        let own = std::process::id();
        loop {
            let left: Vec<u32> = started(is_marked, scratch).filter(|pid| *pid != own).collect();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_dir_all(scratch);
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
