//! Who else holds a pipe of a process whose launch was not seen.
//!
//! Must not: read anything: what is known is what was inspected.

use crate::{
    event::inspection::{Descriptor, Inspection},
    ids::{Pid, ProcKey},
    state::{Model, Phase, Process},
};

/// The last inspections of processes.
pub trait Looks {
    /// Of one.
    fn of(&self, process: ProcKey) -> Option<&Inspection>;
    /// Who looks: what it holds is its own.
    fn looks(&self, process: ProcKey) -> bool;
    /// Whether its fork was seen, by somebody who had looked at everybody who was there before.
    fn was_forked(&self, process: ProcKey) -> bool;
    /// Whether everybody who was there at some time was shown.
    fn shows_everybody(&self) -> bool;
}

/// The other end of a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everybody was looked at, and nobody else has one.
    Nobodys,
    /// A process's that it forked, or of its session: they talk through it.
    Kin,
    /// Somebody else's.
    Stranger(Pid),
    /// Not everybody could be looked at.
    Unseen,
}

pub(super) fn other_end(model: &Model, own: &Process, pipe: &Descriptor, looks: &dyn Looks) -> End {
    let (mut kin, mut unseen) = (false, !looks.shows_everybody());
    let was_there = !looks.was_forked(own.key);
    for process in model.processes() {
        if process.key == own.key
            || looks.looks(process.key)
            || process.phase != Phase::Alive
            || process.kernel_thread
            || process.key.number.0 == 0
        {
            continue;
        }
        let open = looks.of(process.key).map(|it| &it.descriptors);
        let Some(Ok(descriptors)) = open else {
            // Whoever came later has of an earlier pipe what an ancestor had that was looked at.
            unseen |= !(was_there && looks.was_forked(process.key));
            continue;
        };
        unseen |= !descriptors.has_every_pipe();
        let ends = || descriptors.open.iter().filter(|it| it.same_target(pipe));
        if ends().next().is_some() && !is_kin(model, own, process) {
            return End::Stranger(process.key.number);
        }
        // Who has inherited the same end says nothing of the other.
        kin |= ends().any(|end| pipe.reads() && end.writes() || pipe.writes() && end.reads());
    }
    match (kin, unseen) {
        (true, _) => End::Kin,
        (false, true) => End::Unseen,
        (false, false) => End::Nobodys,
    }
}

/// Whether the other was forked by it or below it, or they are of one session: who started that one has no part in it.
#[must_use]
pub fn is_kin(model: &Model, own: &Process, other: &Process) -> bool {
    model.ancestors(other.key).any(|above| above.key == own.key)
        || own.session.is_some() && own.session == other.session
}
