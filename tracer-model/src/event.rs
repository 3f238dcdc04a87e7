//! Events: what a source yields, what a recording holds, what the model applies.
//!
//! Events carry raw identities (a number and the proofs of which one it is); keys exist only inside the model. Numbers are
//! those of the capture's pid namespace, which the header of a recording names; times are `CLOCK_BOOTTIME` ns. Arguments of
//! calls are as the caller passed them, in the caller's own namespace: never keys.

mod attribute;
mod call;
pub mod inspection;

pub use attribute::{Attribute, Attributes};
pub use call::{Call, TtyRequest};
pub use inspection::Inspection;

use serde::{Deserialize, Serialize};

use crate::ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid};
pub use crate::short::Short;

/// A thread of a process, by numbers and the process's start time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawTask {
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
    /// Start of the process (its leader's `start_boottime`). 0 when the source could not tell.
    pub start: BootNs,
}

/// The name of a process (`comm`, at most 15 bytes), as the process set it: hostile bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Comm(pub Short);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place in the global order. A gap takes the first missing number.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    /// On which CPU. 0 for events made in userspace.
    pub cpu: u16,
    /// `current`: who acts. For signals from the kernel, whatever the kernel path ran in.
    pub actor: RawTask,
    /// `current->comm`.
    pub actor_comm: Comm,
    /// The post-state of the subject; for [`EventKind::Enter`] its pre-state. `None` where there is no subject.
    pub subject: Option<Box<State>>,
    /// What happened.
    pub kind: EventKind,
}

/// Identity of a process group or session: its number, and `pid->ino` where the kernel has it (0 elsewhere).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RawId {
    /// The number; 0 when the process has been released.
    pub number: u32,
    /// Never reused within a boot; 0 when unknown.
    pub ino: u64,
}

impl RawId {
    /// As a process group number.
    #[must_use]
    pub fn pgid(self) -> Pgid {
        Pgid(self.number)
    }
    /// As a session number.
    #[must_use]
    pub fn sid(self) -> Sid {
        Sid(self.number)
    }
}

/// The bundle: state of a process as the kernel held it at the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Who.
    pub id: RawTask,
    /// `pid->ino` of the process.
    pub ino: u64,
    /// Its real parent.
    pub parent: RawTask,
    /// The parent's process group, as of this event. Number 0 when not known.
    pub parent_pgrp: RawId,
    /// The parent's session. 0 when not known.
    pub parent_session: Sid,
    /// Its process group. Number 0 once released.
    pub pgrp: RawId,
    /// Its session. Number 0 once released.
    pub session: RawId,
    /// Its controlling terminal.
    pub tty: Option<TtyState>,
    /// `signal->tty_old_pgrp`: the foreground group at a hangup, still to be signalled when this leader exits. 0 for none.
    pub tty_old_pgrp: Pgid,
    /// `signal->flags`.
    pub signal_flags: u32,
    /// `exit_state` of the process (its leader thread): 0, 0x10 released, 0x20 zombie.
    pub exit_state: u32,
    /// `exit_state` of the thread.
    pub task_exit_state: u32,
    /// `task->exit_code`.
    pub exit_code: i32,
    /// `signal->group_exit_code`.
    pub group_exit_code: i32,
    /// `task->flags`.
    pub task_flags: u32,
    /// Low word of `task->jobctl`.
    pub jobctl: u32,
    /// Threads that have not begun to exit.
    pub live: i32,
    /// Facts that are a bit each.
    pub facts: Facts,
    /// Real user id.
    pub uid: Uid,
    /// Its pid namespace, when that is not the capture's: inum, level below the initial one, its number in there.
    pub namespace: Option<Namespace>,
    /// cgroup v2 id, 0 when unknown.
    pub cgroup: u64,
    /// Its name.
    pub comm: Comm,
}

/// A pid namespace and the numbers in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// `ns.inum`, as in `/proc/PID/ns/pid`.
    pub inum: u32,
    /// Levels below the initial namespace.
    pub level: u32,
    /// The process's number inside.
    pub pid: Pid,
    /// What `getpgrp` answers inside: 0 for a process group from outside (and when not known).
    pub pgid: Pgid,
    /// What `getsid` answers inside: 0 for a session from outside (and when not known).
    pub sid: Sid,
}

/// A controlling terminal and its job-control state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TtyState {
    /// The device.
    pub tty: RawTty,
    /// Its foreground process group, number 0 for none.
    pub foreground: RawId,
    /// Whether the foreground `struct pid` has no member: phantom or dangling.
    pub foreground_empty: bool,
    /// Its session, 0 for none.
    pub session: Sid,
}

/// Bits of [`State`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of the kernel")]
pub struct Facts {
    /// The process is a session leader.
    pub session_leader: bool,
    /// It adopts orphaned descendants.
    pub subreaper: bool,
    /// No ancestor of it does (`signal->has_child_subreaper` is clear): its children will be adopted by the init of its pid
    /// namespace. `false` when that is not known.
    pub no_subreaper_above: bool,
    /// No other thread is left.
    pub single_thread: bool,
    /// Its parent is the initial namespace's init, which the orphan rule excludes.
    pub parent_is_init: bool,
    /// SIGTTOU ignored or blocked.
    pub ttou_ignored_or_blocked: bool,
    /// SIGTTIN ignored or blocked.
    pub ttin_ignored_or_blocked: bool,
    /// Its children are reaped by themselves.
    pub auto_reaps_children: bool,
    /// SIGHUP ignored.
    pub hup_ignored: bool,
    /// Some field could not be read: what is here is partly zero.
    pub unreadable: bool,
}

/// `SIGNAL_STOP_STOPPED`: every thread has stopped.
pub const SIGNAL_STOP_STOPPED: u32 = 1;
/// `SIGNAL_GROUP_EXIT`: the process is being ended as a whole.
pub const SIGNAL_GROUP_EXIT: u32 = 4;
/// `SIGNAL_UNKILLABLE`: the init of a pid namespace.
pub const SIGNAL_UNKILLABLE: u32 = 0x40;
/// `PF_EXITING`.
pub const PF_EXITING: u32 = 4;
/// `PF_FORKNOEXEC`: forked and has not executed a program since; its parent may still call setpgid on it.
pub const PF_FORKNOEXEC: u32 = 0x40;
/// `PF_KTHREAD`.
pub const PF_KTHREAD: u32 = 0x0020_0000;
/// `EXIT_ZOMBIE`.
pub const EXIT_ZOMBIE: u32 = 0x20;
/// `EXIT_DEAD`: released.
pub const EXIT_DEAD: u32 = 0x10;
/// `CLONE_THREAD`.
pub const CLONE_THREAD: u64 = 0x0001_0000;

impl State {
    /// Every thread is stopped for job control.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.signal_flags & SIGNAL_STOP_STOPPED != 0
    }
    /// Forked, and no exec since.
    #[must_use]
    pub fn not_yet_execed(&self) -> bool {
        self.task_flags & PF_FORKNOEXEC != 0
    }
    /// The wait status that its parent will read, in the encoding of wait(2).
    #[must_use]
    pub fn wait_status(&self) -> i32 {
        if self.signal_flags & SIGNAL_GROUP_EXIT != 0 { self.group_exit_code } else { self.exit_code }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A process was made (a thread when `flags & CLONE_THREAD`). Subject: it. Actor: the thread that forked.
    NewTask {
        /// `clone_flags`.
        flags: u64,
    },
    /// A program was executed. Subject: the process after.
    Exec {
        /// The thread's number before; differs from the pid when another thread than the leader called.
        old_tid: Tid,
        /// Argument strings, as far as captured: empty when not collected.
        args: Vec<Vec<u8>>,
        /// `args` was cut.
        truncated: bool,
    },
    /// A thread begins to exit; terminal, files and children are still there.
    Exit {
        /// It is the last thread: the process exits.
        group_dead: bool,
    },
    /// A thread's exit is complete. `exit_state` of the subject: zombie, or released already.
    Dead,
    /// A thread stopped. The process is stopped when [`State::is_stopped`].
    Stopped {
        /// The stop signal.
        signal: Signal,
    },
    /// A thread goes on after a stop, seen by a tracer: probes show the same with the signal that continues it. The process
    /// goes on when it is not [`State::is_stopped`].
    Continued,
    /// The kernel frees the task: an upper bound for its reap. No subject bundle.
    Freed {
        /// Which task.
        task: RawTask,
    },
    /// A signal was sent to one process or thread. Subject: the target, after the effect.
    SignalGenerated(SignalGenerated),
    /// A signal was dequeued by its target, which is the subject and the actor.
    SignalDelivered {
        /// The signal; SIGKILL for most fatal default actions.
        signal: Signal,
        /// `si_code`.
        code: i32,
        /// What will be done.
        disposition: Disposition,
    },
    /// A watched call begins. Subject: the target of setpgid, else the caller, before the call.
    Enter {
        /// The call.
        call: Call,
        /// The target of the call is not in the probes' table; the subject is the caller.
        target_unknown: bool,
    },
    /// A watched call returns. Subject as for `Enter`, after the call.
    Leave(Leave),
    /// One process of the start-up (or resynchronising) snapshot. Subject: it.
    Snapshot {
        /// Argument strings from `/proc/PID/cmdline`; empty when not collected.
        args: Vec<Vec<u8>>,
    },
    /// The task iterator has come to its end: the [`EventKind::Snapshot`] events with numbers from `from` on are one complete
    /// run. What the model thinks alive, was last seen before `from` and is not in the run has ended unseen.
    SnapshotEnd {
        /// The number of the first record of the run, or a number from just before it was begun.
        from: Seq,
        /// Who is in the run for certain.
        coverage: Coverage,
    },
    /// Wall time: `unix_ns` at `at`.
    ClockAnchor {
        /// `CLOCK_REALTIME`, ns since 1970.
        unix_ns: i64,
    },
    /// Records were lost.
    Gap(Gap),
    /// A process changed what a fork and an exec hand on, or tried to: the actor. No subject.
    Attribute(Attribute),
    /// What a process shares and holds was read. No subject: a bundle is of the kernel's own instant, this is not.
    Inspected(Box<Inspection>),
}

/// Which processes, zombies included, a snapshot shows for certain: one of those that it does not show has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// It was filtered, cut or lost records: it heals what it shows and ends nothing.
    #[default]
    Some,
    /// Every followed process.
    Followed,
    /// Every process of the machine.
    All,
}

/// One signal to one process or thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalGenerated {
    /// The signal.
    pub signal: Signal,
    /// Where it comes from.
    pub origin: SignalOrigin,
    /// To the whole process (`true`) or one thread.
    pub process_directed: bool,
    /// What became of it.
    pub outcome: SignalOutcome,
    /// The target's disposition.
    pub disposition: Disposition,
    /// The target thread blocks it.
    pub blocked: bool,
    /// The source sees signals only when their target takes them (ptrace): the call that sent this one may have returned, and
    /// what the target blocks or is sent twice is not seen.
    pub at_delivery: bool,
}

/// The `info` argument of `signal_generate` (kernel/signal.c, `__send_signal_locked`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOrigin {
    /// `SEND_SIG_NOINFO`: made in the kernel, shown to the receiver as if `current` had called kill.
    KernelAsUser,
    /// `SEND_SIG_PRIV`: made in the kernel.
    Kernel,
    /// A `siginfo` with this `si_code`: 0 kill, -6 tgkill, -1 sigqueue, 1 to 6 `CLD_*` for SIGCHLD.
    Info(i32),
}

/// `TRACE_SIGNAL_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOutcome {
    /// Made pending.
    Delivered,
    /// Dropped at once; an ignored SIGCONT continues all the same.
    Ignored,
    /// The same signal was pending already.
    AlreadyPending,
    /// No room in the queue: the call fails with EAGAIN.
    Overflow,
    /// Sent, but its information was lost.
    InfoLost,
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// `SIG_DFL`.
    Default,
    /// `SIG_IGN`.
    Ignored,
    /// A handler.
    Handler,
}

/// A call's return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The call.
    pub call: Call,
    /// Return value; negative errno; -512 to -516 when the kernel restarts the call.
    pub ret: i64,
    /// Its `Enter`: number and time. `None` when it began before the capture did, or was lost.
    pub entered: Option<(Seq, BootNs)>,
    /// That `Enter` is an event of this stream.
    pub enter_emitted: bool,
    /// Target not in the probes' table; the subject is the caller.
    pub target_unknown: bool,
    /// What a wait call returned.
    pub waited: Option<Waited>,
}

/// What wait4 or waitid returned for one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The child; start 0 when only its number is known.
    pub child: RawTask,
    /// Its status.
    pub status: WaitStatus,
    /// The child was left waitable (`WNOWAIT`): not a reap.
    pub left_waitable: bool,
}

/// A wait status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitStatus {
    /// `exit(code)`.
    Exited(i32),
    /// Died of a signal.
    Killed {
        /// The signal.
        signal: Signal,
        /// It dumped core.
        core: bool,
    },
    /// Stopped.
    Stopped(Signal),
    /// Continued.
    Continued,
    /// The status word was not given or not readable: an exit, unless the call asked for stops too.
    Unknown {
        /// The call asked for stops or continues as well.
        may_be_stop: bool,
    },
}

impl WaitStatus {
    /// Decodes the status word of wait4 (wait(2), the `W*` macros).
    #[must_use]
    pub fn from_word(word: i32) -> Self {
        let low = word & 0x7f;
        if word == 0xffff {
            Self::Continued
        } else if word & 0xff == 0x7f {
            Self::Stopped(Signal((word >> 8) as u32 & 0xff))
        } else if low == 0 {
            Self::Exited(word >> 8 & 0xff)
        } else {
            Self::Killed { signal: Signal(low as u32), core: word & 0x80 != 0 }
        }
    }
}

/// Records that were not delivered. The interval is conservative: it begins at the last event before the hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From.
    pub from: BootNs,
    /// Until.
    pub until: BootNs,
    /// How many.
    pub lost: u64,
    /// How it is known.
    pub cause: GapCause,
    /// What the probes' loss counters showed since a gap of this cause last named any, by the probe's name: they do not say
    /// which hole a loss made. Over a whole recording they sum to what was lost.
    pub probes: Vec<(String, u64)>,
}

/// Evidence of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// Sequence numbers are missing: the ring buffer was full.
    MissingSequence,
    /// The kernel skipped a probe (`recursion_misses`).
    Recursion,
    /// ENTER without LEAVE, or the reverse, on one thread.
    UnpairedCall,
    /// A map of the probes was full.
    MapFull,
    /// The bytes of a record could not be understood.
    Malformed,
    /// A record came after the reorder window had closed: it was not applied.
    Late,
}
