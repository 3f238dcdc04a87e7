//! What is written is read again, and whatever is read is read without a panic.

pub(crate) mod arbitrary;
mod compact;
mod compact_damage;
mod damage;
mod errors;
mod rotation;
mod round_trip;

use std::path::Path;

use tracer_model::{
    event::{Call, Comm, Event, EventKind, Leave, RawId, RawTask, State, TtyState, WaitStatus, Waited},
    ids::{BootNs, Pid, RawTty, Seq, Sid, Tid},
};

use super::{Header, Reader, Scope, Summary, Warnings, Writer};

/// The header of a recording of `bash -c …`.
pub(crate) fn header() -> Header {
    Header {
        tool: "0.1.0".to_owned(),
        host: b"build7".to_vec(),
        kernel: "6.18.44".to_owned(),
        boot_id: "6a1d0c3e-0000-4000-8000-000000000001".to_owned(),
        backend: "ebpf".to_owned(),
        tier: "tracepoint".to_owned(),
        tier_reason: "this kernel refuses trampolines".to_owned(),
        pid_namespace: 4_026_531_836,
        boot_ns: BootNs(5_000_000_000),
        unix_ns: 1_700_000_000_123_456_789,
        command: vec![b"bash".to_vec(), b"-c".to_vec(), b"caf\xe9 \x1b[2J".to_vec()],
        scope: Scope::Tree { root: Pid(100), name: b"bash".to_vec() },
        user: Some("ada".to_owned()),
    }
}

fn task(pid: u32) -> RawTask {
    RawTask { pid: Pid(pid), tid: Tid(pid), start: BootNs(4_000_000_000 + u64::from(pid)) }
}

fn state(pid: u32, pgid: u32) -> State {
    State {
        id: task(pid),
        ino: 9_000_000 + u64::from(pid),
        parent: task(99),
        pgrp: RawId { number: pgid, ino: 9_000_000 + u64::from(pgid) },
        session: RawId { number: 90, ino: 9_000_090 },
        tty: Some(TtyState {
            tty: RawTty { major: 136, minor: 3, instance: 24 },
            foreground: RawId { number: 90, ino: 9_000_090 },
            foreground_empty: false,
            session: Sid(90),
        }),
        live: 1,
        comm: Comm("bash".into()),
        ..State::default()
    }
}

/// Five events: a child that leads a new group, executes, exits and is reaped.
pub(super) fn events() -> Vec<Event> {
    let event = |seq: u64, actor: u32, subject: Option<State>, kind| Event {
        seq: Seq(seq),
        at: BootNs(5_000_000_000 + seq * 1_000_000),
        cpu: 1,
        actor: task(actor),
        actor_comm: Comm("bash".into()),
        subject: subject.map(Box::new),
        kind,
    };
    let setpgid = Leave {
        call: Call::Setpgid { pid: 0, pgid: 0 },
        ret: 0,
        entered: Some((Seq(1), BootNs(5_000_900_000))),
        enter_emitted: true,
        target_unknown: false,
        waited: None,
    };
    let waited = Waited { child: task(101), status: WaitStatus::Exited(0), left_waitable: false };
    let wait = Leave { call: Call::Wait4 { pid: -1, options: 2 }, ret: 101, waited: Some(waited), ..setpgid.clone() };
    vec![
        event(1, 100, Some(state(101, 100)), EventKind::NewTask { flags: 0x0120_0000 }),
        event(2, 101, Some(state(101, 101)), EventKind::Leave(setpgid)),
        event(
            3,
            101,
            Some(state(101, 101)),
            EventKind::Exec { old_tid: Tid(101), args: vec![b"sleep".to_vec(), b"0.3\xff".to_vec()], truncated: false },
        ),
        event(4, 101, Some(state(101, 101)), EventKind::Exit { group_dead: true }),
        event(5, 100, Some(state(100, 100)), EventKind::Leave(wait)),
    ]
}

/// A whole recording of `events`.
pub(super) fn recording(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(Path::new("test.jsonl"), &mut out, &header()).expect("a header");
    for event in events {
        writer.write(event).expect("an event");
    }
    writer.finish(true).expect("an end");
    out
}

/// All that can be read from `bytes`.
fn read(bytes: &[u8]) -> (Vec<Event>, Summary, Warnings) {
    let mut reader = Reader::new(Path::new("test.jsonl"), bytes).expect("a header");
    let events = reader.by_ref().collect();
    (events, reader.summary(), reader.warnings().clone())
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.split(|&byte| byte == b'\n').count() - 1
}
