//! What a wait4 or waitid returned: the words it wrote to the caller's memory, and whose they are.

use tracer_common::record::{Call, FLAG_TARGET_UNKNOWN, FLAG_USER_UNREADABLE, TaskId};

use crate::{
    pids::{self, Number},
    probes::calls::user_word,
    task::Task,
};

/// `WUNTRACED | WCONTINUED` (`include/uapi/linux/wait.h`).
const STOPS_TOO: u64 = 2 | 8;
/// `CLD_EXITED`, `CLD_KILLED` and `CLD_DUMPED` (`include/uapi/asm-generic/siginfo.h`).
const CHILD_ENDED: core::ops::RangeInclusive<i32> = 1..=3;
/// Offsets of `si_code`, `si_pid` and `si_status` on 64-bit machines.
const SI_CODE: u64 = 8;
const SI_PID: u64 = 16;
const SI_STATUS: u64 = 24;

/// The result of a wait.
pub struct Waited {
    /// Whom it was about; zero for nobody, or not known.
    pub id: TaskId,
    /// Status word of wait4, `si_status` of waitid.
    pub status: u64,
    /// `si_code` of waitid.
    pub code: i32,
    /// `si_pid` of waitid.
    pub pid: u32,
    /// `FLAG_*`.
    pub flags: u32,
}

/// The result of what is not a wait.
pub const NONE: Waited = Waited { id: TaskId { tgid: 0, tid: 0, start: 0 }, status: 0, code: 0, pid: 0, flags: 0 };

/// Reads the result of a wait that returned. Without its arguments, which were
/// saved at ENTER, a wait4 still tells whom it was about.
#[inline(always)]
pub fn result(call: Call, args: Option<&[u64; 4]>, ret: i64, caller: Task, tgid: u32) -> Waited {
    let mut waited = NONE;
    let (number, ended) = match (call, args) {
        (Call::Wait4, Some(args)) if ret > 0 => {
            let status = word(&mut waited, args[1]);
            waited.status = u64::from(status);
            let stopped_or_continued = status & 0xff == 0x7f || status == 0xffff;
            (ret as u32, if args[1] == 0 { args[2] & STOPS_TOO == 0 } else { !stopped_or_continued })
        }
        (Call::Wait4, None) if ret > 0 => {
            waited.flags = FLAG_USER_UNREADABLE;
            (ret as u32, false)
        }
        (Call::Waitid, Some(args)) if ret == 0 && args[2] != 0 => {
            waited.code = word(&mut waited, args[2] + SI_CODE) as i32;
            waited.pid = word(&mut waited, args[2] + SI_PID);
            waited.status = u64::from(word(&mut waited, args[2] + SI_STATUS));
            (waited.pid, CHILD_ENDED.contains(&waited.code))
        }
        (Call::Waitid, None) if ret == 0 => {
            waited.flags = FLAG_USER_UNREADABLE;
            return waited;
        }
        _ => return waited,
    };
    if number == 0 {
        return waited;
    }
    let namespace = caller.own_number(tgid).namespace;
    match pids::verified(Number { namespace, number }) {
        // A process that ended and has no exit state is another one, with the number that this wait set free.
        Some((known, exit_state)) if !ended || exit_state != 0 => {
            waited.id = TaskId { tgid: known.tgid, tid: known.tgid, start: known.start };
        }
        _ => waited.flags |= FLAG_TARGET_UNKNOWN,
    }
    waited
}

#[inline(always)]
fn word(waited: &mut Waited, address: u64) -> u32 {
    let (value, flags) = user_word(address);
    waited.flags |= flags & FLAG_USER_UNREADABLE;
    value
}
