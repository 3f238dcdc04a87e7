//! What one event changed, in the field's terms: the material of the timeline, of lifetimes and of findings.
//!
//! State is set from the bundles of events; a delta only explains. Everything here names entities by key, so a reader looks
//! the rest up in the model *after* the event was applied (ended entities stay readable until the next event).

mod path;

use serde::{Deserialize, Serialize};

pub use self::path::{Dropped, HangupKind, SignalPath};

use crate::{
    event::{Call, GapCause, SignalGenerated, WaitStatus},
    ids::{BootNs, PgrpKey, ProcKey, Seq, SessionKey, Signal, TtyKey},
};

/// The changes of one event, in the order in which the kernel made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The process that acted: `None` where the actor is only what an interrupt came upon.
    pub by: Option<ProcKey>,
    /// The process that the event is about.
    pub subject: Option<ProcKey>,
    /// What changed.
    pub changes: Vec<Change>,
}

/// An interval in which something happened: after `after`, not later than `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Lower bound.
    pub after: BootNs,
    /// Upper bound.
    pub until: BootNs,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A process was forked.
    Forked {
        /// The child.
        child: ProcKey,
        /// Its real parent (not the forking process under `CLONE_PARENT`).
        parent: ProcKey,
    },
    /// A process is seen for the first time, and its fork was not: it was there before the capture, or records were lost.
    /// Processes that are only named by others (a parent, a sender) are in the model without this.
    Found {
        /// It.
        process: ProcKey,
        /// From a snapshot (`true`), or inferred from a later event (`false`).
        by_snapshot: bool,
    },
    /// A process executed a program.
    Executed {
        /// It.
        process: ProcKey,
    },
    /// A process (its last thread) began to exit.
    Exited {
        /// It.
        process: ProcKey,
        /// With this status.
        status: WaitStatus,
    },
    /// A process's exit is complete and it waits to be reaped.
    Zombie {
        /// It.
        process: ProcKey,
    },
    /// A process was reaped: its number is free unless a group or session still bears it.
    Reaped {
        /// It.
        process: ProcKey,
        /// The process whose wait returned it; `None` when it was auto-reaped or nobody was seen.
        by: Option<ProcKey>,
        /// How that is known.
        evidence: ReapEvidence,
        /// When.
        bounds: Bounds,
    },
    /// A process has another real parent: its own exited.
    Reparented {
        /// It.
        process: ProcKey,
        /// Its parent before. It can have ended long ago, when the process was not seen since.
        from: ProcKey,
        /// Its parent now.
        to: ProcKey,
    },

    /// A process group was born.
    GroupBorn {
        /// It.
        group: PgrpKey,
        /// The process that leads it; `None` when the group was found without it.
        leader: Option<ProcKey>,
        /// How.
        birth: GroupBirth,
    },
    /// A process moved into a group (a birth's leader moves too, and is not repeated here).
    Joined {
        /// It.
        process: ProcKey,
        /// The group it is in now.
        group: PgrpKey,
        /// The group it was in.
        from: PgrpKey,
        /// State of the group's leader at that time.
        leader: LeaderState,
    },
    /// A process group ended: its last member was reaped or moved away.
    GroupEnded {
        /// It.
        group: PgrpKey,
        /// Why.
        end: GroupEnd,
    },
    /// A group goes on without its leader.
    Leaderless {
        /// It.
        group: PgrpKey,
        /// What became of the leader: exited (zombie), reaped, or moved away.
        leader: LeaderState,
    },
    /// Every member of a group has exited and at least one is not reaped: the number stays in use.
    HeldByZombies {
        /// It.
        group: PgrpKey,
    },
    /// A process group became orphaned. Not said of groups that are born so (by setsid, or in a session that the parent is
    /// not in), nor of those that only zombies hold; [`crate::state::ProcessGroup::orphaned`] has the rule's answer for all.
    Orphaned {
        /// It.
        group: PgrpKey,
        /// By which change of which process.
        cause: OrphanCause,
        /// Members that are stopped: when the cause is an exit, the kernel sends SIGHUP and SIGCONT to all if this is not 0.
        stopped_members: usize,
    },
    /// A process group is no longer orphaned.
    NoLongerOrphaned {
        /// It.
        group: PgrpKey,
    },

    /// A session was born: its setsid, or what it did, was seen. Sessions that are found are in the model without this.
    SessionBorn {
        /// It.
        session: SessionKey,
        /// Its leader.
        leader: ProcKey,
    },
    /// A session ended: its last member was reaped or left by setsid.
    SessionEnded {
        /// It.
        session: SessionKey,
    },
    /// The session leader exited; the session goes on without it.
    SessionLeaderExited {
        /// The session.
        session: SessionKey,
        /// Its terminal, which it loses.
        tty: Option<TtyKey>,
    },
    /// A session acquired a controlling terminal.
    TtyGained {
        /// The session.
        session: SessionKey,
        /// The terminal.
        tty: TtyKey,
        /// By which call; `None` when it was noticed later.
        how: Option<TtyChange>,
    },
    /// A session lost its controlling terminal.
    TtyLost {
        /// The session.
        session: SessionKey,
        /// The terminal.
        tty: TtyKey,
        /// Why; `None` when it was noticed later.
        how: Option<TtyChange>,
    },
    /// One process gave up its terminal, or left it by setsid, while the session keeps it.
    TtyLeft {
        /// The process.
        process: ProcKey,
        /// The terminal.
        tty: TtyKey,
    },
    /// The terminal has another foreground process group.
    Foreground {
        /// The terminal.
        tty: TtyKey,
        /// Who called tcsetpgrp. It may not have returned yet; `None` when the group was born or ended, and when no call was
        /// seen.
        by: Option<ProcKey>,
        /// Before.
        from: Option<ForegroundGroup>,
        /// Now.
        to: Option<ForegroundGroup>,
    },

    /// Parent and child both called setpgid for the same new group, and this is the second call: who was first is known.
    LeaderRace(LeaderRace),
    /// A call failed or did nothing, and the state says why.
    Refused {
        /// The call.
        call: Call,
        /// The errno, positive.
        errno: i32,
        /// Why, judged by the state and not by the errno.
        reason: Refusal,
    },

    /// A signal was sent to the subject.
    SignalSent {
        /// To whom.
        target: ProcKey,
        /// The event.
        signal: SignalGenerated,
        /// Along which path it came.
        path: SignalPath,
        /// It was dropped although the target's disposition is not to ignore it.
        dropped: Option<Dropped>,
    },
    /// A process stopped.
    Stopped {
        /// It.
        process: ProcKey,
        /// By this signal.
        signal: Signal,
        /// The event that sent the signal, when it was seen.
        sent: Option<Seq>,
    },
    /// A process was continued.
    Continued {
        /// It.
        process: ProcKey,
        /// The event that sent SIGCONT, when it was seen.
        sent: Option<Seq>,
    },
    /// A wait call returned a child that has not ended (a stop or a continue).
    WaitReported {
        /// The child.
        child: ProcKey,
        /// What it was told.
        status: WaitStatus,
    },

    /// The state changed although no call was seen that changes it (a 32-bit system call, or a loss).
    UnseenCall {
        /// The process whose state it is.
        process: ProcKey,
        /// Which fact.
        what: UnseenChange,
    },
    /// Records were lost: what the gap touches is uncertain until it is seen again.
    Gap {
        /// How many.
        lost: u64,
        /// Why.
        cause: GapCause,
    },
    /// An event that contradicts the state. The event was believed.
    Anomaly(Anomaly),
}

/// How a process group came to be. Where calls of parent and child overlap, it is the one whose return showed the group
/// first; whether that one was the first inside the kernel is the matter of [`LeaderRace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupBirth {
    /// The leader called setpgid on itself.
    BySelf,
    /// Its parent called setpgid on it.
    ByParent {
        /// The parent.
        parent: ProcKey,
        /// The leader had exited by then: a group born on a zombie.
        on_zombie: bool,
    },
    /// By setsid.
    BySetsid,
    /// It was there before, or its birth was not seen.
    Found,
}

/// Why a process group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupEnd {
    /// Its last member was reaped.
    LastReaped {
        /// That member.
        last: ProcKey,
    },
    /// Its last member moved to another group.
    LastMoved {
        /// That member.
        last: ProcKey,
    },
    /// Its end was not seen; the number was found in use for something else.
    NotSeen,
}

/// State of a process group's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderState {
    /// A member and alive.
    Alive,
    /// Exited, not reaped.
    Zombie,
    /// Reaped; the group lives on.
    Reaped,
    /// Alive, in another group.
    MovedAway,
    /// Not known: before the capture.
    Unknown,
}

/// What orphaned a process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanCause {
    /// A process exited: the parent of a member, or the member whose parent counted.
    Exit(ProcKey),
    /// setpgid moved a member or the parent of one. The kernel sends nothing.
    Setpgid(ProcKey),
    /// setsid took the parent or a member out of the session. The kernel sends nothing.
    Setsid(ProcKey),
    /// Found so.
    Found,
}

/// How a controlling terminal was gained or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtyChange {
    /// `TIOCSCTTY`.
    Ioctl,
    /// A plain open by a session leader, without `O_NOCTTY`.
    Open,
    /// `TIOCSCTTY` with argument 1 by another session took it away, silently.
    Stolen,
    /// The session leader exited.
    LeaderExit,
    /// The terminal was hung up: pty master closed, carrier lost, or vhangup.
    Hangup,
    /// `TIOCNOTTY` by the session leader.
    GivenUp,
}

/// A foreground process group of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForegroundGroup {
    /// The number that `tcgetpgrp` returns.
    pub number: crate::ids::Pgid,
    /// The group, when it is known.
    pub group: Option<PgrpKey>,
    /// No group of that identity exists: phantom before it exists, dangling after. Without it, a group that is not known
    /// exists all the same.
    pub empty: bool,
}

/// Who called setpgid first for a new group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderRace {
    /// The group.
    pub group: PgrpKey,
    /// The child that leads it.
    pub child: ProcKey,
    /// Its parent.
    pub parent: ProcKey,
    /// Who was first.
    pub winner: RaceWinner,
    /// From the LEAVE of the first call to the ENTER of the second, ns. `None` when they overlap.
    pub margin: Option<u64>,
    /// A tracer held parent and child at their calls: who is first is what the tracer made of it.
    pub serialised: bool,
    /// The second call's errno, positive: 0 when it was a benign duplicate, EACCES when the parent came after the exec.
    pub errno: i32,
}

/// Outcome of a leader race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaceWinner {
    /// The child's own call made the group.
    Child,
    /// The parent's call made it.
    Parent,
    /// The calls overlap and neither saw the other's effect.
    Undecided,
}

/// Why a call was refused, judged by the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// setpgid on a child that has executed a program, and the child is in that group already: innocuous.
    AlreadyThereAfterExec,
    /// setpgid on a child that has executed a program, and the child is in another group: the parent came too late.
    ExecutedBefore,
    /// setpgid on a process that is neither the caller nor its child (any more).
    NotAChild,
    /// setpgid on a child that has been reaped.
    ChildReaped,
    /// setpgid into a group that does not exist yet.
    GroupNotYet,
    /// setpgid into a group that has ended, or tcsetpgrp or kill to one: its last member was reaped or moved away.
    GroupEnded {
        /// The group.
        group: PgrpKey,
        /// When.
        ended: Bounds,
    },
    /// setpgid into a group of another session, or on a child in another session.
    OtherSession,
    /// setpgid on a session leader, or setsid by one.
    SessionLeader,
    /// setsid by a process group leader.
    GroupLeader,
    /// setsid by a process whose number is still a group's, which it has left.
    NumberIsAGroup,
    /// tcsetpgrp (or another change) by a member of an orphaned background group: not stopped, refused.
    OrphanedBackground,
    /// A request that is for the caller's controlling terminal, on another terminal or on one that was hung up.
    NotControllingTty,
    /// `TIOCSCTTY` by a process that is not a session leader.
    NotSessionLeader,
    /// `TIOCSCTTY` by the leader of a session that has a controlling terminal.
    HasControllingTty,
    /// `TIOCSCTTY` on the controlling terminal of another session, or without permission to read it.
    TtyOfOtherSession,
    /// setpgid, tcsetpgrp or kill to a group number that nothing bears, and no group of that number ended lately.
    NoSuchGroup,
    /// Background access while SIGTTIN or SIGTTOU is ignored or blocked.
    BackgroundSignalIgnored,
    /// Interrupted, to be restarted by the kernel after the signal.
    Restarted,
    /// The arguments are invalid.
    Invalid,
    /// The state does not explain it.
    Unexplained,
}

/// How a reap is known (kernel/exit.c, `release_task` has no tracepoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReapEvidence {
    /// A wait call returned it, or the init of its pid namespace exited, which waits for all without a call.
    Wait,
    /// It was released by its own exit: its parent ignores SIGCHLD.
    AutoReap,
    /// Its number was given to a new process.
    NumberReused,
    /// The kernel freed it: an upper bound.
    Freed,
    /// A later snapshot does not have it.
    Snapshot,
}

/// A state change without a seen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnseenChange {
    /// Another process group.
    ProcessGroup,
    /// Another session.
    Session,
    /// Another controlling terminal.
    ControllingTty,
    /// Another foreground group of its terminal.
    Foreground,
}

/// A contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// An event of a process that was thought reaped.
    ActedAfterReap(ProcKey),
    /// A process appeared with a number that a living process has.
    NumberInUse(ProcKey),
    /// Members of one process group are in different sessions.
    GroupSpansSessions(PgrpKey),
    /// The kernel was expected to send SIGHUP and SIGCONT to an orphaned group, and did not, or the reverse.
    OrphanSignalsDiffer(PgrpKey),
}
