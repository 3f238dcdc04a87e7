//! Writes a recording of either form, in batches. The extension of the path says which: `.sesstrace` is the compact one.
//!
//! A failed write is reported once; the command that is being traced goes on, and so does everything downstream. Nothing is
//! synced to the disk: "written" means handed to the kernel.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use tracer_model::{
    event::{Event, EventKind},
    ids::BootNs,
    state::Model,
};

use super::{
    cause, compact,
    header::{Header, Summary},
    json::{end_line, event_line, header_line},
    rotation::Segments,
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
    /// Somebody else is writing it.
    #[error("cannot record to {}: another sesstrace is recording to it", path.display())]
    Busy {
        /// The path.
        path: PathBuf,
    },
    /// What has the name, or would have it until the recording is finished, is no file of this user alone.
    #[error("cannot record to {}: it is another user's, has another name too, or is no file", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// What a killed capture recorded would be lost.
    #[error(
        "cannot record to {}: {} holds what was recorded by a capture that was killed",
        path.display(), remains.display()
    )]
    Remains {
        /// The path.
        path: PathBuf,
        /// What is left.
        remains: PathBuf,
    },
    /// It could not be created.
    #[error("cannot record to {}: {}", path.display(), cause(source))]
    Create {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not get its name at the end.
    #[error(
        "cannot rename {} to {}: {}. The recording is there under the first name",
        temporary.display(), path.display(), cause(source)
    )]
    Rename {
        /// The path.
        path: PathBuf,
        /// The name that it has.
        temporary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written to the end.
    #[error(
        "the recording {} ends early: {}. Its first {kept} events are there and can be replayed",
        path.display(), cause(source)
    )]
    CutOff {
        /// The path that it has.
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
            Self::Busy { .. } | Self::Foreign { .. } => Some("name another file".to_owned()),
            Self::Remains { path, remains } => {
                let kept = path.with_extension("killed.sesstrace");
                Some(format!("mv {} {}", remains.display(), kept.display()))
            }
            Self::Create { path, source } => Some(how_to_create(path, source)),
            Self::Rename { path, temporary, .. } => Some(format!("mv {} {}", temporary.display(), path.display())),
            Self::CutOff { source, .. } => how_to_write(source),
        }
    }
}

/// What to do when a file cannot be created.
pub(crate) fn how_to_create(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => format!("mkdir -p {}", folder.display()),
        Some(Errno::EISDIR) => format!("name a file in it, as {}", path.join("recording.sesstrace").display()),
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
    form: Form,
    batch: Vec<u8>,
    /// Counts what was given to [`Writer::write`].
    summary: Summary,
    /// Events that are wholly with the kernel.
    kept: u64,
    /// A write failed: the recording has ended.
    cut_off: bool,
    /// The name that the file has until it is finished.
    temporary: Option<PathBuf>,
    /// What comes after this file, when it is one of several.
    segments: Option<Box<(Segments, Header)>>,
    /// Bytes that are with the kernel.
    bytes: u64,
    /// Time of the first event.
    begun: Option<BootNs>,
}

enum Form {
    /// Lines, with times since this.
    Lines(BootNs),
    Compact(Box<compact::Writer>),
}

impl<W: Write> Writer<W> {
    /// Writes the header to `out`; `path` is for messages, and says the form.
    pub fn new(path: &Path, out: W, header: &Header) -> Result<Self, WriteError> {
        let error = |source| WriteError::Create { path: path.to_owned(), source };
        let mut batch = Vec::with_capacity(BATCH + 4096);
        let form = if is_compact(path) {
            Form::Compact(Box::new(compact::Writer::new(header, compact::Limits::default()).map_err(error)?))
        } else {
            header_line(header, &mut batch).map_err(error)?;
            Form::Lines(header.boot_ns)
        };
        let (summary, kept) = (Summary::default(), 0);
        let mut writer = Self {
            path: path.to_owned(),
            out,
            form,
            batch,
            summary,
            kept,
            cut_off: false,
            temporary: None,
            segments: None,
            bytes: 0,
            begun: None,
        };
        if let Form::Compact(form) = &mut writer.form {
            writer.batch = form.take();
        }
        writer.out.write_all(&writer.batch).map_err(error)?;
        writer.batch.clear();
        Ok(writer)
    }

    /// The file is renamed to its own name when it is finished, and others follow it.
    pub(super) fn with_names(mut self, temporary: Option<PathBuf>, segments: Option<(Segments, Header)>) -> Self {
        self.temporary = temporary;
        self.segments = segments.map(Box::new);
        self
    }

    /// Adds an event. Fails once, when the recording ends early; what comes after is dropped.
    pub fn write(&mut self, event: &Event) -> Result<(), WriteError> {
        if self.cut_off {
            return Ok(());
        }
        self.summary.count(event);
        self.begun.get_or_insert(event.at);
        if let EventKind::ClockAnchor { unix_ns } = event.kind
            && let Some((_, header)) = self.segments.as_deref_mut()
        {
            // What comes after this segment does not have the event.
            header.unix_ns = unix_ns.saturating_sub(event.at.0.cast_signed()).saturating_add_unsigned(header.boot_ns.0);
        }
        match &mut self.form {
            Form::Lines(base) => event_line(event, *base, &mut self.batch).map_err(|source| self.cut(source))?,
            Form::Compact(form) => {
                let made = form.event(event);
                if form.ready() >= BATCH {
                    self.batch.extend(form.take());
                }
                made.map_err(|source| self.cut(source))?;
            }
        }
        if self.batch.len() >= BATCH { self.hand_over() } else { Ok(()) }
    }

    /// Hands everything to the kernel.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if let Form::Compact(form) = &mut self.form
            && !self.cut_off
        {
            match form.flush() {
                Ok(bytes) => self.batch.extend(bytes),
                Err(source) => return Err(self.cut(source)),
            }
        }
        self.hand_over()?;
        self.kept = self.summary.events;
        Ok(())
    }

    /// Hands the batch to the kernel.
    fn hand_over(&mut self) -> Result<(), WriteError> {
        let mut done = 0;
        while let Some(rest) = self.batch.get(done..).filter(|rest| !rest.is_empty() && !self.cut_off) {
            match self.out.write(rest) {
                Ok(0) => return Err(self.cut_after(done, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    done += n;
                    self.bytes += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.cut_after(done, e)),
            }
        }
        if matches!(self.form, Form::Lines(_)) {
            self.kept = self.summary.events;
        }
        self.batch.clear();
        Ok(())
    }

    /// Ends the recording. `complete`: the capture came to its own end.
    pub fn finish(mut self, complete: bool) -> Result<Summary, WriteError> {
        self.summary.complete = complete && !self.cut_off;
        let ended = if self.cut_off { Ok(()) } else { self.write_end() };
        if let Some(temporary) = self.temporary.take() {
            let renamed = fs::rename(&temporary, &self.path);
            renamed.map_err(|source| WriteError::Rename { path: self.path.clone(), temporary, source })?;
        }
        ended.map(|()| self.summary)
    }

    fn write_end(&mut self) -> Result<(), WriteError> {
        let made = match &mut self.form {
            Form::Lines(_) => end_line(self.summary, &mut self.batch),
            Form::Compact(form) => form.finish(self.summary).map(|bytes| self.batch.extend(bytes)),
        };
        made.map_err(|source| self.cut(source))?;
        self.hand_over()
    }

    /// The write failed with `done` bytes of the batch written.
    fn cut_after(&mut self, done: usize, source: io::Error) -> WriteError {
        if matches!(self.form, Form::Lines(_)) {
            let lines = self.batch.iter().take(done).filter(|&&byte| byte == b'\n').count();
            self.kept += lines as u64;
        }
        self.cut(source)
    }

    fn cut(&mut self, source: io::Error) -> WriteError {
        self.cut_off = true;
        self.batch = Vec::new();
        // A whole recording that has the name keeps it.
        let keeps = |temporary: &PathBuf| {
            fs::symlink_metadata(&self.path).is_ok() || fs::rename(temporary, &self.path).is_err()
        };
        let path = self.temporary.take().filter(keeps).unwrap_or_else(|| self.path.clone());
        WriteError::CutOff { path, kept: self.kept, source }
    }
}

impl Writer<File> {
    /// Tells the state after the last event: a reader can begin here, and so can a new segment. To be called after each
    /// event; does nothing most of the time.
    pub fn note_state(&mut self, model: &Model) -> Result<(), WriteError> {
        if self.cut_off {
            return Ok(());
        }
        let now = model.now().at;
        let made = match &self.form {
            Form::Lines(_) => self.batch.len(),
            Form::Compact(form) => self.batch.len() + form.ready(),
        };
        let (bytes, begun) = (self.bytes + made as u64, self.begun.unwrap_or(now));
        if self.segments.as_ref().is_some_and(|segments| segments.0.are_due(bytes, begun, now)) {
            return self.begin_segment(model);
        }
        if let Form::Compact(form) = &mut self.form
            && form.wants_keyframe()
        {
            return form.keyframe(model).map_err(|source| self.cut(source));
        }
        Ok(())
    }

    /// Ends this file and goes on in the next. When there is none to be had, this one goes on.
    fn begin_segment(&mut self, model: &Model) -> Result<(), WriteError> {
        let Some(mut segments) = self.segments.take() else { return Ok(()) };
        let mut next = segments.0.next(&segments.1, model)?;
        std::mem::swap(self, &mut next);
        self.segments = Some(segments);
        next.finish(true).map(|_| ())
    }
}

/// Whether a recording of this name has the compact form.
pub(super) fn is_compact(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sesstrace")
}
