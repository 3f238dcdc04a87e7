//! Signals sent and taken: those of job control, and whatever a watched kill-family call sends.

use core::arch::asm;

use tracer_common::record::{Kind as _, SignalDelivered, SignalGenerated};

use crate::{
    CHATTY, CRITICAL,
    emit::{self, Label},
    load::Ptr,
    probes::calls,
    scope,
    task::{self, Task},
};

const SIGCHLD: u32 = 17;
/// `CLD_STOPPED` and `CLD_CONTINUED`: the only child statuses that are recorded; DEAD and the wait bound the rest.
const CHILD_STOPPED_OR_CONTINUED: core::ops::RangeInclusive<i32> = 5..=6;
/// HUP, INT, QUIT, KILL, TERM, CONT, STOP, TSTP, TTIN, TTOU, WINCH.
const WATCHED: u64 = bits(&[1, 2, 3, 9, 15, 18, 19, 20, 21, 22, 28]);

/// `si_code` of kill and of sigqueue (`include/uapi/asm-generic/siginfo.h`).
const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;

const fn bits(signals: &[u32]) -> u64 {
    match signals {
        [] => 0,
        [first, rest @ ..] => 1 << *first | bits(rest),
    }
}

#[inline(always)]
fn is_watched(signal: u32, code: i32) -> bool {
    signal < 64 && WATCHED & (1 << signal) != 0 || signal == SIGCHLD && CHILD_STOPPED_OR_CONTINUED.contains(&code)
}

/// Whether a delivery is recorded: of a watched signal, or of one that came from kill or sigqueue. A child that is being
/// forked inherits such a signal, and then nothing but its delivery tells (`kernel/fork.c`, `copy_process`).
#[inline(always)]
fn is_watched_delivery(signal: u32, code: i32) -> bool {
    is_watched(signal, code) || matches!(code, SI_USER | SI_QUEUE)
}

/// What the `info` argument is: 0 `SEND_SIG_NOINFO`, 1 `SEND_SIG_PRIV`, 2 a `kernel_siginfo`; and its `si_code`.
#[inline(always)]
fn info_kind(info: Ptr) -> (u32, i32) {
    if info.is_null() {
        return (0, 0);
    }
    let address: Ptr;
    // SAFETY: a move. The verifier wants the test for null by itself, and rustc would merge the two tests.
    unsafe { asm!("{address} = {info}", address = out(reg) address, info = in(reg) info) };
    if address as u64 == 1 { (1, 0) } else { (2, task::signal_code(address)) }
}

/// `signal_generate`.
#[inline(always)]
pub fn generated(signal: u32, info: Ptr, target: Ptr, process_directed: u32, result: u32) {
    let (info_kind, code) = info_kind(info);
    let call = calls::entry(task::current_tid());
    let sent_by_call = call.as_ref().is_some_and(|saved| saved.is_kill());
    if !is_watched(signal, code) && !sent_by_call {
        return;
    }
    let target = Task::new(target);
    let concerned = scope::follows_subject(target, &target.id());
    if let Some(saved) = call
        && concerned
    {
        saved.touch();
    }
    if scope::wants(|| concerned || scope::follows_actor()) {
        emit::write(&CRITICAL, Label::new(SignalGenerated::KIND), |record: &mut SignalGenerated| {
            let (disposition, blocked) = target.disposition(signal);
            record.signal = signal;
            record.code = code;
            record.info_kind = info_kind;
            record.process_directed = process_directed;
            record.result = result;
            record.disposition = disposition;
            record.blocked = u32::from(blocked);
            target.state(&mut record.state)
        });
    }
}

/// `signal_deliver`.
#[inline(always)]
pub fn delivered(signal: u32, info: Ptr, action: Ptr) {
    let (_, code) = info_kind(info);
    if !is_watched_delivery(signal, code) {
        return;
    }
    let receiver = Task::current();
    if scope::wants(|| scope::follows_subject(receiver, &receiver.id())) {
        emit::write(&CHATTY, Label::new(SignalDelivered::KIND), |record: &mut SignalDelivered| {
            record.signal = signal;
            record.code = code;
            record.disposition = task::handler_kind(action);
            task::own_state(&mut record.state)
        });
    }
}
