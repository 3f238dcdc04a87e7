//! The probes: which program goes where, and what a capture loses without it. One table.
//!
//! Must not: load or attach anything.

use tracer_common::record::{
    Attribute, AttributeCall, Call, Dead, Enter, Exec, Exit, Freed, Kind as _, Leave, NewTask, SignalDelivered,
    SignalGenerated, Snapshot, Stopped,
};

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with typed arguments (`tp_btf`): loses nothing in interrupts.
    Typed(&'static str),
    /// A task iterator; it is run, not attached.
    Iterator(&'static str),
    /// `syscalls:sys_enter_NAME`.
    Enter(Call),
    /// `syscalls:sys_exit_NAME`.
    Leave(Call),
    /// `syscalls:sys_enter_NAME`, for [`Attribute`] records.
    AttributeEnter(AttributeCall),
    /// `syscalls:sys_exit_NAME`, likewise.
    AttributeLeave(AttributeCall),
}

/// Whether a capture goes without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No capture without it.
    Required,
    /// Its events are missing, and doctor says so.
    Optional,
    /// Loaded only when terminal input and output are asked for.
    TtyIo,
    /// Loaded only when attributes are asked for, and then no capture without it.
    Attributes,
}

/// One program at one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it is called: its program, or `enter_` or `leave_` and the system call.
    pub name: String,
    /// Name of the program in the object. Calls with as many arguments share one.
    pub program: &'static str,
    /// Where it goes.
    pub hook: Hook,
    /// Whether it must.
    pub need: Need,
    /// First kernel that has the hook.
    pub since: &'static str,
    /// Kinds of records it writes.
    pub kinds: &'static [u16],
}

/// Programs that are not about system calls.
const PROGRAMS: [(&str, Hook, &str, &[u16]); 8] = [
    ("newtask", Hook::Typed("task_newtask"), "5.5", &[NewTask::KIND]),
    ("exec", Hook::Typed("sched_process_exec"), "5.5", &[Exec::KIND]),
    ("exit", Hook::Typed("sched_process_exit"), "5.5", &[Exit::KIND]),
    ("switch", Hook::Typed("sched_switch"), "5.18", &[Dead::KIND, Stopped::KIND]),
    ("free", Hook::Typed("sched_process_free"), "5.5", &[Freed::KIND]),
    ("signal_generate", Hook::Typed("signal_generate"), "5.5", &[SignalGenerated::KIND]),
    ("signal_deliver", Hook::Typed("signal_deliver"), "5.5", &[SignalDelivered::KIND]),
    ("snapshot", Hook::Iterator("task"), "5.8", &[Snapshot::KIND]),
];

/// Need and first kernel of a call's two programs.
fn call_row(call: Call) -> (Need, &'static str) {
    match call {
        Call::Setpgid
        | Call::Setsid
        | Call::Kill
        | Call::Tkill
        | Call::Tgkill
        | Call::RtSigqueueinfo
        | Call::RtTgsigqueueinfo
        | Call::Ioctl
        | Call::Wait4
        | Call::Waitid
        | Call::Prctl
        | Call::Vhangup => (Need::Required, "2.6.33"),
        Call::PidfdSendSignal => (Need::Required, "5.1"),
        // No open(2) on newer architectures; what an open did to the terminal also shows in later bundles.
        Call::Open | Call::Openat => (Need::Optional, "2.6.33"),
        Call::Openat2 => (Need::Optional, "5.6"),
        Call::Read | Call::Write => (Need::TtyIo, "2.6.33"),
    }
}

/// The program for a call's ENTER. It reads as many of the arguments as its name says; the kernel refuses to attach one that
/// reads more than the call has.
fn enter_program(call: Call) -> &'static str {
    match call {
        Call::Setsid | Call::Vhangup => "enter_none",
        Call::Setpgid => "enter_setpgid",
        Call::Kill | Call::Tkill => "enter_two",
        Call::Tgkill | Call::RtSigqueueinfo | Call::Ioctl | Call::Open | Call::Read | Call::Write => "enter_three",
        Call::RtTgsigqueueinfo
        | Call::PidfdSendSignal
        | Call::Wait4
        | Call::Waitid
        | Call::Prctl
        | Call::Openat
        | Call::Openat2 => "enter_four",
    }
}

/// The program for a call's LEAVE.
fn leave_program(call: Call) -> &'static str {
    match call {
        Call::Setpgid => "leave_setpgid",
        Call::Wait4 | Call::Waitid => "leave_wait",
        Call::Setsid
        | Call::Kill
        | Call::Tkill
        | Call::Tgkill
        | Call::RtSigqueueinfo
        | Call::RtTgsigqueueinfo
        | Call::PidfdSendSignal
        | Call::Ioctl
        | Call::Prctl
        | Call::Vhangup
        | Call::Open
        | Call::Openat
        | Call::Openat2
        | Call::Read
        | Call::Write => "leave_other",
    }
}

/// Every probe.
#[must_use]
pub fn probes() -> Vec<Probe> {
    let programs = PROGRAMS.iter().map(|&(program, hook, since, kinds)| Probe {
        name: program.to_owned(),
        program,
        hook,
        need: Need::Required,
        since,
        kinds,
    });
    let calls = Call::ALL.iter().flat_map(|&(call, name, _)| {
        let (need, since) = call_row(call);
        let enter = Probe {
            name: format!("enter_{name}"),
            program: enter_program(call),
            hook: Hook::Enter(call),
            need,
            since,
            kinds: &[Enter::KIND],
        };
        let leave = Probe {
            name: format!("leave_{name}"),
            program: leave_program(call),
            hook: Hook::Leave(call),
            need,
            since,
            kinds: &[Leave::KIND],
        };
        // LEAVE first: a call that is entered under the one probe and left before the other is there would look as if its
        // LEAVE had been lost.
        [leave, enter]
    });
    programs.chain(calls).chain(attribute_probes()).collect()
}

/// The programs for attributes. At ENTER, where an argument says whether a call matters.
fn attribute_probes() -> impl Iterator<Item = Probe> {
    AttributeCall::ALL.iter().filter(|row| exists(row.0)).flat_map(|&(call, name, _)| {
        let enter = match call {
            AttributeCall::Close => Some("attribute_enter_one"),
            AttributeCall::Fcntl
            | AttributeCall::CloseRange
            | AttributeCall::Sigaction
            | AttributeCall::Sigprocmask => Some("attribute_enter_three"),
            AttributeCall::Chdir
            | AttributeCall::Fchdir
            | AttributeCall::Umask
            | AttributeCall::Open
            | AttributeCall::Openat
            | AttributeCall::Openat2
            | AttributeCall::Dup
            | AttributeCall::Dup2
            | AttributeCall::Dup3 => None,
        };
        let probe = |prefix: &str, program, hook| Probe {
            name: format!("attribute_{prefix}_{name}"),
            program,
            hook,
            need: Need::Attributes,
            since: if call == AttributeCall::CloseRange { "5.9" } else { "2.6.33" },
            kinds: &[Attribute::KIND],
        };
        let leave = probe("leave", "attribute_leave", Hook::AttributeLeave(call));
        let enter = enter.map(|program| probe("enter", program, Hook::AttributeEnter(call)));
        [Some(leave), enter].into_iter().flatten()
    })
}

/// Newer architectures have neither open(2) nor dup2(2).
fn exists(call: AttributeCall) -> bool {
    cfg!(target_arch = "x86_64") || !matches!(call, AttributeCall::Open | AttributeCall::Dup2)
}

impl Hook {
    /// The watched call, for its two programs.
    #[must_use]
    pub fn call(self) -> Option<Call> {
        match self {
            Self::Enter(call) | Self::Leave(call) => Some(call),
            Self::Typed(_) | Self::Iterator(_) | Self::AttributeEnter(_) | Self::AttributeLeave(_) => None,
        }
    }

    /// What the program is attached with: the number of its call.
    #[must_use]
    pub fn cookie(self) -> u64 {
        match self {
            Self::Enter(call) | Self::Leave(call) => call as u64,
            Self::AttributeEnter(call) | Self::AttributeLeave(call) => call as u64,
            Self::Typed(_) | Self::Iterator(_) => 0,
        }
    }

    /// The tracepoint of tracefs, category and name.
    #[must_use]
    pub fn tracepoint(self) -> Option<(&'static str, String)> {
        let name = |call: Call| Call::ALL.iter().find(|row| row.0 == call).map_or("", |row| row.1);
        let attribute =
            |call: AttributeCall| AttributeCall::ALL.iter().find(|row| row.0 == call).map_or("", |row| row.1);
        match self {
            Self::Enter(call) => Some(("syscalls", format!("sys_enter_{}", name(call)))),
            Self::Leave(call) => Some(("syscalls", format!("sys_exit_{}", name(call)))),
            Self::AttributeEnter(call) => Some(("syscalls", format!("sys_enter_{}", attribute(call)))),
            Self::AttributeLeave(call) => Some(("syscalls", format!("sys_exit_{}", attribute(call)))),
            Self::Typed(_) | Self::Iterator(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::record::RECORDS;

    use super::*;

    #[test]
    fn every_record_kind_has_a_probe_and_every_name_is_once() {
        let probes = probes();
        for (kind, name, _) in RECORDS {
            assert!(probes.iter().any(|probe| probe.kinds.contains(kind)), "{name}");
        }
        let mut names: Vec<_> = probes.iter().map(|probe| &probe.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), probes.len());
        assert_eq!(probes.iter().filter(|probe| probe.hook.call().is_some()).count(), 2 * Call::ALL.len());
    }
}
