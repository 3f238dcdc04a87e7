//! The task iterator: every process as the kernel holds it, numbered from the same counter as the events.
//!
//! Must not: read `/proc`, or judge scope.

use std::io::{self, Read as _};

use aya::{Ebpf, programs::Iter};
use tracer_common::{Wire as _, record::Snapshot};

use crate::capture::CaptureError;

/// Bytes asked for at a time. At 32 KiB or more the kernel's own buffer (8 pages) could fill up within one read, and it
/// would then run the program a second time for the task that found no room, with a new number.
const CHUNK: usize = 16 << 10;

/// Runs the iterator and hands each record's bytes to `take`.
pub fn run(ebpf: &mut Ebpf, mut take: impl FnMut(&[u8])) -> Result<(), CaptureError> {
    let failed = |error: &dyn std::error::Error| CaptureError::Probe {
        what: "run the task iterator".to_owned(),
        message: error.to_string(),
    };
    let missing = || CaptureError::Object("it has no program snapshot".to_owned());
    let program: &mut Iter =
        ebpf.program_mut("snapshot").ok_or_else(missing)?.try_into().map_err(|error| failed(&error))?;
    let link = program.attach().and_then(|id| program.take_link(id)).map_err(|error| failed(&error))?;
    let mut file = link.into_file().map_err(|error| failed(&error))?;
    let mut buffer = vec![0; CHUNK];
    let mut held: Vec<u8> = Vec::new();
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(&error)),
        };
        // A read ends where it ends, not at a record.
        held.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let (records, rest) = held.as_chunks::<{ Snapshot::SIZE }>();
        for record in records {
            take(record);
        }
        held = rest.to_vec();
    }
    // Half a record at the end is still one that was numbered.
    if !held.is_empty() {
        take(&held);
    }
    Ok(())
}
