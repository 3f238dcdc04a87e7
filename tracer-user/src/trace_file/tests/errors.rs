//! What cannot be read or written at all, and what is said about it.

use std::io::{self, BufReader, Read, Write};

use super::{
    super::{ReadError, WriteError},
    *,
};

/// The message for a recording with these bytes.
fn refusal(bytes: &[u8]) -> String {
    Reader::new(Path::new("rec.jsonl"), bytes).err().expect("refused").to_string()
}

#[test]
fn what_is_no_recording_is_refused_and_named() {
    assert_eq!(refusal(b""), "rec.jsonl is empty: nothing was recorded, not even the header");
    for (bytes, why) in [
        (&b"\x7fELF\x02\x01\x01\0\0"[..], "expected value at column 1"),
        (b"{\"name\":\"package.json\"}\n", "missing field `sesstrace` at column 23"),
        (b"{\"kind\":\"header\",\"sesst", "EOF while parsing a string at column 23"),
        (b"[1,2]\n", "invalid type: integer `1`, expected a string at column 2"),
        (b"{\"sesstrace\":\"one\"}\n", "its version is not MAJOR.MINOR"),
        (b"\n", "EOF while parsing a value"),
    ] {
        let said = refusal(bytes);
        assert!(said.starts_with("rec.jsonl is not a recording of sesstrace: line 1 is not its header ("), "{said}");
        assert!(said.contains(why), "{said}\n  lacks: {why}");
    }
}

#[test]
fn another_major_version_is_refused_with_the_release_that_reads_it() {
    let line = b"{\"kind\":\"header\",\"sesstrace\":\"2.1\",\"tool\":\"0.9.4\\u001b[31m\",\"what\":\"ever\"}\n";
    let error = Reader::new(Path::new("rec.jsonl"), &line[..]).err().expect("refused");
    let this = env!("CARGO_PKG_VERSION");
    assert_eq!(error.to_string(), format!("rec.jsonl has recording format 2.1, and this sesstrace {this} reads 1.x"));
    assert_eq!(error.hint().expect("a way out"), "replay it with sesstrace 0.9.4\\x1b[31m, which recorded it");
}

#[test]
fn directories_and_missing_files_are_named_with_the_errno() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = Reader::open(dir.path()).err().expect("refused").to_string();
    assert!(said.ends_with("it is a directory"), "{said}");
    let said = Reader::open(&dir.path().join("none")).err().expect("refused").to_string();
    assert!(said.contains("none: ENOENT: No such file or directory"), "{said}");
}

/// A disk that cannot be read to the end.
struct BadSector<'a>(&'a [u8]);

impl Read for BadSector<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::Error::from_raw_os_error(libc::EIO)) } else { self.0.read(buffer) }
    }
}

#[test]
fn an_error_in_the_middle_ends_the_recording_and_keeps_what_was_read() {
    let whole = recording(&events());
    let end = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(3).expect("four lines").0 + 30;
    let mut reader = Reader::new(Path::new("rec"), BufReader::new(BadSector(&whole[..end]))).expect("a header");
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), events()[..3]);
    assert!(!reader.summary().complete);
    assert_eq!(
        reader.warnings().lines(),
        ["line 5 cannot be read: EIO: I/O error: the recording is incomplete, and shown as far as it goes"]
    );
}

#[test]
fn what_another_user_recorded_needs_that_users_rights() {
    let source = io::Error::from_raw_os_error(libc::EACCES);
    let error = ReadError::Open { path: "/root/rec.jsonl".into(), source };
    assert_eq!(error.to_string(), "cannot read /root/rec.jsonl: EACCES: Permission denied");
    assert!(error.hint().expect("a way").starts_with("sudo sesstrace replay /root/rec.jsonl"));
}

/// A disk with room for so many bytes.
struct Disk<'a> {
    data: &'a mut Vec<u8>,
    room: usize,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.room);
        if n == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.room -= n;
        self.data.extend_from_slice(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_once_with_what_was_kept() {
    let whole = recording(&events());
    let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    // Room for the header, two events and a half.
    let (room, mut data) = (ends[2] + 40, Vec::new());
    let mut writer =
        Writer::new(Path::new("rec.jsonl"), Disk { data: &mut data, room }, &header()).expect("room for a header");
    let mut told = Vec::new();
    for event in &events() {
        told.extend(writer.write(event).and_then(|()| writer.flush()).err());
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(told[0], WriteError::CutOff { kept: 2, .. }), "{told:?}");
    assert_eq!(
        told[0].to_string(),
        "the recording rec.jsonl ends early: ENOSPC: No space left on device. Its first 2 events are there and can be \
         replayed"
    );
    assert!(!writer.finish(true).expect("the failure was told already").complete);
    let (read_events, summary, _) = read(&data);
    assert_eq!(read_events, events()[..2]);
    assert!(!summary.complete);
}

#[test]
fn a_disk_that_is_full_at_the_end_is_told_by_finish() {
    let mut data = Vec::new();
    let room = recording(&events()).len() - 10;
    let disk = Disk { data: &mut data, room };
    let mut writer = Writer::new(Path::new("rec.jsonl"), disk, &header()).expect("room for a header");
    for event in &events() {
        writer.write(event).expect("it is only collected");
    }
    let error = writer.finish(true).expect_err("no room");
    assert!(matches!(error, WriteError::CutOff { kept: 5, .. }), "{error:?}");
    assert_eq!(read(&data).0, events());
}

#[test]
fn a_disk_that_is_full_at_the_start_makes_no_recording() {
    let disk = Disk { data: &mut Vec::new(), room: 10 };
    let error = Writer::new(Path::new("/mnt/rec.jsonl"), disk, &header()).err().expect("no room").to_string();
    assert_eq!(error, "cannot record to /mnt/rec.jsonl: ENOSPC: No space left on device");
}
