//! Cgroups of a scenario's own, removed at its end. They take root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::process::me;

/// A cgroup.
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// In the unified hierarchy (cgroup v2), wherever that is mounted.
    pub fn unified() -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let root = if root.join("cgroup.procs").exists() { root.to_owned() } else { root.join("unified") };
        Self::below(&root)
    }

    /// With a limit to its memory, in bytes: in the unified hierarchy where that has the controller, else in that of memory.
    pub fn with_memory(limit: usize) -> Result<Self> {
        let (unified, memory) = (Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/memory"));
        let own = memory.join("memory.limit_in_bytes").exists();
        let folder = Self::below(if own { memory } else { unified })?;
        let file = if own { "memory.limit_in_bytes" } else { "memory.max" };
        folder.set(file, &limit.to_string()).context("the memory controller is not to be had here")?;
        // Where there is swap, memory is not what runs out.
        let _no_swap = folder.set(if own { "memory.swappiness" } else { "memory.swap.max" }, "0");
        Ok(folder)
    }

    fn below(root: &Path) -> Result<Self> {
        let folder = root.join(format!("scenario-{}", me()));
        fs::create_dir(&folder).with_context(|| format!("{}: needs root and a cgroup hierarchy", folder.display()))?;
        Ok(Self(folder))
    }

    /// Writes to one of its files.
    pub fn set(&self, file: &str, value: &str) -> Result<()> {
        let file = self.0.join(file);
        fs::write(&file, value).with_context(|| format!("writing {value} to {}", file.display()))
    }

    /// The caller goes into it.
    pub fn enter(&self) -> Result<()> {
        self.set("cgroup.procs", "0")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its last process has ended and been waited for; one that is left behind is no reason to fail.
        let _left = fs::remove_dir(&self.0);
    }
}
