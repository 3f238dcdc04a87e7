//! One line of JSON for a header, an event, an end: the same text in a recording and in `--json`.
//!
//! Must not: let a character through that a terminal acts on.

use std::io;

use serde::Serialize;
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

/// Appends `value` and a newline.
fn line<T: Serialize>(value: &T, out: &mut Vec<u8>) -> io::Result<()> {
    let begin = out.len();
    serde_json::to_writer(&mut *out, value)?;
    make_terminal_safe(out, begin);
    out.push(b'\n');
    Ok(())
}

/// Replaces the characters that a terminal acts on, from `begin` on, by `\u` escapes: what is not printable ASCII stands in
/// strings alone, where JSON allows them.
fn make_terminal_safe(out: &mut Vec<u8>, begin: usize) {
    let Some(text) = out.get(begin..) else { return };
    // What nearly every line consists of. Every byte is looked at, so that the compiler takes many at once.
    if text.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
        return;
    }
    let text = String::from_utf8_lossy(text).into_owned();
    out.truncate(begin);
    for c in text.chars() {
        if is_hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
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
