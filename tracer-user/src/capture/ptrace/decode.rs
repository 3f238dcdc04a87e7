//! Watched calls: arguments as passed, answers as written to the caller's memory.
//!
//! Must not: translate numbers between pid namespaces, or judge what a call did.

use tracer_model::{
    event::{Call, TtyRequest, WaitStatus},
    ids::{Pid, Signal, Tid},
};

use super::{
    abi::{Abi, PR_SET_CHILD_SUBREAPER, PR_SET_NAME, PR_SET_PDEATHSIG, Watched, X32_BIT},
    sys::read_memory,
};

/// `WNOHANG`, `WUNTRACED | WCONTINUED` and `WNOWAIT` (include/uapi/linux/wait.h).
const WNOHANG: u32 = 1;
const STOPS_TOO: u32 = 2 | 8;
const WNOWAIT: u32 = 0x0100_0000;

/// `EIO`, and `ERESTARTSYS` (include/linux/errno.h).
const EIO: i64 = -5;
const ERESTARTSYS: i64 = -512;

/// A watched call as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub call: Call,
    /// Its number, in the convention of the caller.
    pub number: u64,
    /// Where the answer will be written; 0 for nowhere.
    pub answer: u64,
    /// `siginfo_t` is laid out as for 64-bit programs. `None`: in a way that is not known here.
    pub wide: Option<bool>,
}

impl Begun {
    /// Whether [`super::sys::returning`] can say how it ends.
    pub fn registers_show_return(&self) -> bool {
        cfg!(target_arch = "x86_64") && self.wide == Some(true)
    }
}

/// What the kernel says of a call at its entry. `None` when it is not watched, or is no concern of ours with these arguments.
pub(super) fn begun(arch: u32, number: u64, args: [u64; 6], tid: Tid) -> Option<Begun> {
    let abi = Abi::of_audit(arch)?;
    let watched = abi.watched(number)?;
    let [a, b, c, d, ..] = args;
    // A call reads an `int` argument from the low half of its register.
    let int = |word: u64| word as u32 as i32;
    let word = |word: u64| word as u32;
    let mut answer = 0;
    let call = match watched {
        Watched::Setpgid => Call::Setpgid { pid: int(a), pgid: int(b) },
        Watched::Setsid => Call::Setsid,
        Watched::Kill => Call::Kill { target: int(a), signal: word(b) },
        Watched::Tkill => Call::Tkill { tid: int(a), signal: word(b) },
        Watched::Tgkill => Call::Tgkill { pid: int(a), tid: int(b), signal: word(c) },
        Watched::RtSigqueueinfo => Call::Sigqueue { pid: int(a), signal: word(b) },
        Watched::RtTgsigqueueinfo => Call::Tgsigqueue { pid: int(a), tid: int(b), signal: word(c) },
        Watched::PidfdSendSignal => Call::PidfdSendSignal { pidfd: int(a), signal: word(b), flags: word(d) },
        Watched::Ioctl => {
            let request = TtyRequest::from_number(word(b))?;
            let given = request == TtyRequest::SetForeground;
            if matches!(request, TtyRequest::GetForeground | TtyRequest::GetSession) {
                answer = c;
            }
            let value = if given { read_int(tid, c).unwrap_or(0) } else { 0 };
            Call::TtyIoctl { fd: int(a), request, arg: c, value }
        }
        Watched::Wait4 | Watched::Waitpid => {
            answer = b;
            Call::Wait4 { pid: int(a), options: word(c) }
        }
        Watched::Waitid => {
            answer = c;
            Call::Waitid { idtype: word(a), id: int(b), options: word(d) }
        }
        Watched::Prctl if word(a) == PR_SET_CHILD_SUBREAPER => Call::SetSubreaper { on: b },
        Watched::Prctl if word(a) == PR_SET_PDEATHSIG => Call::SetParentDeathSignal { signal: word(b) },
        Watched::Prctl
        | Watched::Unshare
        | Watched::Setns
        | Watched::Chdir
        | Watched::Umask
        | Watched::Open
        | Watched::Dup
        | Watched::Fcntl
        | Watched::Close
        | Watched::CloseRange
        | Watched::Sigaction
        | Watched::Sigprocmask => return None,
        Watched::Vhangup => Call::Vhangup,
        Watched::Read => Call::Read { fd: int(a) },
        Watched::Write => Call::Write { fd: int(a) },
    };
    let x32 = abi == Abi::X86_64 && number & u64::from(X32_BIT) != 0;
    Some(Begun { call, number, answer, wide: (!x32).then_some(abi != Abi::I386) })
}

/// Calls that are no events, but after which something is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// The thread gets another name.
    Renames,
    /// The children to come may be in another pid namespace.
    SendsChildrenAway,
}

impl Quiet {
    pub fn of(arch: u32, number: u64, args: [u64; 6]) -> Option<Self> {
        let watched = Abi::of_audit(arch)?.watched(number)?;
        if watched == Watched::Prctl && args[0] as u32 == PR_SET_NAME {
            Some(Self::Renames)
        } else {
            matches!(watched, Watched::Unshare | Watched::Setns).then_some(Self::SendsChildrenAway)
        }
    }
}

/// Whether a read or a write that ended like this was refused or will be restarted.
pub(super) fn was_refused(ret: i64) -> bool {
    matches!(ret, EIO | ERESTARTSYS)
}

/// Whether the call only matters by how it ends.
pub(super) fn is_transfer(call: &Call) -> bool {
    matches!(call, Call::Read { .. } | Call::Write { .. })
}

/// Whether the call can change a group, a session, a terminal or what a bundle says besides.
pub(super) fn changes(call: &Call) -> bool {
    match call {
        Call::Setpgid { .. }
        | Call::Setsid
        | Call::TtyIoctl { .. }
        | Call::SetSubreaper { .. }
        | Call::Vhangup
        | Call::Open => true,
        Call::Kill { .. }
        | Call::Tkill { .. }
        | Call::Tgkill { .. }
        | Call::Sigqueue { .. }
        | Call::Tgsigqueue { .. }
        | Call::PidfdSendSignal { .. }
        | Call::Wait4 { .. }
        | Call::Waitid { .. }
        | Call::SetParentDeathSignal { .. }
        | Call::Read { .. }
        | Call::Write { .. } => false,
    }
}

/// Whose ends a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitFor {
    Any,
    Child(Pid),
}

/// Whose ends a call waits for, if it waits for nothing else and until there is one.
pub(super) fn waits_for_ends(call: &Call) -> Option<WaitFor> {
    const WEXITED: u32 = 4;
    const P_ALL: u32 = 0;
    const P_PID: u32 = 1;
    let (any, number) = match *call {
        Call::Wait4 { pid, options: 0 } => (pid == -1, pid),
        Call::Waitid { idtype, id, options: WEXITED } if matches!(idtype, P_ALL | P_PID) => (idtype == P_ALL, id),
        Call::Wait4 { .. }
        | Call::Waitid { .. }
        | Call::Setpgid { .. }
        | Call::Setsid
        | Call::Kill { .. }
        | Call::Tkill { .. }
        | Call::Tgkill { .. }
        | Call::Sigqueue { .. }
        | Call::Tgsigqueue { .. }
        | Call::PidfdSendSignal { .. }
        | Call::TtyIoctl { .. }
        | Call::SetSubreaper { .. }
        | Call::SetParentDeathSignal { .. }
        | Call::Vhangup
        | Call::Open
        | Call::Read { .. }
        | Call::Write { .. } => return None,
    };
    let child = || u32::try_from(number).ok().filter(|number| *number != 0).map(|number| WaitFor::Child(Pid(number)));
    if any { Some(WaitFor::Any) } else { child() }
}

/// The call with what it answered.
pub(super) fn answered(begun: &Begun, ret: i64, tid: Tid) -> Call {
    if let Call::TtyIoctl { fd, request, arg, .. } = begun.call
        && begun.answer != 0
        && ret == 0
    {
        return Call::TtyIoctl { fd, request, arg, value: read_int(tid, begun.answer).unwrap_or(0) };
    }
    begun.call
}

/// What a wait returned: a number in the caller's namespace, and a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub number: u32,
    pub status: WaitStatus,
    pub left_waitable: bool,
}

/// The child that a wait returned, if it returned one.
pub(super) fn returned(begun: &Begun, ret: i64, tid: Tid) -> Option<Returned> {
    if let Call::Wait4 { options, .. } = begun.call
        && ret > 0
    {
        let word = if begun.answer == 0 { None } else { read_int(tid, begun.answer) };
        let status = word.map_or(unknown(options), WaitStatus::from_word);
        return Some(Returned { number: ret as u32, status, left_waitable: false });
    }
    if let Call::Waitid { options, .. } = begun.call
        && ret == 0
    {
        let (number, status) = match siginfo(begun, tid) {
            // With WNOHANG, success and no number mean that there was nothing to return.
            Some((0, _)) => return None,
            Some((number, status)) => (number, status.unwrap_or(unknown(options))),
            None if options & WNOHANG != 0 => return None,
            None => (0, unknown(options)),
        };
        return Some(Returned { number, status, left_waitable: options & WNOWAIT != 0 });
    }
    None
}

fn unknown(options: u32) -> WaitStatus {
    WaitStatus::Unknown { may_be_stop: options & STOPS_TOO != 0 }
}

/// `si_pid`, and the status in `si_code` and `si_status` (include/uapi/asm-generic/siginfo.h), that waitid wrote.
fn siginfo(begun: &Begun, tid: Tid) -> Option<(u32, Option<WaitStatus>)> {
    // Signal, errno, code; then pid, uid, status, on 64-bit machines after a hole of 4 bytes.
    let pid_at = if begun.wide? { 16 } else { 12 };
    let at = |offset: u64| read_int(tid, begun.answer.checked_add(offset)?);
    if begun.answer == 0 {
        return None;
    }
    let (code, pid, status) = (at(8)?, at(pid_at)?, at(pid_at + 8)?);
    Some((pid as u32, from_child_code(code, status)))
}

/// `CLD_*` and its status.
fn from_child_code(code: i32, status: i32) -> Option<WaitStatus> {
    let signal = Signal(status as u32 & 0x7f);
    Some(match code {
        1 => WaitStatus::Exited(status & 0xff),
        2 | 3 => WaitStatus::Killed { signal, core: code == 3 },
        4 | 5 => WaitStatus::Stopped(signal),
        6 => WaitStatus::Continued,
        _ => return None,
    })
}

fn read_int(tid: Tid, address: u64) -> Option<i32> {
    read_memory(tid, address).map(i32::from_ne_bytes)
}
