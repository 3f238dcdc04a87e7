//! Ends whatever the animals left when who keeps them is gone, however that ended: a daemon does not end by itself, and a service
//! manager least of all.

use std::{
    ffi::CStr,
    fs,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
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

/// A process of its own that waits for the end of this one. No signal to this one's group or terminal reaches it, nor one to
/// everybody of this one's name. Who kills both leaves the animals behind: nobody but a process can end a process.
pub struct Guard {
    child: Child,
    scratch: PathBuf,
}

/// Its name.
const NAME: &CStr = c"keeps-the-zoo";

impl Guard {
    /// Runs `program WORD scratch`, in which [`Guard::keep`] is to be called. The extension of the scratch directory is the number of
    /// this process, with which the mark of each animal begins.
    pub fn start(program: &Path, word: &str, scratch: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(word).arg(scratch).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let apart = || setsid().map(drop).map_err(io::Error::from);
        // SAFETY: setsid is async-signal-safe.
        unsafe { command.pre_exec(apart) };
        Ok(Self { child: command.spawn().context("the guard")?, scratch: scratch.to_owned() })
    }

    /// Waits for the end of who started this, which alone has the other end of standard input; then ends everybody of it.
    pub fn keep(scratch: &Path) -> Result<()> {
        // SAFETY: a name that ends with NUL.
        unsafe { libc::prctl(libc::PR_SET_NAME, NAME.as_ptr()) };
        io::stdin().read_to_end(&mut Vec::new()).context("standard input")?;
        end_all(scratch);
        Ok(())
    }
}

/// Ends everything with a mark of who has this scratch directory, which has its number in both, or that has to do with the directory;
/// and removes that.
fn end_all(scratch: &Path) {
    let mark = format!("ZOO={}-", scratch.extension().unwrap_or_default().display());
    let own = std::process::id();
    loop {
        let left = started(|variable| variable.starts_with(mark.as_bytes()), scratch);
        let left: Vec<u32> = left.filter(|pid| *pid != own).collect();
        if left.is_empty() {
            break;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = fs::remove_dir_all(scratch);
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Who has killed it has not ended the animals.
        if !self.child.wait().is_ok_and(|status| status.success()) {
            end_all(&self.scratch);
        }
    }
}
