//! What only the model's own rules read of a process. Most processes do nothing most of the time: what goes with a rare state is
//! boxed, and is there while that state lasts.
//!
//! Must not decide anything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Stamp, same_ino};
use crate::{
    event::{Call, RawId},
    ids::{BootNs, PgrpKey, ProcKey, Seq, Sid, Signal, Tid},
};

/// A watched call that has begun and not returned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenCall {
    /// Its ENTER.
    pub entered: Stamp,
    /// The call.
    pub call: Call,
    /// The process that it is about.
    pub target: ProcKey,
    /// The group that its ENTER found that process in; 0 when it is not known.
    pub target_pgrp: RawId,
}

impl OpenCall {
    /// Whether its ENTER found the process in this group.
    pub fn found_in(&self, group: RawId) -> bool {
        self.target_pgrp.number == group.number && same_ino(self.target_pgrp.ino, group.ino)
    }
}

/// The first successful setpgid that made a process the leader of a new group, until a second one decides a race.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FirstSetpgid {
    /// The group.
    pub group: PgrpKey,
    /// Who called.
    pub caller: ProcKey,
    /// When the call returned.
    pub left: Stamp,
    /// At its ENTER the process was in the group already: somebody else was quicker.
    pub saw_group: bool,
}

/// What the exit of a process has done so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Threads that have begun to exit while others go on.
    pub threads: BTreeSet<Tid>,
    /// When its SIGCHLD was seen: it was a zombie by then.
    pub zombie_by: Option<BootNs>,
    /// When it was seen released by its own exit.
    pub released_at: Option<BootNs>,
    /// The foreground group of its terminal, when it is the session leader: it gets SIGHUP.
    pub foreground: Option<PgrpKey>,
    /// The foreground group at an earlier hangup: it gets SIGHUP and SIGCONT.
    pub old_foreground: Option<PgrpKey>,
    /// Which signals of the leader's exit have been seen, by target.
    pub hung_up: BTreeSet<(ProcKey, Signal)>,
    /// Of so many of its zombie children, those that are not traced, an adopter was told.
    pub children_told: usize,
    /// Its tracer, who is not its parent, was told of its end, and its parent was not.
    pub is_traced: bool,
    /// Groups that this exit orphaned while a member was stopped.
    pub expected: BTreeSet<PgrpKey>,
    /// Groups that got signals by the orphan rule.
    pub signalled: BTreeSet<(PgrpKey, Signal)>,
}

/// How a process counts in the orphan rule of its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Qualifies {
    /// It does not keep the group from being orphaned.
    #[default]
    No,
    /// Its parent is in another group of the same session.
    Yes,
    /// Its parent's group is not known.
    Unknown,
}

/// The open calls of a process: nearly always at most one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls(Vec<(Tid, OpenCall)>);

impl Calls {
    pub fn get(&self, tid: Tid) -> Option<&OpenCall> {
        self.0.iter().find(|(thread, _)| *thread == tid).map(|(_, open)| open)
    }

    pub fn insert(&mut self, tid: Tid, open: OpenCall) {
        match self.0.binary_search_by_key(&tid, |(thread, _)| *thread) {
            Ok(at) => self.0.get_mut(at).into_iter().for_each(|place| place.1 = open),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (tid, open));
            }
        }
    }

    pub fn remove(&mut self, tid: Tid) -> Option<OpenCall> {
        let at = self.0.iter().position(|(thread, _)| *thread == tid)?;
        Some(self.0.remove(at).1)
    }

    /// By thread.
    pub fn iter(&self) -> impl Iterator<Item = &(Tid, OpenCall)> {
        self.0.iter()
    }

    /// By thread.
    pub fn values(&self) -> impl Iterator<Item = &OpenCall> {
        self.0.iter().map(|(_, open)| open)
    }
}

/// The parent's process group and session, as a child's bundle has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParentJob {
    /// The group's number, and its `pid->ino`.
    pub pgrp: RawId,
    /// The session.
    pub session: Sid,
}

/// Book-keeping of the rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Book {
    /// Open calls by thread.
    pub calls: Calls,
    /// A watched call of it was seen: some kernels hide those of a process.
    pub called: bool,
    /// `exit_notify` has been reached: its children have other parents, and it counts no more in the orphan rule.
    pub exit_notified: bool,
    /// A tracer that is not its parent has waited for its end: if the parent wants no zombies, which it can have said since it
    /// was last seen, it is released without a word.
    pub told_to_tracer: bool,
    /// What it was counted as in its group's orphan rule.
    pub qualifies: Qualifies,
    /// It is the initial namespace's init, as its children's bundles say; `None` when none was seen.
    pub is_global_init: Option<bool>,
    /// Group and session of its parent as its last bundle has them, for a parent that nothing else is known of.
    pub parent_job: Option<ParentJob>,
    /// The stop signal that was last sent to it and has not stopped it yet.
    pub last_stop: Option<Box<LastStop>>,
    /// See [`FirstSetpgid`].
    pub first_setpgid: Option<Box<FirstSetpgid>>,
    exit: Option<Box<Exit>>,
}

/// A stop signal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastStop {
    /// Which.
    pub signal: Signal,
    /// The event that sent it.
    pub sent: Seq,
    /// Its parent was sent SIGCHLD for a stop since (`CLD_STOPPED`): it has taken effect.
    pub told: bool,
}

impl Book {
    /// Its exit, or that of its threads, if that has begun.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_deref()
    }

    /// Its exit, which begins now if it has not.
    pub fn exit_mut(&mut self) -> &mut Exit {
        self.exit.get_or_insert_default()
    }

    /// Of several threads one is left.
    pub fn threads_are_gone(&mut self) {
        if let Some(exit) = &mut self.exit {
            exit.threads.clear();
        }
    }

    /// A thread is over.
    pub fn thread_is_gone(&mut self, tid: Tid) {
        if let Some(exit) = &mut self.exit {
            exit.threads.remove(&tid);
        }
        self.calls.remove(tid);
    }

    /// When it was a zombie, as far as a signal told; see [`Exit`].
    pub fn zombie_by(&self) -> Option<BootNs> {
        self.exit()?.zombie_by
    }

    /// See [`Exit::released_at`].
    pub fn released_at(&self) -> Option<BootNs> {
        self.exit()?.released_at
    }
}
