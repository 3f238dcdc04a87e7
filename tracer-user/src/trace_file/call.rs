//! The file's form of watched calls and wait statuses.
//!
//! Must not: interpret an argument.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tracer_model::event::{Call, TtyRequest, WaitStatus};

use super::task::{FileSignal, Wide, is_default};

/// A call by its name, with its arguments as passed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(super) enum FileCall {
    Setpgid {
        pid: i32,
        pgid: i32,
    },
    Setsid,
    Kill {
        target: i32,
        signal: FileSignal,
    },
    Tkill {
        tid: i32,
        signal: FileSignal,
    },
    Tgkill {
        pid: i32,
        tid: i32,
        signal: FileSignal,
    },
    RtSigqueueinfo {
        pid: i32,
        signal: FileSignal,
    },
    RtTgsigqueueinfo {
        pid: i32,
        tid: i32,
        signal: FileSignal,
    },
    PidfdSendSignal {
        pidfd: i32,
        signal: FileSignal,
        #[serde(default, skip_serializing_if = "is_default")]
        flags: u32,
    },
    Ioctl {
        fd: i32,
        request: FileRequest,
        #[serde(default, skip_serializing_if = "is_default")]
        arg: Wide,
        #[serde(default, skip_serializing_if = "is_default")]
        value: i32,
    },
    Wait4 {
        pid: i32,
        #[serde(default, skip_serializing_if = "is_default")]
        options: u32,
    },
    Waitid {
        idtype: u32,
        id: i32,
        #[serde(default, skip_serializing_if = "is_default")]
        options: u32,
    },
    SetSubreaper {
        on: Wide,
    },
    SetParentDeathSignal {
        signal: FileSignal,
    },
    Vhangup,
    Open,
    Read {
        fd: i32,
    },
    Write {
        fd: i32,
    },
}

/// A terminal request by its name.
pub(super) struct FileRequest(TtyRequest);

impl Serialize for FileRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for FileRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let row = TtyRequest::ALL.iter().find(|row| row.2 == name);
        row.map(|row| Self(row.0)).ok_or_else(|| D::Error::custom(format!("unknown terminal request {name:?}")))
    }
}

impl From<Call> for FileCall {
    fn from(call: Call) -> Self {
        let sig = |number| FileSignal(tracer_model::ids::Signal(number));
        match call {
            Call::Setpgid { pid, pgid } => Self::Setpgid { pid, pgid },
            Call::Setsid => Self::Setsid,
            Call::Kill { target, signal } => Self::Kill { target, signal: sig(signal) },
            Call::Tkill { tid, signal } => Self::Tkill { tid, signal: sig(signal) },
            Call::Tgkill { pid, tid, signal } => Self::Tgkill { pid, tid, signal: sig(signal) },
            Call::Sigqueue { pid, signal } => Self::RtSigqueueinfo { pid, signal: sig(signal) },
            Call::Tgsigqueue { pid, tid, signal } => Self::RtTgsigqueueinfo { pid, tid, signal: sig(signal) },
            Call::PidfdSendSignal { pidfd, signal, flags } => {
                Self::PidfdSendSignal { pidfd, signal: sig(signal), flags }
            }
            Call::TtyIoctl { fd, request, arg, value } => {
                Self::Ioctl { fd, request: FileRequest(request), arg: Wide(arg), value }
            }
            Call::Wait4 { pid, options } => Self::Wait4 { pid, options },
            Call::Waitid { idtype, id, options } => Self::Waitid { idtype, id, options },
            Call::SetSubreaper { on } => Self::SetSubreaper { on: Wide(on) },
            Call::SetParentDeathSignal { signal } => Self::SetParentDeathSignal { signal: sig(signal) },
            Call::Vhangup => Self::Vhangup,
            Call::Open => Self::Open,
            Call::Read { fd } => Self::Read { fd },
            Call::Write { fd } => Self::Write { fd },
        }
    }
}

impl From<FileCall> for Call {
    fn from(file: FileCall) -> Self {
        match file {
            FileCall::Setpgid { pid, pgid } => Self::Setpgid { pid, pgid },
            FileCall::Setsid => Self::Setsid,
            FileCall::Kill { target, signal } => Self::Kill { target, signal: signal.0.0 },
            FileCall::Tkill { tid, signal } => Self::Tkill { tid, signal: signal.0.0 },
            FileCall::Tgkill { pid, tid, signal } => Self::Tgkill { pid, tid, signal: signal.0.0 },
            FileCall::RtSigqueueinfo { pid, signal } => Self::Sigqueue { pid, signal: signal.0.0 },
            FileCall::RtTgsigqueueinfo { pid, tid, signal } => Self::Tgsigqueue { pid, tid, signal: signal.0.0 },
            FileCall::PidfdSendSignal { pidfd, signal, flags } => {
                Self::PidfdSendSignal { pidfd, signal: signal.0.0, flags }
            }
            FileCall::Ioctl { fd, request, arg, value } => Self::TtyIoctl { fd, request: request.0, arg: arg.0, value },
            FileCall::Wait4 { pid, options } => Self::Wait4 { pid, options },
            FileCall::Waitid { idtype, id, options } => Self::Waitid { idtype, id, options },
            FileCall::SetSubreaper { on } => Self::SetSubreaper { on: on.0 },
            FileCall::SetParentDeathSignal { signal } => Self::SetParentDeathSignal { signal: signal.0.0 },
            FileCall::Vhangup => Self::Vhangup,
            FileCall::Open => Self::Open,
            FileCall::Read { fd } => Self::Read { fd },
            FileCall::Write { fd } => Self::Write { fd },
        }
    }
}

/// A wait status: `{"exited":0}`, `{"killed":{"signal":"SIGKILL"}}`, `{"stopped":"SIGTTIN"}`, `"continued"`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileWaitStatus {
    Exited(i32),
    Killed {
        signal: FileSignal,
        #[serde(default, skip_serializing_if = "is_default")]
        core: bool,
    },
    Stopped(FileSignal),
    Continued,
    Unknown {
        may_be_stop: bool,
    },
}

impl From<WaitStatus> for FileWaitStatus {
    fn from(status: WaitStatus) -> Self {
        match status {
            WaitStatus::Exited(code) => Self::Exited(code),
            WaitStatus::Killed { signal, core } => Self::Killed { signal: FileSignal(signal), core },
            WaitStatus::Stopped(signal) => Self::Stopped(FileSignal(signal)),
            WaitStatus::Continued => Self::Continued,
            WaitStatus::Unknown { may_be_stop } => Self::Unknown { may_be_stop },
        }
    }
}

impl From<FileWaitStatus> for WaitStatus {
    fn from(file: FileWaitStatus) -> Self {
        match file {
            FileWaitStatus::Exited(code) => Self::Exited(code),
            FileWaitStatus::Killed { signal, core } => Self::Killed { signal: signal.0, core },
            FileWaitStatus::Stopped(signal) => Self::Stopped(signal.0),
            FileWaitStatus::Continued => Self::Continued,
            FileWaitStatus::Unknown { may_be_stop } => Self::Unknown { may_be_stop },
        }
    }
}
