//! Segments: each can be read alone, and together they are the recording.

use tracer_model::{dsl, query, state::Model};

use super::{super::Rotation, *};
use crate::{
    sink::{
        Style,
        ps::{self, COLUMNS},
    },
    trace_file::Unwritten,
};

fn history() -> Vec<Event> {
    let mut text = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 100 bash {pg=100 sid=100 +leader tty=pts/3 fg=100}
        snapshot 70 cron
        snapshot-end
    "
    .to_owned();
    for n in 0..60 {
        let (at, child) = (3 + n, 101 + n);
        let job = format!(
            "@{at}000000 100: fork {child}\n@{at}100000 100: setpgid({child},{child}) = 0\n{child}: exec cat\n"
        );
        text.push_str(&job);
        if n % 3 != 0 {
            let end = format!(
                "{child}: exit 0\n{child}: dead\n@{at}500000 100: wait4(-1,2) = {child} got {child} exited:0\n"
            );
            text.push_str(&end);
        }
    }
    dsl::parse(&text).expect("a history")
}

fn model() -> Model {
    let mut model = Model::new();
    model.follow(Pid(100));
    model
}

/// What `ps -e` shows: lives of numbers, which are not shown, differ.
fn shown(model: &Model) -> String {
    let mut out = Vec::new();
    let columns: Vec<_> = COLUMNS.to_vec();
    ps::write(&query::ps(model), &columns, 5, Style::PLAIN, &mut out).expect("a list");
    String::from_utf8(out).expect("UTF-8")
}

/// Files of the folder, by name.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|it| it.expect("a file").path()).collect();
    paths.sort();
    paths
}

fn record(base: &Path, rotation: Rotation) {
    let mut writer = Unwritten::open_segment(base, rotation).expect("a file").begin(&header()).expect("a header");
    let mut model = model();
    for event in history() {
        writer.write(&event).expect("an event");
        model.apply(&event);
        writer.note_state(&model).expect("a state");
        // As a capture does, which is looked at all the time.
        writer.flush().expect("bytes");
    }
    writer.finish(true).expect("an end");
}

#[test]
fn segments_can_be_read_alone_and_are_the_recording_together() {
    for (name, rotation) in [
        ("rec.sesstrace", Rotation { bytes: Some(1500), ..Rotation::default() }),
        ("rec.jsonl", Rotation { bytes: Some(20_000), ..Rotation::default() }),
        ("rec.sesstrace", Rotation { age: Some(10_000_000), ..Rotation::default() }),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        record(&folder.path().join(name), rotation);
        let paths = files(folder.path());
        assert!(paths.len() > 4, "{name} {rotation:?}: {paths:?}");
        let (mut whole, mut all) = (model(), history().into_iter());
        for (n, path) in paths.iter().enumerate() {
            let mut reader = Reader::open(path).expect("a recording");
            assert_eq!(*reader.header(), header());
            let mut alone = model();
            let mut copied = n > 0;
            for event in reader.by_ref() {
                alone.apply(&event);
                if !copied {
                    assert_eq!(Some(&event), all.next().as_ref());
                    whole.apply(&event);
                }
                copied &= !matches!(event.kind, EventKind::SnapshotEnd { .. });
            }
            assert!(reader.summary().complete && reader.warnings().lines().is_empty());
            assert_eq!(shown(&alone), shown(&whole), "{name}: segment {n}");
        }
        assert_eq!(all.next(), None);
    }
}

#[test]
fn old_segments_are_removed_and_numbers_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let stranger = folder.path().join("rec.notes.sesstrace");
    std::fs::write(&stranger, "mine").expect("a file");
    let base = folder.path().join("rec.sesstrace");
    let rotation = Rotation { bytes: Some(1500), kept: Some(3), ..Rotation::default() };
    record(&base, rotation);
    let first = files(folder.path());
    assert_eq!(first.len(), 4, "{first:?}");
    record(&base, rotation);
    let second = files(folder.path());
    assert_eq!(second.len(), 4, "{second:?}");
    assert!(second[0] > first[2], "{first:?} {second:?}");
    assert!(stranger.exists());
}

#[test]
fn numbers_go_on_beyond_their_digits_and_what_was_not_finished_is_removed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let there = |name: &str| folder.path().join(name);
    for name in ["rec.000001.sesstrace.part", "rec.999999.sesstrace", "rec.1000000.sesstrace"] {
        std::fs::write(there(name), "x").expect("a file");
    }
    let rotation = Rotation { bytes: Some(1500), kept: Some(3), ..Rotation::default() };
    record(&there("rec.sesstrace"), rotation);
    let names = files(folder.path());
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().all(|it| it.to_string_lossy().contains("/rec.10000")), "{names:?}");
}

#[test]
fn a_segment_has_the_clock_as_it_was_set_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let rotation = Rotation { bytes: Some(1), ..Rotation::default() };
    let base = folder.path().join("rec.sesstrace");
    let mut writer = Unwritten::open_segment(&base, rotation).expect("a file").begin(&header()).expect("a header");
    let later = 3_600_000_000_000;
    let at = BootNs(header().boot_ns.0 + 5);
    let unix_ns = header().unix_ns + 5 + later;
    let event = tracer_model::event::Event { at, kind: EventKind::ClockAnchor { unix_ns }, ..history().remove(0) };
    writer.write(&event).expect("an event");
    writer.note_state(&model()).expect("a state");
    writer.finish(true).expect("an end");
    let headers: Vec<_> = files(folder.path())
        .iter()
        .map(|path| Reader::open(path).expect("a recording").header().unix_ns - header().unix_ns)
        .collect();
    assert_eq!(headers, [0, later]);
}
