//! Any messages as those of a compact recording: what compression and checks would keep a fuzzer from ever writing. The form
//! is that of `docs/TRACE-FORMAT.md`, written here a second time.

use std::path::Path;

use tracer_user::trace_file::Reader;

const HEADER: &[u8] = br#"{"kind":"header","sesstrace":"1.1","tool":"0","boot_ns":"1000","unix_ns":"1","scope":"all"}"#;

/// Runs the target. Each message is a length in one byte, or in two with the first above 0x7f, and so many bytes; one of length
/// 0 begins another frame.
pub fn run(bytes: &[u8]) {
    let recording = recording(&messages(bytes));
    if let Ok(reader) = Reader::new(Path::new("fuzz"), &recording[..]) {
        super::recording::read(reader);
    }
}

/// A recording of these messages, with a frame for those between two empty ones.
#[must_use]
pub fn recording(messages: &[&[u8]]) -> Vec<u8> {
    let mut recording = b"\x50\x2a\x4d\x18\x0d\0\0\0sesstrace\x01\0\x01\0".to_vec();
    let mut header = vec![0x82, 0x01];
    length(HEADER.len(), &mut header);
    header.extend(HEADER);
    recording.extend(frame(&[&header]));
    for messages in messages.split(|message| message.is_empty()) {
        recording.extend(frame(messages));
    }
    recording
}

fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let (length, rest) = match (first, rest.split_first()) {
            (0x80.., Some((&second, rest))) => (usize::from(first & 0x7f) << 8 | usize::from(second), rest),
            _ => (usize::from(first), rest),
        };
        let (message, rest) = rest.split_at(length.min(rest.len()));
        messages.push(message);
        bytes = rest;
    }
    messages
}

/// A frame of messages that is checked at its end.
fn frame(messages: &[&[u8]]) -> Vec<u8> {
    let mut plain = Vec::new();
    for message in messages {
        length(message.len(), &mut plain);
        plain.extend(*message);
    }
    let check = crc32fast::hash(&plain);
    plain.extend([5, 15 << 3 | 5]);
    plain.extend(check.to_le_bytes());
    zstd::bulk::compress(&plain, 1).unwrap_or_default()
}

/// A length as protobuf writes it.
fn length(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
