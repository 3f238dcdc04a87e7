//! Golden recordings: real runs of scenarios under `tests/golden/NAME`, what sesstrace prints of them, and pictures of single
//! instants.
//!
//! `recording.jsonl` is made by [`record`], `timeline.txt` and `ps-PICTURE.txt` by [`replay`] with blessing. What a recording
//! must say is not here: it stands beside each scenario.

mod diff;
mod picture;
pub mod record;
pub mod replay;

use std::{
    env,
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tracer_model::event::Event;
use tracer_user::trace_file::{PTRACE, Reader, Scope};

use crate::{
    Scenario,
    story::{self, Recorded},
};

/// The programs under test: where this one was built.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Folder of `sesstrace` and `scenarios`.
    folder: PathBuf,
}

impl Tools {
    /// In the folder of `program`, an executable of this crate.
    pub fn beside(program: &Path) -> Result<Self> {
        let folder = program.parent().context("the program has no folder")?.to_owned();
        for name in ["sesstrace", "scenarios"] {
            let path = folder.join(name);
            ensure!(path.exists(), "{} is not there; run `cargo build -p tracer-user -p scenarios`", path.display());
        }
        Ok(Self { folder })
    }

    /// `sesstrace`.
    fn sesstrace(&self) -> PathBuf {
        self.folder.join("sesstrace")
    }

    /// A `PATH` in which both are found first, so that recordings hold no folder of this machine.
    fn path(&self) -> String {
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.display())
    }
}

/// Where folders to record in are made. It is on the mount of `/`: a working directory elsewhere keeps a mount busy, and that
/// would be found.
pub fn room() -> Result<PathBuf> {
    let root = mount(Path::new("/"))?;
    let candidates = [env::temp_dir(), "/var/tmp".into(), "/var/lib".into()];
    Ok(candidates.into_iter().find(|folder| mount(folder).is_ok_and(|mount| mount == root)).unwrap_or("/".into()))
}

/// The mount that a folder is on, as `/proc/PID/fdinfo` has it (proc(5)).
fn mount(folder: &Path) -> Result<String> {
    let open = File::open(folder).with_context(|| folder.display().to_string())?;
    let facts = fs::read_to_string(format!("/proc/self/fdinfo/{}", open.as_raw_fd())).context("fdinfo")?;
    facts.lines().find(|line| line.starts_with("mnt_id:")).map(str::to_owned).context("fdinfo has no mnt_id")
}

/// The folder of all golden recordings.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"))
}

/// The golden recording of a scenario.
#[must_use]
pub fn recording(scenario: &Scenario) -> PathBuf {
    root().join(scenario.name).join("recording.jsonl")
}

/// What a recording does not say of what it must: events and findings.
pub fn failures(scenario: &Scenario, path: &Path) -> Result<Vec<String>> {
    let recorded = read(path)?;
    let mut failures = story::check(scenario.expect, &recorded)?;
    failures.extend(story::finds::check(scenario.finds, &recorded)?);
    Ok(failures)
}

/// Reads a recording, which must be complete.
pub fn read(path: &Path) -> Result<Recorded> {
    let mut reader = Reader::open(path)?;
    let by_tracer = reader.header().backend == PTRACE;
    let followed = match reader.header().scope {
        Scope::Tree { root, .. } => Some(root),
        Scope::All => None,
    };
    let events: Vec<Event> = reader.by_ref().collect();
    let warnings = reader.warnings().lines();
    ensure!(warnings.is_empty(), "{}: {}", path.display(), warnings.join("; "));
    Ok(Recorded { events, by_tracer, followed })
}
