//! `replay` prints byte for byte what `run` printed.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{
    text::is_hostile,
    trace_file::{Reader, Writer, tests::arbitrary},
};

const HISTORY: &str = "
    @5000000 10: fork 11
    10: setpgid(11,11) = 0
    11: exec x:ff1b5b324a a b
    @6000000 gap 3 sequence 5500000 6000000
    10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
    77~5(kworker/u8:1): SIGTSTP -> 11 kernel
    11: stops SIGTSTP
    10: wait4(-1,2) = 11 got 11 stopped:SIGTSTP
";

/// What a recording of `events` shows.
fn replayed(form: &str, header: &Header, events: &[Event], style: Style) -> String {
    let mut recording = Vec::new();
    let mut writer = Writer::new(Path::new("rec"), &mut recording, header).expect("a header");
    for event in events {
        writer.write(event).expect("an event");
    }
    writer.finish(true).expect("an end");
    let reader = Reader::new(Path::new("rec"), &recording[..]).expect("a recording");
    let header = reader.header().clone();
    let events: Vec<Event> = reader.collect();
    shown(form, &header, &events, style)
}

#[test]
fn a_replay_is_the_same_bytes_in_every_form_and_style() {
    let mut header = header();
    header.boot_ns = BootNs(4_000_000);
    let events = events(HISTORY);
    for form in SINKS {
        for style in [Style::PLAIN, Style { color: true, width: Some(70), ascii: true }] {
            let once = shown(form.name, &header, &events, style);
            assert_eq!(once, replayed(form.name, &header, &events, style), "{}", form.name);
            assert!(once.lines().count() > 8, "{once}");
        }
    }
}

#[test]
fn json_output_is_a_recording() {
    let events = events(HISTORY);
    let text = shown("json", &header(), &events, Style::PLAIN);
    let mut reader = Reader::new(Path::new("json"), text.as_bytes()).expect("a recording");
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), events);
    assert_eq!((reader.summary().lost, reader.summary().complete), (3, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever a recording may hold: nothing panics, nothing hostile is printed, and a replay is the same.
    #[test]
    fn any_events_are_shown_and_replayed(events in prop::collection::vec(arbitrary::event(), 0..30), ascii in any::<bool>()) {
        let style = Style { width: Some(80), ascii, color: false };
        for form in SINKS {
            let once = shown(form.name, &header(), &events, style);
            prop_assert!(!once.contains(|c: char| c != '\n' && is_hostile(c)), "{}", once);
            prop_assert!(!ascii || form.name == "json" || once.is_ascii(), "{}", once);
            prop_assert_eq!(&once, &replayed(form.name, &header(), &events, style));
        }
    }
}
