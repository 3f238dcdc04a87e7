//! The compact form says what JSON Lines say, from the start and from the middle.

use std::{io::Write as _, path::PathBuf};

use proptest::{collection::vec, prelude::*};
use tracer_model::{
    dsl, query,
    state::{Knowledge, Model},
};

use super::{
    super::compact::{Limits, Writer as Compact},
    *,
};

/// Frames and keyframes so small that a few events have several.
pub(super) const SMALL: Limits =
    Limits { frame_events: 4, frame_bytes: 1 << 20, keyframe_events: 8, keyframe_share: 0 };

/// A compact recording of `events`.
pub(super) fn compact(events: &[Event], limits: Limits) -> Vec<u8> {
    let mut writer = Compact::new(&header(), limits).expect("a header");
    let (mut out, mut model, mut summary) =
        (Vec::new(), Model::new(), Summary { complete: true, ..Summary::default() });
    model.follow(Pid(100));
    for event in events {
        writer.event(event).expect("an event");
        summary.count(event);
        model.apply(event);
        if writer.wants_keyframe() {
            writer.keyframe(&model).expect("a keyframe");
        }
        out.extend(writer.take());
    }
    out.extend(writer.finish(summary).expect("an end"));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_events_come_back(events in vec(arbitrary::event(), 0..40), small in any::<bool>()) {
        let limits = if small { SMALL } else { Limits::default() };
        let (read_events, summary, warnings) = read(&compact(&events, limits));
        prop_assert_eq!(&read_events, &events);
        prop_assert_eq!(warnings.lines(), Vec::<String>::new());
        prop_assert!(summary.complete);
        prop_assert_eq!(summary.events, events.len() as u64);
    }
}

#[test]
fn the_header_comes_back_and_the_path_says_the_form() {
    let bytes = compact(&events(), Limits::default());
    let reader = Reader::new(Path::new("test"), &bytes[..]).expect("a header");
    assert_eq!(*reader.header(), header());
    let mut out = Vec::new();
    let mut writer = Writer::new(Path::new("a.sesstrace"), &mut out, &header()).expect("a header");
    for event in events() {
        writer.write(&event).expect("an event");
    }
    writer.finish(true).expect("an end");
    assert_eq!(out, bytes);
}

#[test]
fn what_was_flushed_can_be_read_while_the_frame_is_open() {
    let mut writer = Compact::new(&header(), Limits::default()).expect("a header");
    let mut out = Vec::new();
    for (count, event) in events().iter().enumerate() {
        writer.event(event).expect("an event");
        out.extend(writer.flush().expect("bytes"));
        let (read_events, summary, warnings) = read(&out);
        assert_eq!(read_events, events()[..=count]);
        assert!(!summary.complete);
        let last = warnings.lines().pop().expect("a warning");
        assert!(last.contains(&format!("is torn after event {}: the recording is incomplete", count + 1)), "{last}");
    }
}

/// Every golden recording of the repository.
fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let cases = std::fs::read_dir(folder).expect("golden recordings");
    let mut paths: Vec<_> = cases.map(|case| case.expect("a case").path().join("recording.jsonl")).collect();
    paths.sort();
    assert!(paths.len() > 50, "{}", paths.len());
    paths
}

/// What `--json` prints.
fn lines_of(reader: &mut Reader) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(Path::new("x.jsonl"), &mut out, reader.header()).expect("a header");
    for event in reader.by_ref() {
        writer.write(&event).expect("an event");
    }
    writer.finish(reader.summary().complete).expect("an end");
    out
}

#[test]
fn golden_recordings_are_the_same_in_both_forms() {
    for path in golden() {
        let mut reader = Reader::open(&path).expect("a recording");
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Path::new("x.sesstrace"), &mut bytes, reader.header()).expect("a header");
        for event in reader.by_ref() {
            writer.write(&event).expect("an event");
        }
        writer.finish(reader.summary().complete).expect("an end");
        let there = lines_of(&mut Reader::open(&path).expect("a recording"));
        let back = lines_of(&mut Reader::new(&path, &bytes[..]).expect("a recording"));
        assert!(there == back, "{}", path.display());
        let size = std::fs::metadata(&path).expect("a size").len();
        assert!((bytes.len() as u64) < size / 2, "{}: {size} bytes became {}", path.display(), bytes.len());
    }
}

/// What `ps -e` shows but for what only the past tells: whether the leader of a group that it led has been reaped.
fn rows(model: &Model) -> Vec<String> {
    let row = |row: query::PsRow| {
        let comm = String::from_utf8_lossy(&row.comm.0).into_owned();
        format!("{} {} {} {} {} {} {comm}", row.pid, row.ppid, row.pgid, row.sid, row.tpgid, row.state)
    };
    query::ps(model).into_iter().map(row).collect()
}

#[test]
fn a_snapshot_of_the_state_makes_the_state_again() {
    let mut compared = 0;
    for path in golden() {
        let mut model = Model::new();
        for (n, event) in Reader::open(&path).expect("a recording").enumerate() {
            model.apply(&event);
            if n % 7 != 0 {
                continue;
            }
            let mut again = Model::new();
            for part in model.to_snapshot(event.seq, event.at) {
                again.apply(&part);
            }
            let seen = |model: &Model| model.processes().filter(|it| it.knowledge == Knowledge::Seen).count();
            assert_eq!(seen(&again), seen(&model), "{} after event {n}", path.display());
            // Who is only named by others is named by them again, if they still are there.
            let (there, here) = (rows(&model), rows(&again));
            let missing: Vec<_> = there.iter().filter(|row| !here.contains(row)).collect();
            let unseen = model.processes().filter(|it| it.knowledge != Knowledge::Seen).count();
            assert!(missing.len() <= unseen, "{} after event {n}: {missing:?}", path.display());
            compared += here.len();
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// A file with these bytes.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("bytes");
    file
}

/// The states after each event.
fn states(events: &[Event]) -> Vec<Model> {
    let mut model = Model::new();
    model.follow(Pid(100));
    let mut states = vec![model.clone()];
    for event in events {
        model.apply(event);
        states.push(model.clone());
    }
    states
}

/// Begins at the last keyframe before event number `at`, and goes on: the state is that of a replay from the start.
fn check_begin(reader: &mut Reader, events: &[Event], states: &[Model], at: u64) -> Option<u64> {
    let (mut model, place) = reader.begin_at(|place| place.events <= at)?;
    let begin = place.events as usize;
    assert_eq!(model, states[begin], "at {begin}");
    assert_eq!(reader.summary().events, place.events);
    for (n, event) in reader.by_ref().enumerate() {
        assert_eq!(event, events[begin + n]);
        model.apply(&event);
    }
    assert_eq!(model, *states.last().expect("a state"));
    assert_eq!(reader.summary().events, events.len() as u64);
    Some(place.events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn from_any_keyframe_the_state_is_that_from_the_start(
        events in vec(arbitrary::event(), 20..60),
        at in 0..70_u64,
        torn in any::<bool>(),
    ) {
        let mut bytes = compact(&events, SMALL);
        if torn {
            // Without the index the marks say the same.
            bytes.truncate(bytes.len() - 10);
        }
        let file = file(&bytes);
        let mut reader = Reader::open(file.path()).expect("a recording");
        let begin = check_begin(&mut reader, &events, &states(&events), at);
        prop_assert_eq!(begin, (at >= 8).then_some((at.min(events.len() as u64)) / 8 * 8));
    }
}

#[test]
fn a_history_is_the_same_from_every_keyframe() {
    let history = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 100 bash {pg=100 sid=100 +leader tty=pts/3 fg=100}
        snapshot-end
        @3000000 100: fork 101
        @3100000 100: setpgid(101,101) = 0
        @3200000 100: ioctl(255,TIOCSPGRP,0,101) = 0 {fg=101}
        @4000000 101: exec x:636174ff /etc/motd
        @5000000 101: exit 0
        101: dead
        @6000000 100: wait4(-1,2) = 101 got 101 exited:0
        @6100000 100: ioctl(255,TIOCSPGRP,0,100) = 0 {fg=100}
        @7000000 100: exit 0
        100: dead
        @8000000 1: wait4(-1,0) = 100 got 100 exited:0
    ";
    let events = dsl::parse(history).expect("a history");
    let limits = Limits { frame_events: 1000, frame_bytes: 1 << 20, keyframe_events: 1, keyframe_share: 0 };
    let (bytes, states) = (compact(&events, limits), states(&events));
    let file = file(&bytes);
    for at in 1..=events.len() as u64 {
        let mut reader = Reader::open(file.path()).expect("a recording");
        assert_eq!(check_begin(&mut reader, &events, &states, at), Some(at));
    }
}

#[test]
fn without_a_keyframe_that_suits_the_recording_is_read_from_the_start() {
    let events = events();
    let file = file(&compact(&events, Limits::default()));
    let mut reader = Reader::open(file.path()).expect("a recording");
    assert!(reader.begin_at(|_| true).is_none());
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), events);
    assert!(reader.summary().complete);
    // A pipe cannot be sought.
    let bytes = compact(&events, SMALL);
    let mut reader = Reader::new(Path::new("pipe"), &bytes[..]).expect("a recording");
    assert!(reader.begin_at(|_| true).is_none());
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), events);
}
