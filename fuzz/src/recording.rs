//! Any bytes as a recording, of whatever form: read to the end, and applied to the model.

use std::path::Path;

use tracer_user::trace_file::Reader;

/// Runs the target.
pub fn run(bytes: &[u8]) {
    let Ok(reader) = Reader::new(Path::new("fuzz"), bytes) else { return };
    read(reader);
}

/// Everything of a recording.
pub(crate) fn read(mut reader: Reader<'_>) {
    let mut model = reader.header().model();
    let mut events = 0;
    for event in &mut reader {
        model.apply(&event);
        events += 1;
    }
    assert_eq!(reader.summary().events, events, "every event is counted");
    let _ = reader.warnings().lines();
}
