//! Bytes of a recording from a file or a pipe, with a way back to where the frame began that turned out damaged.
//!
//! Must not: grow without bound, or understand a byte.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// How far back the way goes. Frames are far smaller.
const KEPT: usize = 32 * 1024 * 1024;

/// Whatever can be read from any place.
pub(in super::super) trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// Where the bytes come from.
pub(in super::super) enum Source<'a> {
    /// A file.
    File(Box<dyn Seekable + 'a>),
    /// A pipe, a terminal: read once, from the begin.
    Stream(Box<dyn Read + 'a>),
}

pub(super) struct Tape<'a> {
    source: Source<'a>,
    /// Offset of the first byte of `buffer`.
    base: u64,
    /// Bytes up to `filled`; the rest is room.
    buffer: Vec<u8>,
    filled: usize,
    /// Next byte in `buffer`.
    next: usize,
    /// Where [`Self::rewind`] goes to.
    kept: usize,
    ended: bool,
}

impl<'a> Tape<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, base: 0, buffer: Vec::new(), filled: 0, next: 0, kept: 0, ended: false }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.next as u64
    }

    /// Bytes that are there already.
    pub(super) fn rest(&self) -> &[u8] {
        self.buffer.get(self.next..self.filled).unwrap_or_default()
    }

    /// Goes past `count` of them.
    pub(super) fn advance(&mut self, count: usize) {
        self.next = (self.next + count).min(self.filled);
    }

    /// From here on the way back is open.
    pub(super) fn keep(&mut self) {
        self.kept = self.next;
    }

    /// Back to where [`Self::keep`] was called, or as far as there is a way.
    pub(super) fn rewind(&mut self) {
        self.next = self.kept;
    }

    /// Reads more. `false`: there is no more.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let forget = if self.next - self.kept > KEPT { self.next } else { self.kept };
        if forget >= CHUNK {
            self.buffer.copy_within(forget..self.filled, 0);
            self.filled -= forget;
            self.base += forget as u64;
            self.next -= forget;
            self.kept = 0;
        }
        if self.buffer.len() == self.filled {
            self.buffer.resize(self.filled + CHUNK, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = loop {
            let read = match &mut self.source {
                Source::File(file) => file.read(room),
                Source::Stream(stream) => stream.read(room),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read?;
        self.filled += read;
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// The next `count` bytes, fewer at the end.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.rest().len() < count && self.fill()? {}
        let rest = self.rest();
        Ok(rest.get(..count).unwrap_or(rest))
    }

    /// Goes past `count` bytes that need not be there.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            if self.rest().is_empty() && !self.fill()? {
                return Ok(());
            }
            let step = left.min(self.rest().len() as u64);
            self.advance(step as usize);
            self.keep();
            left -= step;
        }
        Ok(())
    }

    /// Whether it can [`Self::seek`].
    pub(super) fn is_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Goes to an offset of a file.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let Source::File(file) = &mut self.source else { return Err(io::ErrorKind::Unsupported.into()) };
        file.seek(SeekFrom::Start(offset))?;
        (self.base, self.filled, self.next, self.kept, self.ended) = (offset, 0, 0, 0, false);
        Ok(())
    }

    /// The length of a file. [`Self::seek`] must follow.
    pub(super) fn length(&mut self) -> io::Result<u64> {
        let Source::File(file) = &mut self.source else { return Err(io::ErrorKind::Unsupported.into()) };
        file.seek(SeekFrom::End(0))
    }

    /// Fills `bytes` from an offset of a file. [`Self::seek`] must follow.
    pub(super) fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let Source::File(file) = &mut self.source else { return Err(io::ErrorKind::Unsupported.into()) };
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }
}
