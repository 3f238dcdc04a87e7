//! Each test makes a record's bytes and looks at the event that comes out.

use tracer_common::record::{
    self as raw, BIT_FOREGROUND_EMPTY, BIT_SESSION_LEADER, FLAG_ENTER_NOT_EMITTED, FLAG_STATE_UNREADABLE,
    FLAG_USER_UNREADABLE, Kind, TaskId,
};
use tracer_model::{
    event::{Call, RawId, TtyRequest, WaitStatus},
    ids::{Pid, RawTty, Sid},
};

use super::*;

/// The bytes that a probe would write.
fn bytes<T: Copy>(record: &T) -> &[u8] {
    // SAFETY: records have no padding (asserted where they are defined), so every byte is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast(), size_of::<T>()) }
}

fn zero<T: tracer_common::Wire>() -> T {
    T::read(&[0; 2048]).unwrap()
}

const ATTACHED: u64 = 1000;

fn header<T: Kind>() -> Header {
    let mut actor_comm = [0; 16];
    actor_comm[..4].copy_from_slice(b"bash");
    let actor = TaskId { tgid: 41, tid: 42, start: 7 };
    Header { seq: 9, at: 2000, kind: T::KIND, cpu: 1, flags: 0, actor, actor_comm }
}

/// A record with this header and a bundle of process 50; everything else zero.
macro_rules! record {
    ($type:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        #[allow(unused_mut, reason = "some records are only a bundle")]
        let mut record: raw::$type = zero();
        record.header = header::<raw::$type>();
        record.state = subject_state();
        $(record.$field = $value;)*
        record
    }};
}

fn subject_state() -> raw::State {
    raw::State { id: TaskId { tgid: 50, tid: 50, start: 8 }, pgid: 50, sid: 40, jobctl: 20, ..zero() }
}

fn decode(bytes: &[u8]) -> Event {
    let decoded = Decoder::new(BootNs(ATTACHED)).decode(bytes);
    let Decoded::Event { event, .. } = decoded else { panic!("no event: {decoded:?}") };
    event
}

fn leave(record: &raw::Leave) -> tracer_model::event::Leave {
    let EventKind::Leave(leave) = decode(bytes(record)).kind else { panic!("not a LEAVE") };
    leave
}

#[test]
fn header_and_bundle_are_carried_over() {
    let mut record = record!(NewTask { clone_flags: 0x1200_0011 });
    record.state = raw::State {
        parent: TaskId { tgid: 41, tid: 41, start: 7 },
        pgid_ino: 77,
        tty_dev: 136 << 20 | 3,
        tty_instance: 23,
        tty_foreground: 60,
        tty_session: 40,
        bits: BIT_SESSION_LEADER | BIT_FOREGROUND_EMPTY,
        ns_level: 1,
        ns_inum: 4_026_532_000,
        ns_pid: 2,
        comm: *b"a\x1b[31m\0garbage\0\0",
        ..record.state
    };
    record.header.flags = FLAG_STATE_UNREADABLE;
    let event = decode(bytes(&record));
    assert_eq!((event.seq, event.at, event.cpu), (Seq(9), BootNs(2000), 1));
    assert_eq!(event.actor, RawTask { pid: Pid(41), tid: Tid(42), start: BootNs(7) });
    assert_eq!(event.actor_comm.0, b"bash");
    assert_eq!(event.kind, EventKind::NewTask { flags: 0x1200_0011 });
    let state = event.subject.unwrap();
    assert_eq!((state.id.pid, state.parent.pid, state.session.sid()), (Pid(50), Pid(41), Sid(40)));
    assert_eq!(state.pgrp, RawId { number: 50, ino: 77 });
    let tty = state.tty.unwrap();
    assert_eq!(tty.tty, RawTty { major: 136, minor: 3, instance: 23 });
    assert_eq!((tty.foreground.number, tty.foreground_empty, tty.session), (60, true, Sid(40)));
    assert!(state.facts.session_leader && state.facts.unreadable && !state.facts.subreaper);
    assert_eq!(state.namespace.unwrap().pid, Pid(2));
    assert_eq!(state.comm.0, b"a\x1b[31m", "hostile bytes stay as they are, and end at the NUL");
}

#[test]
fn arguments_of_a_program_are_split_at_nul() {
    let mut record = record!(Exec { old_tid: 50, args_len: 10 });
    record.args[..13].copy_from_slice(b"sleep\x000.3\0abc");
    let EventKind::Exec { args, truncated, .. } = decode(bytes(&record)).kind else { panic!() };
    assert_eq!((args, truncated), (vec![b"sleep".to_vec(), b"0.3".to_vec()], false));
    record.args_len = u32::MAX;
    record.header.flags = FLAG_ARGS_TRUNCATED;
    let EventKind::Exec { args, truncated, .. } = decode(bytes(&record)).kind else { panic!() };
    assert_eq!((args.concat().len() + args.len() - 1, truncated), (511, true), "all 512 bytes, less the last NUL");
    record.args_len = 0;
    let EventKind::Exec { args, .. } = decode(bytes(&record)).kind else { panic!() };
    assert_eq!(args, Vec::<Vec<u8>>::new());
}

#[test]
fn a_stop_names_its_signal() {
    assert_eq!(decode(bytes(&record!(Stopped {}))).kind, EventKind::Stopped { signal: Signal::TSTP });
}

#[test]
fn signals_carry_origin_and_outcome() {
    let origin = |info_kind, code| {
        let record =
            record!(SignalGenerated { signal: 1, code: code, info_kind: info_kind, result: 1, disposition: 2 });
        let EventKind::SignalGenerated(generated) = decode(bytes(&record)).kind else { panic!() };
        assert_eq!((generated.outcome, generated.disposition), (SignalOutcome::Ignored, Disposition::Handler));
        generated.origin
    };
    assert_eq!(origin(0, 5), SignalOrigin::KernelAsUser);
    assert_eq!(origin(1, 5), SignalOrigin::Kernel);
    assert_eq!(origin(2, -6), SignalOrigin::Info(-6));
}

#[test]
fn every_call_decodes_and_keeps_its_arguments() {
    let args = [u64::from((-7_i32) as u32), 0x5410, 3, 0x0100_0004];
    let shown: Vec<String> = raw::Call::ALL
        .iter()
        .map(|row| match calls::call(row.0 as u32, &args, 61) {
            Some(call) => format!("{call:?}"),
            None => format!("{} refused", row.1),
        })
        .collect();
    expect_test::expect![[r"
        Setpgid { pid: -7, pgid: 21520 }
        Setsid
        Kill { target: -7, signal: 21520 }
        Tkill { tid: -7, signal: 21520 }
        Tgkill { pid: -7, tid: 21520, signal: 3 }
        Sigqueue { pid: -7, signal: 21520 }
        Tgsigqueue { pid: -7, tid: 21520, signal: 3 }
        PidfdSendSignal { pidfd: -7, signal: 21520, flags: 16777220 }
        TtyIoctl { fd: -7, request: SetForeground, arg: 3, value: 61 }
        Wait4 { pid: -7, options: 3 }
        Waitid { idtype: 4294967289, id: 21520, options: 16777220 }
        prctl refused
        Vhangup
        Open
        Open
        Open
        Read { fd: -7 }
        Write { fd: -7 }
    "]]
    .assert_eq(&(shown.join("\n") + "\n"));
    assert_eq!(calls::call(12, &[36, 1, 0, 0], 0), Some(Call::SetSubreaper { on: 1 }));
    assert_eq!(calls::call(12, &[1, 9, 0, 0], 0), Some(Call::SetParentDeathSignal { signal: 9 }));
    assert_eq!(TtyRequest::from_number(0x5410), Some(TtyRequest::SetForeground));
}

#[test]
fn a_leave_says_where_it_entered() {
    let mut record = record!(Leave { call: 2, ret: -1, enter_seq: 5, enter_at: 1900 });
    let seen = leave(&record);
    assert_eq!((seen.ret, seen.entered, seen.enter_emitted), (-1, Some((Seq(5), BootNs(1900))), true));
    record.header.flags = FLAG_ENTER_NOT_EMITTED;
    assert!(!leave(&record).enter_emitted);
    record.header.flags = FLAG_ENTER_MISSING;
    assert_eq!(leave(&record).entered, None);
}

#[test]
fn wait4_returns_its_child_and_status() {
    let child = TaskId { tgid: 50, tid: 50, start: 8 };
    let mut record = record!(Leave { call: 10, ret: 50, value: 0x137f, waited: child, args: [0, 1, 2, 0] });
    let waited = leave(&record).waited.unwrap();
    assert_eq!((waited.child.start, waited.status), (BootNs(8), WaitStatus::Stopped(Signal::STOP)));
    record.header.flags = FLAG_USER_UNREADABLE;
    assert_eq!(leave(&record).waited.unwrap().status, WaitStatus::Unknown { may_be_stop: true });
    record.waited = zero();
    assert_eq!(leave(&record).waited.unwrap().child.pid, Pid(50), "the number that was returned");
    record.state.ns_level = 1;
    assert_eq!(leave(&record).waited.unwrap().child.pid, Pid(0), "a number of another namespace is no pid of ours");
    record.ret = 0;
    assert_eq!(leave(&record).waited, None, "WNOHANG found nothing");
    record.ret = -10;
    assert_eq!(leave(&record).waited, None);
}

#[test]
fn waitid_returns_its_child_and_status() {
    let status = |code, value| {
        let record = record!(Leave { call: 11, value: value, waited_code: code, waited_pid: 50, args: [0, 0, 1, 4] });
        leave(&record).waited.unwrap().status
    };
    assert_eq!(status(1, 3), WaitStatus::Exited(3));
    assert_eq!(status(3, 11), WaitStatus::Killed { signal: Signal(11), core: true });
    assert_eq!(status(5, 21), WaitStatus::Stopped(Signal::TTIN));
    assert_eq!(status(6, 18), WaitStatus::Continued);
    let without_siginfo = |options| leave(&record!(Leave { call: 11, args: [0, 0, 0, options] })).waited;
    assert_eq!(without_siginfo(4 | 1), None, "WNOHANG, and nowhere to say which");
    let left = without_siginfo(4 | 0x0100_0000).unwrap();
    assert_eq!((left.status, left.left_waitable), (WaitStatus::Unknown { may_be_stop: false }, true));
}

#[test]
fn only_leaders_of_thread_groups_are_snapshot_events() {
    let mut record = record!(Snapshot {});
    assert_eq!(decode(bytes(&record)).kind, EventKind::Snapshot { args: Vec::new() });
    record.state.id.tid = 51;
    assert_eq!(Decoder::new(BootNs(0)).decode(bytes(&record)), Decoded::Skip(Seq(9)));
}

/// The gap that a record's bytes are.
fn gap_of(bytes: &[u8]) -> (Seq, GapCause, String) {
    let event = decode(bytes);
    let EventKind::Gap(gap) = event.kind else { panic!("not a gap: {event:?}") };
    assert_eq!(gap.lost, 1);
    (event.seq, gap.cause, gap.probes[0].0.clone())
}

#[test]
fn what_makes_no_sense_is_a_gap_at_its_own_number() {
    let malformed = |probe: &str| (Seq(9), GapCause::Malformed, probe.to_owned());
    let whole = record!(NewTask { clone_flags: 0 });
    let all = bytes(&whole);
    assert_eq!(gap_of(&all[..all.len() - 1]), malformed("NewTask"));
    assert_eq!(gap_of(&all[..8]), malformed("record without a header"));
    assert_eq!(Decoder::new(BootNs(0)).decode(&all[..7]), Decoded::Nothing);
    let mut unknown = all.to_vec();
    unknown[16..18].copy_from_slice(&999_u16.to_ne_bytes());
    assert_eq!(gap_of(&unknown), malformed("kind 999"));
    assert_eq!(gap_of(bytes(&record!(SignalGenerated { signal: 65 }))), malformed("SignalGenerated"));
    assert_eq!(gap_of(bytes(&record!(SignalDelivered { signal: 9, disposition: 3 }))), malformed("SignalDelivered"));
    assert_eq!(gap_of(bytes(&record!(Enter { call: 19 }))), malformed("Enter"));
    assert_eq!(gap_of(bytes(&record!(Leave { call: 9, args: [0, 0xdead, 0, 0] }))), malformed("Leave"));
}

/// What an ENTER or LEAVE proves to be missing, after these others.
fn unpaired(decoder: &mut Decoder, bytes: &[u8]) -> Option<(String, BootNs)> {
    let Decoded::Event { unpaired, .. } = decoder.decode(bytes) else { panic!("no event") };
    unpaired.map(|event| {
        let EventKind::Gap(gap) = event.kind else { panic!("not a gap") };
        assert_eq!((gap.cause, gap.until, event.seq), (GapCause::UnpairedCall, BootNs(2000), Seq(9)));
        (gap.probes[0].0.clone(), gap.from)
    })
}

#[test]
fn half_a_call_is_a_gap_unless_it_began_before_the_capture() {
    let mut decoder = Decoder::new(BootNs(ATTACHED));
    let mut enter = record!(Enter { call: 2 });
    assert_eq!(unpaired(&mut decoder, bytes(&enter)), None);
    enter.header.flags = FLAG_PREVIOUS_LEAVE_MISSING;
    let lost = |what: &str, from| Some((what.to_owned(), BootNs(from)));
    assert_eq!(unpaired(&mut decoder, bytes(&enter)), lost("leave", ATTACHED));

    let mut old = record!(Leave { call: 2 });
    old.header.flags = FLAG_ENTER_MISSING;
    assert_eq!(unpaired(&mut decoder, bytes(&old)), None, "one call was under way when the probes came");
    assert_eq!(unpaired(&mut decoder, bytes(&old)), lost("enter", ATTACHED), "there cannot have been two");
    let mut young = old;
    young.header.actor.start = ATTACHED + 500;
    assert_eq!(unpaired(&mut decoder, bytes(&young)), lost("enter", ATTACHED + 500), "born under the probes");
}

#[test]
fn any_bytes_give_something() {
    let mut decoder = Decoder::new(BootNs(ATTACHED));
    for (kind, _, size) in RECORDS {
        for fill in [0_u8, 1, 2, 9, 0x7f, 0x80, 0xff] {
            let mut bytes = vec![fill; *size];
            bytes[16..18].copy_from_slice(&kind.to_ne_bytes());
            assert_ne!(decoder.decode(&bytes), Decoded::Nothing, "kind {kind} of {fill:#x}");
        }
    }
}
