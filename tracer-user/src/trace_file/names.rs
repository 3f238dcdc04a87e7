//! Names of kinds and calls, as JSON Lines have them: for filters.
//!
//! Must not: differ from what is written; a test compares.

use tracer_model::event::{Call, EventKind, Leave, TtyRequest};

/// Every name of a call, beside those of terminal requests; `ioctl` is a request that is not known by name.
pub(crate) const CALL_NAMES: [&str; 23] = [
    "setpgid",
    "setsid",
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "ioctl",
    "wait4",
    "waitid",
    "set_subreaper",
    "set_parent_death_signal",
    "vhangup",
    "open",
    "read",
    "write",
    "chdir",
    "umask",
    "dup",
    "close",
    "sigaction",
    "sigprocmask",
];

/// The name in `kind`.
pub(crate) fn kind_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::NewTask { .. } => "new_task",
        EventKind::Exec { .. } => "exec",
        EventKind::Exit { .. } => "exit",
        EventKind::Dead => "dead",
        EventKind::Stopped { .. } => "stopped",
        EventKind::Continued => "continued",
        EventKind::Freed { .. } => "freed",
        EventKind::SignalGenerated(_) => "signal_generated",
        EventKind::SignalDelivered { .. } => "signal_delivered",
        EventKind::Enter { .. } => "enter",
        EventKind::Leave(_) => "leave",
        EventKind::Snapshot { .. } => "snapshot",
        EventKind::SnapshotEnd { .. } => "snapshot_end",
        EventKind::ClockAnchor { .. } => "clock_anchor",
        EventKind::Gap(_) => "gap",
        EventKind::Inspected(_) => "inspected",
        EventKind::Attribute(_) => "attribute",
    }
}

/// The name of the call that begins or returns; of a terminal request, its own.
pub(crate) fn call_name(kind: &EventKind) -> Option<&'static str> {
    if let EventKind::Attribute(attribute) = kind {
        return Some(attribute.name());
    }
    let (EventKind::Enter { call, .. } | EventKind::Leave(Leave { call, .. })) = kind else { return None };
    Some(match call {
        Call::Setpgid { .. } => "setpgid",
        Call::Setsid => "setsid",
        Call::Kill { .. } => "kill",
        Call::Tkill { .. } => "tkill",
        Call::Tgkill { .. } => "tgkill",
        Call::Sigqueue { .. } => "rt_sigqueueinfo",
        Call::Tgsigqueue { .. } => "rt_tgsigqueueinfo",
        Call::PidfdSendSignal { .. } => "pidfd_send_signal",
        Call::TtyIoctl { request, .. } => TtyRequest::name(*request),
        Call::Wait4 { .. } => "wait4",
        Call::Waitid { .. } => "waitid",
        Call::SetSubreaper { .. } => "set_subreaper",
        Call::SetParentDeathSignal { .. } => "set_parent_death_signal",
        Call::Vhangup => "vhangup",
        Call::Open => "open",
        Call::Read { .. } => "read",
        Call::Write { .. } => "write",
    })
}
