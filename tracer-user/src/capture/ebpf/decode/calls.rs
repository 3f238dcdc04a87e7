//! Watched calls: arguments as passed, results as returned.
//!
//! Must not: translate numbers between pid namespaces.

use tracer_common::record::{
    self, FLAG_ENTER_MISSING, FLAG_ENTER_NOT_EMITTED, FLAG_TARGET_UNKNOWN, FLAG_USER_UNREADABLE,
};
use tracer_model::{
    event::{Call, Leave, RawTask, TtyRequest, WaitStatus, Waited},
    ids::{BootNs, Pid, Seq, Signal, Tid},
};

use super::state::task;

/// `PR_SET_PDEATHSIG` and `PR_SET_CHILD_SUBREAPER` (include/uapi/linux/prctl.h).
const PR_SET_PDEATHSIG: u64 = 1;
const PR_SET_CHILD_SUBREAPER: u64 = 36;

/// Options of wait4 and waitid (include/uapi/linux/wait.h).
const WNOHANG: u32 = 1;
const WSTOPPED: u32 = 2;
const WCONTINUED: u32 = 8;
const WNOWAIT: u32 = 0x0100_0000;

/// The call and its arguments. `None` when the probes do not write such a record.
pub(super) fn call(number: u32, args: &[u64; 4], value: u64) -> Option<Call> {
    let [a, b, c, d] = *args;
    // A call reads an `int` argument from the low half of its register.
    let int = |word: u64| word as u32 as i32;
    let word = |word: u64| word as u32;
    Some(match record::Call::from_number(number)? {
        record::Call::Setpgid => Call::Setpgid { pid: int(a), pgid: int(b) },
        record::Call::Setsid => Call::Setsid,
        record::Call::Kill => Call::Kill { target: int(a), signal: word(b) },
        record::Call::Tkill => Call::Tkill { tid: int(a), signal: word(b) },
        record::Call::Tgkill => Call::Tgkill { pid: int(a), tid: int(b), signal: word(c) },
        record::Call::RtSigqueueinfo => Call::Sigqueue { pid: int(a), signal: word(b) },
        record::Call::RtTgsigqueueinfo => Call::Tgsigqueue { pid: int(a), tid: int(b), signal: word(c) },
        record::Call::PidfdSendSignal => Call::PidfdSendSignal { pidfd: int(a), signal: word(b), flags: word(d) },
        record::Call::Ioctl => {
            Call::TtyIoctl { fd: int(a), request: TtyRequest::from_number(word(b))?, arg: c, value: int(value) }
        }
        record::Call::Wait4 => Call::Wait4 { pid: int(a), options: word(c) },
        record::Call::Waitid => Call::Waitid { idtype: word(a), id: int(b), options: word(d) },
        record::Call::Prctl if a == PR_SET_CHILD_SUBREAPER => Call::SetSubreaper { on: b },
        record::Call::Prctl if a == PR_SET_PDEATHSIG => Call::SetParentDeathSignal { signal: word(b) },
        record::Call::Prctl => return None,
        record::Call::Vhangup => Call::Vhangup,
        record::Call::Open | record::Call::Openat | record::Call::Openat2 => Call::Open,
        record::Call::Read => Call::Read { fd: int(a) },
        record::Call::Write => Call::Write { fd: int(a) },
    })
}

pub(super) fn leave(raw: &record::Leave) -> Option<Leave> {
    let flag = |mask: u32| raw.header.flags & mask != 0;
    let call = call(raw.call, &raw.args, raw.value)?;
    let entered = raw.enter_seq != 0 && !flag(FLAG_ENTER_MISSING);
    Some(Leave {
        call,
        ret: raw.ret,
        entered: entered.then_some((Seq(raw.enter_seq), BootNs(raw.enter_at))),
        enter_emitted: entered && !flag(FLAG_ENTER_NOT_EMITTED),
        target_unknown: flag(FLAG_TARGET_UNKNOWN),
        waited: waited(call, raw),
    })
}

/// The child that a successful wait returned.
fn waited(call: Call, raw: &record::Leave) -> Option<Waited> {
    let readable = raw.header.flags & FLAG_USER_UNREADABLE == 0;
    let (options, status, returned) = if let Call::Wait4 { options, .. } = call {
        let known = readable && raw.args[1] != 0;
        (options, known.then(|| WaitStatus::from_word(raw.value as u32 as i32)), raw.ret.max(0) as u32)
    } else if let Call::Waitid { options, .. } = call {
        let known = readable && raw.args[2] != 0;
        // With WNOHANG, success and no pid mean that there was nothing to return.
        let nothing = if known { raw.waited_pid == 0 } else { options & WNOHANG != 0 && raw.waited.tgid == 0 };
        if raw.ret != 0 || nothing {
            return None;
        }
        let status = if known { from_siginfo(raw.waited_code, raw.value as u32 as i32) } else { None };
        (options, status, raw.waited_pid)
    } else {
        return None;
    };
    if returned == 0 && matches!(call, Call::Wait4 { .. }) {
        return None;
    }
    // Both calls name stops and continues alike; an exit is what wait4 always waits for. What a call asked for that began before
    // the capture is not known.
    let asks_for_stops = options & (WSTOPPED | WCONTINUED) != 0;
    let may_be_stop = asks_for_stops || raw.header.flags & FLAG_ENTER_MISSING != 0;
    let child = match raw.waited.tgid {
        // The probes' table does not have it; in the initial namespace the number that the caller got is the process's.
        0 if raw.state.ns_level == 0 => RawTask { pid: Pid(returned), tid: Tid(returned), start: BootNs(0) },
        _ => task(raw.waited),
    };
    Some(Waited {
        child,
        status: status.unwrap_or(WaitStatus::Unknown { may_be_stop }),
        left_waitable: options & WNOWAIT != 0 && matches!(call, Call::Waitid { .. }),
    })
}

/// `si_code` and `si_status` of waitid (include/uapi/asm-generic/siginfo.h, `CLD_*`).
fn from_siginfo(code: i32, status: i32) -> Option<WaitStatus> {
    let signal = Signal(status as u32 & 0x7f);
    Some(match code {
        1 => WaitStatus::Exited(status & 0xff),
        2 | 3 => WaitStatus::Killed { signal, core: code == 3 },
        // CLD_TRAPPED: a ptrace stop, which its tracer sees where others see none.
        4 | 5 => WaitStatus::Stopped(signal),
        6 => WaitStatus::Continued,
        _ => return None,
    })
}
