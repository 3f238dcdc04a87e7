//! Any bytes as a recording, of whatever form: read to the end, and applied to the model.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tracer_model::state::Model;
use tracer_user::trace_file::Reader;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(Path::new("fuzz"), bytes) else { return };
    let mut model = Model::new();
    for event in &mut reader {
        model.apply(&event);
    }
    let _ = reader.warnings().lines();
});
