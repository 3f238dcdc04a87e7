//! A recording in segments: `NAME.000001.sesstrace` and so on, of which the oldest are removed.
//!
//! Each segment is a recording of its own: it has the header, and begins with a snapshot of the state. Must not: touch files that
//! are not segments of this name.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use tracer_model::{ids::BootNs, state::Model};

use super::{Header, Unwritten, WriteError, Writer, is_being_written, unfinished};

/// When a segment ends, and how many are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// After so many bytes.
    pub bytes: Option<u64>,
    /// After so many ns.
    pub age: Option<u64>,
    /// The new one included; at least one.
    pub kept: Option<u64>,
}

/// The segments of one recording.
#[derive(Debug)]
pub(super) struct Segments {
    base: PathBuf,
    rotation: Rotation,
    number: u64,
}

impl Segments {
    /// Segments named after `base`, the first after those that are there.
    pub(super) fn after_those_of(base: &Path, rotation: Rotation) -> Self {
        let mut segments = Self { base: base.to_owned(), rotation, number: 0 };
        segments.number = segments.there().into_iter().max().unwrap_or(0) + 1;
        segments
    }

    /// The path of the current one.
    pub(super) fn path(&self) -> PathBuf {
        self.path_of(self.number)
    }

    fn path_of(&self, number: u64) -> PathBuf {
        let mut name = self.base.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{number:06}"));
        if let Some(extension) = self.base.extension() {
            name.push(".");
            name.push(extension);
        }
        self.base.with_file_name(name)
    }

    /// The numbers of the segments that are there, finished or not.
    fn there(&self) -> Vec<u64> {
        let folder = self.base.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.number_of(&entry.file_name())).collect()
    }

    fn number_of(&self, name: &OsString) -> Option<u64> {
        let rest = name.to_str()?.strip_prefix(self.base.file_stem()?.to_str()?)?.strip_prefix('.')?;
        let number = rest.split('.').next()?.parse().ok()?;
        let whole = self.path_of(number);
        let names = [unfinished(&whole), whole];
        names.iter().any(|it| it.file_name() == Some(name)).then_some(number)
    }

    /// Whether a segment of so many bytes that began then is to end.
    pub(super) fn are_due(&self, bytes: u64, begun: BootNs, now: BootNs) -> bool {
        let large = self.rotation.bytes.is_some_and(|most| bytes >= most);
        let old = self.rotation.age.is_some_and(|most| now.since(begun) >= most);
        large || old
    }

    /// Begins the next segment with the state, and removes what is too old.
    pub(super) fn next(&mut self, header: &Header, model: &Model) -> Result<Writer, WriteError> {
        self.number += 1;
        let mut writer = Unwritten::open(&self.path())?.begin(header)?;
        let now = model.now();
        for event in model.to_snapshot(now.seq, now.at) {
            writer.write(&event)?;
        }
        if let Some(kept) = self.rotation.kept {
            let old = self.there().into_iter().filter(|number| number.saturating_add(kept.max(1)) <= self.number);
            for number in old {
                // What cannot be removed stays; the next one is tried all the same.
                let path = self.path_of(number);
                let left = Some(unfinished(&path)).filter(|part| !is_being_written(part));
                for path in left.into_iter().chain([path]) {
                    let _ = fs::remove_file(path);
                }
            }
        }
        Ok(writer)
    }
}
