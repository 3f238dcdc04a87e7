//! Paths along which signals come, and what became of one that did nothing.
//!
//! Must not: decide which path a signal took; `apply` does.

use serde::{Deserialize, Serialize};

use crate::ids::{PgrpKey, ProcKey, Seq, TtyKey};

/// The path along which a signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalPath {
    /// kill and relatives to one process or thread.
    KillProcess {
        /// The sender.
        sender: ProcKey,
        /// `Seq` of the call's ENTER.
        intent: Seq,
    },
    /// A call of the kill family that was not seen: of a 32-bit program, or lost; or, where signals are seen at their delivery,
    /// one of several. Whether it was aimed at a process or at a group is not known.
    KillUnseen {
        /// The sender.
        sender: ProcKey,
    },
    /// kill to a process group (or 0, or pidfd with the group flag).
    KillGroup {
        /// The sender.
        sender: ProcKey,
        /// `Seq` of the call's ENTER.
        intent: Seq,
        /// The group.
        group: Option<PgrpKey>,
    },
    /// `kill(-1)`.
    KillAll {
        /// The sender.
        sender: ProcKey,
        /// `Seq` of the call's ENTER.
        intent: Seq,
    },
    /// A character typed at the terminal: to its foreground group.
    TerminalCharacter {
        /// The terminal.
        tty: Option<TtyKey>,
    },
    /// The kernel stops a background process that reads, writes or changes its terminal.
    BackgroundAccess {
        /// The process that did. A tracer is not told which member of a group it was.
        by: Option<ProcKey>,
    },
    /// The window size changed, or input was injected.
    TerminalIoctl {
        /// The process that did.
        by: ProcKey,
    },
    /// A terminal is taken from its session.
    Hangup {
        /// The exiting leader, or who closed the master.
        by: Option<ProcKey>,
        /// How.
        kind: HangupKind,
    },
    /// The orphan rule: SIGHUP and SIGCONT to a newly orphaned group with a stopped member.
    OrphanRule {
        /// The process whose exit orphaned the group.
        exiting: ProcKey,
    },
    /// SIGCHLD about a child.
    ChildStatus {
        /// The child.
        child: ProcKey,
    },
    /// `PR_SET_PDEATHSIG`.
    ParentDeath {
        /// The dying parent.
        parent: ProcKey,
    },
    /// The init of a pid namespace ended: the kernel kills everybody else in it.
    NamespaceEnd {
        /// That init.
        init: ProcKey,
    },
    /// Somebody wrote to `cgroup.kill` of the target's cgroup, or of one above it.
    CgroupKill {
        /// The writer.
        by: ProcKey,
    },
    /// A timer that the target itself set: alarm, setitimer, `timer_create`.
    Timer,
    /// What the target did itself: an access to memory that is not there, a write that nobody reads, a limit exceeded.
    Fault,
    /// Some other kernel source.
    Kernel,
    /// A sender that the model does not know.
    Unknown,
}

impl SignalPath {
    /// The process that caused it, or that it is about.
    #[must_use]
    pub fn process(self) -> Option<ProcKey> {
        match self {
            Self::KillProcess { sender, .. }
            | Self::KillUnseen { sender }
            | Self::KillGroup { sender, .. }
            | Self::KillAll { sender, .. } => Some(sender),
            Self::TerminalIoctl { by } | Self::CgroupKill { by } => Some(by),
            Self::BackgroundAccess { by } | Self::Hangup { by, .. } => by,
            Self::OrphanRule { exiting } => Some(exiting),
            Self::ChildStatus { child } => Some(child),
            Self::ParentDeath { parent } => Some(parent),
            Self::NamespaceEnd { init } => Some(init),
            Self::TerminalCharacter { .. } | Self::Timer | Self::Fault | Self::Kernel | Self::Unknown => None,
        }
    }

    /// `Seq` of the ENTER of the call that sent it, where that is known.
    #[must_use]
    pub fn intent(self) -> Option<Seq> {
        match self {
            Self::KillProcess { intent, .. } | Self::KillGroup { intent, .. } | Self::KillAll { intent, .. } => {
                Some(intent)
            }
            Self::KillUnseen { .. }
            | Self::TerminalCharacter { .. }
            | Self::BackgroundAccess { .. }
            | Self::TerminalIoctl { .. }
            | Self::Hangup { .. }
            | Self::OrphanRule { .. }
            | Self::ChildStatus { .. }
            | Self::ParentDeath { .. }
            | Self::NamespaceEnd { .. }
            | Self::CgroupKill { .. }
            | Self::Timer
            | Self::Fault
            | Self::Kernel
            | Self::Unknown => None,
        }
    }

    /// The process that sent it by a call of its own.
    #[must_use]
    pub fn sender(self) -> Option<ProcKey> {
        match self {
            Self::KillProcess { sender, .. }
            | Self::KillUnseen { sender }
            | Self::KillGroup { sender, .. }
            | Self::KillAll { sender, .. }
            | Self::CgroupKill { by: sender } => Some(sender),
            Self::TerminalCharacter { .. }
            | Self::BackgroundAccess { .. }
            | Self::TerminalIoctl { .. }
            | Self::Hangup { .. }
            | Self::OrphanRule { .. }
            | Self::ChildStatus { .. }
            | Self::ParentDeath { .. }
            | Self::NamespaceEnd { .. }
            | Self::Timer
            | Self::Fault
            | Self::Kernel
            | Self::Unknown => None,
        }
    }
}

/// What makes the kernel send SIGHUP for a terminal (`drivers/tty/tty_jobctrl.c`, `drivers/tty/tty_io.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HangupKind {
    /// The terminal itself: pty master closed, carrier lost, or vhangup. To the session leader.
    Terminal,
    /// The session leader exits. To the terminal's foreground group, which can be in another session.
    LeaderExit,
    /// The session leader exits after an earlier hangup. To the group that was in the foreground then.
    LeaderExitAfterHangup,
    /// The session leader gives the terminal up (`TIOCNOTTY`). To the foreground group.
    GivenUp,
}

/// Why a signal that its target neither ignores nor handles was dropped at once (kernel/signal.c, `prepare_signal` and
/// `sig_task_ignored`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The process is being ended as a whole.
    Exiting,
    /// The init of a pid namespace gets no signal that it has no handler for.
    Init,
}
