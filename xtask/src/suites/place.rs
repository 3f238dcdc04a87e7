//! Where a suite runs: its folder, and a cgroup of its own, by which another tracer knows its calls.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{
    list::Suite,
    outcome::{Outcome, outcome},
};

/// How long what a suite leaves behind may go on before it is ended.
const LINGER: Duration = Duration::from_secs(10);

/// A suite's folder and cgroup.
pub struct Place {
    suite: &'static Suite,
    folder: PathBuf,
    cgroup: PathBuf,
    /// The number of the cgroup.
    pub cgroup_id: u64,
}

impl Place {
    /// Makes the cgroup.
    pub fn new(suite: &'static Suite, folder: PathBuf) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
        let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(root) =
            mount.into_iter().find(|words| words.get(2) == Some(&"cgroup2")).and_then(|it| it.get(1).copied())
        else {
            bail!("no cgroup2 file system is mounted: mount -t cgroup2 none /sys/fs/cgroup");
        };
        let cgroup = Path::new(root).join(format!("sesstrace-suite-{}-{}", suite.name, std::process::id()));
        fs::create_dir(&cgroup).with_context(|| cgroup.display().to_string())?;
        let cgroup_id = fs::metadata(&cgroup)?.ino();
        Ok(Self { suite, folder, cgroup, cgroup_id })
    }

    /// A file of the suite's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The cgroup, as bpftrace wants it.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Runs the suite as often as it says, each time in a session and a cgroup of its own, and says what it found. What it left
    /// behind has ended then.
    pub fn run(&self, name: &str) -> anyhow::Result<Outcome> {
        let found = self.file(&format!("{name}.outcome"));
        let out = File::create(&found).with_context(|| found.display().to_string())?;
        let log = File::create(self.file(&format!("{name}.log")))?;
        let enter = format!("echo $$ >'{}/cgroup.procs' && exec sh -c \"$0\"", self.cgroup.display());
        for _ in 0..self.suite.times {
            let mut command = Command::new("setsid");
            command.args(["-w", "sh", "-c", &enter, self.suite.run]).current_dir(&self.folder);
            command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(log.try_clone()?);
            command.status().context("cannot run setsid")?;
            self.empty()?;
        }
        Ok(outcome(&String::from_utf8_lossy(&fs::read(&found)?)))
    }

    /// Waits until the suite's last process has gone, and ends those that do not go.
    fn empty(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let left = fs::read_to_string(self.cgroup.join("cgroup.procs")).context("cgroup.procs")?;
            if left.trim().is_empty() {
                return Ok(());
            }
            if begun.elapsed() > LINGER {
                for pid in left.lines() {
                    let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Busy when a suite was left in the middle: nothing else can be done about it here.
        let _ = fs::remove_dir(&self.cgroup);
    }
}
