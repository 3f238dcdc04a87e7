//! Live: the bytes that the probes write, before anything is made of them. Like every live test it says so when it cannot
//! run, and fails then if `SESSTRACE_REQUIRE` contains `ebpf`.

use std::{
    collections::BTreeSet,
    process::Command,
    time::{Duration, Instant},
};

use tracer_common::{
    Record,
    record::{self, RECORDS},
};
use tracer_model::event::Attributes;

use super::*;

/// Every flag there is.
const FLAGS: u32 = 0xff;
/// Every bit of a bundle there is.
const BITS: u32 = 0x7ff;

/// How many arguments a call has: the others must be zero.
fn arguments(call: u32) -> usize {
    match record::Call::from_number(call).unwrap() {
        record::Call::Setsid | record::Call::Vhangup => 0,
        record::Call::Setpgid | record::Call::Kill | record::Call::Tkill => 2,
        record::Call::Tgkill
        | record::Call::RtSigqueueinfo
        | record::Call::Ioctl
        | record::Call::Open
        | record::Call::Read
        | record::Call::Write => 3,
        record::Call::RtTgsigqueueinfo
        | record::Call::PidfdSendSignal
        | record::Call::Wait4
        | record::Call::Waitid
        | record::Call::Prctl
        | record::Call::Openat
        | record::Call::Openat2 => 4,
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Fails when a byte that nothing was to be written to holds something.
fn check(bytes: &[u8]) -> &'static str {
    let record = tracer_common::parse(bytes).unwrap();
    let header = record.header();
    let (_, name, size) = RECORDS.iter().find(|row| row.0 == header.kind).unwrap();
    // The ring rounds a record up to 8 bytes; no record needs that.
    assert_eq!(bytes.len(), *size, "{name}");
    assert_eq!(header.flags & !FLAGS, 0, "{name}");
    let unused_arguments = |call, args: &[u64; 4]| assert_eq!(args[arguments(call)..].iter().sum::<u64>(), 0, "{name}");
    let (state, reserved) = match &record {
        Record::NewTask(record) => (Some(&record.state), 0),
        Record::Exec(record) => {
            assert!(is_zero(&record.args[record.args_len as usize..]), "{name}: {record:?}");
            (Some(&record.state), 0)
        }
        Record::Exit(record) => (Some(&record.state), record.reserved),
        Record::Dead(record) => (Some(&record.state), 0),
        Record::Stopped(record) => (Some(&record.state), 0),
        Record::Freed(_) | Record::Attribute(_) => (None, 0),
        Record::SignalGenerated(record) => (Some(&record.state), record.reserved),
        Record::SignalDelivered(record) => (Some(&record.state), record.reserved),
        Record::Enter(record) => {
            unused_arguments(record.call, &record.args);
            (Some(&record.state), record.reserved)
        }
        Record::Leave(record) => {
            unused_arguments(record.call, &record.args);
            (Some(&record.state), record.reserved)
        }
        Record::Snapshot(record) => (Some(&record.state), 0),
    };
    assert_eq!(reserved, 0, "{name}");
    if let Some(state) = state {
        assert_eq!(state.bits & !BITS, 0, "{name}");
        assert!(state.tty_dev != 0 || state.tty_foreground | state.tty_session | state.tty_instance == 0, "{name}");
    }
    name
}

#[test]
fn every_byte_of_every_record_is_meant() {
    let mut options = Options::new(Mode::All);
    options.load.attributes = Some(Attributes { blocked: u32::MAX, dispositions: u32::MAX, ..Attributes::USUAL });
    let mut source = match EbpfSource::open(options) {
        Ok(source) => source,
        Err(error) => {
            let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
            assert!(!required.contains("ebpf"), "SESSTRACE_REQUIRE=ebpf, but: {error}");
            eprintln!("SKIPPED: no eBPF here: {error}");
            return;
        }
    };
    let script = "umask 077; umask 0; sh -c 'kill -STOP $$' & until grep -q 'State:.T' /proc/$!/status; do :; done; kill -CONT $!; wait";
    Command::new("setsid").arg("sh").arg("-c").arg(script).status().unwrap();
    let mut kinds = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    // Whatever the rest of the machine does is checked as well. Only the iterator writes snapshots.
    while kinds.len() < RECORDS.len() - 1 {
        source.rings.drain(usize::MAX, |bytes| {
            kinds.insert(check(bytes));
            None
        });
        assert!(Instant::now() < deadline, "only {kinds:?}");
    }
    super::super::snapshot::iterate(&mut source.loaded.ebpf, |bytes| _ = kinds.insert(check(bytes))).unwrap();
    let all: BTreeSet<&str> = RECORDS.iter().map(|row| row.1).collect();
    assert_eq!(kinds, all);
    drop(source);
}
