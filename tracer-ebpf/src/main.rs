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
    helpers::generated::bpf_get_attach_cookie,
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, RingBuf},
    programs::BtfTracePointContext,
};
use tracer_common::{
    control::{CONTROL_WORDS, Config, Followed},
    offsets::Offsets,
    record::{AttributeCall, Call},
};

use crate::probes::{attributes, calls, lifecycle, signals, snapshot::IterTask};

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

/// `flag` if `condition`, else 0.
#[inline(always)]
fn flag(condition: bool, flag: u32) -> u32 {
    u32::from(condition) * flag
}

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

/// What a program at a tracepoint returns so that others who listen there, perf for one, hear of the event, too: 0 would keep
/// it from them (`kernel/trace/bpf_trace.c`, `trace_call_bpf`; `kernel/trace/trace_syscalls.c`, `perf_syscall_enter`).
const PASS_ON: u32 = 1;

/// Makes the programs that run at ENTER. One serves every watched call with as many arguments: which call it is comes with
/// the attachment. The verifier takes as long for each program as all of them would take to run, so there are few. A row:
/// program name, and how many arguments it reads (the kernel refuses to attach one that reads more than there are).
macro_rules! enter_programs {
    ($($name:ident $arguments:literal;)*) => {$(
        #[doc = concat!("A call with ", $arguments, " arguments, or more, begins.")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "tracepoint")]
        pub extern "C" fn $name(ctx: *const c_void) -> u32 {
            if let Some(call) = attached_call(ctx) {
                calls::enter::<false>(call, &arguments::<$arguments>(ctx));
            }
            PASS_ON
        }
    )*};
}

enter_programs! {
    enter_none 0;
    enter_two 2;
    enter_three 3;
    enter_four 4;
}

/// setpgid begins.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn enter_setpgid(ctx: *const c_void) -> u32 {
    calls::enter::<true>(Call::Setpgid, &arguments::<2>(ctx));
    PASS_ON
}

/// Makes the programs that run at LEAVE. A row: program name, whether the subject may be another process than the caller,
/// whether the call is a wait.
macro_rules! leave_programs {
    ($($(#[$doc:meta])* $name:ident $targeted:literal $waits:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "tracepoint")]
        pub extern "C" fn $name(ctx: *const c_void) -> u32 {
            if let Some(call) = attached_call(ctx) {
                calls::leave::<$targeted, $waits>(call, word(ctx, 0) as i64);
            }
            PASS_ON
        }
    )*};
}

leave_programs! {
    /// setpgid returns.
    leave_setpgid true false;
    /// wait4 or waitid returns.
    leave_wait false true;
    /// Any other watched call returns.
    leave_other false false;
}

/// Makes the programs that run when a call begins that may change an attribute of its process. Rows as above.
macro_rules! attribute_enter_programs {
    ($($name:ident $arguments:literal;)*) => {$(
        #[doc = concat!("A call with ", $arguments, " arguments, or more, begins.")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "tracepoint")]
        pub extern "C" fn $name(ctx: *const c_void) -> u32 {
            if let Some(call) = AttributeCall::from_number(cookie(ctx)) {
                attributes::enter(call, &arguments::<$arguments>(ctx));
            }
            PASS_ON
        }
    )*};
}

attribute_enter_programs! {
    attribute_enter_one 1;
    attribute_enter_three 3;
}

/// A call returns that may have changed an attribute of its process.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn attribute_leave(ctx: *const c_void) -> u32 {
    if let Some(call) = AttributeCall::from_number(cookie(ctx)) {
        attributes::leave(call, word(ctx, 0) as i64);
    }
    PASS_ON
}

/// The call whose tracepoint this run comes from: userspace attached the program with its number as the cookie.
#[inline(always)]
fn attached_call(ctx: *const c_void) -> Option<Call> {
    Call::from_number(cookie(ctx))
}

/// What userspace attached the program with.
#[inline(always)]
fn cookie(ctx: *const c_void) -> u32 {
    // SAFETY: `ctx` is the program's context.
    unsafe { bpf_get_attach_cookie(ctx.cast_mut()) as u32 }
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
