//! One line of JSON for a header, an event, an end: the same text in a recording and in `--json`.
//!
//! Must not: let a character through that a terminal acts on.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use tracer_model::{
    event::Event,
    findings::{Finding, Words},
    ids::BootNs,
};

use super::{
    event::FileEvent,
    finding::FileFinding,
    header::{FileEnd, FileHeader, Header, Summary},
};
use crate::text::is_hostile;

/// Compact JSON that is safe to look at on a terminal: characters that a terminal acts on are `\u` escapes.
struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // What nearly every name and key consists of.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hostile(*c)) {
            let (before, from) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = from.get(c.len_utf8()..).unwrap_or_default();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// Appends `value` and a newline.
fn line<T: Serialize>(value: &T, out: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, TerminalSafe))?;
    out.push(b'\n');
    Ok(())
}

/// Appends the line of a header.
pub(crate) fn header_line(header: &Header, out: &mut Vec<u8>) -> io::Result<()> {
    line(&FileHeader::from(header), out)
}

/// Appends the line of an event whose recording has the time 0 `base`.
pub(crate) fn event_line(event: &Event, base: BootNs, out: &mut Vec<u8>) -> io::Result<()> {
    line(&FileEvent::new(event, base), out)
}

/// Appends the line of a finding; `words` makes text of a sentence.
pub(crate) fn finding_line(
    finding: &Finding,
    (suppressed, often): (Option<&str>, Option<&Words>),
    base: BootNs,
    words: impl Fn(&Words) -> String,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    line(&FileFinding::new(finding, (suppressed, often), base, words), out)
}

/// Appends the line that ends a recording.
pub(crate) fn end_line(summary: Summary, out: &mut Vec<u8>) -> io::Result<()> {
    line(&FileEnd::from(summary), out)
}
