//! Writes a recording: whole lines, in batches.
//!
//! A failed write is reported once; the command that is being traced goes on, and so does everything downstream. Nothing is
//! synced to the disk: "written" means handed to the kernel.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use tracer_model::{event::Event, ids::BootNs};

use super::{
    cause,
    header::{Header, Summary},
    json::{end_line, event_line, header_line},
};

/// Bytes that are collected before a write.
const BATCH: usize = 64 * 1024;

/// Why a recording could not be made or went no further.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The path is a symbolic link.
    #[error("cannot record to {}: it is a symbolic link, and recordings are not written through links", path.display())]
    Link {
        /// The path.
        path: PathBuf,
    },
    /// It could not be created.
    #[error("cannot record to {}: {}", path.display(), cause(source))]
    Create {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written to the end.
    #[error(
        "the recording {} ends early: {}. Its first {kept} events are there and can be replayed",
        path.display(), cause(source)
    )]
    CutOff {
        /// The path.
        path: PathBuf,
        /// Events that are in it.
        kept: u64,
        /// Why.
        source: io::Error,
    },
}

impl WriteError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Link { .. } => Some("name the file itself".to_owned()),
            Self::Create { path, source } => Some(how_to_create(path, source)),
            Self::CutOff { .. } => Some("-w FILE (record: -o FILE) on a file system with more space".to_owned()),
        }
    }
}

/// What to do when a file cannot be created.
pub(crate) fn how_to_create(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => format!("mkdir -p {}", folder.display()),
        Some(Errno::EISDIR) => format!("name a file in it, as {}", path.join("sesstrace.jsonl").display()),
        Some(Errno::ENOSPC) => format!("df -h {}", folder.display()),
        Some(_) | None => format!("ls -ld {}", folder.display()),
    }
}

/// What to do when output that was begun cannot be written on.
pub(crate) fn how_to_write(error: &io::Error) -> Option<String> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC) => Some("write to a file system with more space: df -h shows it".to_owned()),
        Some(Errno::EDQUOT) => Some("write to a file system with more quota: quota shows it".to_owned()),
        Some(Errno::EFBIG) => Some("ulimit -f unlimited".to_owned()),
        Some(_) | None => None,
    }
}

/// A recording being written.
pub struct Writer<W: Write = File> {
    path: PathBuf,
    out: W,
    base: BootNs,
    batch: Vec<u8>,
    /// Counts what was given to [`Writer::write`].
    summary: Summary,
    /// Events whose lines are wholly with the kernel.
    kept: u64,
    /// A write failed: the recording has ended.
    cut_off: bool,
}

/// The file of a recording, opened before there is anything to record: that it cannot be is said before a capture is loaded
/// and a command is started.
#[derive(Debug)]
pub struct Unwritten {
    path: PathBuf,
    file: File,
    /// It was not there before.
    new: bool,
}

impl Unwritten {
    /// Opens `path`, readable by its owner only. What is in a file that is there stays until [`Self::begin`].
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let error = |source: io::Error| {
            let path = path.to_owned();
            if source.raw_os_error() == Some(libc::ELOOP) {
                WriteError::Link { path }
            } else {
                WriteError::Create { path, source }
            }
        };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        let (file, new) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(there) if there.kind() == io::ErrorKind::AlreadyExists => (options.open(path).map_err(error)?, false),
            Err(source) => return Err(error(source)),
        };
        Ok(Self { path: path.to_owned(), file, new })
    }

    /// Empties the file and writes the header.
    pub fn begin(self, header: &Header) -> Result<Writer<File>, WriteError> {
        let Self { path, file, .. } = self;
        let error = |source| WriteError::Create { path: path.clone(), source };
        if file.metadata().map_err(error)?.is_file() {
            file.set_len(0).map_err(error)?;
            // A file that was there keeps its mode at open: arguments of other people's commands are not for all to read.
            file.set_permissions(Permissions::from_mode(0o600)).map_err(error)?;
        }
        Writer::new(&path, file, header)
    }

    /// There will be nothing to record: what was created is removed again.
    pub fn discard(self) {
        if self.new {
            // It is empty; nobody misses it and nobody is harmed if it stays.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

impl<W: Write> Writer<W> {
    /// Writes the header to `out`; `path` is for messages.
    pub fn new(path: &Path, out: W, header: &Header) -> Result<Self, WriteError> {
        let mut writer = Self {
            path: path.to_owned(),
            out,
            base: header.boot_ns,
            batch: Vec::with_capacity(BATCH + 4096),
            summary: Summary::default(),
            kept: 0,
            cut_off: false,
        };
        let created = header_line(header, &mut writer.batch).and_then(|()| writer.out.write_all(&writer.batch));
        writer.batch.clear();
        created.map_err(|source| WriteError::Create { path: path.to_owned(), source })?;
        Ok(writer)
    }

    /// Adds an event. Fails once, when the recording ends early; what comes after is dropped.
    pub fn write(&mut self, event: &Event) -> Result<(), WriteError> {
        if self.cut_off {
            return Ok(());
        }
        self.summary.count(event);
        event_line(event, self.base, &mut self.batch).map_err(|source| self.cut(source))?;
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the kernel.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let mut done = 0;
        while let Some(rest) = self.batch.get(done..).filter(|rest| !rest.is_empty() && !self.cut_off) {
            match self.out.write(rest) {
                Ok(0) => return Err(self.cut_after(done, io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.cut_after(done, e)),
            }
        }
        self.kept = self.summary.events;
        self.batch.clear();
        Ok(())
    }

    /// Ends the recording. `complete`: the capture came to its own end.
    pub fn finish(mut self, complete: bool) -> Result<Summary, WriteError> {
        self.summary.complete = complete && !self.cut_off;
        if !self.cut_off {
            let summary = self.summary;
            end_line(summary, &mut self.batch).map_err(|source| self.cut(source))?;
            self.flush()?;
        }
        Ok(self.summary)
    }

    /// The write failed with `done` bytes of the batch written.
    fn cut_after(&mut self, done: usize, source: io::Error) -> WriteError {
        let lines = self.batch.iter().take(done).filter(|&&byte| byte == b'\n').count();
        self.kept += lines as u64;
        self.cut(source)
    }

    fn cut(&mut self, source: io::Error) -> WriteError {
        self.cut_off = true;
        self.batch = Vec::new();
        WriteError::CutOff { path: self.path.clone(), kept: self.kept, source }
    }
}
