//! Decompresses a frame and gives its messages, none before the check after it is found right.
//!
//! Must not: understand a message.

use std::io;

use zstd::stream::raw::{Decoder as Zstd, InBuffer, Operation as _, OutBuffer};

use super::tape::Tape;

/// The longest message that is read: an exec with the kernel's 2 MiB of arguments fits, and so does a keyframe.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;
/// The most that is kept of messages with no check after them yet, and the most that one frame holds: a writer ends a frame after
/// far less, and what is decoded of a frame is kept to its end.
const MOST: usize = 2 * LONGEST;
/// Room for what one step decompresses.
const STEP: usize = 64 * 1024;
/// A check: its tag, and its length.
const CHECK: u8 = 15 << 3 | 5;
const CHECK_LENGTH: usize = 5;

/// Why a frame cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("{0}")]
    Zstd(io::Error),
    #[error("the check is wrong")]
    Check,
    #[error("there is no check at the end")]
    Unchecked,
    #[error("a message, or what one check is for, is too long")]
    TooLong,
    #[error("{0}")]
    Malformed(#[from] super::decode::Malformed),
    #[error("its mark is wrong")]
    Mark,
    /// The bytes end within the frame.
    #[error("it ends early")]
    Torn,
    /// The bytes cannot be read.
    #[error("{0}")]
    Read(io::Error),
}

/// The frame that is being read.
pub(super) struct Batches {
    zstd: Zstd<'static>,
    /// What was decompressed, up to `filled`; the rest is room.
    plain: Vec<u8>,
    filled: usize,
    /// Where the next message begins that is given.
    next: usize,
    /// Up to here messages may be given.
    believed: usize,
    /// Up to here messages were looked at.
    scanned: usize,
    /// What was decompressed of the frame, in all.
    total: usize,
    /// The frame has ended.
    over: bool,
}

impl Batches {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: Zstd::new()?,
            plain: Vec::new(),
            filled: 0,
            next: 0,
            believed: 0,
            scanned: 0,
            total: 0,
            over: true,
        })
    }

    /// A frame begins.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.zstd.reinit()?;
        (self.filled, self.next, self.believed, self.scanned, self.total, self.over) = (0, 0, 0, 0, 0, false);
        Ok(())
    }

    /// Reads until there are messages to give. `false`: the frame has ended.
    pub(super) fn fill(&mut self, tape: &mut Tape) -> Result<bool, Damage> {
        loop {
            if self.scan()? {
                return Ok(true);
            }
            if self.over {
                return if self.filled == self.next { Ok(false) } else { Err(Damage::Unchecked) };
            }
            // What was given makes room for what comes.
            self.plain.copy_within(self.next..self.filled, 0);
            self.filled -= self.next;
            (self.believed, self.scanned, self.next) = (self.believed - self.next, self.scanned - self.next, 0);
            self.step(tape)?;
        }
    }

    /// Bytes that were decompressed of the frame so far.
    pub(super) fn decompressed(&self) -> u64 {
        self.total as u64
    }

    /// The next message that was checked.
    pub(super) fn message(&mut self) -> Option<&[u8]> {
        if self.next >= self.believed {
            return None;
        }
        let (begin, end) = bounds(self.plain.get(..self.filled)?, self.next)?;
        self.next = end;
        self.plain.get(begin..end)
    }

    /// Decompresses a little more.
    fn step(&mut self, tape: &mut Tape) -> Result<(), Damage> {
        if tape.rest().is_empty() && !tape.fill().map_err(Damage::Read)? {
            return Err(Damage::Torn);
        }
        if self.plain.len() < self.filled + STEP {
            self.plain.resize(self.filled + 2 * STEP, 0);
        }
        let room = self.plain.get_mut(self.filled..).unwrap_or_default();
        let (mut input, mut output) = (InBuffer::around(tape.rest()), OutBuffer::around(room));
        let remaining = self.zstd.run(&mut input, &mut output);
        let (read, written) = (input.pos(), output.pos());
        self.filled += written;
        self.total += written;
        if self.total > MOST {
            return Err(Damage::TooLong);
        }
        tape.advance(read);
        self.over = remaining.map_err(Damage::Zstd)? == 0;
        Ok(())
    }

    /// Looks for the end of a batch. `true`: there is one, and it is right.
    fn scan(&mut self) -> Result<bool, Damage> {
        let plain = self.plain.get(..self.filled).unwrap_or_default();
        while let Some((begin, end)) = bounds(plain, self.scanned) {
            if end - begin > LONGEST {
                return Err(Damage::TooLong);
            }
            let Some(message) = plain.get(begin..end) else { return Ok(false) };
            let at = std::mem::replace(&mut self.scanned, end);
            if end - self.believed > MOST {
                return Err(Damage::TooLong);
            }
            if let ([CHECK, crc @ ..], CHECK_LENGTH) = (message, message.len()) {
                let batch = plain.get(self.believed..at).unwrap_or_default();
                if crc32fast::hash(batch).to_le_bytes() != *crc {
                    return Err(Damage::Check);
                }
                self.believed = end;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where the message begins and ends whose length stands at `at`; `None` when the length is not whole.
#[inline]
fn bounds(plain: &[u8], at: usize) -> Option<(usize, usize)> {
    if let Some(byte @ ..0x80) = plain.get(at) {
        return Some((at + 1, at + 1 + usize::from(*byte)));
    }
    let (mut length, mut begin) = (0_usize, at);
    for shift in [0, 7, 14, 21, 28] {
        let byte = *plain.get(begin)?;
        begin += 1;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some((begin, begin + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few kilobytes that decompress to gigabytes of empty messages.
    #[test]
    fn messages_without_a_check_take_bounded_memory() {
        let mut batches = Batches::new().unwrap();
        batches.begin().unwrap();
        (batches.plain, batches.filled) = (vec![0; MOST], MOST);
        assert!(matches!(batches.scan(), Ok(false)), "as much as that may be");
        batches.plain.push(0);
        batches.filled += 1;
        assert!(matches!(batches.scan(), Err(Damage::TooLong)));
    }
}
