//! Calls, signals and wait statuses as text, both ways.

use super::super::fields::number;
use crate::{
    event::{Call, TtyRequest, WaitStatus},
    ids::Signal,
};

/// `name(arguments)`.
pub(super) fn parse(text: &str) -> Result<Call, String> {
    let (name, rest) = text.split_once('(').ok_or_else(|| format!("{text:?} is no call"))?;
    let args = rest.strip_suffix(')').ok_or_else(|| format!("{text:?} is not closed"))?;
    let words: Vec<_> = args.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let words = words.as_slice();
    let int = |word: &str| number(word).map(|n| n as i32);
    Ok(match (name, words) {
        ("setpgid", [pid, pgid]) => Call::Setpgid { pid: int(pid)?, pgid: int(pgid)? },
        ("setsid", []) => Call::Setsid,
        ("kill", [target, sig]) => Call::Kill { target: int(target)?, signal: signal(sig)?.0 },
        ("tkill", [tid, sig]) => Call::Tkill { tid: int(tid)?, signal: signal(sig)?.0 },
        ("tgkill", [pid, tid, sig]) => Call::Tgkill { pid: int(pid)?, tid: int(tid)?, signal: signal(sig)?.0 },
        ("sigqueue", [pid, sig]) => Call::Sigqueue { pid: int(pid)?, signal: signal(sig)?.0 },
        ("tgsigqueue", [pid, tid, sig]) => Call::Tgsigqueue { pid: int(pid)?, tid: int(tid)?, signal: signal(sig)?.0 },
        ("pidfd_send_signal", [fd, sig, flags]) => {
            Call::PidfdSendSignal { pidfd: int(fd)?, signal: signal(sig)?.0, flags: number(flags)? as u32 }
        }
        ("ioctl", [fd, name, arg, value]) => {
            let row =
                TtyRequest::ALL.iter().find(|row| row.2 == *name).ok_or_else(|| format!("no request {name:?}"))?;
            Call::TtyIoctl { fd: int(fd)?, request: row.0, arg: number(arg)? as u64, value: int(value)? }
        }
        ("wait4", [pid, options]) => Call::Wait4 { pid: int(pid)?, options: number(options)? as u32 },
        ("waitid", [idtype, id, options]) => {
            Call::Waitid { idtype: number(idtype)? as u32, id: int(id)?, options: number(options)? as u32 }
        }
        ("subreaper", [on]) => Call::SetSubreaper { on: number(on)? as u64 },
        ("pdeathsig", [sig]) => Call::SetParentDeathSignal { signal: signal(sig)?.0 },
        ("vhangup", []) => Call::Vhangup,
        ("open", []) => Call::Open,
        ("read", [fd]) => Call::Read { fd: int(fd)? },
        ("write", [fd]) => Call::Write { fd: int(fd)? },
        _ => return Err(format!("no call is written {text:?}")),
    })
}

/// The reverse of [`parse`].
pub(super) fn text(call: &Call) -> String {
    match *call {
        Call::Setpgid { pid, pgid } => format!("setpgid({pid},{pgid})"),
        Call::Setsid => "setsid()".into(),
        Call::Kill { target, signal } => format!("kill({target},{})", signal_text(Signal(signal))),
        Call::Tkill { tid, signal } => format!("tkill({tid},{})", signal_text(Signal(signal))),
        Call::Tgkill { pid, tid, signal } => format!("tgkill({pid},{tid},{})", signal_text(Signal(signal))),
        Call::Sigqueue { pid, signal } => format!("sigqueue({pid},{})", signal_text(Signal(signal))),
        Call::Tgsigqueue { pid, tid, signal } => format!("tgsigqueue({pid},{tid},{})", signal_text(Signal(signal))),
        Call::PidfdSendSignal { pidfd, signal, flags } => {
            format!("pidfd_send_signal({pidfd},{},{flags})", signal_text(Signal(signal)))
        }
        Call::TtyIoctl { fd, request, arg, value } => format!("ioctl({fd},{},{},{value})", request.name(), arg as i64),
        Call::Wait4 { pid, options } => format!("wait4({pid},{options})"),
        Call::Waitid { idtype, id, options } => format!("waitid({idtype},{id},{options})"),
        Call::SetSubreaper { on } => format!("subreaper({})", on as i64),
        Call::SetParentDeathSignal { signal } => format!("pdeathsig({})", signal_text(Signal(signal))),
        Call::Vhangup => "vhangup()".into(),
        Call::Open => "open()".into(),
        Call::Read { fd } => format!("read({fd})"),
        Call::Write { fd } => format!("write({fd})"),
    }
}

/// A signal by its name or number.
pub(super) fn signal(text: &str) -> Result<Signal, String> {
    match (1..=31).map(Signal).find(|signal| signal.to_string() == text) {
        Some(signal) => Ok(signal),
        None => number(text).map(|n| Signal(n as u32)).map_err(|_| format!("{text:?} is no signal")),
    }
}

pub(super) fn signal_text(signal: Signal) -> String {
    if (1..=31).contains(&signal.0) { signal.to_string() } else { signal.0.to_string() }
}

/// `exited:0`, `killed:SIGKILL`, `dumped:SIGQUIT`, `stopped:SIGTSTP`, `continued`, `unknown`, `unknown-or-stop`.
pub(super) fn status(text: &str) -> Result<WaitStatus, String> {
    Ok(match text.split_once(':').unwrap_or((text, "")) {
        ("exited", code) => WaitStatus::Exited(number(code)? as i32),
        ("killed", sig) => WaitStatus::Killed { signal: signal(sig)?, core: false },
        ("dumped", sig) => WaitStatus::Killed { signal: signal(sig)?, core: true },
        ("stopped", sig) => WaitStatus::Stopped(signal(sig)?),
        ("continued", _) => WaitStatus::Continued,
        ("unknown", _) => WaitStatus::Unknown { may_be_stop: false },
        ("unknown-or-stop", _) => WaitStatus::Unknown { may_be_stop: true },
        _ => return Err(format!("{text:?} is no wait status")),
    })
}

/// The reverse of [`status`].
pub(in crate::dsl) fn status_text(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exited:{code}"),
        WaitStatus::Killed { signal, core: false } => format!("killed:{}", signal_text(signal)),
        WaitStatus::Killed { signal, core: true } => format!("dumped:{}", signal_text(signal)),
        WaitStatus::Stopped(signal) => format!("stopped:{}", signal_text(signal)),
        WaitStatus::Continued => "continued".into(),
        WaitStatus::Unknown { may_be_stop: false } => "unknown".into(),
        WaitStatus::Unknown { may_be_stop: true } => "unknown-or-stop".into(),
    }
}
