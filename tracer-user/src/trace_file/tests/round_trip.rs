//! Both ways, without loss.

use std::os::unix::fs::PermissionsExt;

use expect_test::expect;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tracer_model::{
    event::{Event, EventKind, RawTask, TtyRequest},
    ids::{BootNs, Seq},
};

use crate::trace_file::Unwritten;

use super::{
    super::{
        event::{FileEvent, FileKind, KINDS},
        json::event_line,
        names::{CALL_NAMES, call_name, kind_name},
    },
    *,
};

proptest! {
    #[test]
    fn the_names_of_calls_are_those_that_are_written(kind in arbitrary::kinds()[9].clone()) {
        let event = Event { kind, ..events()[0].clone() };
        let value = serde_json::to_value(FileEvent::new(&event, BootNs(0))).expect("a value");
        let written = value["call"]["request"].as_str().or(value["call"]["name"].as_str());
        prop_assert_eq!(call_name(&event.kind), written);
        let known = |name: &str| CALL_NAMES.contains(&name) || TtyRequest::ALL.iter().any(|row| row.2 == name);
        prop_assert!(written.is_some_and(known), "{:?}", written);
    }

    #[test]
    fn every_event_comes_back(event in arbitrary::event(), base in any::<u64>()) {
        let base = BootNs(base);
        let mut line = Vec::new();
        event_line(&event, base, &mut line).expect("a line");
        prop_assert_eq!(newlines(&line), 1);
        let file: FileEvent = serde_json::from_slice(&line).expect("what was written can be read");
        prop_assert_eq!(file.into_event(base), event);
    }

    #[test]
    fn no_line_has_a_character_that_a_terminal_acts_on(event in arbitrary::event()) {
        let mut line = Vec::new();
        event_line(&event, BootNs(0), &mut line).expect("a line");
        let text = String::from_utf8(line).expect("UTF-8");
        prop_assert!(!text.trim_end_matches('\n').contains(crate::text::is_hostile), "{}", text);
    }
}

#[test]
fn the_known_kinds_are_the_kinds_that_are_written() {
    let mut runner = TestRunner::deterministic();
    let mut written: Vec<String> = Vec::new();
    for strategy in arbitrary::kinds() {
        let kind = strategy.new_tree(&mut runner).expect("a value").current();
        let event = Event {
            seq: Seq(1),
            at: BootNs(0),
            cpu: 0,
            actor: RawTask::default(),
            actor_comm: Comm::default(),
            subject: None,
            kind,
        };
        let value = serde_json::to_value(FileEvent::new(&event, BootNs(0))).expect("a value");
        assert_eq!(value["kind"], kind_name(&event.kind));
        written.push(value["kind"].as_str().expect("a kind").to_owned());
    }
    assert_eq!(written, KINDS);
    // A variant that is missing from KINDS is missing here too: serde names all of them.
    let error = serde_json::from_str::<FileKind>(r#"{"kind":"nothing"}"#).err().expect("no such kind").to_string();
    assert_eq!(error.matches('`').count(), 2 * (KINDS.len() + 1), "{error}");
}

#[test]
fn a_recording_is_what_a_person_can_read() {
    let text = String::from_utf8(recording(&events())).expect("UTF-8");
    expect![[r#"
        {"kind":"header","sesstrace":"1.3","tool":"0.1.0","host":{"text":"build7"},"kernel":"6.18.44","boot_id":"6a1d0c3e-0000-4000-8000-000000000001","backend":"ebpf","tier":"tracepoint","tier_reason":"this kernel refuses trampolines","pid_namespace":4026531836,"boot_ns":"5000000000","unix_ns":"1700000000123456789","command":[{"text":"bash"},{"text":"-c"},{"bytes":"Y2Fm6SAbWzJK"}],"scope":{"tree":{"root":100,"name":{"text":"bash"}}},"user":"ada"}
        {"seq":1,"at":1000000,"cpu":1,"kind":"new_task","flags":18874368,"by":{"pid":100,"start":"4000000100","comm":{"text":"bash"}},"of":{"pid":101,"start":"4000000101","comm":{"text":"bash"},"ino":"9000101","parent":{"pid":99,"start":"4000000099"},"pgid":100,"pgid_ino":"9000100","sid":90,"sid_ino":"9000090","tty":{"major":136,"minor":3,"instance":24,"foreground":90,"foreground_ino":"9000090","session":90},"live":1}}
        {"seq":2,"at":2000000,"cpu":1,"kind":"leave","call":{"name":"setpgid","pid":0,"pgid":0},"ret":0,"entered":{"seq":1,"at":900000},"enter_emitted":true,"by":{"pid":101,"start":"4000000101","comm":{"text":"bash"}},"of":{"pid":101,"start":"4000000101","comm":{"text":"bash"},"ino":"9000101","parent":{"pid":99,"start":"4000000099"},"pgid":101,"pgid_ino":"9000101","sid":90,"sid_ino":"9000090","tty":{"major":136,"minor":3,"instance":24,"foreground":90,"foreground_ino":"9000090","session":90},"live":1}}
        {"seq":3,"at":3000000,"cpu":1,"kind":"exec","old_tid":101,"args":[{"text":"sleep"},{"bytes":"MC4z/w=="}],"by":{"pid":101,"start":"4000000101","comm":{"text":"bash"}},"of":{"pid":101,"start":"4000000101","comm":{"text":"bash"},"ino":"9000101","parent":{"pid":99,"start":"4000000099"},"pgid":101,"pgid_ino":"9000101","sid":90,"sid_ino":"9000090","tty":{"major":136,"minor":3,"instance":24,"foreground":90,"foreground_ino":"9000090","session":90},"live":1}}
        {"seq":4,"at":4000000,"cpu":1,"kind":"exit","group_dead":true,"by":{"pid":101,"start":"4000000101","comm":{"text":"bash"}},"of":{"pid":101,"start":"4000000101","comm":{"text":"bash"},"ino":"9000101","parent":{"pid":99,"start":"4000000099"},"pgid":101,"pgid_ino":"9000101","sid":90,"sid_ino":"9000090","tty":{"major":136,"minor":3,"instance":24,"foreground":90,"foreground_ino":"9000090","session":90},"live":1}}
        {"seq":5,"at":5000000,"cpu":1,"kind":"leave","call":{"name":"wait4","pid":-1,"options":2},"ret":101,"entered":{"seq":1,"at":900000},"enter_emitted":true,"waited":{"child":{"pid":101,"start":"4000000101"},"status":{"exited":0}},"by":{"pid":100,"start":"4000000100","comm":{"text":"bash"}},"of":{"pid":100,"start":"4000000100","comm":{"text":"bash"},"ino":"9000100","parent":{"pid":99,"start":"4000000099"},"pgid":100,"pgid_ino":"9000100","sid":90,"sid_ino":"9000090","tty":{"major":136,"minor":3,"instance":24,"foreground":90,"foreground_ino":"9000090","session":90},"live":1}}
        {"kind":"end","events":5,"lost":0,"complete":true}
    "#]].assert_eq(&text);
}

#[test]
fn a_recording_comes_back() {
    let (read_events, summary, warnings) = read(&recording(&events()));
    assert_eq!(read_events, events());
    assert_eq!(summary, Summary { events: 5, lost: 0, complete: true });
    assert_eq!(warnings.lines(), Vec::<String>::new());
    let bytes = recording(&[]);
    let reader = Reader::new(Path::new("test"), &bytes[..]).expect("a header");
    assert_eq!(*reader.header(), header());
}

#[test]
fn gaps_are_counted_by_the_end_record() {
    let gap = tracer_model::event::Gap {
        from: BootNs(5_000_000_000),
        until: BootNs(5_000_000_009),
        lost: 7,
        cause: tracer_model::event::GapCause::MissingSequence,
        probes: vec![("sched_process_exit".to_owned(), 7)],
    };
    let mut events = events();
    events[2] = Event { subject: None, kind: EventKind::Gap(gap), ..events[2].clone() };
    let (read_events, summary, warnings) = read(&recording(&events));
    assert_eq!(read_events, events);
    assert_eq!(summary, Summary { events: 5, lost: 7, complete: true });
    assert_eq!(warnings.lines(), Vec::<String>::new());
}

#[test]
fn a_recording_is_for_its_owner_only_and_is_not_written_through_a_link() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rec.jsonl");
    std::fs::write(&path, "what was there before, and is longer than a header could ever be? no").expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");

    let writer = Unwritten::open(&path).expect("a file").begin(&header()).expect("a recording");
    assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o7777, 0o600);
    writer.finish(true).expect("an end");
    let mut reader = Reader::open(&path).expect("a recording");
    assert_eq!(reader.by_ref().count(), 0);
    assert!(reader.summary().complete);

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let error = Unwritten::open(&link).expect_err("refused").to_string();
    assert!(error.contains("symbolic link"), "{error}");
    let missing = dir.path().join("no/such/rec.jsonl");
    let error = Unwritten::open(&missing).expect_err("refused").to_string();
    assert!(error.contains("no/such/rec.jsonl: ENOENT"), "{error}");
}

#[test]
fn what_a_killed_capture_recorded_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rec.sesstrace");
    let remains = folder.path().join("rec.sesstrace.part");
    std::fs::write(&remains, "events").expect("a file");
    let error = Unwritten::open(&path).expect_err("refused");
    let fix = format!("mv {} {}", remains.display(), folder.path().join("rec.killed.sesstrace").display());
    assert_eq!((error.to_string().contains("a capture that was killed"), error.hint()), (true, Some(fix)));
    assert_eq!(std::fs::read(&remains).expect("a file"), b"events");
    std::fs::write(&remains, "").expect("a file");
    Unwritten::open(&path).expect("nothing was recorded").discard();
}

#[test]
fn what_others_could_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let there = |name: &str| folder.path().join(name);
    for name in ["one.jsonl", "two.sesstrace.part"] {
        std::fs::write(there(name), "").expect("a file");
        std::fs::hard_link(there(name), there("by another name")).expect("a link");
        let error = Unwritten::open(&there(name.trim_end_matches(".part"))).expect_err("refused").to_string();
        assert!(error.contains("another user's, has another name too"), "{error}");
        std::fs::remove_file(there("by another name")).expect("a link");
    }
    nix::unistd::mkfifo(&there("three.sesstrace.part"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let error = Unwritten::open(&there("three.sesstrace")).expect_err("nobody reads it").to_string();
    assert!(error.contains("ENXIO"), "{error}");
    let reader =
        std::fs::OpenOptions::new().read(true).write(true).open(there("three.sesstrace.part")).expect("a pipe");
    let error = Unwritten::open(&there("three.sesstrace")).expect_err("somebody reads it").to_string();
    assert!(error.contains("or is no file"), "{error}");
    drop(reader);
}

#[test]
fn a_recording_has_one_writer_and_what_is_no_file_has_any_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.jsonl");
    let first = Unwritten::open(&path).expect("a file");
    let second = Unwritten::open(&path).expect_err("busy").to_string();
    assert!(second.ends_with("another sesstrace is recording to it"), "{second}");
    drop(first);
    Unwritten::open(&path).expect("free again");
    let null = std::path::Path::new("/dev/null");
    let both = (Unwritten::open(null), Unwritten::open(null));
    assert!(both.0.is_ok() && both.1.is_ok());
}
