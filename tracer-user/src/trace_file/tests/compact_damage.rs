//! The damage matrix of the compact form: every truncation, and a flip in every byte. What precedes the damage is read, what
//! is lost is said, nothing panics.

use tracer_model::event::{EventKind, GapCause};

use super::{
    super::compact::{Limits, Reader as CompactReader, Source, Writer as Compact},
    compact::{SMALL, compact},
    *,
};

/// Many events, each with its own number and time.
fn many(count: usize) -> Vec<Event> {
    let events = events();
    let repeated = events.iter().cycle().take(count).enumerate();
    repeated
        .map(|(n, event)| Event {
            seq: Seq(n as u64 + 1),
            at: BootNs(5_000_000_000 + n as u64 * 1_000),
            ..event.clone()
        })
        .collect()
}

/// Reads what may be damaged: the events but for the gaps that damage made, and what those gaps count as lost.
fn read_damaged(bytes: &[u8]) -> Option<(Vec<Event>, u64, Summary, Vec<String>)> {
    let mut reader = Reader::new(Path::new("damaged"), bytes).ok()?;
    let (mut events, mut lost) = (Vec::new(), 0);
    for event in reader.by_ref() {
        if let EventKind::Gap(gap) = &event.kind
            && gap.cause == GapCause::Malformed
        {
            lost += gap.lost;
        } else {
            events.push(event);
        }
    }
    Some((events, lost, reader.summary(), reader.warnings().lines()))
}

/// How many events have been flushed when the recording has so many bytes.
fn flushed(events: &[Event], limits: Limits) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut writer = Compact::new(&header(), limits).expect("a header");
    let mut out = writer.take();
    let mut lengths = vec![(out.len(), 0)];
    for (n, event) in events.iter().enumerate() {
        writer.event(event).expect("an event");
        out.extend(writer.flush().expect("bytes"));
        lengths.push((out.len(), n + 1));
    }
    let summary = Summary { events: events.len() as u64, lost: 0, complete: true };
    out.extend(writer.finish(summary).expect("an end"));
    (out, lengths)
}

#[test]
fn every_truncation_keeps_what_was_flushed() {
    let events = many(24);
    for limits in [SMALL, Limits::default()] {
        let (bytes, lengths) = flushed(&events, limits);
        let header_length = lengths[0].0;
        for length in 0..bytes.len() {
            let Some((read, lost, summary, warnings)) = read_damaged(&bytes[..length]) else {
                assert!(length < header_length, "{length} bytes hold the header, and were refused");
                continue;
            };
            let least = lengths.iter().rev().find(|(at, _)| *at <= length).map_or(0, |(_, events)| *events);
            assert!(read.len() >= least, "{length} bytes: {least} events were flushed, {} read", read.len());
            assert_eq!(read, events[..read.len()], "{length} bytes");
            assert_eq!(lost, 0, "a torn end is not a loss of the capture");
            // What stands after the end record only makes reading faster.
            let ended = summary.complete;
            assert_eq!(warnings.is_empty(), ended, "{length} bytes: {warnings:?}");
            assert!(!ended || read.len() == events.len());
        }
        assert!(read_damaged(&bytes).expect("whole").2.complete);
    }
}

#[test]
fn a_flip_in_any_byte_costs_at_most_its_frame_and_is_said() {
    let events = many(60);
    let whole = compact(&events, SMALL);
    let mut random = 1_u64;
    let (mut refused, mut harmless) = (0, 0);
    for at in 0..whole.len() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (random >> 61);
        let Some((read, lost, _, warnings)) = read_damaged(&bytes) else {
            refused += 1;
            continue;
        };
        let subsequence = read.iter().try_fold(0, |from, event| {
            events.get(from..)?.iter().position(|other| other == event).map(|place| from + place + 1)
        });
        assert!(subsequence.is_some(), "byte {at}: an event that was never written");
        assert_eq!(read.len() as u64 + lost, 60, "byte {at}: {warnings:?}");
        assert!(lost <= 8, "byte {at}: {lost} lost");
        assert!(lost == 0 || !warnings.is_empty(), "byte {at}: {lost} lost in silence");
        harmless += usize::from(warnings.is_empty());
    }
    // The version and the header are needed; the index, the seek table and checksums of zstd are not.
    assert!(refused < 400, "{refused} of {} refused", whole.len());
    assert!(harmless < whole.len() / 2, "{harmless} of {} without a word", whole.len());
}

#[test]
fn what_is_cut_out_of_the_middle_is_counted() {
    let events = many(60);
    let whole = compact(&events, SMALL);
    for (from, length) in [(900, 700), (1200, 100), (whole.len() / 2, 333)] {
        let bytes = [&whole[..from], &whole[from + length..]].concat();
        let (read, lost, summary, warnings) = read_damaged(&bytes).expect("a header");
        assert_eq!(read.len() as u64 + lost, 60, "{warnings:?}");
        assert!(lost > 0 && lost < 30 && summary.complete, "{lost} {warnings:?}");
        assert_eq!(summary.lost, lost);
    }
}

#[test]
fn what_is_appended_is_not_read_and_that_is_said() {
    let events = many(24);
    let one = compact(&events, SMALL);
    let (read, _, summary, told) = read_damaged(&[&one[..], &one].concat()).expect("a recording");
    assert_eq!((read.len(), summary.complete), (24, true));
    assert_eq!(told, [format!("the frame at byte {} comes after the end record: what follows is not read", one.len())]);
}

#[test]
fn foreign_and_newer_bytes_are_refused_by_name() {
    let whole = compact(&events(), Limits::default());
    let refused = |bytes: &[u8]| Reader::new(Path::new("rec"), bytes).err().expect("refused");
    let newer = {
        // The major version, in the first frame and in the header's JSON, which the recorder of that version writes.
        let mut bytes = whole.clone();
        bytes[17] = 2;
        bytes
    };
    let error = refused(&newer);
    assert!(error.to_string().starts_with("rec has recording format 2."), "{error}");
    assert_eq!(error.hint().expect("a way"), "replay it with sesstrace 0.1.0, which recorded it");
    let error = refused(&whole[..20]);
    assert!(error.to_string().contains("is not a recording of sesstrace"), "{error}");
    assert!(refused(&[]).to_string().contains("empty"));
    let minor = {
        let mut bytes = whole.clone();
        bytes[19] = 99;
        bytes
    };
    let (read_events, _, _, warnings) = read_damaged(&minor).expect("a newer minor is read");
    assert_eq!(read_events, events());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("the recording has format 1.99, newer than the 1."), "{warnings:?}");
}

#[test]
fn arbitrary_bytes_after_the_header_do_no_harm() {
    let header_length = Compact::new(&header(), SMALL).expect("a header").take().len();
    let whole = compact(&events(), SMALL);
    let mut random = 7_u64;
    for round in 0..300 {
        let mut bytes = whole[..header_length].to_vec();
        for _ in 0..round {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((random >> 56) as u8);
        }
        let (read, _, summary, warnings) = read_damaged(&bytes).expect("a header");
        assert!(read.is_empty() && !summary.complete && !warnings.is_empty());
    }
}

/// A recording whose first part is whole, then these bytes, then the rest of it: what was read of it, what was looked at in vain
/// and the warnings.
fn with_bytes_within(events: &[Event], hostile: &[u8]) -> (usize, u64, Vec<String>) {
    let whole = compact(events, SMALL);
    let middle = whole.len() / 2;
    let bytes = [&whole[..middle], hostile, &whole[middle..]].concat();
    let mut reader = CompactReader::new(Path::new("hostile"), Source::Stream(Box::new(&bytes[..]))).expect("a header");
    let mut count = 0;
    while let Some(event) = reader.read() {
        count += usize::from(!matches!(event.kind, EventKind::Gap(_)));
    }
    (count, reader.wasted(), reader.warnings().lines())
}

/// What is looked at in vain grows with the recording, not with its square.
#[test]
fn bytes_that_look_like_frames_everywhere_are_looked_at_once() {
    let events = many(60);
    for magic in [0xFD2F_B528_u32, 0x184D_2A51] {
        for count in [1 << 12, 1 << 16] {
            let hostile = magic.to_le_bytes().repeat(count);
            let (read, wasted, warnings) = with_bytes_within(&events, &hostile);
            assert!(read >= 50, "what is after them is found: {read} {warnings:?}");
            assert!(wasted <= 16 * hostile.len() as u64 + 20_000, "{wasted} bytes for {}", hostile.len());
        }
    }
}

/// Frames in frames (RFC 8878: a block that is stored as it is), each as long as all that follows.
#[test]
fn frames_within_frames_are_given_up() {
    let mut hostile = Vec::new();
    for _ in 0..400_000 {
        hostile.extend(0xFD2F_B528_u32.to_le_bytes());
        // One segment without its size, a window of 128 KiB, and a stored block of 64 KiB that is not the last.
        hostile.extend([0, 0x38]);
        hostile.extend(&(65_536_u32 << 3).to_le_bytes()[..3]);
    }
    let (read, wasted, warnings) = with_bytes_within(&many(60), &hostile);
    assert!(read >= 20, "what is before them is read: {read}");
    let length = hostile.len() as u64 + 20_000;
    // The bound, and what the frame that passed it cost.
    assert!(wasted <= (64 << 20) + 64 * length + 2 * length, "{wasted} bytes for {length}");
    let last = warnings.last().expect("a warning");
    assert!(last.contains("is not searched for more frames") && last.contains("the recording is incomplete"), "{last}");
}
