//! The file of a recording before there is anything to record.
//!
//! A compact recording is written under another name beside its own and gets its own when it is finished: what had the name
//! is whole until then. Must not: write.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

use super::{
    Header, WriteError, Writer,
    rotation::{Rotation, Segments},
    writer::is_compact,
};

/// The file of a recording, opened before there is anything to record: that it cannot be is said before a capture is loaded
/// and a command is started.
#[derive(Debug)]
pub struct Unwritten {
    path: PathBuf,
    file: File,
    /// The name that the file has, when that is not yet `path`.
    temporary: Option<PathBuf>,
    /// It was not there before.
    new: bool,
    segments: Option<Segments>,
}

impl Unwritten {
    /// Opens `path`, readable by its owner only, and locks it. What is in a file that is there stays until [`Self::begin`]. A file
    /// of another user is refused, who would read what is recorded; and so is one under the other name that holds what a capture
    /// recorded before it was killed.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let there = fs::symlink_metadata(path).ok();
        if there.as_ref().is_some_and(fs::Metadata::is_symlink) {
            return Err(WriteError::Link { path: path.to_owned() });
        }
        // What is no regular file (a pipe, /dev/null) is written as it is, and so are lines: others follow those as they come.
        let replaced = is_compact(path) && there.is_none_or(|there| there.is_file());
        let temporary = replaced.then(|| unfinished(path));
        let name = temporary.as_deref().unwrap_or(path);
        let failed = |source: io::Error| {
            let path = path.to_owned();
            if source.raw_os_error() == Some(libc::ELOOP) {
                WriteError::Link { path }
            } else {
                WriteError::Create { path, source }
            }
        };
        // Nobody waits for a reader of a pipe that somebody put there.
        let flags = if temporary.is_some() { libc::O_NONBLOCK } else { 0 };
        let (file, new) = open(name, flags).map_err(failed)?;
        let opened = file.metadata().map_err(failed)?;
        // On a file system without locks nobody can be told apart, and a pipe or /dev/null is everybody's.
        if opened.is_file() && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(WriteError::Busy { path: path.to_owned() });
        }
        if !new && (opened.is_file() || temporary.is_some()) {
            // Whoever had the lock before may have finished, and given it its own name.
            if !fs::symlink_metadata(name).is_ok_and(|there| (there.dev(), there.ino()) == (opened.dev(), opened.ino()))
            {
                return Err(WriteError::Busy { path: path.to_owned() });
            }
            if !is_own(&opened) {
                return Err(WriteError::Foreign { path: name.to_owned() });
            }
            if temporary.is_some() && opened.len() > 0 {
                return Err(WriteError::Remains { path: path.to_owned(), remains: name.to_owned() });
            }
        }
        Ok(Self { path: path.to_owned(), file, temporary, new, segments: None })
    }

    /// Opens the next segment of a recording in segments that are named after `base`.
    pub fn open_segment(base: &Path, rotation: Rotation) -> Result<Self, WriteError> {
        let segments = Segments::after_those_of(base, rotation);
        let mut unwritten = Self::open(&segments.path())?;
        unwritten.segments = Some(segments);
        Ok(unwritten)
    }

    /// Empties the file and writes the header.
    pub fn begin(self, header: &Header) -> Result<Writer<File>, WriteError> {
        let Self { path, file, temporary, segments, .. } = self;
        let error = |source| WriteError::Create { path: path.clone(), source };
        if file.metadata().map_err(error)?.is_file() {
            // A file that was there keeps its mode at open: arguments of other people's commands are not for all to read.
            file.set_permissions(Permissions::from_mode(0o600)).map_err(error)?;
            file.set_len(0).map_err(error)?;
        }
        let segments = segments.map(|segments| (segments, header.clone()));
        Ok(Writer::new(&path, file, header)?.with_names(temporary, segments))
    }

    /// There will be nothing to record: what was created is removed again.
    pub fn discard(self) {
        if self.new {
            // It is empty; nobody misses it and nobody is harmed if it stays.
            let _ = fs::remove_file(self.temporary.as_ref().unwrap_or(&self.path));
        }
    }
}

/// The name that a compact recording has until it is finished.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Whether somebody is recording to this file.
pub(crate) fn is_being_written(path: &Path) -> bool {
    // Nobody waits for a writer of a pipe that somebody put there.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether nobody else can read what is written to a file that was there: its owner could, and by another name anybody.
fn is_own(file: &Metadata) -> bool {
    file.is_file() && file.uid() == geteuid().as_raw() && file.nlink() <= 1
}

/// The file, and whether it was not there before.
fn open(path: &Path, flags: i32) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | flags);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(there) if there.kind() == io::ErrorKind::AlreadyExists => Ok((options.open(path)?, false)),
        Err(error) => Err(error),
    }
}
