//! Writes records: number, reserve, write every byte, submit; or count the loss.
//!
//! The number is taken before the reservation, so that a record without room leaves a hole in the sequence.
//! Must not: decide whether a record is wanted.

use core::arch::asm;

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns},
    maps::RingBuf,
};
use tracer_common::{
    control::{LOST, SEQUENCE, loss_slot},
    record::{self, Call, Header},
};

use crate::{CONTROL, impossible, load::Ptr, task};

/// `BPF_RB_NO_WAKEUP`: the consumer polls on a timer.
const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA` and `BPF_RB_RING_SIZE` of `bpf_ringbuf_query`.
const AVAILABLE_DATA: u64 = 0;
const RING_SIZE: u64 = 1;

/// A record type. Its header is at its start and a value of zero bytes is valid.
pub trait Layout: Sized + 'static {
    /// The header within the record.
    fn header(&mut self) -> &mut Header;
}

macro_rules! layouts {
    ($($field:ident: $record:ident,)*) => {
        $(impl Layout for record::$record {
            #[inline(always)]
            fn header(&mut self) -> &mut Header {
                &mut self.header
            }
        })*

        /// Every record.
        #[repr(C)]
        union AnyRecord { $($field: record::$record,)* }
    };
}

layouts! {
    new_task: NewTask,
    exec: Exec,
    exit: Exit,
    dead: Dead,
    stopped: Stopped,
    freed: Freed,
    signal_generated: SignalGenerated,
    signal_delivered: SignalDelivered,
    enter: Enter,
    leave: Leave,
    snapshot: Snapshot,
    attribute: Attribute,
}

/// Nothing reads this. It puts the layout of every record into the object's BTF, where a test compares it with the Rust
/// types.
#[unsafe(no_mangle)]
// SAFETY: every record is made of integers, for which zero is a value.
static RECORDS: AnyRecord = unsafe { core::mem::zeroed() };

/// Takes the next number of the sequence.
#[inline(always)]
pub fn next_number() -> u64 {
    let Some(counter) = CONTROL.get_ptr_mut(SEQUENCE) else {
        impossible!("the map CONTROL has no word {}", SEQUENCE);
        return 0;
    };
    fetch_add_one(counter) + 1
}

/// The last number given out.
#[inline(always)]
pub fn last_number() -> u64 {
    // SAFETY: an aligned word of a map that lives as long as the program.
    CONTROL.get_ptr(SEQUENCE).map_or(0, |counter| unsafe { core::ptr::read_volatile(counter) })
}

/// Adds one to a word of `CONTROL`.
#[inline(always)]
pub fn count(slot: u32) {
    if let Some(counter) = CONTROL.get_ptr_mut(slot) {
        fetch_add_one(counter);
    }
}

/// What a record is known by before it is written.
pub struct Label {
    seq: u64,
    kind: u16,
    loss_slot: u32,
    flags: u32,
}

impl Label {
    /// Of a record of this moment.
    #[inline(always)]
    pub fn new(kind: u16) -> Self {
        Self { seq: next_number(), kind, loss_slot: loss_slot(kind, None), flags: 0 }
    }

    /// Of a call's record that was numbered already.
    #[inline(always)]
    pub fn of_call(seq: u64, kind: u16, call: Call) -> Self {
        Self { seq, kind, loss_slot: loss_slot(kind, Some(call)), flags: 0 }
    }

    /// With `FLAG_*`. What is known before [`write`] goes here: verifiers before Linux 6.4 follow both sides of every
    /// condition that is asked about before and after the bundle is filled.
    #[inline(always)]
    pub fn with(self, flags: u32) -> Self {
        Self { flags: self.flags | flags, ..self }
    }
}

/// Writes a record, or counts its loss. `fill` gets it zero but for its header, and returns more `FLAG_*`.
#[inline(always)]
pub fn write<T: Layout>(ring: &RingBuf, label: Label, fill: impl FnOnce(&mut T) -> u32) {
    let Some(mut slot) = ring.reserve::<T>(0) else {
        count(LOST + label.loss_slot);
        return;
    };
    // SAFETY: every record is made of integers, for which zero is a value.
    let record = slot.write(unsafe { core::mem::zeroed() });
    write_header(record.header(), label.seq, label.kind, task::current());
    record.header().flags = label.flags;
    let flags = fill(record);
    record.header().flags |= flags;
    slot.submit(wakeup(ring, label.seq));
}

/// Writes a header without flags.
#[inline(always)]
pub fn write_header(header: &mut Header, seq: u64, kind: u16, actor: Ptr) {
    header.seq = seq;
    // SAFETY: the helpers have no precondition.
    unsafe {
        header.at = bpf_ktime_get_boot_ns();
        header.cpu = bpf_get_smp_processor_id() as u16;
    }
    header.kind = kind;
    header.actor = task::id(actor);
    header.actor_comm = task::comm(actor);
}

/// Wakes the consumer when a quarter of the ring waits for it. Asking costs as much as a few fields, so only every
/// sixteenth record does.
#[inline(always)]
fn wakeup(ring: &RingBuf, seq: u64) -> u64 {
    if seq.is_multiple_of(16) && ring.query(AVAILABLE_DATA) > ring.query(RING_SIZE) / 4 {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    }
}

/// core has no atomics that fetch for this target. Needs Linux 5.12.
#[inline(always)]
fn fetch_add_one(counter: *mut u64) -> u64 {
    let mut value: u64 = 1;
    // SAFETY: `counter` is an aligned word of a map.
    unsafe {
        asm!("{value} = atomic_fetch_add((u64 *)({counter} + 0), {value})", value = inout(reg) value, counter = in(reg) counter);
    }
    value
}
