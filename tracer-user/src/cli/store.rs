//! Where recordings go that nobody named: `$XDG_STATE_HOME/sesstrace`, of which the last ten are kept.
//!
//! Must not: touch files that are not recordings of ours by name.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::exit::ExpectedError;
use crate::{
    live::unix_now,
    trace_file::{Unwritten, cause, is_being_written},
};

/// How many unnamed recordings are kept, the new one included.
const KEPT: usize = 10;
const SUFFIX: &str = ".sesstrace";
/// What the names of those that are there may end with: as above, not finished, of an earlier release.
const SUFFIXES: [&str; 3] = [SUFFIX, ".sesstrace.part", ".jsonl"];

/// The directory of unnamed recordings (XDG base directory specification): `None` without `XDG_STATE_HOME` and `HOME`.
fn directory(state_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The specification says to ignore a relative path.
    let state_home = state_home.filter(|path| path.is_absolute());
    let base = state_home.or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state")))?;
    Some(base.join("sesstrace"))
}

/// A path for a new recording in `directory`, which is created (0700) if need be. Older recordings beyond the kept number
/// are removed; what cannot be removed stays, and so does what is still recorded to.
///
/// The name begins with `unix_seconds` in a fixed width, so that the order of names is the order of time.
fn next(directory: &Path, unix_seconds: u64, pid: u32) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut old: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| is_ours(path))
        .collect();
    old.sort();
    let excess = (old.len() + 1).saturating_sub(KEPT);
    for path in old.iter().filter(|path| !is_being_written(path)).take(excess) {
        let _ = fs::remove_file(path);
    }
    Ok(directory.join(format!("{unix_seconds:012}-{pid}{SUFFIX}")))
}

/// The newest unnamed recording in `directory`.
fn last(directory: &Path) -> io::Result<Option<PathBuf>> {
    let names = fs::read_dir(directory)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(names.filter(|path| is_ours(path)).max())
}

/// The file for the recording that a `run` makes and nobody named. That there is none to be had is no reason not to run; it is
/// told in a line.
pub fn unnamed() -> Result<Unwritten, String> {
    const FIX: &str = "-w FILE keeps it";
    let unix_seconds = u64::try_from(unix_now() / 1_000_000_000).unwrap_or_default();
    let Some(directory) = users_directory() else {
        return Err(format!("neither XDG_STATE_HOME nor HOME names a directory ({FIX})"));
    };
    let path = next(&directory, unix_seconds, std::process::id());
    let path = path.map_err(|error| format!("cannot use {}: {} ({FIX})", directory.display(), cause(&error)))?;
    Unwritten::open(&path).map_err(|error| format!("{error} ({FIX})"))
}

/// The newest recording that nobody named.
pub fn newest() -> Result<PathBuf, ExpectedError> {
    let found = users_directory().and_then(|directory| last(&directory).ok().flatten());
    found.ok_or_else(|| ExpectedError::usage("there is no recording yet to replay", "sesstrace run -- COMMAND"))
}

fn users_directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    directory(variable("XDG_STATE_HOME"), variable("HOME"))
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let Some((time, pid)) = stem.and_then(|stem| stem.split_once('-')) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    time.len() == 12 && digits(time) && digits(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_follows_xdg() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(directory(path("/s"), path("/h")), path("/s/sesstrace"));
        assert_eq!(directory(None, path("/h")), path("/h/.local/state/sesstrace"));
        assert_eq!(directory(path("relative"), path("/h")), path("/h/.local/state/sesstrace"));
        assert_eq!(directory(None, None), None);
    }

    #[test]
    fn ten_are_kept_and_strangers_are_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let state = temporary.path().join("a/b");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("notes.sesstrace"), "mine").unwrap();
        fs::write(state.join("000000000000-41.jsonl"), "of an earlier release").unwrap();
        fs::write(state.join("000000000000-42.sesstrace.part"), "of a run that was killed").unwrap();
        for second in 0..15 {
            let path = next(&state, second, 42).unwrap();
            fs::write(&path, "x").unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), 11);
        assert_eq!(names[0], "000000000005-42.sesstrace");
        assert_eq!(names[10], "notes.sesstrace");
        assert_eq!(last(&state).unwrap(), Some(state.join("000000000014-42.sesstrace")));
    }

    #[test]
    fn what_is_still_recorded_to_is_kept() {
        let state = tempfile::tempdir().unwrap();
        let goes_on = Unwritten::open(&next(state.path(), 0, 42).unwrap()).unwrap();
        for second in 1..15 {
            fs::write(next(state.path(), second, 42).unwrap(), "x").unwrap();
        }
        assert!(state.path().join("000000000000-42.sesstrace.part").exists());
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), KEPT);
        goes_on.discard();
    }
}
