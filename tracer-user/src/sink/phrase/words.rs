//! Calls, arguments, statuses and numbers in words.
//!
//! Must not: know events or state.

use std::borrow::Cow;

use tracer_model::{
    event::{Call, WaitStatus},
    ids::Signal,
};

use crate::sink::Style;

/// The call as it was made: `setpgid(0, 41211)`.
pub(in crate::sink) fn call(call: &Call) -> String {
    let sig = |number: u32| if number == 0 { "0".to_owned() } else { Signal(number).to_string() };
    match *call {
        Call::Setpgid { pid, pgid } => format!("setpgid({pid}, {pgid})"),
        Call::Setsid => "setsid()".to_owned(),
        Call::Kill { target, signal } => format!("kill({target}, {})", sig(signal)),
        Call::Tkill { tid, signal } => format!("tkill({tid}, {})", sig(signal)),
        Call::Tgkill { pid, tid, signal } => format!("tgkill({pid}, {tid}, {})", sig(signal)),
        Call::Sigqueue { pid, signal } => format!("sigqueue({pid}, {})", sig(signal)),
        Call::Tgsigqueue { pid, tid, signal } => format!("rt_tgsigqueueinfo({pid}, {tid}, {})", sig(signal)),
        Call::PidfdSendSignal { pidfd, signal, flags } => {
            let to = match flags {
                1 => ", to a thread",
                2 => ", to a process",
                4 => ", to a process group",
                _ => "",
            };
            format!("pidfd_send_signal(fd {pidfd}, {}{to})", sig(signal))
        }
        Call::TtyIoctl { fd, request, arg, value } => tty_ioctl(fd, request, arg, value),
        Call::Wait4 { pid, .. } => format!("waitpid({pid})"),
        Call::Waitid { id, .. } => format!("waitid({id})"),
        Call::SetSubreaper { on } => format!("prctl(PR_SET_CHILD_SUBREAPER, {on})"),
        Call::SetParentDeathSignal { signal } => format!("prctl(PR_SET_PDEATHSIG, {})", sig(signal)),
        Call::Vhangup => "vhangup()".to_owned(),
        Call::Open => "open".to_owned(),
        Call::Read { fd } => format!("read(fd {fd})"),
        Call::Write { fd } => format!("write(fd {fd})"),
    }
}

fn tty_ioctl(fd: i32, request: tracer_model::event::TtyRequest, arg: u64, value: i32) -> String {
    use tracer_model::event::TtyRequest as R;
    match request {
        R::SetForeground => format!("tcsetpgrp(fd {fd}, {value})"),
        R::GetForeground => format!("tcgetpgrp(fd {fd})"),
        R::GetSession => format!("tcgetsid(fd {fd})"),
        R::SetControlling if arg == 0 => format!("ioctl(fd {fd}, TIOCSCTTY)"),
        R::SetControlling => format!("ioctl(fd {fd}, TIOCSCTTY, {arg})"),
        R::GiveUp | R::SetWindowSize | R::Inject | R::Signal | R::Hangup | R::OpenPeer => {
            format!("ioctl(fd {fd}, {})", request.name())
        }
    }
}

/// `exits 0`, `dies of SIGINT`.
pub(super) fn death(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exits {code}"),
        WaitStatus::Killed { signal, core: false } => format!("dies of {signal}"),
        WaitStatus::Killed { signal, core: true } => format!("dies of {signal}, core dumped"),
        // An exit has no other status; a damaged recording can claim one.
        WaitStatus::Stopped(_) | WaitStatus::Continued | WaitStatus::Unknown { .. } => "exits".to_owned(),
    }
}

/// Arguments as a shell would take them, cleaned for the terminal.
pub(super) fn command(args: &[Vec<u8>], style: Style) -> String {
    args.iter().map(|arg| quoted(arg, style)).collect::<Vec<_>>().join(" ")
}

fn quoted(arg: &[u8], style: Style) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"@%_-+=:,./[]".contains(byte) || !byte.is_ascii();
    let clean = style.clean(arg);
    let as_it_is = matches!(clean, Cow::Borrowed(_)) && !arg.is_empty() && arg.iter().all(plain);
    if as_it_is { clean.into_owned() } else { format!("'{clean}'") }
}

/// `1 process`, `2 processes`.
pub(in crate::sink) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
