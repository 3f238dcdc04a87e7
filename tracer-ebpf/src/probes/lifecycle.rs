//! Births, execs, exits, stops and the freeing of tasks. Keeps the pid table and the followed set as it goes.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_common::record::{
    Dead, Exec, Exit, FLAG_ARGS_TRUNCATED, FLAG_MAP_FULL, FLAG_PREVIOUS_LEAVE_MISSING, FLAG_USER_UNREADABLE, Freed,
    Kind as _, NewTask, Stopped,
};

use crate::{
    CHATTY, CRITICAL,
    emit::{self, Label},
    flag, global,
    load::Ptr,
    pids,
    probes::calls,
    scope,
    task::{self, Task},
};

/// `CLONE_THREAD` (`include/uapi/linux/sched.h`).
const CLONE_THREAD: u64 = 0x10000;
/// `__TASK_STOPPED`, `__TASK_TRACED` and `TASK_DEAD` (`include/linux/sched.h`).
const TASK_STOPPED: u32 = 0x4;
const TASK_TRACED: u32 = 0x8;
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
    let child = Task::new(task);
    let (followed, remembered) = scope::inherit(&id, child.session());
    let full = flag(!remembered, FLAG_MAP_FULL);
    if scope::wants(|| followed || reused || scope::follows_actor()) {
        emit::write(&CRITICAL, Label::new(NewTask::KIND).with(full), |record: &mut NewTask| {
            record.clone_flags = clone_flags;
            child.state(&mut record.state)
        });
    }
    // Last, for the verifier: it goes through what follows once for each level of nesting.
    pids::register(child, id.tgid, id.start);
}

/// `sched_process_exec`.
#[inline(always)]
pub fn exec(task: Ptr, old_tid: u32) {
    let (task, id) = (Task::new(task), task::id(task));
    if scope::wants(|| scope::follows(id.tgid, id.start)) {
        emit::write(&CRITICAL, Label::new(Exec::KIND), |record: &mut Exec| {
            record.old_tid = old_tid;
            let flags = if global!(CONFIG.capture_arguments) == 0 { 0 } else { arguments(record) };
            flags | task::own_state(&mut record.state)
        });
    }
    if old_tid != id.tid {
        // A thread other than the leader executed: it took the leader's place and number.
        calls::forget(old_tid);
        pids::register(task, id.tgid, id.start);
    }
}

/// Copies the argument strings of the running process.
#[inline(always)]
fn arguments(record: &mut Exec) -> u32 {
    let (start, end) = task::arguments();
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
    let (task, id) = (Task::new(task), task::id(task));
    // The thread is past all its calls.
    let open = calls::forget(id.tid);
    let missing = flag(open, FLAG_PREVIOUS_LEAVE_MISSING);
    if scope::wants(|| open || scope::follows_subject(task, &id)) {
        emit::write(&CRITICAL, Label::new(Exit::KIND).with(missing), |record: &mut Exit| {
            record.group_dead = u32::from(group_dead.unwrap_or_else(|| task.live() == 0));
            task::own_state(&mut record.state)
        });
    }
}

/// `sched_switch` away from a task.
#[inline(always)]
pub fn switch(task: Ptr, state: u32) {
    const { assert!(size_of::<Dead>() == size_of::<Stopped>()) };
    if state & (TASK_DEAD | TASK_STOPPED | TASK_TRACED) == 0 {
        return;
    }
    let (task, id) = (Task::new(task), task::id(task));
    // A task that is traced stops for its tracer, for job control too (`kernel/signal.c`, `do_jobctl_trap`).
    if state & (TASK_DEAD | TASK_STOPPED) == 0 && !task.is_stopped() {
        return;
    }
    if scope::wants(|| scope::follows_subject(task, &id)) {
        // The two kinds have the same fields.
        let kind = if state & TASK_DEAD != 0 { Dead::KIND } else { Stopped::KIND };
        emit::write(&CHATTY, Label::new(kind), |record: &mut Dead| task::own_state(&mut record.state));
    }
}

/// `sched_process_free`, in whatever context the grace period ended. Only processes are recorded: the release of a
/// thread frees no number that anything here is known by.
#[inline(always)]
pub fn free(task: Ptr) {
    let id = task::freed_id(task);
    if id.tid != id.tgid {
        return;
    }
    pids::forget(id.tgid, Some(task));
    let concerned = scope::release(id.tgid, id.start);
    if scope::wants(|| concerned) {
        emit::write(&CHATTY, Label::new(Freed::KIND), |record: &mut Freed| {
            record.id = id;
            0
        });
    }
}
