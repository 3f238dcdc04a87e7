//! Every record that the probes write.
//!
//! A record is [`Header`], then for most kinds [`State`] (the post-state bundle of the subject), then what only that kind
//! has. Numbers of processes, groups and sessions are those of the initial pid namespace; times are `CLOCK_BOOTTIME` ns.

use crate::wire::wire_structs;

/// The subject's state could not be read (a null pointer on the way): what [`State`] holds is partly zero.
pub const FLAG_STATE_UNREADABLE: u32 = 1 << 0;
/// The target of the call was not found in the probes' pid table, and [`State`] is the caller's; or the process that a
/// wait returned was not found there.
pub const FLAG_TARGET_UNKNOWN: u32 = 1 << 1;
/// LEAVE without a saved ENTER on this thread: the call began before the probes did, or its ENTER was lost.
pub const FLAG_ENTER_MISSING: u32 = 1 << 2;
/// The ENTER of this LEAVE was seen but not emitted: it did not concern the followed set.
pub const FLAG_ENTER_NOT_EMITTED: u32 = 1 << 3;
/// ENTER or EXIT on a thread whose previous ENTER never had its LEAVE: a record was lost.
pub const FLAG_PREVIOUS_LEAVE_MISSING: u32 = 1 << 4;
/// A value in user memory (wait status, `siginfo`, `*pgrp`, arguments) could not be read, or is at an address that only
/// the missing ENTER knew; it is zero here.
pub const FLAG_USER_UNREADABLE: u32 = 1 << 5;
/// [`Exec::args`] was cut at its size.
pub const FLAG_ARGS_TRUNCATED: u32 = 1 << 6;
/// A full map kept the probes from remembering a followed process, a followed session or the arguments of a call. (A full
/// pid table is only counted.)
pub const FLAG_MAP_FULL: u32 = 1 << 7;

/// `signal->leader`: the process is a session leader.
pub const BIT_SESSION_LEADER: u32 = 1 << 0;
/// `signal->is_child_subreaper`.
pub const BIT_SUBREAPER: u32 = 1 << 1;
/// `signal->has_child_subreaper`.
pub const BIT_HAS_SUBREAPER: u32 = 1 << 2;
/// `signal->nr_threads` is at most 1, which is `thread_group_empty(group_leader)`: no other thread is left. With
/// `exit_state` it decides whether the kernel counts the process in the orphan rule (kernel/exit.c,
/// `will_become_orphaned_pgrp`).
pub const BIT_SINGLE_THREAD: u32 = 1 << 3;
/// The terminal's foreground `struct pid` has no process group member: phantom or dangling foreground group.
pub const BIT_FOREGROUND_EMPTY: u32 = 1 << 4;
/// The parent is the initial namespace's init.
pub const BIT_PARENT_IS_INIT: u32 = 1 << 5;
/// `SIGTTOU` is ignored or blocked in the subject.
pub const BIT_TTOU_IGNORED_OR_BLOCKED: u32 = 1 << 6;
/// `SIGTTIN` is ignored or blocked in the subject.
pub const BIT_TTIN_IGNORED_OR_BLOCKED: u32 = 1 << 7;
/// `SIGCHLD` is ignored, or `SA_NOCLDWAIT` is set: children are reaped by themselves.
pub const BIT_AUTO_REAPS_CHILDREN: u32 = 1 << 8;
/// `SIGHUP` is ignored in the subject.
pub const BIT_HUP_IGNORED: u32 = 1 << 9;
/// The subject's terminal is a pseudo-terminal.
pub const BIT_TTY_IS_PTY: u32 = 1 << 10;

wire_structs! {
    /// One task at one time: numbers recur, so the start time says which.
    pub struct TaskId {
        /// Number of the process (`task->tgid`).
        pub tgid: u32,
        /// Number of the thread (`task->pid`).
        pub tid: u32,
        /// `group_leader->start_boottime`, ns. Inherited by a thread that execs in a multi-threaded process.
        pub start: u64,
    }

    /// What every record begins with.
    pub struct Header {
        /// From the one global counter, which also counts records that found no room: a hole is a loss.
        pub seq: u64,
        /// `CLOCK_BOOTTIME` ns.
        pub at: u64,
        /// A number of [`RECORDS`].
        pub kind: u16,
        /// The CPU that wrote it.
        pub cpu: u16,
        /// `FLAG_*`.
        pub flags: u32,
        /// `current` when the probe ran: the one that acts, or whatever an interrupt came upon.
        pub actor: TaskId,
        /// `current->comm`.
        pub actor_comm: [u8; 16],
    }

    /// The state of one task and its process, read when the event was over (at ENTER: before the call).
    pub struct State {
        /// Who this is.
        pub id: TaskId,
        /// `real_parent`, the process that may wait for it.
        pub parent: TaskId,
        /// `signal->pids[PIDTYPE_PGID]`; 0 once released.
        pub pgid: u32,
        /// `signal->pids[PIDTYPE_SID]`; 0 once released.
        pub sid: u32,
        /// Process group of the parent, as of now: the orphan rule compares the two, and the parent may be known by nothing else.
        pub parent_pgid: u32,
        /// Session of the parent.
        pub parent_sid: u32,
        /// `pid->ino` of the parent's process group.
        pub parent_pgid_ino: u64,
        /// `pid->ino` of the process (6.9 and later; 0 before): never reused within a boot.
        pub pid_ino: u64,
        /// `pid->ino` of the process group.
        pub pgid_ino: u64,
        /// `pid->ino` of the session.
        pub sid_ino: u64,
        /// Controlling terminal (`signal->tty`): major << 20 | minor, 0 for none.
        pub tty_dev: u32,
        /// `s_dev` of the devpts super block for a pty slave, else 0.
        pub tty_instance: u32,
        /// Foreground process group of that terminal (`tty->ctrl.pgrp`), 0 for none.
        pub tty_foreground: u32,
        /// Session of that terminal (`tty->ctrl.session`), 0 for none.
        pub tty_session: u32,
        /// `pid->ino` of the foreground group.
        pub tty_foreground_ino: u64,
        /// `signal->tty_old_pgrp`, 0 for none.
        pub tty_old_pgrp: u32,
        /// `signal->flags` (`SIGNAL_STOP_STOPPED` 1, `SIGNAL_GROUP_EXIT` 4, …).
        pub signal_flags: u32,
        /// `group_leader->exit_state`: 0, `EXIT_DEAD` 0x10, `EXIT_ZOMBIE` 0x20.
        pub exit_state: u32,
        /// `exit_state` of the task itself.
        pub task_exit_state: u32,
        /// `task->exit_code`.
        pub exit_code: i32,
        /// `signal->group_exit_code`: wait status when `SIGNAL_GROUP_EXIT`, stop signal while stopping.
        pub group_exit_code: i32,
        /// `task->flags` (`PF_EXITING` 4, `PF_FORKNOEXEC` 0x40, `PF_KTHREAD` 0x200000).
        pub task_flags: u32,
        /// Low word of `task->jobctl`.
        pub jobctl: u32,
        /// `signal->live`.
        pub live: i32,
        /// `BIT_*`.
        pub bits: u32,
        /// Real uid, initial user namespace.
        pub uid: u32,
        /// Level of the process's pid namespace below the initial one.
        pub ns_level: u32,
        /// `ns.inum` of that namespace.
        pub ns_inum: u32,
        /// The process's number in it.
        pub ns_pid: u32,
        /// What `getpgrp` answers in there: 0 for a process group from outside.
        pub ns_pgid: u32,
        /// What `getsid` answers in there: 0 for a session from outside.
        pub ns_sid: u32,
        /// cgroup v2 id.
        pub cgroup: u64,
        /// `task->comm`.
        pub comm: [u8; 16],
    }

    /// `task_newtask`: a process was made. Subject: the new process. Threads have no record when they are made.
    pub struct NewTask {
        /// Header.
        pub header: Header,
        /// The new task.
        pub state: State,
        /// `clone_flags`.
        pub clone_flags: u64,
    }

    /// `sched_process_exec`. Subject: the process after its exec.
    pub struct Exec {
        /// Header.
        pub header: Header,
        /// After the exec.
        pub state: State,
        /// Thread number before: differs from the subject's when a thread other than the leader called.
        pub old_tid: u32,
        /// Bytes of `args` that are valid.
        pub args_len: u32,
        /// Start of the argument strings, each ended by NUL.
        pub args: [u8; 512],
    }

    /// `sched_process_exit`: a thread begins to exit. Its files, terminal and children are still there.
    pub struct Exit {
        /// Header.
        pub header: Header,
        /// At the start of its exit.
        pub state: State,
        /// 1 for the last thread (6.16 and later, else `live == 0`, which several threads can show).
        pub group_dead: u32,
        /// Always 0.
        pub reserved: u32,
    }

    /// `sched_switch` away from a task for the last time: its exit is complete.
    pub struct Dead {
        /// Header.
        pub header: Header,
        /// `exit_state` says whether it is a zombie or was released already.
        pub state: State,
    }

    /// `sched_switch` away from a task that stopped for job control.
    pub struct Stopped {
        /// Header.
        pub header: Header,
        /// `jobctl & 0xffff` is the signal; `signal_flags & 1` once every thread has stopped.
        pub state: State,
    }

    /// `sched_process_free` of a thread group leader: after the RCU grace period that follows the reap, 1 to 50 ms later.
    pub struct Freed {
        /// Header. The actor is whatever the softirq came upon.
        pub header: Header,
        /// Whose memory goes.
        pub id: TaskId,
    }

    /// `signal_generate`: one signal to one process or thread. Subject: the target, after the effect.
    pub struct SignalGenerated {
        /// Header; the actor is the sender, or `current` of a kernel path.
        pub header: Header,
        /// The target.
        pub state: State,
        /// Signal number.
        pub signal: u32,
        /// `si_code`, when `info_kind` is 2.
        pub code: i32,
        /// 0 `SEND_SIG_NOINFO`, 1 `SEND_SIG_PRIV`, 2 a `kernel_siginfo`.
        pub info_kind: u32,
        /// 1 for the whole process, 0 for one thread. Not about process groups.
        pub process_directed: u32,
        /// `TRACE_SIGNAL_*`: 0 delivered, 1 ignored, 2 already pending, 3 overflow, 4 info lost.
        pub result: u32,
        /// The target's disposition: 0 default, 1 ignored, 2 handler.
        pub disposition: u32,
        /// 1 when the target thread blocks the signal.
        pub blocked: u32,
        /// Always 0.
        pub reserved: u32,
    }

    /// `signal_deliver`: a signal was dequeued. Subject: the actor.
    pub struct SignalDelivered {
        /// Header.
        pub header: Header,
        /// The receiver, before the action.
        pub state: State,
        /// Signal number; 9 for most fatal default actions.
        pub signal: u32,
        /// `si_code`.
        pub code: i32,
        /// 0 default, 1 ignored, 2 handler.
        pub disposition: u32,
        /// Always 0.
        pub reserved: u32,
    }

    /// A watched call begins. Subject: the call's target where there is one (setpgid), else the caller; pre-state.
    pub struct Enter {
        /// Header.
        pub header: Header,
        /// Pre-state.
        pub state: State,
        /// A number of [`Call`].
        pub call: u32,
        /// Always 0.
        pub reserved: u32,
        /// Arguments as passed, in the caller's pid namespace.
        pub args: [u64; 4],
        /// `*pgrp` of `TIOCSPGRP`; 0 otherwise.
        pub value: u64,
    }

    /// A watched call returns. Subject as in [`Enter`]; post-state.
    pub struct Leave {
        /// Header.
        pub header: Header,
        /// Post-state.
        pub state: State,
        /// A number of [`Call`].
        pub call: u32,
        /// Always 0.
        pub reserved: u32,
        /// Arguments saved at ENTER.
        pub args: [u64; 4],
        /// `*pgrp` of `TIOCSPGRP` (ENTER) and `TIOCGPGRP` (LEAVE); the status word of wait4; `si_status` of waitid.
        pub value: u64,
        /// Return value, negative errno on failure; -512 to -516 when the kernel will restart the call.
        pub ret: i64,
        /// `seq` of its ENTER; the last number given out before it when it was not emitted, 0 when it was not seen.
        pub enter_seq: u64,
        /// Time of its ENTER; 0 when it was not seen.
        pub enter_at: u64,
        /// wait4 and waitid: the process that was waited for; zero when none, or not in the pid table.
        pub waited: TaskId,
        /// waitid: `si_code`.
        pub waited_code: i32,
        /// waitid: `si_pid`, in the caller's namespace.
        pub waited_pid: u32,
    }

    /// A process changed what a fork and an exec hand on besides its job control, or tried to. No state: it is the actor's.
    pub struct Attribute {
        /// Header.
        pub header: Header,
        /// What it returned.
        pub ret: i64,
        /// umask: the mask now. `rt_sigprocmask`: the blocked signals now. `rt_sigaction`: the signal. `close` and `close_range`:
        /// the first descriptor. chdir and fchdir: 1 when the working directory is the root directory now.
        pub value: u64,
        /// `rt_sigprocmask`: the blocked signals before. `rt_sigaction`: the disposition now, 0 default, 1 ignored, 2 handler.
        /// `close` and `close_range`: the last descriptor.
        pub other: u64,
        /// A number of [`AttributeCall`].
        pub call: u32,
        /// open and dup: `i_mode` of what the new descriptor refers to.
        pub mode: u32,
        /// `i_rdev` of that, `dev_t` of the kernel: major << 20 | minor.
        pub device: u32,
        /// `s_dev` of its file system.
        pub file_system: u32,
    }

    /// One process of the task iterator, stamped from the same counter.
    pub struct Snapshot {
        /// Header; the actor is the process that reads the iterator.
        pub header: Header,
        /// Its thread group leader.
        pub state: State,
    }
}

/// Defines the table of kinds, the enum of parsed records, and reading by kind.
macro_rules! records {
    ($($number:literal => $name:ident, $doc:literal;)*) => {
        /// A parsed record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(clippy::large_enum_variant, reason = "records are parsed one at a time and never stored")]
        pub enum Record { $(#[doc = $doc] $name($name),)* }

        /// Kind number, name and size of every record. Permanent: a retired kind keeps its row.
        pub const RECORDS: &[(u16, &str, usize)] = &[$(($number, stringify!($name), size_of::<$name>()),)*];

        $(impl Kind for $name { const KIND: u16 = $number; })*

        impl Record {
            /// Reads the body of a record of this kind: `None` for an unknown kind, `Some(None)` when bytes are missing.
            #[must_use]
            pub fn read(kind: u16, bytes: &[u8]) -> Option<Option<Self>> {
                match kind {
                    $($number => Some(<$name as crate::Wire>::read(bytes).map(Self::$name)),)*
                    _ => None,
                }
            }

            /// The header.
            #[must_use]
            pub fn header(&self) -> &Header {
                match self { $(Self::$name(record) => &record.header,)* }
            }
        }
    };
}

/// A record type and its number.
pub trait Kind {
    /// The number in [`RECORDS`].
    const KIND: u16;
}

records! {
    1 => NewTask, "A process was made.";
    2 => Exec, "A process executed a program.";
    3 => Exit, "A thread begins to exit.";
    4 => Dead, "A thread has exited.";
    5 => Stopped, "A thread stopped for job control.";
    6 => Freed, "The kernel frees a process.";
    7 => SignalGenerated, "A signal was sent to a process or thread.";
    8 => SignalDelivered, "A signal was taken by its target.";
    9 => Enter, "A watched call begins.";
    10 => Leave, "A watched call returns.";
    11 => Snapshot, "A process as the iterator saw it.";
    12 => Attribute, "A process changed an attribute of its own.";
}

/// Defines a family of system calls.
macro_rules! calls {
    ($(#[$doc:meta])* $family:ident: $($number:literal => $name:ident, $syscall:literal, $nr:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum $family { $(#[doc = concat!("`", $syscall, "`")] $name = $number,)* }

        impl $family {
            /// Every call with its name and its x86-64 number.
            pub const ALL: &[(Self, &'static str, u32)] = &[$((Self::$name, $syscall, $nr),)*];

            /// The call of this number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

calls! {
    /// A watched system call, by a number of our own: the same on every architecture.
    Call:
    1 => Setpgid, "setpgid", 109;
    2 => Setsid, "setsid", 112;
    3 => Kill, "kill", 62;
    4 => Tkill, "tkill", 200;
    5 => Tgkill, "tgkill", 234;
    6 => RtSigqueueinfo, "rt_sigqueueinfo", 129;
    7 => RtTgsigqueueinfo, "rt_tgsigqueueinfo", 297;
    8 => PidfdSendSignal, "pidfd_send_signal", 424;
    9 => Ioctl, "ioctl", 16;
    10 => Wait4, "wait4", 61;
    11 => Waitid, "waitid", 247;
    12 => Prctl, "prctl", 157;
    13 => Vhangup, "vhangup", 153;
    14 => Open, "open", 2;
    15 => Openat, "openat", 257;
    16 => Openat2, "openat2", 437;
    17 => Read, "read", 0;
    18 => Write, "write", 1;
}

calls! {
    /// A system call that changes an attribute of its process ([`Attribute`]), by a number of our own that no [`Call`] has.
    AttributeCall:
    65 => Chdir, "chdir", 80;
    66 => Fchdir, "fchdir", 81;
    67 => Umask, "umask", 95;
    68 => Open, "open", 2;
    69 => Openat, "openat", 257;
    70 => Openat2, "openat2", 437;
    71 => Dup, "dup", 32;
    72 => Dup2, "dup2", 33;
    73 => Dup3, "dup3", 292;
    74 => Fcntl, "fcntl", 72;
    75 => Close, "close", 3;
    76 => CloseRange, "close_range", 436;
    77 => Sigaction, "rt_sigaction", 13;
    78 => Sigprocmask, "rt_sigprocmask", 14;
}
