//! Births, execs, exits, stops and the freeing of tasks. Keeps the pid table and the followed set as it goes.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_common::record::{
    Dead, Exec, Exit, FLAG_ARGS_TRUNCATED, FLAG_MAP_FULL, FLAG_PREVIOUS_LEAVE_MISSING, FLAG_USER_UNREADABLE, Freed,
    NewTask, Stopped,
};

use crate::{CHATTY, CRITICAL, emit, global, load::Ptr, pids, probes::calls, scope, task};

/// `CLONE_THREAD` (`include/uapi/linux/sched.h`).
const CLONE_THREAD: u64 = 0x10000;
/// `__TASK_STOPPED` and `TASK_DEAD` (`include/linux/sched.h`).
const TASK_STOPPED: u32 = 0x4;
const TASK_DEAD: u32 = 0x80;
/// Size of [`Exec::args`].
const ARGS_SIZE: u64 = 512;

/// `task_newtask`. A thread is not recorded: it changes no group, session or parent, and its end is.
#[inline(always)]
pub fn new_task(task: Ptr, clone_flags: u64) {
    let id = task::id(task);
    pids::forget(id.tid, None);
    let reused = scope::number_taken(id.tid);
    if clone_flags & CLONE_THREAD != 0 {
        return;
    }
    let (followed, remembered) = scope::inherit(&id, task::session(task));
    if scope::wants(|| followed || reused || scope::follows_actor()) {
        emit::record(&CRITICAL, |record: &mut NewTask| {
            record.clone_flags = clone_flags;
            task::state(&mut record.state, task) | if remembered { 0 } else { FLAG_MAP_FULL }
        });
    }
    // Last, and its outcome is only counted: the verifier would go through all the rest once for each of its outcomes.
    pids::register(task, id.tgid, id.start);
}

/// `sched_process_exec`.
#[inline(always)]
pub fn exec(task: Ptr, old_tid: u32) {
    let id = task::id(task);
    if old_tid != id.tid {
        // A thread other than the leader executed: it took the leader's place and number.
        calls::forget(old_tid);
        pids::register(task, id.tgid, id.start);
    }
    if scope::wants(|| scope::follows(id.tgid, id.start)) {
        emit::record(&CRITICAL, |record: &mut Exec| {
            record.old_tid = old_tid;
            let flags = task::state(&mut record.state, task);
            if global!(CONFIG.capture_arguments) == 0 { flags } else { flags | arguments(record, task) }
        });
    }
}

/// Copies the argument strings of the running process.
#[inline(always)]
fn arguments(record: &mut Exec, task: Ptr) -> u32 {
    let (start, end) = task::arguments(task);
    let all = end.wrapping_sub(start);
    let (len, flags) = if all > ARGS_SIZE { (ARGS_SIZE, FLAG_ARGS_TRUNCATED) } else { (all, 0) };
    // SAFETY: `len` is at most the size of `args`; the helper takes any user address.
    let failed = unsafe { bpf_probe_read_user(record.args.as_mut_ptr().cast(), len as u32, start as *const _) };
    if failed != 0 {
        return FLAG_USER_UNREADABLE;
    }
    record.args_len = len as u32;
    flags
}

/// `sched_process_exit`. `group_dead` is `None` on kernels whose tracepoint does not say.
#[inline(always)]
pub fn exit(task: Ptr, group_dead: Option<bool>) {
    let id = task::id(task);
    // The thread is past all its calls.
    let open = calls::forget(id.tid);
    if scope::wants(|| open || scope::follows_subject(task, &id)) {
        emit::record(&CRITICAL, |record: &mut Exit| {
            record.group_dead = u32::from(group_dead.unwrap_or_else(|| task::live(task) == 0));
            task::state(&mut record.state, task) | if open { FLAG_PREVIOUS_LEAVE_MISSING } else { 0 }
        });
    }
}

/// `sched_switch` away from a task.
#[inline(always)]
pub fn switch(task: Ptr, state: u32) {
    if state & (TASK_DEAD | TASK_STOPPED) == 0 {
        return;
    }
    let id = task::id(task);
    if !scope::wants(|| scope::follows_subject(task, &id)) {
        return;
    }
    if state & TASK_DEAD != 0 {
        emit::record(&CHATTY, |record: &mut Dead| task::state(&mut record.state, task));
    } else {
        emit::record(&CHATTY, |record: &mut Stopped| task::state(&mut record.state, task));
    }
}

/// `sched_process_free`, in whatever context the grace period ended. Only processes are recorded: the release of a
/// thread frees no number that anything here is known by.
#[inline(always)]
pub fn free(task: Ptr) {
    let mut id = task::id(task);
    if id.tid != id.tgid {
        return;
    }
    id.start = task::own_start(task);
    pids::forget(id.tgid, Some(task));
    let concerned = scope::release(id.tgid, id.start);
    if scope::wants(|| concerned) {
        emit::record(&CHATTY, |record: &mut Freed| {
            record.id = id;
            0
        });
    }
}
