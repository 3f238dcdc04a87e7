//! Watched system calls: one ENTER and one LEAVE for all of them. What is known at ENTER is saved for LEAVE by thread.

use aya_ebpf::{helpers::bpf_ktime_get_boot_ns, maps::RingBuf};
use tracer_common::{
    control::{LOSS_CALLS, LOST},
    record::{
        AttributeCall, Call, Enter, FLAG_ENTER_MISSING, FLAG_ENTER_NOT_EMITTED, FLAG_MAP_FULL,
        FLAG_PREVIOUS_LEAVE_MISSING, FLAG_TARGET_UNKNOWN, FLAG_USER_UNREADABLE, Kind as _, Leave, State, TaskId,
    },
};

use crate::{
    CALLS, CHATTY, CRITICAL,
    emit::{self, Label},
    flag,
    load::{self, Ptr},
    pids::{self, Number},
    probes::{tty, wait},
    scope,
    task::{self, Task},
};

/// The ENTER record was wanted and numbered.
const EMITTED: u32 = 1;
/// A followed process was signalled during the call.
const TOUCHED: u32 = 2;
/// The target of the call was not in the pid table.
const TARGET_UNKNOWN: u32 = 4;
/// `PR_SET_PDEATHSIG` and `PR_SET_CHILD_SUBREAPER`.
const WATCHED_OPTIONS: [u64; 2] = [1, 36];

/// Value of the map `CALLS`: an ENTER whose LEAVE is to come. The entry stays, with call 0, until its thread exits:
/// inserting and removing would cost more than all the rest of a call that is not recorded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Saved {
    seq: u64,
    at: u64,
    args: [u64; 4],
    value: u64,
    target: Target,
    call: u32,
    marks: u32,
}

/// Whose state a call's records carry.
#[repr(C)]
#[derive(Clone, Copy)]
struct Target {
    /// Address of its task; 0 for the caller.
    task: u64,
    start: u64,
    tgid: u32,
    reserved: u32,
}

const CALLER: Target = Target { task: 0, start: 0, tgid: 0, reserved: 0 };
const NOT_SEEN: Saved = Saved { seq: 0, at: 0, args: [0; 4], value: 0, target: CALLER, call: 0, marks: 0 };

impl Saved {
    /// Whether the call sends signals.
    #[inline(always)]
    pub fn is_kill(&self) -> bool {
        is_kill(self.call)
    }

    /// Notes that a followed process was signalled during the call.
    #[inline(always)]
    pub fn touch(&mut self) {
        self.marks |= TOUCHED;
    }
}

/// The entry of the running thread, with the call that is open or 0.
#[inline(always)]
pub fn entry(tid: u32) -> Option<&'static mut Saved> {
    // SAFETY: a value of a map that lives as long as the program; only this thread changes it.
    CALLS.get_ptr_mut(tid).and_then(|saved| unsafe { saved.as_mut() })
}

/// Forgets a thread. True when a call of it was open.
#[inline(always)]
pub fn forget(tid: u32) -> bool {
    let Some(saved) = entry(tid) else { return false };
    let open = saved.call != 0;
    let _ = CALLS.remove(tid);
    open
}

/// Saves the call that a thread begins. False when the map is full, which is counted.
#[inline(always)]
fn save(entry: Option<&mut Saved>, tid: u32, call: Saved) -> bool {
    if let Some(entry) = entry {
        *entry = call;
        return true;
    }
    let room = CALLS.insert(tid, call, 0).is_ok();
    if !room {
        emit::count(LOST + LOSS_CALLS);
    }
    room
}

/// Saves a call of the running thread that may change an attribute, with what that is before it.
#[inline(always)]
pub fn save_attribute(call: AttributeCall, args: &[u64; 4], before: u64) {
    let tid = task::current_tid();
    save(entry(tid), tid, Saved { args: *args, value: before, call: call as u32, ..NOT_SEEN });
}

/// Takes that: arguments, and what was before. `None`: it did not matter, or was not seen.
#[inline(always)]
pub fn take_attribute(call: AttributeCall) -> Option<([u64; 4], u64)> {
    let saved = entry(task::current_tid()).filter(|saved| saved.call == call as u32)?;
    saved.call = 0;
    Some((saved.args, saved.value))
}

/// A word of the running process's memory, or zero and a flag.
#[inline(always)]
pub fn user_word(address: u64) -> (u32, u32) {
    let (value, failed) = load::from_user(address);
    (value, flag(failed && address != 0, FLAG_USER_UNREADABLE))
}

/// `sys_enter` of a watched call. `TARGETED` for the one whose subject may be another process than the caller; the
/// programs of the others are spared the code for it, which the verifier takes long for.
#[inline(always)]
pub fn enter<const TARGETED: bool>(call: Call, args: &[u64; 4]) {
    let caller = Task::current();
    if !is_watched(call, args, caller) {
        return;
    }
    let id = caller.id();
    let (target, unknown) = if TARGETED { target(args, caller, id.tgid) } else { (CALLER, 0) };
    let (value, unreadable) = tty::group_given(call, args).map_or((0, 0), user_word);
    let entry = entry(id.tid);
    let previous = entry.as_ref().is_some_and(|saved| saved.call != 0);
    let wanted = has_enter_record(call) && scope::wants(|| previous || concerns(call, args, caller, &id, &target));
    let seq = if wanted { emit::next_number() } else { emit::last_number() };
    // SAFETY: the helper has no precondition.
    let at = unsafe { bpf_ktime_get_boot_ns() };
    let marks = unknown | flag(wanted, EMITTED);
    let saved = Saved { seq, at, args: *args, value: u64::from(value), target, call: call as u32, marks };
    let room = save(entry, id.tid, saved);
    if wanted {
        let flags = unreadable | flag(previous, FLAG_PREVIOUS_LEAVE_MISSING) | flag(!room, FLAG_MAP_FULL);
        emit::write(ring(call), Label::of_call(seq, Enter::KIND, call).with(flags), |record: &mut Enter| {
            record.call = call as u32;
            record.args = *args;
            record.value = u64::from(value);
            let state = &mut record.state;
            if TARGETED { subject(state, &target, unknown) } else { task::own_state(state) }
        });
    }
}

/// `sys_exit` of a watched call. `TARGETED` as in [`enter`]; `WAITS` for wait4 and waitid.
#[inline(always)]
pub fn leave<const TARGETED: bool, const WAITS: bool>(call: Call, ret: i64) {
    let caller = Task::current();
    let id = caller.id();
    let saved = take(call, id.tid);
    let seen = saved.call != 0;
    if !seen && is_filtered(call) || !has_result(call, ret, caller) {
        return;
    }
    let followed = scope::follows(id.tgid, id.start);
    let room = TARGETED || WAITS || call != Call::Setsid || ret < 0 || !followed || scope::add_session(id.tgid);
    let waited = if WAITS { wait::result(call, seen.then_some(&saved.args), ret, caller, id.tgid) } else { wait::NONE };
    let concerned = || {
        followed
            || saved.marks & (EMITTED | TOUCHED) != 0
            || WAITS && scope::follows(waited.id.tgid, waited.id.start)
            || !TARGETED && !WAITS && concerns_terminal(call, &saved.args, caller)
    };
    if scope::wants(concerned) {
        let (answer, unreadable) = tty::number_answered(call, &saved.args).map_or((0, 0), user_word);
        let flags = flag(!seen, FLAG_ENTER_MISSING)
            | flag(seen && saved.marks & EMITTED == 0, FLAG_ENTER_NOT_EMITTED)
            | flag(!room, FLAG_MAP_FULL);
        let label = Label::of_call(emit::next_number(), Leave::KIND, call).with(flags | waited.flags | unreadable);
        emit::write(ring(call), label, |record: &mut Leave| {
            record.call = call as u32;
            record.args = saved.args;
            record.value = saved.value | waited.status | u64::from(answer);
            record.ret = ret;
            record.enter_seq = saved.seq;
            record.enter_at = saved.at;
            record.waited = waited.id;
            record.waited_code = waited.code;
            record.waited_pid = waited.pid;
            let state = &mut record.state;
            if TARGETED { subject(state, &saved.target, saved.marks) } else { task::own_state(state) }
        });
    }
}

/// Takes what ENTER saved for this call; a call of 0 when it was not seen.
#[inline(always)]
fn take(call: Call, tid: u32) -> Saved {
    let Some(entry) = entry(tid) else { return NOT_SEEN };
    let mut saved = *entry;
    if saved.call != call as u32 {
        if is_filtered(call) {
            return NOT_SEEN;
        }
        // Neither the LEAVE of that call nor the ENTER of this one was seen.
        saved = NOT_SEEN;
    }
    entry.call = 0;
    saved
}

/// Whether ENTER is of interest at all.
#[inline(always)]
fn is_watched(call: Call, args: &[u64; 4], caller: Task) -> bool {
    if is_open(call) {
        tty::may_acquire(caller)
    } else if is_transfer(call) {
        caller.is_background()
    } else if call == Call::Ioctl {
        tty::watches(args)
    } else {
        call != Call::Prctl || WATCHED_OPTIONS.contains(&args[0])
    }
}

/// Whether a LEAVE without a saved ENTER is no news: ENTER was not watched.
#[inline(always)]
fn is_filtered(call: Call) -> bool {
    matches!(call, Call::Ioctl | Call::Prctl) || !has_enter_record(call)
}

/// Whether ENTER has a record of its own. For the others it is only remembered.
#[inline(always)]
fn has_enter_record(call: Call) -> bool {
    !is_open(call) && !is_transfer(call)
}

/// Whether LEAVE is of interest, given that ENTER was.
#[inline(always)]
fn has_result(call: Call, ret: i64, caller: Task) -> bool {
    if is_open(call) { caller.has_terminal() } else { !is_transfer(call) || tty::was_refused(ret) }
}

/// Waits, reads and writes come often and bound what other records say.
#[inline(always)]
fn ring(call: Call) -> &'static RingBuf {
    if matches!(call, Call::Wait4 | Call::Waitid) || is_transfer(call) { &CHATTY } else { &CRITICAL }
}

/// Whether the number is that of a call which sends signals.
#[inline(always)]
fn is_kill(call: u32) -> bool {
    (Call::Kill as u32..=Call::PidfdSendSignal as u32).contains(&call)
}

#[inline(always)]
fn is_open(call: Call) -> bool {
    matches!(call, Call::Open | Call::Openat | Call::Openat2)
}

#[inline(always)]
fn is_transfer(call: Call) -> bool {
    matches!(call, Call::Read | Call::Write)
}

/// Whether a call that begins concerns the followed set.
#[inline(always)]
fn concerns(call: Call, args: &[u64; 4], caller: Task, id: &TaskId, target: &Target) -> bool {
    scope::follows(id.tgid, id.start)
        || target.task != 0 && scope::follows(target.tgid, target.start)
        || concerns_terminal(call, args, caller)
        || names_followed(call, args, caller, id.tgid)
}

/// Whether a call can change the terminal of a session that has a followed member.
#[inline(always)]
fn concerns_terminal(call: Call, args: &[u64; 4], caller: Task) -> bool {
    tty::changes_terminal(call, args) && scope::holds_session(caller.session()) || tty::may_steal(call, args)
}

/// Whether a kill-family call names a followed process, or the process group with its number.
#[inline(always)]
fn names_followed(call: Call, args: &[u64; 4], caller: Task, tgid: u32) -> bool {
    let number = (args[0] as i32).unsigned_abs();
    // The first argument of pidfd_send_signal is a descriptor.
    if !is_kill(call as u32) || call == Call::PidfdSendSignal || number <= 1 {
        return false;
    }
    let namespace = caller.own_number(tgid).namespace;
    pids::find(Number { namespace, number }).is_some_and(|known| scope::follows(known.tgid, known.start))
}

/// The process that setpgid is about, and `TARGET_UNKNOWN` when it is not in the pid table.
#[inline(always)]
fn target(args: &[u64; 4], caller: Task, tgid: u32) -> (Target, u32) {
    let number = args[0] as u32;
    let own = caller.own_number(tgid);
    if number == 0 || number == own.number {
        return (CALLER, 0);
    }
    match pids::verified(Number { namespace: own.namespace, number }) {
        Some((known, _)) => (Target { task: known.task, start: known.start, tgid: known.tgid, reserved: 0 }, 0),
        None => (CALLER, TARGET_UNKNOWN),
    }
}

/// Fills the bundle of a call's subject: its target, or the caller when the target is not to be had.
#[inline(always)]
fn subject(state: &mut State, target: &Target, marks: u32) -> u32 {
    let mut unknown = marks & TARGET_UNKNOWN != 0;
    if target.task != 0 {
        let (id, _) = task::probe(target.task as Ptr);
        if id.tgid == target.tgid && id.start == target.start {
            return task::state_through_map(state, target.task as Ptr);
        }
        unknown = true;
    }
    task::own_state(state) | if unknown { FLAG_TARGET_UNKNOWN } else { 0 }
}
