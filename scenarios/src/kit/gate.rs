//! Gates: one process waits until another says so. A pipe; never a sleep.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
};

use anyhow::{Context as _, Result};
use nix::{
    fcntl::OFlag,
    unistd::{Pid, dup2_stdin, dup2_stdout, pipe2},
};

/// A pipe that processes made after it share. Each [`Gate::open`] lets one [`Gate::pass`] through.
#[derive(Debug)]
pub struct Gate {
    inner: OwnedFd,
    outer: OwnedFd,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Result<Self> {
        let (inner, outer) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        Ok(Self { inner, outer })
    }

    /// Lets one process through, now or when it comes.
    pub fn open(&self) -> Result<()> {
        self.tell(Pid::from_raw(0))
    }

    /// Waits until the gate is opened.
    pub fn pass(&self) -> Result<()> {
        self.hear().map(drop)
    }

    /// Opens the gate and hands a process number through it.
    pub fn tell(&self, pid: Pid) -> Result<()> {
        File::from(self.outer.try_clone()?).write_all(&pid.as_raw().to_ne_bytes()).context("gate")
    }

    /// Waits for the number that [`Gate::tell`] hands through.
    pub fn hear(&self) -> Result<Pid> {
        let mut bytes = [0; 4];
        File::from(self.inner.try_clone()?).read_exact(&mut bytes).context("gate")?;
        Ok(Pid::from_raw(i32::from_ne_bytes(bytes)))
    }

    /// The caller reads from the gate as its stdin, and leaves opening it to others.
    pub fn becomes_stdin(&self) -> Result<()> {
        dup2_stdin(&self.inner).context("dup2")
    }

    /// The caller opens the gate by writing to its stdout.
    pub fn becomes_stdout(&self) -> Result<()> {
        dup2_stdout(&self.outer).context("dup2")
    }
}
