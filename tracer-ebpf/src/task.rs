//! Reads `task_struct`, `signal_struct`, `struct pid` and `tty_struct`: no other file knows a kernel structure.
//!
//! A pointer is tested before it is followed: on kernels whose BTF carries tags the verifier demands it, and everywhere a
//! direct load that faults reads as zero. Must not: emit, or decide what is followed.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task_btf};
use tracer_common::{
    offsets::ABSENT,
    record::{
        BIT_AUTO_REAPS_CHILDREN, BIT_FOREGROUND_EMPTY, BIT_HAS_SUBREAPER, BIT_HUP_IGNORED, BIT_PARENT_IS_INIT,
        BIT_SESSION_LEADER, BIT_SINGLE_THREAD, BIT_SUBREAPER, BIT_TTIN_IGNORED_OR_BLOCKED, BIT_TTOU_IGNORED_OR_BLOCKED,
        BIT_TTY_IS_PTY, FLAG_STATE_UNREADABLE, State, TaskId,
    },
};

use crate::{
    global, impossible,
    load::{Direct, Load, Probed, Ptr},
    pids::Number,
};

/// `ns.inum` of the initial pid namespace (`include/uapi/linux/nsfs.h`, `PID_NS_INIT_INO`).
pub const INITIAL_NAMESPACE: u32 = 0xEFFF_FFFC;
/// `MAX_PID_NS_LEVEL` (`include/linux/pid_namespace.h`).
pub const MAX_LEVEL: u32 = 32;

/// `PIDTYPE_PGID` and `PIDTYPE_SID` (`include/linux/pid_types.h`), times the size of a pointer.
const PGID: u32 = 2 * 8;
const SID: u32 = 3 * 8;
/// `sizeof(struct upid)`: a number and a pointer.
const UPID_SIZE: u32 = 16;
/// `sizeof(struct k_sigaction)` where `struct sigaction` has `sa_restorer`: on x86-64 and arm64
/// (`include/linux/signal_types.h`).
const ACTION_SIZE: u32 = 32;
/// `SIG_IGN`.
const SIG_IGN: u64 = 1;
/// `SA_NOCLDWAIT` (`include/uapi/asm-generic/signal-defs.h`).
const SA_NOCLDWAIT: u64 = 2;
const SIGHUP: u32 = 1;
const SIGCHLD: u32 = 17;
const SIGTTIN: u32 = 21;
const SIGTTOU: u32 = 22;
/// Majors of Unix 98 pseudo-terminal slaves (`Documentation/admin-guide/devices.txt`).
const PTS_MAJORS: core::ops::RangeInclusive<u32> = 136..=143;

/// The task that runs, or that an interrupt came upon.
#[inline(always)]
pub fn current() -> Ptr {
    // SAFETY: the helper has no precondition.
    unsafe { bpf_get_current_task_btf() as Ptr }
}

/// Number of the thread that runs, in the initial namespace.
#[inline(always)]
pub fn current_tid() -> u32 {
    bpf_get_current_pid_tgid() as u32
}

/// Numbers and start of a task.
#[inline(always)]
pub fn id(task: Ptr) -> TaskId {
    identity(&mut Direct, task)
}

/// Start of a task that is being freed, whose group leader may be gone.
#[inline(always)]
pub fn own_start(task: Ptr) -> u64 {
    Direct.load(task, global!(OFFSETS.task_start_boottime))
}

/// Whether the process is a session leader; its number is then the session's.
#[inline(always)]
pub fn is_session_leader(task: Ptr) -> bool {
    signal(task).is_some_and(|signal| Direct.load::<i32>(signal, global!(OFFSETS.signal_leader)) != 0)
}

/// Number of the task's session, 0 once released.
#[inline(always)]
pub fn session(task: Ptr) -> u32 {
    signal(task)
        .and_then(|signal| Direct.follow(signal, global!(OFFSETS.signal_pids) + SID))
        .map_or(0, |pid| first_number(&mut Direct, pid))
}

/// Whether the process has a controlling terminal.
#[inline(always)]
pub fn has_terminal(task: Ptr) -> bool {
    signal(task).is_some_and(|signal| Direct.follow(signal, global!(OFFSETS.signal_tty)).is_some())
}

/// Whether the process has a controlling terminal whose foreground process group is another one.
#[inline(always)]
pub fn is_background(task: Ptr) -> bool {
    let Some(signal) = signal(task) else { return false };
    let Some(tty) = Direct.follow(signal, global!(OFFSETS.signal_tty)) else { return false };
    let own: Ptr = Direct.load(signal, global!(OFFSETS.signal_pids) + PGID);
    let foreground: Ptr = Direct.load(tty, global!(OFFSETS.tty_pgrp));
    own != foreground
}

/// `signal->live`: threads of the process that have not begun to exit.
#[inline(always)]
pub fn live(task: Ptr) -> i32 {
    signal(task).map_or(0, |signal| Direct.load(signal, global!(OFFSETS.signal_live)))
}

/// First and last address of the running process's argument strings.
#[inline(always)]
pub fn arguments(task: Ptr) -> (u64, u64) {
    match Direct.follow(task, global!(OFFSETS.task_mm)) {
        Some(mm) => (Direct.load(mm, global!(OFFSETS.mm_arg_start)), Direct.load(mm, global!(OFFSETS.mm_arg_end))),
        None => (0, 0),
    }
}

/// `si_code` of a `kernel_siginfo`. The argument of the tracepoints can also be a small number, and newer verifiers take
/// its type away for that (`kernel/bpf/btf.c`, `raw_tp_null_args`): it cannot be loaded through.
#[inline(always)]
pub fn signal_code(info: Ptr) -> i32 {
    Probed::new().load(info, global!(OFFSETS.siginfo_code))
}

/// Disposition in a `k_sigaction`: 0 default, 1 ignored, 2 handler.
#[inline(always)]
pub fn handler_kind(action: Ptr) -> u32 {
    kind_of_handler(Direct.load(action, global!(OFFSETS.k_sigaction_handler)))
}

/// Disposition of a signal in a task (0 default, 1 ignored, 2 handler), and whether the thread blocks it.
#[inline(always)]
pub fn disposition(task: Ptr, signal: u32) -> (u32, bool) {
    let index = signal.wrapping_sub(1) & 63;
    let blocked = Direct.load::<u64>(task, global!(OFFSETS.task_blocked)) & (1 << index) != 0;
    let kind = match Direct.follow(task, global!(OFFSETS.task_sighand)) {
        // Not a constant offset, so not a direct load.
        Some(sighand) => kind_of_handler(Probed::new().load(
            sighand,
            global!(OFFSETS.sighand_action) + index * ACTION_SIZE + global!(OFFSETS.k_sigaction_handler),
        )),
        None => 0,
    };
    (kind, blocked)
}

/// `comm` of a task.
#[inline(always)]
pub fn comm(task: Ptr) -> [u8; 16] {
    name(&mut Direct, task)
}

/// The task's `struct pid`, `None` once released, and its level of nesting.
#[inline(always)]
pub fn pid_and_level(task: Ptr) -> Option<(Ptr, u32)> {
    let pid = Direct.follow(task, global!(OFFSETS.task_thread_pid))?;
    Some((pid, Direct.load(pid, global!(OFFSETS.pid_level))))
}

/// Number and namespace of a `struct pid` at a level of nesting.
#[inline(always)]
pub fn number_at(pid: Ptr, level: u32) -> Number {
    namespaced_number(&mut Probed::new(), pid, level)
}

/// Namespace in which the running process's arguments are numbers, and the process's own number there.
#[inline(always)]
pub fn own_number(task: Ptr, tgid: u32) -> Number {
    let leader = Direct.follow(task, global!(OFFSETS.task_group_leader));
    match leader.and_then(pid_and_level) {
        Some((pid, level)) if level > 0 => number_at(pid, level),
        _ => Number { namespace: INITIAL_NAMESPACE, number: tgid },
    }
}

/// Numbers and start of the process whose task is at an address out of a map, and the task's `exit_state`.
#[inline(always)]
pub fn probe(task: Ptr) -> (TaskId, u32) {
    let load = &mut Probed::new();
    (identity(load, task), load.load(task, global!(OFFSETS.task_exit_state)))
}

/// Fills the bundle of a task of known type; `out` is zero. Returns `FLAG_*`.
#[inline(never)]
pub fn state(out: &mut State, task: Ptr) -> u32 {
    fill(&mut Direct, out, task)
}

/// Fills the bundle of a task whose address came out of a map; `out` is zero. Returns `FLAG_*`.
#[inline(never)]
pub fn state_through_map(out: &mut State, task: Ptr) -> u32 {
    fill(&mut Probed::new(), out, task)
}

#[inline(always)]
fn fill<L: Load>(load: &mut L, out: &mut State, task: Ptr) -> u32 {
    out.id = identity(load, task);
    out.comm = name(load, task);
    out.task_flags = load.load(task, global!(OFFSETS.task_flags));
    out.jobctl = load.load(task, global!(OFFSETS.task_jobctl));
    out.task_exit_state = load.load(task, global!(OFFSETS.task_exit_state));
    out.exit_code = load.load(task, global!(OFFSETS.task_exit_code));
    if let Some(cred) = load.follow(task, global!(OFFSETS.task_cred)) {
        out.uid = load.load(cred, global!(OFFSETS.cred_uid));
    }
    out.cgroup = cgroup(load, task);
    if let Some(sighand) = load.follow(task, global!(OFFSETS.task_sighand)) {
        let blocked = load.load(task, global!(OFFSETS.task_blocked));
        out.bits |= dispositions(load, sighand, blocked);
    }
    let leader = load.follow(task, global!(OFFSETS.task_group_leader));
    let (Some(leader), Some(signal)) = (leader, load.follow(task, global!(OFFSETS.task_signal))) else {
        impossible!("task {} has no group leader or no signal_struct", out.id.tid);
        return FLAG_STATE_UNREADABLE;
    };
    process(load, out, leader);
    job(load, out, signal, leader);
    if let Some(tty) = load.follow(signal, global!(OFFSETS.signal_tty)) {
        terminal(load, out, tty);
    }
    if load.failed() { FLAG_STATE_UNREADABLE } else { 0 }
}

/// What belongs to the thread group leader: parent, numbers, exit state.
#[inline(always)]
fn process<L: Load>(load: &mut L, out: &mut State, leader: Ptr) {
    out.exit_state = load.load(leader, global!(OFFSETS.task_exit_state));
    if let Some(parent) = load.follow(leader, global!(OFFSETS.task_real_parent)) {
        out.parent = identity(load, parent);
        if out.parent.tgid == 1 {
            out.bits |= BIT_PARENT_IS_INIT;
        }
    }
    if let Some(pid) = load.follow(leader, global!(OFFSETS.task_thread_pid)) {
        out.pid_ino = inode(load, pid);
        out.ns_level = load.load(pid, global!(OFFSETS.pid_level));
        let own = namespaced_number(load, pid, out.ns_level);
        out.ns_inum = own.namespace;
        out.ns_pid = own.number;
    }
}

/// What belongs to the process: group, session, job-control flags.
#[inline(always)]
fn job<L: Load>(load: &mut L, out: &mut State, signal: Ptr, leader: Ptr) {
    if let Some(pgrp) = load.follow(signal, global!(OFFSETS.signal_pids) + PGID) {
        out.pgid = first_number(load, pgrp);
        out.pgid_ino = inode(load, pgrp);
    }
    if let Some(session) = load.follow(signal, global!(OFFSETS.signal_pids) + SID) {
        out.sid = first_number(load, session);
        out.sid_ino = inode(load, session);
    }
    if let Some(old) = load.follow(signal, global!(OFFSETS.signal_tty_old_pgrp)) {
        out.tty_old_pgrp = first_number(load, old);
    }
    out.signal_flags = load.load(signal, global!(OFFSETS.signal_flags));
    out.group_exit_code = load.load(signal, global!(OFFSETS.signal_group_exit_code));
    out.live = load.load(signal, global!(OFFSETS.signal_live));
    if load.load::<i32>(signal, global!(OFFSETS.signal_leader)) != 0 {
        out.bits |= BIT_SESSION_LEADER;
    }
    let word: u32 = load.load(signal, global!(OFFSETS.signal_subreaper));
    if word & (1 << global!(CONFIG.subreaper_bit)) != 0 {
        out.bits |= BIT_SUBREAPER;
    }
    if word & (1 << global!(CONFIG.has_subreaper_bit)) != 0 {
        out.bits |= BIT_HAS_SUBREAPER;
    }
    // The leader is the only entry of the list of threads (`include/linux/sched/signal.h`, thread_group_empty).
    let next: Ptr = load.load(leader, global!(OFFSETS.task_thread_node));
    if next == signal.wrapping_add(global!(OFFSETS.signal_thread_head) as usize) {
        out.bits |= BIT_SINGLE_THREAD;
    }
}

/// The controlling terminal.
#[inline(always)]
fn terminal<L: Load>(load: &mut L, out: &mut State, tty: Ptr) {
    if let Some(driver) = load.follow(tty, global!(OFFSETS.tty_driver)) {
        let major: u32 = load.load(driver, global!(OFFSETS.tty_driver_major));
        let first: u32 = load.load(driver, global!(OFFSETS.tty_driver_minor_start));
        let index: u32 = load.load(tty, global!(OFFSETS.tty_index));
        out.tty_dev = major << 20 | first.wrapping_add(index) & 0xF_FFFF;
        if PTS_MAJORS.contains(&major) {
            out.bits |= BIT_TTY_IS_PTY;
            out.tty_instance = devpts(load.load(tty, global!(OFFSETS.tty_driver_data)));
        }
    }
    if let Some(pgrp) = load.follow(tty, global!(OFFSETS.tty_pgrp)) {
        out.tty_foreground = first_number(load, pgrp);
        out.tty_foreground_ino = inode(load, pgrp);
        if load.follow(pgrp, global!(OFFSETS.pid_tasks) + PGID).is_none() {
            out.bits |= BIT_FOREGROUND_EMPTY;
        }
    }
    if let Some(session) = load.follow(tty, global!(OFFSETS.tty_session)) {
        out.tty_session = first_number(load, session);
    }
}

/// `s_dev` of the devpts that a slave's `driver_data`, a dentry, is in. `void *` has no type to load through.
#[inline(always)]
fn devpts(dentry: Ptr) -> u32 {
    let load = &mut Probed::new();
    match load.follow(dentry, global!(OFFSETS.dentry_sb)) {
        Some(super_block) => load.load(super_block, global!(OFFSETS.super_block_dev)),
        None => 0,
    }
}

#[inline(always)]
fn dispositions<L: Load>(load: &mut L, sighand: Ptr, blocked: u64) -> u32 {
    let mut bits = 0;
    if ignored(load, sighand, SIGTTOU) || blocked & (1 << (SIGTTOU - 1)) != 0 {
        bits |= BIT_TTOU_IGNORED_OR_BLOCKED;
    }
    if ignored(load, sighand, SIGTTIN) || blocked & (1 << (SIGTTIN - 1)) != 0 {
        bits |= BIT_TTIN_IGNORED_OR_BLOCKED;
    }
    if ignored(load, sighand, SIGHUP) {
        bits |= BIT_HUP_IGNORED;
    }
    let flags: u64 = load.load(sighand, action_offset(SIGCHLD) + global!(OFFSETS.k_sigaction_flags));
    if ignored(load, sighand, SIGCHLD) || flags & SA_NOCLDWAIT != 0 {
        bits |= BIT_AUTO_REAPS_CHILDREN;
    }
    bits
}

#[inline(always)]
fn ignored<L: Load>(load: &mut L, sighand: Ptr, signal: u32) -> bool {
    load.load::<u64>(sighand, action_offset(signal) + global!(OFFSETS.k_sigaction_handler)) == SIG_IGN
}

#[inline(always)]
fn action_offset(signal: u32) -> u32 {
    global!(OFFSETS.sighand_action) + (signal - 1) * ACTION_SIZE
}

#[inline(always)]
fn kind_of_handler(handler: u64) -> u32 {
    if handler > SIG_IGN { 2 } else { handler as u32 }
}

/// Numbers of a task and the start of its process.
#[inline(always)]
fn identity<L: Load>(load: &mut L, task: Ptr) -> TaskId {
    let start = match load.follow(task, global!(OFFSETS.task_group_leader)) {
        Some(leader) => load.load(leader, global!(OFFSETS.task_start_boottime)),
        None => 0,
    };
    TaskId { tgid: load.load(task, global!(OFFSETS.task_tgid)), tid: load.load(task, global!(OFFSETS.task_pid)), start }
}

#[inline(always)]
fn name<L: Load>(load: &mut L, task: Ptr) -> [u8; 16] {
    let first: u64 = load.load(task, global!(OFFSETS.task_comm));
    let second: u64 = load.load(task, global!(OFFSETS.task_comm) + 8);
    (u128::from(first) | u128::from(second) << 64).to_le_bytes()
}

/// cgroup v2 id of a task, 0 where the kernel has no cgroups.
#[inline(always)]
fn cgroup<L: Load>(load: &mut L, task: Ptr) -> u64 {
    if global!(OFFSETS.task_cgroups) == ABSENT
        || global!(OFFSETS.css_set_dfl_cgroup) == ABSENT
        || global!(OFFSETS.cgroup_kn) == ABSENT
        || global!(OFFSETS.kernfs_node_id) == ABSENT
    {
        return 0;
    }
    load.follow(task, global!(OFFSETS.task_cgroups))
        .and_then(|css_set| load.follow(css_set, global!(OFFSETS.css_set_dfl_cgroup)))
        .and_then(|cgroup| load.follow(cgroup, global!(OFFSETS.cgroup_kn)))
        .map_or(0, |node| load.load(node, global!(OFFSETS.kernfs_node_id)))
}

/// `pid->ino`, 0 where the kernel has none.
#[inline(always)]
fn inode<L: Load>(load: &mut L, pid: Ptr) -> u64 {
    let offset = global!(OFFSETS.pid_ino);
    if offset == ABSENT { 0 } else { load.load(pid, offset) }
}

/// Number of a `struct pid` in the initial namespace.
#[inline(always)]
fn first_number<L: Load>(load: &mut L, pid: Ptr) -> u32 {
    load.load(pid, global!(OFFSETS.pid_numbers) + global!(OFFSETS.upid_nr))
}

/// Number and namespace of a `struct pid` at a level of nesting. Below the initial namespace the offset is not a constant,
/// so that read is never direct.
#[inline(always)]
fn namespaced_number<L: Load>(load: &mut L, pid: Ptr, level: u32) -> Number {
    let first = global!(OFFSETS.pid_numbers);
    if level == 0 {
        let inum = match load.follow(pid, first + global!(OFFSETS.upid_ns)) {
            Some(namespace) => load.load(namespace, global!(OFFSETS.pid_namespace_inum)),
            None => 0,
        };
        return Number { namespace: inum, number: first_number(load, pid) };
    }
    let load = &mut Probed::new();
    let upid = first + (level & (MAX_LEVEL * 2 - 1)) * UPID_SIZE;
    let namespace = match load.follow(pid, upid + global!(OFFSETS.upid_ns)) {
        Some(namespace) => load.load(namespace, global!(OFFSETS.pid_namespace_inum)),
        None => 0,
    };
    Number { namespace, number: load.load(pid, upid + global!(OFFSETS.upid_nr)) }
}

#[inline(always)]
fn signal(task: Ptr) -> Option<Ptr> {
    Direct.follow(task, global!(OFFSETS.task_signal))
}
