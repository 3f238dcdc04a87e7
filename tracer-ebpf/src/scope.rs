//! Which records are wanted: the scope, the followed processes and the sessions that they are in.
//!
//! The followed set is kept in every scope, so that a change of scope finds it right.
//! Must not: emit, or read a kernel structure.

use tracer_common::{
    control::{FOLLOW_CHILDREN, Followed, LOSS_FOLLOWED, LOST, SCOPE, SCOPE_ALL, SCOPE_FOLLOWED},
    record::TaskId,
};

use crate::{
    CONTROL, FOLLOWED, SESSIONS, emit,
    pids::{self, Number},
    task::{self, INITIAL_NAMESPACE, Task},
};

/// `BPF_NOEXIST`.
const NEW_ONLY: u64 = 1;
/// `-EEXIST`.
const EXISTS: i32 = -17;

/// Whether a record is wanted that concerns the followed set when `concerns` says so.
#[inline(always)]
pub fn wants(concerns: impl FnOnce() -> bool) -> bool {
    // SAFETY: an aligned word of a map that lives as long as the program.
    match CONTROL.get_ptr(SCOPE).map_or(0, |scope| unsafe { core::ptr::read_volatile(scope) }) {
        SCOPE_ALL => true,
        SCOPE_FOLLOWED => concerns(),
        _ => false,
    }
}

/// Whether this very process is followed.
#[inline(always)]
pub fn follows(tgid: u32, start: u64) -> bool {
    entry(tgid).is_some_and(|followed| followed.start == start)
}

/// Whether the running process is followed.
#[inline(always)]
pub fn follows_actor() -> bool {
    let actor = task::id(task::current());
    follows(actor.tgid, actor.start)
}

/// Whether what happens to a process is wanted: it is followed, or leads the session of a followed process (its end
/// and its terminal are theirs).
#[inline(always)]
pub fn follows_subject(task: Task, id: &TaskId) -> bool {
    follows(id.tgid, id.start) || task.is_session_leader() && holds_session(id.tgid)
}

/// Whether a session has had a followed member.
#[inline(always)]
pub fn holds_session(sid: u32) -> bool {
    // SAFETY: a word; whether it is there is all that is asked.
    unsafe { SESSIONS.get(sid) }.is_some()
}

/// Lets a new process inherit from the process that forked it, whoever its parent is. Says whether it is followed, and
/// whether there was room to remember that.
#[inline(always)]
pub fn inherit(child: &TaskId, session: u32) -> (bool, bool) {
    let forker = task::id(task::current());
    let inherits =
        entry(forker.tgid).is_some_and(|parent| parent.start == forker.start && parent.flags & FOLLOW_CHILDREN != 0);
    if !inherits {
        return (false, true);
    }
    let followed = Followed { start: child.start, flags: FOLLOW_CHILDREN };
    let room = counted(FOLLOWED.insert(child.tgid, followed, 0));
    (true, add_session(session) && room)
}

/// Remembers a session that a followed process is in.
#[inline(always)]
pub fn add_session(sid: u32) -> bool {
    if holds_session(sid) {
        return true;
    }
    let leader = pids::find(Number { namespace: INITIAL_NAMESPACE, number: sid });
    counted(SESSIONS.insert(sid, leader.map_or(0, |leader| leader.start), NEW_ONLY))
}

/// A new task has this number: whoever had it as process, group or session is gone. True when that concerned the
/// followed set.
#[inline(always)]
pub fn number_taken(number: u32) -> bool {
    let process = entry(number).is_some();
    let session = holds_session(number);
    if process {
        let _ = FOLLOWED.remove(number);
    }
    if session {
        let _ = SESSIONS.remove(number);
    }
    process || session
}

/// A process is freed. True when that concerns the followed set.
#[inline(always)]
pub fn release(tgid: u32, start: u64) -> bool {
    let process = follows(tgid, start);
    // SAFETY: a word, replaced whole.
    let session = unsafe { SESSIONS.get(tgid) }.is_some_and(|leader| *leader == start);
    if process {
        let _ = FOLLOWED.remove(tgid);
    }
    if session {
        let _ = SESSIONS.remove(tgid);
    }
    process || session
}

#[inline(always)]
fn entry(tgid: u32) -> Option<Followed> {
    // SAFETY: two words; one of another entry compares unequal in its start.
    unsafe { FOLLOWED.get(tgid) }.copied()
}

/// Counts an insertion that found the map full.
#[inline(always)]
fn counted(inserted: Result<(), i32>) -> bool {
    let room = matches!(inserted, Ok(()) | Err(EXISTS));
    if !room {
        emit::count(LOST + LOSS_FOLLOWED);
    }
    room
}
