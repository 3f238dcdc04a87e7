//! One process, from its fork to its reap.
//!
//! Holds what the last bundle said and what earlier events of the process proved. Must not decide anything: transitions are
//! in `apply`, rules in `orphan`, `race` and `refusal`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    delta::HangupKind,
    event::{Comm, Facts, Namespace, WaitStatus},
    few::Few,
    ids::{BootNs, PgrpKey, Pid, ProcKey, Seq, SessionKey, Signal, TtyKey, Uid},
    state::book::Book,
};

/// A place in the stream of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Its number.
    pub seq: Seq,
    /// Its time.
    pub at: BootNs,
}

/// How far a process has got in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// It has not begun to exit.
    #[default]
    Alive,
    /// Its last thread has begun to exit: it still has its terminal, its files, its children.
    Exiting,
    /// Its exit is complete; it waits to be reaped and is a member of its group.
    Zombie,
    /// Its exit is complete and the kernel had released it by then. Whether it was released by itself or a parent's wait was
    /// quicker is told by the next events; until then it is a member of its group.
    Released,
    /// Reaped. Readable until the next event.
    Reaped,
}

/// How a process came to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Knowledge {
    /// Only named by others, as a parent or an actor: its group, session and terminal are not known.
    #[default]
    Referenced,
    /// A bundle of it was seen.
    Seen,
}

/// A job-control stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// By this signal; number 0 when a later bundle showed the stop and the signal is not known.
    pub signal: Signal,
    /// The event that sent the signal.
    pub sent: Option<Seq>,
    /// Since when it is known to be stopped.
    pub since: BootNs,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Process {
    /// Its key.
    pub key: ProcKey,
    /// Its start (`start_boottime` of its leader thread), 0 when not known.
    pub start: BootNs,
    /// `pid->ino`, 0 when not known.
    pub ino: u64,
    /// What is known of it.
    pub knowledge: Knowledge,
    /// When its fork was seen; `None` when it was there before the capture or the fork was lost.
    pub born: Option<BootNs>,
    /// Its last bundle (or, for one that was only referenced, the event that named it).
    pub seen: Stamp,

    /// Its real parent, as far as it was seen. With [`Process::parent_exited`], the last one that was known.
    pub parent: Option<ProcKey>,
    /// Its parent has exited and who adopted it was not seen yet.
    pub parent_exited: bool,
    /// Its children that have not been reaped.
    pub children: Few<ProcKey>,
    /// Its process group; `None` when not known.
    pub group: Option<PgrpKey>,
    /// The session of its group.
    pub session: Option<SessionKey>,
    /// Its controlling terminal.
    pub tty: Option<TtyKey>,

    /// How far it has got.
    pub phase: Phase,
    /// When its exit began.
    pub exited_at: Option<BootNs>,
    /// What it exited with, as its parent reads it.
    pub status: Option<WaitStatus>,
    /// Stopped for job control.
    pub stopped: Option<Stop>,

    /// Its name: hostile bytes.
    pub comm: Comm,
    /// Its arguments, as far as captured: hostile bytes. Inherited by fork, set by exec.
    pub args: Arc<[Vec<u8>]>,
    /// `args` was cut.
    pub args_truncated: bool,
    /// Its facts.
    pub facts: Facts,
    /// Forked and no exec since: its parent may still call setpgid on it.
    pub not_yet_execed: bool,
    /// A kernel thread.
    pub kernel_thread: bool,
    /// Real user id; `None` when not known.
    pub uid: Option<Uid>,
    /// cgroup v2 id, 0 when not known.
    pub cgroup: u64,
    /// Its pid namespace, when that is not the capture's.
    pub namespace: Option<Namespace>,
    /// The followed command or one of its descendants ([`super::Model::follow`]).
    pub followed: bool,

    /// What only the model's rules read.
    pub(crate) book: Book,
}

impl Process {
    /// A process that was just named.
    pub(crate) fn new(key: ProcKey, start: BootNs, seen: Stamp) -> Self {
        Self {
            key,
            start,
            ino: 0,
            knowledge: Knowledge::Referenced,
            born: None,
            seen,
            parent: None,
            parent_exited: false,
            children: Few::default(),
            group: None,
            session: None,
            tty: None,
            phase: Phase::Alive,
            exited_at: None,
            status: None,
            stopped: None,
            comm: Comm::default(),
            args: Arc::default(),
            args_truncated: false,
            facts: Facts::default(),
            not_yet_execed: false,
            kernel_thread: false,
            uid: None,
            cgroup: 0,
            namespace: None,
            followed: false,
            book: Book::default(),
        }
    }

    /// Whether the orphan rule counts it at all: exited processes whose threads are all gone are not asked
    /// (kernel/exit.c, `will_become_orphaned_pgrp`).
    #[must_use]
    pub fn counts_for_orphan_rule(&self) -> bool {
        self.phase <= Phase::Exiting && !self.book.exit_notified
    }

    /// Its exit is complete and it has not been reaped.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        matches!(self.phase, Phase::Zombie | Phase::Released)
    }

    /// Its children are released by their own exit: it is known to ignore SIGCHLD or to have set `SA_NOCLDWAIT`.
    pub(crate) fn wants_no_zombies(&self) -> bool {
        self.knowledge == Knowledge::Seen && self.facts.auto_reaps_children
    }

    /// Whether a signal from this exiting session leader is one of those that its terminal's foreground group gets
    /// (`disassociate_ctty`): each member one SIGHUP, and one SIGCONT when the terminal had been hung up before.
    pub(crate) fn hangs_up(&self, signal: Signal, group: Option<PgrpKey>, target: ProcKey) -> Option<HangupKind> {
        let exit = self.book.exit()?;
        if group.is_none() || self.book.exit_notified || exit.hung_up.contains(&(target, signal)) {
            None
        } else if group == exit.old_foreground {
            Some(HangupKind::LeaderExitAfterHangup)
        } else {
            (group == exit.foreground && signal == Signal::HUP).then_some(HangupKind::LeaderExit)
        }
    }

    /// It is process 1, and no bundle of a child has told yet whether it is the initial namespace's init.
    pub(crate) fn may_be_global_init(&self) -> bool {
        self.key.number.0 == 1 && self.book.is_global_init.is_none()
    }

    /// It is the first process of its pid namespace, or asked to adopt (`PR_SET_CHILD_SUBREAPER`): whose parent has ended can become
    /// its child.
    #[must_use]
    pub fn adopts(&self) -> bool {
        self.namespace.map_or(self.key.number, |namespace| namespace.pid) == Pid(1) || self.facts.subreaper
    }

    /// It is the init of a pid namespace and exits: it adopts whoever is left in there, and waits for them without a call
    /// (`kernel/exit.c`, `find_child_reaper`; `kernel/pid_namespace.c`, `zap_pid_ns_processes`).
    pub(crate) fn waits_for_its_namespace(&self) -> bool {
        let is_init = self.namespace.is_some_and(|namespace| namespace.pid.0 == 1);
        is_init && self.phase == Phase::Exiting && !self.book.exit_notified
    }

    /// It has not begun to exit, so it can become somebody's parent.
    pub(crate) fn can_adopt(&self) -> bool {
        self.phase == Phase::Alive && !self.book.exit_notified
    }
}
