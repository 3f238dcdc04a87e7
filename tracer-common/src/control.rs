//! Words shared with the running probes: the read-only `CONFIG` global, set before load, and the memory-mapped array
//! `CONTROL`, which userspace reads and writes without a system call. (A bpf(2) map operation makes tracepoint programs
//! skip on its CPU while it runs: kernel/bpf/syscall.c, `bpf_disable_instrumentation`.)

use crate::record::Call;

/// What the probes are told before they are loaded (read-only global `CONFIG`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// [`crate::ABI_VERSION`] of the object; the loader compares it before anything else.
    pub abi_version: u32,
    /// 1 when `sched_process_exit` has the argument `group_dead` (6.16 and later).
    pub exit_has_group_dead: u32,
    /// 1 when `sched_switch` has the argument `prev_state` (5.18 and later; always on supported kernels).
    pub switch_has_prev_state: u32,
    /// Bit of `is_child_subreaper` in its word.
    pub subreaper_bit: u32,
    /// Bit of `has_child_subreaper` in the same word.
    pub has_subreaper_bit: u32,
    /// 1 to put the arguments of a program into [`crate::record::Exec`].
    pub capture_arguments: u32,
    /// 1 to emit reads and writes of the controlling terminal that were refused or restarted.
    pub tty_io: u32,
    /// Descriptors of which [`crate::record::Attribute`] records are wanted: number N is bit N. 0: no attributes are.
    pub descriptors: u32,
    /// Signals whose dispositions are wanted in such records: signal N is bit N - 1.
    pub dispositions: u32,
    /// Signals of which it is wanted that they are blocked or unblocked; likewise.
    pub blocked: u32,
    /// At most so many [`crate::record::Attribute`] records in [`ATTRIBUTE_WINDOW_NS`], of whoever may be about to become a daemon;
    /// those of terminals are not counted. 0: everything.
    pub attribute_rate: u32,
}

impl Config {
    /// What the object is built with.
    pub const BUILT: Self = Self {
        abi_version: crate::ABI_VERSION,
        exit_has_group_dead: 0,
        switch_has_prev_state: 0,
        subreaper_bit: 0,
        has_subreaper_bit: 0,
        capture_arguments: 0,
        tty_io: 0,
        descriptors: 0,
        dispositions: 0,
        blocked: 0,
        attribute_rate: 0,
    };
}

/// Index in `CONTROL` of the global sequence counter: the last number given out.
pub const SEQUENCE: u32 = 0;
/// Index in `CONTROL` of the scope: one of `SCOPE_*`.
pub const SCOPE: u32 = 1;
/// Index in `CONTROL` of the time at which the current window of attributes began.
pub const ATTRIBUTE_WINDOW: u32 = 2;
/// Index in `CONTROL` of how many were written in it.
pub const ATTRIBUTE_COUNT: u32 = 3;
/// Index in `CONTROL` of how many found no place in their window so far.
pub const ATTRIBUTES_LEFT_OUT: u32 = 4;
/// Length of a window.
pub const ATTRIBUTE_WINDOW_NS: u64 = 100_000_000;
/// Index in `CONTROL` of the first loss counter; see [`loss_slot`].
pub const LOST: u32 = 8;
/// Number of loss counters.
pub const LOSS_SLOTS: u32 = 96;
/// Words in `CONTROL`.
pub const CONTROL_WORDS: u32 = LOST + LOSS_SLOTS;

/// Emit nothing (the pid table and the followed set are still kept).
pub const SCOPE_NONE: u64 = 0;
/// Emit what concerns the followed set.
pub const SCOPE_FOLLOWED: u64 = 1;
/// Emit everything.
pub const SCOPE_ALL: u64 = 2;

/// Loss counter of records that found no room: one for each kind, and for ENTER and LEAVE one for each call.
#[must_use]
#[inline]
pub const fn loss_slot(kind: u16, call: Option<Call>) -> u32 {
    match call {
        Some(call) if kind == 9 => 16 + call as u32,
        Some(call) => 48 + call as u32,
        None => kind as u32,
    }
}
/// Loss counter of numbers of processes that the full pid table could not take.
pub const LOSS_PID_TABLE: u32 = 80;
/// Loss counter of processes and sessions that the full followed set could not take.
pub const LOSS_FOLLOWED: u32 = 81;
/// Loss counter of calls whose arguments the full table of open calls could not take.
pub const LOSS_CALLS: u32 = 82;

/// Value in the map `FOLLOWED`: process number -> this.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// `start_boottime` of the followed process; another start is another process.
    pub start: u64,
    /// [`FOLLOW_CHILDREN`] or 0.
    pub flags: u64,
}
/// The children of this process are followed too. Without it only the process itself is watched (an ancestor).
pub const FOLLOW_CHILDREN: u64 = 1;
