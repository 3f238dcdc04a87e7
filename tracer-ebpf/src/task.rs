//! Reads `task_struct`, `signal_struct`, `struct pid` and `tty_struct`: no other file knows a kernel structure.
//!
//! A pointer is tested before it is followed: on kernels whose BTF carries tags the verifier demands it, and everywhere a
//! direct load that faults reads as zero. Must not: emit, or decide what is followed.

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_current_task_btf, bpf_get_current_uid_gid,
};
use tracer_common::{
    offsets::ABSENT,
    record::{
        BIT_AUTO_REAPS_CHILDREN, BIT_FOREGROUND_EMPTY, BIT_HAS_SUBREAPER, BIT_HUP_IGNORED, BIT_PARENT_IS_INIT,
        BIT_SESSION_LEADER, BIT_SINGLE_THREAD, BIT_SUBREAPER, BIT_TTIN_IGNORED_OR_BLOCKED, BIT_TTOU_IGNORED_OR_BLOCKED,
        BIT_TTY_IS_PTY, FLAG_STATE_UNREADABLE, State, TaskId,
    },
};

use crate::{
    flag, global, impossible,
    load::{Direct, Load, Probed, Ptr},
    pids::Number,
};

/// `ns.inum` of the initial pid namespace (`include/uapi/linux/nsfs.h`, `PID_NS_INIT_INO`).
pub const INITIAL_NAMESPACE: u32 = 0xEFFF_FFFC;
/// `MAX_PID_NS_LEVEL` (`include/linux/pid_namespace.h`).
const MAX_LEVEL: u32 = 32;

/// `PIDTYPE_TGID`, `PIDTYPE_PGID` and `PIDTYPE_SID` (`include/linux/pid_types.h`), times the size of a pointer.
const TGID: u32 = 8;
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

/// A task whose type the verifier knows, and the `signal_struct` of its process.
///
/// The pointer is loaded once: for every pointer loaded from a task the kernel searches its BTF by name, several times
/// (`kernel/bpf/btf.c`, `btf_nested_type_is_trusted`), which is most of what loading the probes takes.
#[derive(Clone, Copy)]
pub struct Task {
    task: Ptr,
    signal: Ptr,
}

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

/// `comm` of a task.
#[inline(always)]
pub fn comm(task: Ptr) -> [u8; 16] {
    name(&mut Direct, task)
}

impl Task {
    /// From the task.
    #[inline(always)]
    pub fn new(task: Ptr) -> Self {
        Self { task, signal: Direct.load(task, global!(OFFSETS.task_signal)) }
    }

    /// The task that runs.
    #[inline(always)]
    pub fn current() -> Self {
        Self::new(current())
    }

    /// Numbers and start.
    #[inline(always)]
    pub fn id(self) -> TaskId {
        id(self.task)
    }

    /// Address of the task, to be kept in a map.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.task as u64
    }

    /// Whether the process is a session leader; its number is then the session's.
    #[inline(always)]
    pub fn is_session_leader(self) -> bool {
        Direct.load::<i32>(self.signal, global!(OFFSETS.signal_leader)) != 0
    }

    /// Number of the session, 0 once released.
    #[inline(always)]
    pub fn session(self) -> u32 {
        let session = Direct.follow(self.signal, global!(OFFSETS.signal_pids) + SID);
        session.map_or(0, |session| first_number(&mut Direct, session))
    }

    /// Whether the process has a controlling terminal.
    #[inline(always)]
    pub fn has_terminal(self) -> bool {
        Direct.follow(self.signal, global!(OFFSETS.signal_tty)).is_some()
    }

    /// Whether the process has a controlling terminal whose foreground process group is another one.
    #[inline(always)]
    pub fn is_background(self) -> bool {
        let Some(tty) = Direct.follow(self.signal, global!(OFFSETS.signal_tty)) else { return false };
        let own: Ptr = Direct.load(self.signal, global!(OFFSETS.signal_pids) + PGID);
        let foreground: Ptr = Direct.load(tty, global!(OFFSETS.tty_pgrp));
        own != foreground
    }

    /// `SIGNAL_STOP_STOPPED`: every thread of the process has stopped for job control.
    #[inline(always)]
    pub fn is_stopped(self) -> bool {
        Direct.load::<u32>(self.signal, global!(OFFSETS.signal_flags)) & 1 != 0
    }

    /// `signal->live`: threads of the process that have not begun to exit.
    #[inline(always)]
    pub fn live(self) -> i32 {
        Direct.load(self.signal, global!(OFFSETS.signal_live))
    }

    /// The process's `struct pid`, `None` once released, and its level of nesting.
    #[inline(always)]
    pub fn pid_and_level(self) -> Option<(Ptr, u32)> {
        let pid = Direct.follow(self.signal, global!(OFFSETS.signal_pids) + TGID)?;
        Some((pid, Direct.load(pid, global!(OFFSETS.pid_level))))
    }

    /// Namespace in which the process's arguments are numbers, and its own number there.
    #[inline(always)]
    pub fn own_number(self, tgid: u32) -> Number {
        match self.pid_and_level() {
            Some((pid, level)) if level > 0 => number_at(pid, level),
            _ => Number { namespace: INITIAL_NAMESPACE, number: tgid },
        }
    }

    /// Whether the process may be about to become a daemon, or is one: it leads its session, or its parent does, or adopted it.
    #[inline(always)]
    pub fn may_be_daemon(self) -> bool {
        if self.is_session_leader() {
            return true;
        }
        let Some(parent) = Direct.follow(self.task, global!(OFFSETS.task_real_parent)) else { return false };
        Direct.load::<u32>(parent, global!(OFFSETS.task_tgid)) == 1 || Task::new(parent).is_session_leader()
    }

    /// The thread's blocked signals.
    #[inline(always)]
    pub fn blocked(self) -> u64 {
        Direct.load(self.task, global!(OFFSETS.task_blocked))
    }

    /// The process's file mode creation mask.
    #[inline(always)]
    pub fn umask(self) -> u32 {
        let fs = Direct.follow(self.task, global!(OFFSETS.task_fs));
        fs.map_or(0, |fs| Direct.load(fs, global!(OFFSETS.fs_umask)))
    }

    /// Whether the working directory is the root directory of the process.
    #[inline(always)]
    pub fn is_at_root(self) -> bool {
        let Some(fs) = Direct.follow(self.task, global!(OFFSETS.task_fs)) else { return false };
        let load = |offset: u32| Direct.load::<u64>(fs, offset);
        load(global!(OFFSETS.fs_pwd_dentry)) == load(global!(OFFSETS.fs_root_dentry))
            && load(global!(OFFSETS.fs_pwd_mount)) == load(global!(OFFSETS.fs_root_mount))
    }

    /// What a descriptor of the process refers to: `i_mode`, `i_rdev` and `s_dev`; zeros when it is closed again.
    #[inline(always)]
    pub fn target(self, descriptor: u32) -> (u32, u32, u32) {
        let Some(files) = Direct.follow(self.task, global!(OFFSETS.task_files)) else { return (0, 0, 0) };
        // An array of pointers has no type to load through.
        let load = &mut Probed::new();
        let table: Ptr = load.load(files, global!(OFFSETS.files_table));
        let open: Ptr = load.load(table, global!(OFFSETS.table_files));
        let file: Ptr = load.load(open.wrapping_add(descriptor as usize * size_of::<Ptr>()), 0);
        let inode: Ptr = load.load(file, global!(OFFSETS.file_inode));
        let mode: u32 = load.load(inode, global!(OFFSETS.inode_mode));
        let device: u32 = load.load(inode, global!(OFFSETS.inode_device));
        let super_block: Ptr = load.load(inode, global!(OFFSETS.inode_super_block));
        // `umode_t` is 16 bits wide.
        (mode & 0xffff, device, load.load(super_block, global!(OFFSETS.super_block_dev)))
    }

    /// Disposition of a signal (0 default, 1 ignored, 2 handler), and whether the thread blocks it.
    #[inline(always)]
    pub fn disposition(self, signal: u32) -> (u32, bool) {
        let index = signal.wrapping_sub(1) & 63;
        let blocked = Direct.load::<u64>(self.task, global!(OFFSETS.task_blocked)) >> index & 1 != 0;
        // Not a constant offset, so not a direct load.
        let load = &mut Probed::new();
        let kind = match load.follow(self.task, global!(OFFSETS.task_sighand)) {
            Some(sighand) => kind_of_handler(load.load(
                sighand,
                global!(OFFSETS.sighand_action) + index * ACTION_SIZE + global!(OFFSETS.k_sigaction_handler),
            )),
            None => 0,
        };
        (kind, blocked)
    }

    /// Fills the bundle of any task; `out` is zero. Returns `FLAG_*`.
    #[inline(always)]
    pub fn state(self, out: &mut State) -> u32 {
        state_of_any(out, self.task, self.signal)
    }
}

/// A task that is being freed: its numbers, and its own start, for its group leader may be gone.
#[inline(always)]
pub fn freed_id(task: Ptr) -> TaskId {
    TaskId {
        tgid: Direct.load(task, global!(OFFSETS.task_tgid)),
        tid: Direct.load(task, global!(OFFSETS.task_pid)),
        start: Direct.load(task, global!(OFFSETS.task_start_boottime)),
    }
}

/// First and last address of the running process's argument strings.
#[inline(always)]
pub fn arguments() -> (u64, u64) {
    match Direct.follow(current(), global!(OFFSETS.task_mm)) {
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

/// Number and namespace of a `struct pid` at a level of nesting.
#[inline(always)]
pub fn number_at(pid: Ptr, level: u32) -> Number {
    namespaced_number(&mut Probed::new(), pid, level)
}

/// Fills the bundle of the task that runs; `out` is zero. Returns `FLAG_*`.
#[inline(always)]
pub fn own_state(out: &mut State) -> u32 {
    state_of_current(out)
}

/// Numbers and start of the process whose task is at an address out of a map, and the task's `exit_state`.
#[inline(always)]
pub fn probe(task: Ptr) -> (TaskId, u32) {
    let load = &mut Probed::new();
    (identity(load, task), load.load(task, global!(OFFSETS.task_exit_state)))
}

/// A function with a public name: the verifier goes through it once for a program, and not once for each way that leads to
/// it. It may be given memory, not a task.
#[unsafe(no_mangle)]
extern "C" fn state_of_current(out: *mut State) -> u32 {
    // SAFETY: the verifier knows that it is null or points to a bundle.
    let Some(out) = (unsafe { out.as_mut() }) else { return FLAG_STATE_UNREADABLE };
    out.uid = bpf_get_current_uid_gid() as u32;
    if has_cgroups() {
        // SAFETY: the helper has no precondition.
        out.cgroup = unsafe { bpf_get_current_cgroup_id() };
    }
    let Task { task, signal } = Task::current();
    fill(&mut Direct, out, task, signal)
}

#[inline(always)]
fn state_of_any(out: &mut State, task: Ptr, signal: Ptr) -> u32 {
    credentials(out, task);
    fill(&mut Direct, out, task, signal)
}

/// Fills the bundle of a task whose address came out of a map; `out` is zero. Returns `FLAG_*`.
#[inline(always)]
pub fn state_through_map(out: &mut State, task: Ptr) -> u32 {
    credentials(out, task);
    let load = &mut Probed::new();
    let signal = load.load(task, global!(OFFSETS.task_signal));
    fill(load, out, task, signal)
}

/// Real uid and cgroup v2 id of a task that does not run; 0 where the kernel has no cgroups.
#[inline(always)]
fn credentials(out: &mut State, task: Ptr) {
    let load = &mut Probed::new();
    let cred: Ptr = load.load(task, global!(OFFSETS.task_cred));
    out.uid = load.load(cred, global!(OFFSETS.cred_uid));
    if has_cgroups() {
        let css_set: Ptr = load.load(task, global!(OFFSETS.task_cgroups));
        let cgroup: Ptr = load.load(css_set, global!(OFFSETS.css_set_dfl_cgroup));
        let node: Ptr = load.load(cgroup, global!(OFFSETS.cgroup_kn));
        out.cgroup = load.load(node, global!(OFFSETS.kernfs_node_id));
    }
}

#[inline(always)]
fn has_cgroups() -> bool {
    global!(OFFSETS.task_cgroups) != ABSENT
        && global!(OFFSETS.css_set_dfl_cgroup) != ABSENT
        && global!(OFFSETS.cgroup_kn) != ABSENT
        && global!(OFFSETS.kernfs_node_id) != ABSENT
}

/// Fills a bundle. The exit states come last: who reaps a process says so there before it takes anything from it
/// (kernel/exit.c, `wait_task_zombie`), so that what was read of one that is not `EXIT_DEAD` then was still all there.
#[inline(always)]
fn fill<L: Load>(load: &mut L, out: &mut State, task: Ptr, signal: Ptr) -> u32 {
    let flags = fill_but_exit_states(load, out, task, signal);
    out.task_exit_state = load.load(task, global!(OFFSETS.task_exit_state));
    out.exit_state = leader_exit_state(task, out);
    flags
}

/// What threads share is read through `signal->curr_target`, which is one of them (kernel/signal.c, `complete_signal`): a
/// pointer out of a `signal_struct` is nothing that the verifier searches its BTF for, see [`Task`]. Of a process that is
/// being released it may be another's by then.
#[inline(always)]
fn fill_but_exit_states<L: Load>(load: &mut L, out: &mut State, task: Ptr, signal: Ptr) -> u32 {
    out.id = identity(load, task);
    out.comm = name(load, task);
    out.task_flags = load.load(task, global!(OFFSETS.task_flags));
    out.jobctl = load.load(task, global!(OFFSETS.task_jobctl));
    out.exit_code = load.load(task, global!(OFFSETS.task_exit_code));
    if signal.is_null() {
        impossible!("task {} has no signal_struct", out.id.tid);
        return FLAG_STATE_UNREADABLE;
    }
    let Some(member) = load.follow(signal, global!(OFFSETS.signal_curr_target)) else { return FLAG_STATE_UNREADABLE };
    let member_tgid: u32 = load.load(member, global!(OFFSETS.task_tgid));
    if member_tgid != out.id.tgid {
        return FLAG_STATE_UNREADABLE;
    }
    let mut bits = family(load, out, member);
    if let Some(sighand) = load.follow(member, global!(OFFSETS.task_sighand)) {
        let blocked = load.load(task, global!(OFFSETS.task_blocked));
        bits |= dispositions(load, sighand, blocked);
    }
    out.bits = bits | job(load, out, signal);
    if let Some(pid) = load.follow(signal, global!(OFFSETS.signal_pids) + TGID) {
        process(load, out, pid);
        if out.ns_level > 0 {
            out.ns_pgid = number_inside(signal, PGID, out);
            out.ns_sid = number_inside(signal, SID, out);
        }
    }
    if let Some(tty) = load.follow(signal, global!(OFFSETS.signal_tty)) {
        terminal(load, out, tty);
    }
    if load.failed() { FLAG_STATE_UNREADABLE } else { 0 }
}

/// The parent, which is that of every thread of the process. Returns `BIT_*`.
#[inline(always)]
fn family<L: Load>(load: &mut L, out: &mut State, member: Ptr) -> u32 {
    let Some(parent) = load.follow(member, global!(OFFSETS.task_real_parent)) else { return 0 };
    out.parent = identity(load, parent);
    job_of_parent(load, out, parent);
    flag(out.parent.tgid == 1, BIT_PARENT_IS_INIT)
}

/// Group and session of the parent, which the orphan rule compares with the process's own.
#[inline(always)]
fn job_of_parent<L: Load>(load: &mut L, out: &mut State, parent: Ptr) {
    let Some(signal) = load.follow(parent, global!(OFFSETS.task_signal)) else { return };
    if let Some(pgrp) = load.follow(signal, global!(OFFSETS.signal_pids) + PGID) {
        out.parent_pgid = first_number(load, pgrp);
        out.parent_pgid_ino = inode(load, pgrp);
    }
    if let Some(session) = load.follow(signal, global!(OFFSETS.signal_pids) + SID) {
        out.parent_sid = first_number(load, session);
    }
}

/// `exit_state` of the thread group leader.
#[inline(always)]
fn leader_exit_state(task: Ptr, out: &State) -> u32 {
    if out.id.tid == out.id.tgid {
        return out.task_exit_state;
    }
    let load = &mut Probed::new();
    let leader: Ptr = load.load(task, global!(OFFSETS.task_group_leader));
    load.load(leader, global!(OFFSETS.task_exit_state))
}

/// What the process's `struct pid` says: its numbers.
#[inline(always)]
fn process<L: Load>(load: &mut L, out: &mut State, pid: Ptr) {
    out.pid_ino = inode(load, pid);
    out.ns_level = load.load(pid, global!(OFFSETS.pid_level));
    let own = namespaced_number(load, pid, out.ns_level);
    out.ns_inum = own.namespace;
    out.ns_pid = own.number;
}

/// What a process in a namespace sees as the number of its group or session (`kernel/pid.c`, `pid_nr_ns`): 0 for one from
/// outside.
#[inline(always)]
fn number_inside(signal: Ptr, kind: u32, out: &State) -> u32 {
    let load = &mut Probed::new();
    let pid: Ptr = load.load(signal, global!(OFFSETS.signal_pids) + kind);
    let level: u32 = load.load(pid, global!(OFFSETS.pid_level));
    let seen = number_at(pid, out.ns_level);
    if level >= out.ns_level && seen.namespace == out.ns_inum { seen.number } else { 0 }
}

/// What belongs to the process: group, session, job-control flags. Returns `BIT_*`.
#[inline(always)]
fn job<L: Load>(load: &mut L, out: &mut State, signal: Ptr) -> u32 {
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
    let leads: u32 = load.load(signal, global!(OFFSETS.signal_leader));
    let threads: u32 = load.load(signal, global!(OFFSETS.signal_nr_threads));
    let subreaper: u32 = load.load(signal, global!(OFFSETS.signal_subreaper));
    flag(leads != 0, BIT_SESSION_LEADER)
        | flag(threads <= 1, BIT_SINGLE_THREAD)
        | flag(subreaper >> global!(CONFIG.subreaper_bit) & 1 != 0, BIT_SUBREAPER)
        | flag(subreaper >> global!(CONFIG.has_subreaper_bit) & 1 != 0, BIT_HAS_SUBREAPER)
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
    let blocks = |signal: u32| blocked >> (signal - 1) & 1 != 0;
    let flags: u64 = load.load(sighand, action_offset(SIGCHLD) + global!(OFFSETS.k_sigaction_flags));
    flag(ignored(load, sighand, SIGTTOU) || blocks(SIGTTOU), BIT_TTOU_IGNORED_OR_BLOCKED)
        | flag(ignored(load, sighand, SIGTTIN) || blocks(SIGTTIN), BIT_TTIN_IGNORED_OR_BLOCKED)
        | flag(ignored(load, sighand, SIGHUP), BIT_HUP_IGNORED)
        | flag(ignored(load, sighand, SIGCHLD) || flags & SA_NOCLDWAIT != 0, BIT_AUTO_REAPS_CHILDREN)
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

/// Numbers of a task and the start of its process. A thread other than the leader, which is rare, is asked through the
/// helper, for the sake of the time that loading takes: see [`Task`].
#[inline(always)]
fn identity<L: Load>(load: &mut L, task: Ptr) -> TaskId {
    let tgid = load.load(task, global!(OFFSETS.task_tgid));
    let tid = load.load(task, global!(OFFSETS.task_pid));
    let start = if tid == tgid {
        load.load(task, global!(OFFSETS.task_start_boottime))
    } else {
        let load = &mut Probed::new();
        let leader: Ptr = load.load(task, global!(OFFSETS.task_group_leader));
        load.load(leader, global!(OFFSETS.task_start_boottime))
    };
    TaskId { tgid, tid, start }
}

#[inline(always)]
fn name<L: Load>(load: &mut L, task: Ptr) -> [u8; 16] {
    let first: u64 = load.load(task, global!(OFFSETS.task_comm));
    let second: u64 = load.load(task, global!(OFFSETS.task_comm) + 8);
    (u128::from(first) | u128::from(second) << 64).to_le_bytes()
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
