//! Reads a recording of either form, as a stream: from a file, or from a pipe that is still being written.
//!
//! Refuses what is no recording or has another major version. Everything else is read as far as it is good. Which form it
//! has its first bytes say. Must not: understand more than those.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _},
    path::{Path, PathBuf},
};

use tracer_model::{
    event::{Comm, Event, EventKind, Gap, GapCause, RawTask},
    ids::{BootNs, Seq},
    state::Model,
};

use super::{FORMAT_MAJOR, Header, Place, Summary, Warnings, cause, compact, lines};

/// Why a recording cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be opened or read.
    #[error("cannot read {}: {}", path.display(), cause(source))]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory.
    #[error("cannot read {}: it is a directory", path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// It has no bytes.
    #[error("{} is empty: nothing was recorded, not even the header", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{} is not a recording of sesstrace: {why}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It has another major version.
    #[error(
        "{} has recording format {major}.{minor}, and this sesstrace {} reads {FORMAT_MAJOR}.x",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Major {
        /// The path.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
        /// The release that wrote it.
        tool: String,
    },
}

impl ReadError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("sudo sesstrace replay {}    recordings are for their owner's eyes only", path.display()))
            }
            Self::Open { path, .. } => {
                let mut part = path.as_os_str().to_owned();
                part.push(".part");
                let part = PathBuf::from(part);
                let unfinished = "    is there: its capture goes on, or was killed";
                part.is_file().then(|| format!("sesstrace replay {}{unfinished}", part.display()))
            }
            Self::Directory { .. } => Some("name a recording in it".to_owned()),
            Self::Empty { .. } | Self::Foreign { .. } => {
                Some("sesstrace record -o FILE -- COMMAND    makes a recording".to_owned())
            }
            Self::Major { tool, .. } if tool.is_empty() => {
                Some("replay it with the sesstrace that recorded it".to_owned())
            }
            Self::Major { tool, .. } => Some(format!("replay it with sesstrace {tool}, which recorded it")),
        }
    }
}

/// A recording being read: an iterator of its events.
pub struct Reader<'a> {
    form: Form<'a>,
    /// The event that a line was read into.
    line: Option<Event>,
}

enum Form<'a> {
    Lines(Box<lines::Reader<BufReader<Box<dyn Read + 'a>>>>),
    Compact(Box<compact::Reader<'a>>),
}

impl Reader<'static> {
    /// Opens a recording; `-` is the standard input.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        if path.as_os_str() == "-" {
            return Self::new(Path::new("standard input"), io::stdin());
        }
        let error = |source| ReadError::Open { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(error)?;
        let kind = file.metadata().map_err(error)?.file_type();
        if kind.is_dir() {
            return Err(ReadError::Directory { path: path.to_owned() });
        }
        if !kind.is_file() {
            return Self::new(path, file);
        }
        let is_compact = compact::begins(&first_bytes(&mut file).map_err(error)?);
        file.rewind().map_err(error)?;
        if is_compact {
            let reader = compact::Reader::new(path, compact::Source::File(Box::new(file)))?;
            return Ok(Self { form: Form::Compact(Box::new(reader)), line: None });
        }
        Self::lines(path, Box::new(file))
    }
}

impl<'a> Reader<'a> {
    /// Reads the header from `input`; `path` is for messages.
    pub fn new(path: &Path, mut input: impl Read + 'a) -> Result<Self, ReadError> {
        let first = first_bytes(&mut input).map_err(|source| ReadError::Open { path: path.to_owned(), source })?;
        let is_compact = compact::begins(&first);
        let input = io::Cursor::new(first).chain(input);
        if is_compact {
            let reader = compact::Reader::new(path, compact::Source::Stream(Box::new(input)))?;
            return Ok(Self { form: Form::Compact(Box::new(reader)), line: None });
        }
        Self::lines(path, Box::new(input))
    }

    fn lines(path: &Path, input: Box<dyn Read + 'a>) -> Result<Self, ReadError> {
        let reader = lines::Reader::new(path, BufReader::with_capacity(64 * 1024, input))?;
        Ok(Self { form: Form::Lines(Box::new(reader)), line: None })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        match &self.form {
            Form::Lines(reader) => reader.header(),
            Form::Compact(reader) => reader.header(),
        }
    }

    /// What was read so far; once the iterator has ended, how the recording ended.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match &self.form {
            Form::Lines(reader) => reader.summary(),
            Form::Compact(reader) => reader.summary(),
        }
    }

    /// What had to be passed over so far.
    #[must_use]
    pub fn warnings(&self) -> &Warnings {
        match &self.form {
            Form::Lines(reader) => reader.warnings(),
            Form::Compact(reader) => reader.warnings(),
        }
    }
}

impl Reader<'_> {
    /// Goes to the last place that suits and of which the recording has the state: the next event is the one after it. Gives
    /// the state and the place. `None`: there is none, and the next event is the first. To be called before the first event.
    pub fn begin_at(&mut self, suits: impl Fn(&Place) -> bool) -> Option<(Model, Place)> {
        match &mut self.form {
            Form::Lines(_) => None,
            Form::Compact(reader) => reader.begin_at(suits),
        }
    }
}

impl Reader<'_> {
    /// The next event, in its place: the next call overwrites it. Cheaper than [`Iterator::next`], which gives it away.
    pub fn read(&mut self) -> Option<&Event> {
        match &mut self.form {
            Form::Lines(reader) => {
                self.line = reader.next();
                self.line.as_ref()
            }
            Form::Compact(reader) => reader.read(),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        match &mut self.form {
            Form::Lines(reader) => reader.next(),
            Form::Compact(reader) => reader.read().cloned(),
        }
    }
}

/// Enough bytes to tell the forms apart; fewer when there are no more.
fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    input.take(4).read_to_end(&mut first)?;
    Ok(first)
}

/// The gap for what could not be read after the event `last` (number and time), before an event of the time `until`.
pub(super) fn malformed_gap(start: BootNs, last: Option<(Seq, BootNs)>, until: Option<BootNs>, lost: u64) -> Event {
    let until = until.unwrap_or(start);
    let (seq, from) = last.unwrap_or((Seq(0), start.min(until)));
    Event {
        seq: Seq(seq.0.saturating_add(1)),
        at: until,
        cpu: 0,
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind: EventKind::Gap(Gap { from, until, lost, cause: GapCause::Malformed, probes: Vec::new() }),
    }
}
