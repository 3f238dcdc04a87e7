//! The kernel probes of sesstrace: entry points, maps and the globals that userspace sets before loading.
//!
//! An entry point takes its arguments apart and calls its family in [`probes`]. Names of programs, maps and globals are
//! the contract with the loader. Must not: decide what an event means, or read a kernel structure (that is `task.rs`).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    clippy::inline_always,
    reason = "call frames add up to 512 bytes of stack, and arguments lose their types in globals"
)]
#![expect(clippy::needless_pass_by_value, reason = "aya's macros pass contexts by value")]

mod emit;
mod load;
mod pids;
mod probes;
mod scope;
mod task;

use core::ffi::c_void;

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, RingBuf},
    programs::BtfTracePointContext,
};
use tracer_common::{
    control::{CONTROL_WORDS, Config, Followed},
    offsets::Offsets,
    record::Call,
};

use crate::probes::{calls, lifecycle, signals, snapshot::IterTask};

/// `BPF_F_MMAPABLE`: userspace reads and writes `CONTROL` without system calls.
const MMAPABLE: u32 = 1 << 10;

/// What the loader decided (set before load; constant to the verifier).
#[unsafe(no_mangle)]
static CONFIG: Config = Config::BUILT;

/// Where the running kernel keeps its fields (set before load; constant to the verifier).
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::NONE;

/// Sequence counter, scope and loss counters: the words of [`tracer_common::control`].
#[map]
static CONTROL: Array<u64> = Array::with_max_entries(CONTROL_WORDS, MMAPABLE);

/// Records whose loss costs lifetimes, memberships or terminals.
#[map]
static CRITICAL: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Records that come often and bound or explain what `CRITICAL` says.
#[map]
static CHATTY: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Followed processes by number. Kept in every scope.
#[map]
static FOLLOWED: HashMap<u32, Followed> = HashMap::with_max_entries(32_768, 0);

/// Sessions that have had a followed member: number -> start of the session leader in `CLOCK_BOOTTIME` ns, or another
/// value when that is not known.
#[map]
static SESSIONS: HashMap<u32, u64> = HashMap::with_max_entries(16_384, 0);

/// Processes by namespace and number, one entry for each level of nesting. Kept in every scope.
#[map]
static TASKS: HashMap<pids::Number, pids::Known> = HashMap::with_max_entries(65_536, 0);

/// The watched call that each thread is in, by thread number.
#[map]
static CALLS: HashMap<u32, probes::calls::Saved> = HashMap::with_max_entries(32_768, 0);

/// Reads a field of a read-only global as it is at run time: rustc would fold the built value in.
macro_rules! global {
    ($global:ident . $field:ident) => {{
        // SAFETY: a field of a static is valid and aligned; nothing writes it once the program is loaded.
        unsafe { core::ptr::read_volatile(&raw const $crate::$global.$field) }
    }};
}
pub(crate) use global;

/// Reports what cannot happen, in objects built with the feature `log`; what can happen is a flag or a counter.
macro_rules! impossible {
    ($($message:tt)*) => {{
        #[cfg(feature = "log")]
        aya_log_ebpf::error!((), $($message)*);
    }};
}
pub(crate) use impossible;

/// A new process or thread, hashed and not yet running.
#[btf_tracepoint(function = "task_newtask")]
pub fn newtask(ctx: BtfTracePointContext) -> i32 {
    lifecycle::new_task(ctx.arg(0), ctx.arg(1));
    0
}

/// A process after its exec.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec(ctx: BtfTracePointContext) -> i32 {
    lifecycle::exec(ctx.arg(0), ctx.arg(1));
    0
}

/// A thread that begins to exit.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn exit(ctx: BtfTracePointContext) -> i32 {
    // A program that reads an argument which this kernel's tracepoint does not have is refused.
    let group_dead = (global!(CONFIG.exit_has_group_dead) != 0).then(|| ctx.arg::<u32>(1) & 0xff != 0);
    lifecycle::exit(ctx.arg(0), group_dead);
    0
}

/// A task that leaves its CPU: for ever, or stopped.
#[btf_tracepoint(function = "sched_switch")]
pub fn switch(ctx: BtfTracePointContext) -> i32 {
    if global!(CONFIG.switch_has_prev_state) != 0 {
        lifecycle::switch(ctx.arg(1), ctx.arg(3));
    }
    0
}

/// A task whose memory goes.
#[btf_tracepoint(function = "sched_process_free")]
pub fn free(ctx: BtfTracePointContext) -> i32 {
    lifecycle::free(ctx.arg(0));
    0
}

/// A signal sent to one process or thread.
#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    signals::generated(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3), ctx.arg(4));
    0
}

/// A signal that its target took.
#[btf_tracepoint(function = "signal_deliver")]
pub fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    signals::delivered(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// One task of the task iterator.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn snapshot(ctx: *const IterTask) -> i32 {
    probes::snapshot::show(ctx);
    0
}

/// Makes the two programs of each watched call. A row: program names, system call, its [`Call`], and how many of its
/// arguments to read (the kernel refuses to attach a program that reads one more than there are).
macro_rules! call_programs {
    ($($enter:ident $leave:ident $syscall:literal $call:ident $arguments:literal;)*) => {$(
        #[doc = concat!("`", $syscall, "` begins.")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("tracepoint/syscalls/sys_enter_", $syscall))]
        pub extern "C" fn $enter(ctx: *const c_void) -> u32 {
            calls::enter(Call::$call, &arguments::<$arguments>(ctx));
            0
        }

        #[doc = concat!("`", $syscall, "` returns.")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("tracepoint/syscalls/sys_exit_", $syscall))]
        pub extern "C" fn $leave(ctx: *const c_void) -> u32 {
            calls::leave(Call::$call, word(ctx, 0) as i64);
            0
        }
    )*};
}

call_programs! {
    enter_setpgid leave_setpgid "setpgid" Setpgid 2;
    enter_setsid leave_setsid "setsid" Setsid 0;
    enter_kill leave_kill "kill" Kill 2;
    enter_tkill leave_tkill "tkill" Tkill 2;
    enter_tgkill leave_tgkill "tgkill" Tgkill 3;
    enter_rt_sigqueueinfo leave_rt_sigqueueinfo "rt_sigqueueinfo" RtSigqueueinfo 3;
    enter_rt_tgsigqueueinfo leave_rt_tgsigqueueinfo "rt_tgsigqueueinfo" RtTgsigqueueinfo 4;
    enter_pidfd_send_signal leave_pidfd_send_signal "pidfd_send_signal" PidfdSendSignal 4;
    enter_ioctl leave_ioctl "ioctl" Ioctl 3;
    enter_wait4 leave_wait4 "wait4" Wait4 4;
    enter_waitid leave_waitid "waitid" Waitid 4;
    enter_prctl leave_prctl "prctl" Prctl 4;
    enter_vhangup leave_vhangup "vhangup" Vhangup 0;
    enter_open leave_open "open" Open 3;
    enter_openat leave_openat "openat" Openat 4;
    enter_openat2 leave_openat2 "openat2" Openat2 4;
    enter_read leave_read "read" Read 3;
    enter_write leave_write "write" Write 3;
}

/// The first arguments of a call, the others zero.
#[inline(always)]
fn arguments<const COUNT: usize>(ctx: *const c_void) -> [u64; 4] {
    let mut args = [0; 4];
    for (index, arg) in args.iter_mut().take(COUNT).enumerate() {
        *arg = word(ctx, index);
    }
    args
}

/// A word of a per-syscall tracepoint's context (`kernel/trace/trace_syscalls.c`, `struct syscall_tp_t`): the common
/// fields and the number of the call are followed by its arguments, or by what it returned.
#[inline(always)]
fn word(ctx: *const c_void, index: usize) -> u64 {
    // SAFETY: the kernel checks at attach how far into the context a program reads.
    unsafe { *ctx.cast::<u64>().add(2 + index) }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers are for GPL-compatible programs only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
