//! How many bytes an event takes on disk: at most eight, keyframes and index included.

#[path = "../examples/bench_recording/generate.rs"]
#[expect(clippy::indexing_slicing, reason = "its own arrays are not empty")]
mod generate;

use tracer_user::trace_file::{Reader, Unwritten};

/// Two keyframes are among them.
const EVENTS: u64 = 270_000;

#[test]
fn an_event_takes_at_most_eight_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.sesstrace");
    let header = generate::header();
    let mut writer = Unwritten::open(&path).expect("a file").begin(&header).expect("a header");
    let mut model = header.model();
    for event in generate::Jobs::new(200).take(EVENTS as usize) {
        writer.write(&event).expect("an event");
        model.apply(&event);
        writer.note_state(&model).expect("a keyframe");
    }
    writer.finish(true).expect("an end");
    let size = std::fs::metadata(&path).expect("a size").len();
    assert!(size <= 8 * EVENTS, "{size} bytes for {EVENTS} events");
    let mut reader = Reader::open(&path).expect("a recording");
    assert!(reader.begin_at(|place| place.events <= EVENTS).is_some(), "there are keyframes");
    assert_eq!(Reader::open(&path).expect("a recording").count() as u64, EVENTS);
}
