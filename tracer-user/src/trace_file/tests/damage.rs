//! Torn, flipped and foreign bytes in the middle of a recording: nothing before the damage is lost, nothing panics.

use proptest::prelude::*;
use tracer_model::event::{EventKind, GapCause};

use super::*;
use crate::trace_file::LONGEST_NAME;

/// Lines of a recording, each with its newline.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn every_truncation_keeps_the_whole_lines() {
    let whole = recording(&events());
    let header_end = lines(&whole)[0].len();
    for length in 0..whole.len() {
        let part = &whole[..length];
        let Ok(mut reader) = Reader::new(Path::new("torn"), part) else {
            assert!(length < header_end, "{length} bytes hold the header, and were refused");
            continue;
        };
        let read: Vec<Event> = reader.by_ref().collect();
        let newlines = newlines(part);
        let least = newlines.saturating_sub(1).min(5);
        assert!(read.len() >= least, "{length} bytes have {least} events, {} were read", read.len());
        assert_eq!(read, events()[..read.len()], "{length} bytes");
        let only_the_newline_is_missing = length == whole.len() - 1;
        assert_eq!(reader.summary().complete, only_the_newline_is_missing, "{length} bytes");
        assert_eq!(reader.warnings().lines().is_empty(), only_the_newline_is_missing, "{length} bytes");
        assert_eq!(reader.summary().lost, 0, "a torn end is not a loss of the capture");
    }
}

#[test]
fn a_torn_last_line_is_told_with_its_number() {
    let whole = recording(&events());
    let (read_events, summary, warnings) = read(&whole[..whole.len() - 60]);
    assert_eq!((read_events.len(), summary.complete), (4, false));
    assert_eq!(
        warnings.lines(),
        ["line 6, the last, is torn: the recording is incomplete, and shown as far as it goes"]
    );
    let (_, _, warnings) = read(&lines(&whole)[..4].concat());
    assert_eq!(
        warnings.lines(),
        ["there is no end record after line 4: the recording is incomplete, and shown as far as it goes"]
    );
}

#[test]
fn damaged_lines_become_one_gap_at_their_place() {
    let mut damaged = lines(&recording(&events()));
    damaged[2] = b"\x1b\xff{{{ garbage\n".to_vec();
    damaged[3] = b"{\"seq\":3,\"at\":\"never\",\"kind\":\"dead\"}\n".to_vec();
    let (read_events, summary, warnings) = read(&damaged.concat());
    assert_eq!(read_events.len(), 4);
    let gap = &read_events[1];
    let EventKind::Gap(what) = &gap.kind else { panic!("{gap:?}") };
    assert_eq!((gap.seq, what.lost, what.cause), (Seq(2), 2, GapCause::Malformed));
    assert_eq!((what.from, what.until), (events()[0].at, events()[3].at));
    assert_eq!(read_events[2..], events()[3..]);
    assert_eq!((summary.lost, summary.complete), (2, true));
    assert_eq!(
        warnings.lines(),
        ["line 3 is damaged, and 1 line more: expected value at column 1; skipped, and counted as lost"]
    );
}

/// The compact form does not read it either: what cannot be written as the other form is lost from the start, and said.
#[test]
fn a_name_that_no_process_can_have_is_damage() {
    let named = |length: usize| {
        let mut events = events();
        if let Some(state) = &mut events[2].subject {
            state.comm = Comm(vec![b'x'; length].into());
        }
        let (read_events, summary, warnings) = read(&recording(&events));
        (read_events == events, summary.lost, warnings.lines())
    };
    assert_eq!(named(LONGEST_NAME), (true, 0, vec![]));
    let why = "line 4 is damaged: the name of a process in it is too long; skipped, and counted as lost";
    assert_eq!(named(LONGEST_NAME + 1), (false, 1, vec![why.to_owned()]));
}

#[test]
fn damage_with_no_event_behind_it_is_a_gap_too() {
    let mut damaged = lines(&recording(&events()));
    damaged[5] = b"garbage\n".to_vec();
    let (read_events, summary, _) = read(&damaged.concat());
    assert_eq!((read_events.len(), summary.events, summary.lost, summary.complete), (5, 5, 1, true));
    assert!(matches!(&read_events[4].kind, EventKind::Gap(gap) if gap.lost == 1 && gap.until == events()[3].at));
    damaged.pop();
    let (_, summary, warnings) = read(&damaged.concat());
    assert_eq!((summary.lost, summary.complete), (1, false));
    assert_eq!(warnings.lines().len(), 2);
}

#[test]
fn a_loss_whose_gap_is_damaged_is_a_loss_all_the_same() {
    let gap = tracer_model::event::Gap {
        from: events()[1].at,
        until: events()[2].at,
        lost: 7,
        cause: GapCause::MissingSequence,
        probes: Vec::new(),
    };
    let mut events = events();
    events[2].kind = EventKind::Gap(gap);
    let mut damaged = lines(&recording(&events));
    assert_eq!(read(&damaged.concat()).1.lost, 7);
    damaged[3] = b"garbage\n".to_vec();
    // The seven that the end record still knows of, and the line.
    assert_eq!(read(&damaged.concat()).1.lost, 8);
}

#[test]
fn what_a_newer_minor_adds_is_skipped_and_told() {
    let mut newer = lines(&recording(&events()));
    newer[0] = String::from_utf8(newer[0].clone()).expect("UTF-8").replace("\"1.3\"", "\"1.7\"").into_bytes();
    newer[1] = b"{\"kind\":\"cgroup_moved\\u001b\",\"seq\":1,\"at\":0}\n{\"kind\":\"enter\",\"seq\":1}\n".to_vec();
    let at = newer[2].len() - 2;
    newer[2].splice(at..at, b",\"colour\":{\"a\":[1,2]}".iter().copied());
    let (read_events, summary, warnings) = read(&newer.concat());
    assert_eq!(read_events, events()[1..]);
    assert_eq!((summary.lost, summary.complete, warnings.skipped()), (0, true, 2));
    assert_eq!(
        warnings.lines(),
        [
            "the recording has format 1.7, newer than the 1.3 of this sesstrace: what is new in it is not shown",
            r"line 2: unknown kind of event cgroup_moved\x1b: 1 event skipped",
            "line 3: unknown kind of event enter with something new: 1 event skipped",
        ]
    );
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let mut bytes = lines(&recording(&events()))[0].clone();
    bytes.resize(bytes.len() + 17 * 1024 * 1024, b'x');
    bytes.push(b'\n');
    bytes.extend(lines(&recording(&events()))[1..].concat());
    let (read_events, summary, warnings) = read(&bytes);
    assert_eq!(read_events[1..], events());
    assert_eq!(summary.lost, 1);
    assert!(warnings.lines()[0].starts_with("line 2 is damaged: it is longer"), "{:?}", warnings.lines());
}

#[test]
fn the_end_record_is_compared_with_what_was_read() {
    let mut lines = lines(&recording(&events()));
    lines.remove(2);
    let (_, _, warnings) = read(&lines.concat());
    assert_eq!(warnings.lines(), ["the end record counts 5 events, the recording has 4"]);
    let end = lines.len();
    lines.push(lines[1].clone());
    let (_, _, warnings) = read(&lines.concat());
    assert_eq!(warnings.lines()[0], format!("line {} comes after the end record: what follows is not read", end + 1));
}

proptest! {
    #[test]
    fn flipped_bytes_lose_nothing_before_them(flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4)) {
        let whole = recording(&events());
        let mut bytes = whole.clone();
        let mut first = bytes.len();
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            first = first.min(at);
        }
        if let Ok(reader) = Reader::new(Path::new("flipped"), &bytes[..]) {
            let intact = newlines(&whole[..first]).saturating_sub(1).min(5);
            let read: Vec<Event> = reader.collect();
            prop_assert!(read.len() >= intact);
            prop_assert_eq!(&read[..intact], &events()[..intact]);
        }
    }

    #[test]
    fn no_bytes_at_all_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(reader) = Reader::new(Path::new("noise"), &bytes[..]) {
            reader.for_each(drop);
        }
        let mut behind_a_header = lines(&recording(&[]))[0].clone();
        behind_a_header.extend(bytes);
        let (_, summary, _) = read(&behind_a_header);
        prop_assert!(!summary.complete);
    }
}
