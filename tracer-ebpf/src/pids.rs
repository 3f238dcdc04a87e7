//! The pid table: which process has a number in a namespace.
//!
//! Arguments of calls are numbers in the caller's namespace, and the target's state has to be read there and then. An
//! entry is made at NEWTASK and by the iterator for every level of nesting, and goes at FREE. It is believed only after
//! its task was compared with it: an address can be another task's by then. Threads other than leaders have no entry.
//! Must not: emit, or know what is followed.

use tracer_common::control::{LOSS_PID_TABLE, LOST};

use crate::{
    TASKS, emit,
    load::Ptr,
    task::{self, INITIAL_NAMESPACE, Task},
};

/// Key of the map `TASKS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// `ns.inum` of a pid namespace.
    pub namespace: u32,
    /// A process's number in it.
    pub number: u32,
}

/// Value of the map `TASKS`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Known {
    /// Address of the thread group leader's task. Never leaves the kernel.
    pub task: u64,
    /// Start of the process.
    pub start: u64,
    /// Number of the process in the initial namespace.
    pub tgid: u32,
    /// Always 0.
    reserved: u32,
    /// The process's number one namespace further in; number 0 when there is none. FREE finds the inner entries by it,
    /// for a released task has no `struct pid` any more.
    inner: Number,
}

/// How many namespaces deep the table goes, out of the kernel's 32: the verifier goes through every level.
const MAX_DEPTH: u32 = 8;

const NO_NUMBER: Number = Number { namespace: 0, number: 0 };

/// Remembers a process by its leader. That the table is full is counted.
#[inline(always)]
pub fn register(leader: Task, tgid: u32, start: u64) {
    let Some((pid, depth)) = leader.pid_and_level() else { return };
    let mut key = Number { namespace: INITIAL_NAMESPACE, number: tgid };
    for level in 0..=MAX_DEPTH {
        let inner = if level < depth { task::number_at(pid, level + 1) } else { NO_NUMBER };
        let known = Known { task: leader.address(), start, tgid, reserved: 0, inner };
        if TASKS.insert(key, known, 0).is_err() {
            emit::count(LOST + LOSS_PID_TABLE);
        }
        if inner.number == 0 {
            break;
        }
        key = inner;
    }
}

/// Forgets whoever has the number `tgid` of the initial namespace, or only the process whose leader's task is `leader`.
#[inline(always)]
pub fn forget(tgid: u32, leader: Option<Ptr>) {
    let mut key = Number { namespace: INITIAL_NAMESPACE, number: tgid };
    let mut owner = leader.map(|leader| leader as u64);
    for _ in 0..=MAX_DEPTH {
        let Some(known) = find(key) else { return };
        if *owner.get_or_insert(known.task) != known.task {
            return;
        }
        let _ = TASKS.remove(key);
        if known.inner.number == 0 {
            return;
        }
        key = known.inner;
    }
}

/// The entry of a number, unverified.
#[inline(always)]
pub fn find(number: Number) -> Option<Known> {
    // SAFETY: entries are replaced whole; a value that is half another one fails verification.
    unsafe { TASKS.get(number) }.copied()
}

/// The entry of a number, if its task is still the one that was registered; and the task's `exit_state`.
#[inline(always)]
pub fn verified(number: Number) -> Option<(Known, u32)> {
    let known = find(number)?;
    let (id, exit_state) = task::probe(known.task as Ptr);
    (id.tgid == known.tgid && id.start == known.start).then_some((known, exit_state))
}
