//! One process group, from its birth until its last member is reaped or moves away.
//!
//! Must not decide anything; see `apply::groups` and `orphan`.

use serde::{Deserialize, Serialize};

use crate::{
    delta::{Bounds, GroupBirth, GroupEnd},
    few::Few,
    ids::{BootNs, PgrpKey, ProcKey, SessionKey},
};

/// Whether a process group is orphaned (kernel/exit.c, `will_become_orphaned_pgrp`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Orphaned {
    /// A member has a parent in another group of the same session.
    #[default]
    No,
    /// No member has.
    Yes,
    /// No member is known to have, but a member's parent is outside of what was seen.
    Unknown,
}

/// One process group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessGroup {
    /// Its key.
    pub key: PgrpKey,
    /// `pid->ino`, 0 when not known.
    pub ino: u64,
    /// Its session.
    pub session: SessionKey,
    /// Members that have not been reaped, zombies included.
    pub members: Few<ProcKey>,
    /// The process whose number it bears, member or not; `None` when it was reaped before the group was found.
    pub leader: Option<ProcKey>,
    /// That process was seen to be reaped, or a complete snapshot does not have it.
    pub leader_reaped: bool,
    /// How it came to be.
    pub birth: GroupBirth,
    /// When it was born; `None` when it was found.
    pub born: Option<BootNs>,
    /// When it was found or born.
    pub first_seen: BootNs,
    /// Whether it is orphaned. Use this, not [`ProcessGroup::members`], to ask.
    pub orphaned: Orphaned,
    /// Its end, readable until the next event.
    pub ended: Option<(Bounds, GroupEnd)>,

    /// Members that keep it from being orphaned.
    pub(crate) qualifying: usize,
    /// Members of which that is not known.
    pub(crate) undecided: usize,
    /// Members that have not come to the end of their exit.
    pub(crate) living: usize,
    /// It was said to be orphaned.
    pub(crate) announced: bool,
}

impl ProcessGroup {
    /// A group without members.
    pub(crate) fn new(key: PgrpKey, ino: u64, session: SessionKey, birth: GroupBirth, at: BootNs) -> Self {
        Self {
            key,
            ino,
            session,
            members: Few::default(),
            leader: None,
            leader_reaped: false,
            birth,
            born: (birth != GroupBirth::Found).then_some(at),
            first_seen: at,
            orphaned: Orphaned::No,
            ended: None,
            qualifying: 0,
            undecided: 0,
            living: 0,
            announced: false,
        }
    }

    /// The orphan rule's answer from the counts.
    pub(crate) fn orphan_status(&self) -> Orphaned {
        match (self.qualifying, self.undecided) {
            (0, 0) => Orphaned::Yes,
            (0, _) => Orphaned::Unknown,
            _ => Orphaned::No,
        }
    }

    /// Certainly orphaned.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.orphaned == Orphaned::Yes
    }
}
