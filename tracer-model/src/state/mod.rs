//! The state: every process, process group, session and controlling terminal that is alive, and how to ask for them.
//!
//! Keys are made here and nowhere else. What ended stays readable until the next event and is then forgotten, but for a
//! short history of fixed size ([`recent`]). Must not decide anything: transitions are in `apply`.

mod ancestry;
pub(crate) mod book;
mod entities;
mod pgrp;
mod process;
pub(crate) mod recent;
pub(crate) mod sends;
mod session;
mod tty;

use std::collections::{BTreeSet, VecDeque};

pub(crate) use self::book::{FirstSetpgid, LastStop, OpenCall, Qualifies};
use self::entities::{Entities, Entity};
pub use self::{
    pgrp::{Orphaned, ProcessGroup},
    process::{Knowledge, Phase, Process, Stamp, Stop},
    session::Session,
    tty::Terminal,
};
use serde::{Deserialize, Serialize};

use crate::{
    apply::taken::Taken,
    delta::{Bounds, ForegroundGroup, LeaderState, OrphanCause},
    event::Call,
    few::Few,
    ids::{BootNs, Life, Pgid, PgrpKey, Pid, ProcKey, RawTty, Seq, SessionKey, Sid, Tid, TtyKey},
    table::Table,
};

/// The model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub(crate) processes: Entities<Process>,
    pub(crate) groups: Entities<ProcessGroup>,
    pub(crate) sessions: Entities<Session>,
    pub(crate) terminals: Entities<Terminal>,
    /// Terminals by the number of their foreground group, whether that group exists or not.
    pub(crate) by_foreground: Table<Pgid, Few<TtyKey>>,
    pub(crate) recent: recent::Recent,
    pub(crate) sends: sends::Sends,
    /// Processes that are only referenced, oldest first.
    pub(crate) referenced: VecDeque<ProcKey>,
    /// Groups that the snapshot that is being read has touched: whether they are orphaned is said at its end.
    pub(crate) in_snapshot: BTreeSet<PgrpKey>,
    /// Gaps since the last complete snapshot, oldest first.
    pub(crate) gaps: Vec<(Seq, Bounds)>,
    /// The last event that was applied.
    pub(crate) now: Stamp,
    /// The events are those of a tracer: what it takes to attribute signals that are seen when they are taken.
    pub(crate) taken: Option<Taken>,
    /// The command whose descendants are followed, until it is seen and after.
    pub(crate) root: Option<(Pid, Option<ProcKey>)>,
    /// Room for what one application touches.
    #[serde(skip)]
    pub(crate) touched: Vec<(PgrpKey, OrphanCause)>,
    next_life: u32,
}

macro_rules! entities {
    ($($entity:ty: $key:ident by $number:ident: $field:ident;)*) => {$(
        impl Entity for $entity {
            type Key = $key;
            type Number = $number;
            #[inline]
            fn key(&self) -> $key {
                self.key
            }
            #[inline]
            fn number(key: $key) -> $number {
                key.$field
            }
        }
    )*};
}

entities! {
    Process: ProcKey by Pid: number;
    ProcessGroup: PgrpKey by Pgid: number;
    Session: SessionKey by Sid: number;
    Terminal: TtyKey by RawTty: tty;
}

impl Model {
    /// An empty model.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events to come are those of a tracer (ptrace), not of probes in the kernel: a signal is seen when its target takes
    /// it, and what several processes do at once is serialised by the tracer.
    pub fn seen_by_tracer(&mut self) {
        self.taken.get_or_insert_default();
    }

    /// Whether the events are those of a tracer.
    pub(crate) fn is_seen_by_tracer(&self) -> bool {
        self.taken.is_some()
    }

    /// The process whose descendants are followed, as far as it is known.
    #[must_use]
    pub fn followed_root(&self) -> Option<ProcKey> {
        self.root.and_then(|(_, root)| root)
    }

    /// Follows the process with this number, the current one or the next to have it, and its descendants by fork:
    /// [`Process::followed`] is set, which [`crate::query::left_behind`] asks.
    pub fn follow(&mut self, root: Pid) {
        let key = self.processes.key_of(root);
        self.root = Some((root, key));
        if let Some(process) = key.and_then(|key| self.processes.get_mut(&key)) {
            process.followed = true;
        }
    }

    /// The event that was applied last.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.now
    }

    /// Every process that has not been reaped, by number; also those that are only referenced.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.living()
    }
    /// The watched calls that threads are in.
    pub fn open_calls(&self) -> impl Iterator<Item = (Tid, Call)> {
        self.processes().flat_map(|process| process.book.calls.iter().map(|(tid, open)| (*tid, open.call)))
    }
    /// A process; one that the last event ended, too.
    #[must_use]
    pub fn process(&self, key: ProcKey) -> Option<&Process> {
        self.processes.get(&key)
    }
    /// The process that has this number now.
    #[must_use]
    pub fn process_by_pid(&self, pid: Pid) -> Option<&Process> {
        self.processes.current(pid)
    }

    /// Every process group, by number.
    pub fn groups(&self) -> impl Iterator<Item = &ProcessGroup> {
        self.groups.living()
    }
    /// A process group; one that the last event ended, too.
    #[must_use]
    pub fn group(&self, key: PgrpKey) -> Option<&ProcessGroup> {
        self.groups.get(&key)
    }
    /// The process group that has this number now.
    #[must_use]
    pub fn group_by_pgid(&self, pgid: Pgid) -> Option<&ProcessGroup> {
        self.groups.current(pgid)
    }

    /// Every session, by number.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.living()
    }
    /// A session; one that the last event ended, too.
    #[must_use]
    pub fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(&key)
    }

    /// Every controlling terminal.
    pub fn terminals(&self) -> impl Iterator<Item = &Terminal> {
        self.terminals.living()
    }
    /// A controlling terminal; one that the last event ended, too.
    #[must_use]
    pub fn terminal(&self, key: TtyKey) -> Option<&Terminal> {
        self.terminals.get(&key)
    }

    /// The terminal whose foreground process group this is: that of its session, or (after tcsetpgrp to a process that then
    /// called setsid) of another one.
    #[must_use]
    pub fn foreground_of(&self, group: PgrpKey) -> Option<TtyKey> {
        let is_foreground = |tty: &&TtyKey| {
            self.terminals.get(tty).and_then(|tty| tty.foreground).is_some_and(|fore| fore.group == Some(group))
        };
        self.by_foreground.get(&group.number)?.iter().find(is_foreground).copied()
    }

    /// State of a group's leader.
    #[must_use]
    pub fn leader_state(&self, group: &ProcessGroup) -> LeaderState {
        let Some(leader) = group.leader.and_then(|key| self.processes.get(&key)) else {
            return if group.leader_reaped { LeaderState::Reaped } else { LeaderState::Unknown };
        };
        match leader.phase {
            Phase::Reaped => LeaderState::Reaped,
            _ if leader.group.is_none() => LeaderState::Unknown,
            _ if leader.group != Some(group.key) => LeaderState::MovedAway,
            Phase::Alive | Phase::Exiting => LeaderState::Alive,
            Phase::Zombie | Phase::Released => LeaderState::Zombie,
        }
    }

    /// State of a session's leader. It never moves away.
    #[must_use]
    pub fn session_leader_state(&self, session: &Session) -> LeaderState {
        match session.leader.and_then(|key| self.processes.get(&key)).map(|leader| leader.phase) {
            None if session.leader_reaped => LeaderState::Reaped,
            None => LeaderState::Unknown,
            Some(Phase::Alive | Phase::Exiting) => LeaderState::Alive,
            Some(Phase::Zombie | Phase::Released) => LeaderState::Zombie,
            Some(Phase::Reaped) => LeaderState::Reaped,
        }
    }

    /// Since when what the model says of this process may be wrong: records were lost and it was not seen since.
    #[must_use]
    pub fn uncertain(&self, process: ProcKey) -> Option<Bounds> {
        let seen = self.processes.get(&process)?.seen;
        let (_, first) = self.gaps.iter().find(|(seq, _)| *seq > seen.seq)?;
        Some(Bounds { after: first.after.max(seen.at), until: self.now.at })
    }

    /// Whether nothing need tell of the reap of this zombie but the release of its memory. Its parent is there, and no call of it
    /// was ever seen: some kernels hide those of a process. Or the parent is the init of a pid namespace that ends, which waits
    /// without a call (`kernel/pid_namespace.c`, `zap_pid_ns_processes`). Or its tracer has waited, and the parent may want none.
    #[must_use]
    pub fn is_unattended(&self, process: &Process) -> bool {
        let parent = process.parent.filter(|_| process.is_zombie() && !process.parent_exited);
        parent.and_then(|parent| self.processes.get(&parent)).is_some_and(|parent| {
            let is_init = parent.namespace.is_some_and(|namespace| namespace.pid == Pid(1));
            let waits = parent.book.calls.values().any(|open| open.call.is_wait());
            !parent.book.called || is_init && parent.phase == Phase::Exiting || process.book.told_to_tracer && !waits
        })
    }

    /// Records were lost, and no complete snapshot was seen since.
    #[must_use]
    pub fn has_open_gap(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// A life that no entity of this model had before.
    pub(crate) fn new_life(&mut self) -> Life {
        self.next_life = self.next_life.saturating_add(1);
        Life(self.next_life)
    }

    /// A foreground group as of now: the group of that identity, if it exists.
    pub(crate) fn foreground_group(&self, id: crate::event::RawId) -> Option<ForegroundGroup> {
        if id.number == 0 {
            return None;
        }
        let group = self.group_by_pgid(id.pgid()).filter(|group| same_ino(group.ino, id.ino));
        Some(ForegroundGroup { number: id.pgid(), group: group.map(|group| group.key), empty: false })
    }
}

/// Two `pid->ino` that do not contradict each other.
pub(crate) fn same_ino(one: u64, other: u64) -> bool {
    one == 0 || other == 0 || one == other
}

/// Two start times of a process that do not contradict each other. `/proc` gives them in hundredths of a second, rounded
/// down (proc(5), `starttime`), so an exact time may match a round one that is up to 10 ms earlier.
pub(crate) fn same_start(one: BootNs, other: BootNs) -> bool {
    const TICK: u64 = 10_000_000;
    let (low, high) = (one.min(other).0, one.max(other).0);
    low == 0 || low == high || (low.is_multiple_of(TICK) && high - low < TICK)
}
