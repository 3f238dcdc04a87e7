//! How many bytes an event takes on disk: at most eight, keyframes and index included.

#[path = "../examples/bench_recording/generate.rs"]
#[expect(clippy::indexing_slicing, reason = "its own arrays are not empty")]
mod generate;

use tracer_model::ids::{BootNs, Pid};
use tracer_user::trace_file::{Header, Reader, Scope, Unwritten};

/// Two keyframes are among them.
const EVENTS: u64 = 270_000;

#[test]
fn an_event_takes_at_most_eight_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.sesstrace");
    let header = Header {
        tool: "0.1.0".to_owned(),
        host: b"bench".to_vec(),
        kernel: String::new(),
        boot_id: String::new(),
        backend: "generated".to_owned(),
        tier: String::new(),
        tier_reason: String::new(),
        pid_namespace: 0,
        boot_ns: BootNs(5_000_000_000),
        unix_ns: 1_795_507_200_000_000_000,
        command: Vec::new(),
        scope: Scope::Tree { root: Pid(300), name: b"bash".to_vec() },
        user: None,
    };
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
