//! A process that writes a compact recording and is killed with SIGKILL at any point: what it handed to the kernel is a
//! recording as far as it goes.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    io::{Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

use tracer_model::event::Event;
use tracer_user::trace_file::{Reader, Unwritten, WriteError};

/// The child that writes is this program, told where to by this.
const PLACE: &str = "SESSTRACE_TEST_WRITES_TO";
/// Events between two flushes.
const FLUSHED: usize = 37;

fn golden() -> (Reader<'static>, Vec<Event>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/bash-pipeline/recording.jsonl");
    let mut reader = Reader::open(&path).expect("a recording");
    let events = reader.by_ref().collect();
    (reader, events)
}

/// Not a test: what the child does. A byte on standard error for each flush.
#[test]
fn writer() {
    let Some(place) = env::var_os(PLACE) else { return };
    let (reader, events) = golden();
    let mut writer = Unwritten::open(Path::new(&place)).expect("a file").begin(reader.header()).expect("a header");
    for (n, event) in events.iter().cycle().enumerate() {
        writer.write(event).expect("an event");
        if (n + 1) % FLUSHED == 0 {
            writer.flush().expect("bytes");
            let _ = std::io::stderr().write_all(b"!");
        }
    }
}

#[test]
fn what_a_killed_writer_has_flushed_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rec.sesstrace");
    let part = folder.path().join("rec.sesstrace.part");
    let (_, events) = golden();
    for flushes in [1, 2, 5, 40, 333] {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "writer", "--nocapture"])
            .env(PLACE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut told = vec![0; flushes];
        child.stderr.as_mut().expect("a pipe").read_exact(&mut told).expect("flushes");
        child.kill().expect("killed");
        assert_eq!(child.wait().expect("waited").signal(), Some(libc::SIGKILL));

        assert!(!path.exists(), "an unfinished recording has not got its name");
        let mut reader = Reader::open(&part).expect("a recording");
        let read: Vec<Event> = reader.by_ref().collect();
        assert!(read.len() >= flushes * FLUSHED, "{} of {}", read.len(), flushes * FLUSHED);
        assert!(read.iter().eq(events.iter().cycle().take(read.len())), "what was written, in order");
        assert!(!reader.summary().complete && !reader.warnings().lines().is_empty(), "the missing end is told");
        // The lock is gone with its holder; what was recorded is not, until somebody takes it away.
        assert!(matches!(Unwritten::open(&path), Err(WriteError::Remains { .. })));
        fs::remove_file(&part).expect("a file");
    }
}
