//! Reads lines of bounded length from whatever somebody calls a recording.
//!
//! Must not: know what a line means.

use std::io::{self, BufRead, Read};

/// The longest line that is read: an exec with the kernel's 2 MiB of arguments, in base64 or escapes, fits.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its newline.
    Whole,
    /// The last line, which no newline ends.
    Unended,
    /// A line that is too long; it was skipped.
    TooLong,
    /// There is no more.
    End,
}

/// Reads the next line into `line`, which is emptied before.
pub(super) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    input.by_ref().take(LONGEST).read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        return Ok(Line::Whole);
    }
    if line.is_empty() {
        return Ok(Line::End);
    }
    if (line.len() as u64) < LONGEST {
        return Ok(Line::Unended);
    }
    line.clear();
    input.skip_until(b'\n')?;
    Ok(Line::TooLong)
}
