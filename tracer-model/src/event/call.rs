//! The watched system calls.
//!
//! Must not: translate an argument into a key.

use serde::{Deserialize, Serialize};

use crate::ids::Signal;

/// A watched system call with its arguments as passed: numbers are in the caller's pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// `setpgid(pid, pgid)`.
    Setpgid {
        /// 0 for the caller.
        pid: i32,
        /// 0 for `pid`.
        pgid: i32,
    },
    /// `setsid()`.
    Setsid,
    /// `kill(target, signal)`.
    Kill {
        /// As kill(2): positive, 0, -1, or a negative process group.
        target: i32,
        /// 0 probes.
        signal: u32,
    },
    /// `tkill(tid, signal)`.
    Tkill {
        /// The thread.
        tid: i32,
        /// The signal.
        signal: u32,
    },
    /// `tgkill(pid, tid, signal)`.
    Tgkill {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
        /// The signal.
        signal: u32,
    },
    /// `rt_sigqueueinfo(pid, signal, …)`.
    Sigqueue {
        /// The process.
        pid: i32,
        /// The signal.
        signal: u32,
    },
    /// `rt_tgsigqueueinfo(pid, tid, signal, …)`.
    Tgsigqueue {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
        /// The signal.
        signal: u32,
    },
    /// `pidfd_send_signal(pidfd, signal, …, flags)`.
    PidfdSendSignal {
        /// The descriptor.
        pidfd: i32,
        /// The signal.
        signal: u32,
        /// 1 thread, 2 process, 4 process group.
        flags: u32,
    },
    /// A terminal ioctl.
    TtyIoctl {
        /// The descriptor.
        fd: i32,
        /// The request.
        request: TtyRequest,
        /// Its third argument.
        arg: u64,
        /// `*pgrp` of `TIOCSPGRP` and `TIOCGPGRP`.
        value: i32,
    },
    /// `wait4(pid, …, options)`.
    Wait4 {
        /// As waitpid(2).
        pid: i32,
        /// `WNOHANG` 1, `WUNTRACED` 2, `WCONTINUED` 8.
        options: u32,
    },
    /// `waitid(idtype, id, …, options)`.
    Waitid {
        /// `P_ALL` 0, `P_PID` 1, `P_PGID` 2, `P_PIDFD` 3.
        idtype: u32,
        /// The id.
        id: i32,
        /// Also `WEXITED` 4, `WNOWAIT` `0x0100_0000`.
        options: u32,
    },
    /// `prctl(PR_SET_CHILD_SUBREAPER, on)`.
    SetSubreaper {
        /// Non-zero sets it.
        on: u64,
    },
    /// `prctl(PR_SET_PDEATHSIG, signal)`.
    SetParentDeathSignal {
        /// 0 clears it.
        signal: u32,
    },
    /// `vhangup()`.
    Vhangup,
    /// open, openat or openat2, of which only those that changed the caller's controlling terminal are events.
    Open,
    /// `read` of the controlling terminal that was refused or will be restarted.
    Read {
        /// The descriptor.
        fd: i32,
    },
    /// `write` to the controlling terminal that was refused or will be restarted.
    Write {
        /// The descriptor.
        fd: i32,
    },
}

impl Call {
    /// Whether it waits for children (wait(2)).
    #[must_use]
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Wait4 { .. } | Self::Waitid { .. })
    }

    /// Whether it sends a signal: kill(2), tkill(2), `rt_sigqueueinfo(2)`, `pidfd_send_signal(2)`.
    #[must_use]
    pub fn is_kill(&self) -> bool {
        self.signal().is_some()
    }

    /// The signal that it sends; 0 asks whether it could send one.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        match *self {
            Self::Kill { signal, .. }
            | Self::Tkill { signal, .. }
            | Self::Tgkill { signal, .. }
            | Self::Sigqueue { signal, .. }
            | Self::Tgsigqueue { signal, .. }
            | Self::PidfdSendSignal { signal, .. } => Some(Signal(signal)),
            Self::Setpgid { .. }
            | Self::Setsid
            | Self::TtyIoctl { .. }
            | Self::Wait4 { .. }
            | Self::Waitid { .. }
            | Self::SetSubreaper { .. }
            | Self::SetParentDeathSignal { .. }
            | Self::Vhangup
            | Self::Open
            | Self::Read { .. }
            | Self::Write { .. } => None,
        }
    }
}

/// Terminal requests that concern job control (`ioctl_tty(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TtyRequest {
    /// `TIOCSCTTY`: make it the controlling terminal.
    SetControlling,
    /// `TIOCNOTTY`: give up the controlling terminal.
    GiveUp,
    /// `TIOCSPGRP`: set the foreground process group.
    SetForeground,
    /// `TIOCGPGRP`.
    GetForeground,
    /// `TIOCGSID`.
    GetSession,
    /// `TIOCSWINSZ`.
    SetWindowSize,
    /// `TIOCSTI`: fake input.
    Inject,
    /// `TIOCSIG`: signal from the pty master.
    Signal,
    /// `TIOCVHANGUP`.
    Hangup,
    /// `TIOCGPTPEER`: open the slave from the master.
    OpenPeer,
}

impl TtyRequest {
    /// Every request: itself, its ioctl(2) number (asm-generic/ioctls.h), its name.
    pub const ALL: [(Self, u32, &'static str); 10] = [
        (Self::SetControlling, 0x540e, "TIOCSCTTY"),
        (Self::GetForeground, 0x540f, "TIOCGPGRP"),
        (Self::SetForeground, 0x5410, "TIOCSPGRP"),
        (Self::Inject, 0x5412, "TIOCSTI"),
        (Self::SetWindowSize, 0x5414, "TIOCSWINSZ"),
        (Self::GiveUp, 0x5422, "TIOCNOTTY"),
        (Self::GetSession, 0x5429, "TIOCGSID"),
        (Self::Hangup, 0x5437, "TIOCVHANGUP"),
        (Self::OpenPeer, 0x5441, "TIOCGPTPEER"),
        (Self::Signal, 0x4004_5436, "TIOCSIG"),
    ];

    /// The request of this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("ioctl", |row| row.2)
    }
}
