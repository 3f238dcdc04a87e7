//! Who waits for a process: the chain of ancestors that are blocked in a wait call which a stop does not end.
//!
//! Must not: judge whether that is wrong.

use super::{
    Now,
    words::{Words, say},
};
use crate::{
    event::Call,
    ids::ProcKey,
    state::{Model, Phase, Process},
};

/// `WNOHANG`.
const NO_HANG: u32 = 1;
/// `WUNTRACED` of waitpid, `WSTOPPED` of waitid.
const STOPS_TOO: u32 = 2;

/// How an ancestor waits for a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    /// The process that waits.
    pub process: ProcKey,
    /// Its wait would also return when the child stops.
    pub sees_stops: bool,
    /// Other children of it run, the end of any of which would finish the wait as well.
    pub has_others: bool,
}

/// The parent's wait for a process, if the parent is blocked in one that the end of the process would finish.
pub(crate) fn waiter(model: &Model, process: ProcKey) -> Option<Waiter> {
    let child = model.process(process)?;
    let parent = model.process(child.parent.filter(|_| !child.parent_exited)?)?;
    let waits = parent.book.calls.values().find_map(|open| waits_for(&open.call, parent, child))?;
    let runs = |key: &ProcKey| {
        let other = model.process(*key).filter(|other| other.key != child.key && other.phase == Phase::Alive);
        let other = other.filter(|other| other.stopped.is_none())?;
        parent.book.calls.values().find_map(|open| waits_for(&open.call, parent, other))
    };
    let has_others = parent.children.iter().any(|key| runs(key).is_some());
    Some(Waiter { process: parent.key, sees_stops: waits & STOPS_TOO != 0, has_others })
}

/// The options of a wait that blocks for this child. Numbers of other pid namespaces are not compared.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other calls are no waits")]
fn waits_for(call: &Call, parent: &Process, child: &Process) -> Option<u32> {
    let number = child.namespace.map_or(child.key.number.0, |namespace| namespace.pid.0);
    let same_group = parent.group.is_some() && parent.group == child.group;
    let (wanted, options) = match *call {
        Call::Wait4 { pid, options } => {
            let group = child.group.map(|group| group.number.0);
            let wanted = match pid {
                -1 => true,
                0 => same_group,
                1.. => pid.unsigned_abs() == number,
                _ => group == Some(pid.unsigned_abs()),
            };
            (wanted, options)
        }
        Call::Waitid { idtype: 0, options, .. } => (true, options),
        Call::Waitid { idtype: 1, id, options } => (id.unsigned_abs() == number, options),
        Call::Waitid { idtype: 2, id: 0, options } => (same_group, options),
        Call::Waitid { idtype: 2, id, options } => {
            (child.group.is_some_and(|group| group.number.0 == id.unsigned_abs()), options)
        }
        _ => return None,
    };
    (wanted && options & NO_HANG == 0).then_some(options)
}

/// The ancestors that a stopped process blocks, from its parent upwards, up to one that sees stops or has other children to
/// wait for.
pub(crate) fn blocked_by(model: &Model, process: ProcKey) -> Vec<ProcKey> {
    const MOST: usize = 16;
    let mut chain = Vec::new();
    let mut below = process;
    while let Some(waiter) = waiter(model, below) {
        let goes_on = waiter.has_others || waiter.sees_stops && below == process;
        if goes_on || chain.contains(&waiter.process) || chain.len() >= MOST {
            break;
        }
        chain.push(waiter.process);
        below = waiter.process;
    }
    chain
}

impl Now<'_> {
    /// `30240 make waits for it to end, and 30234 sh for that`: whom a stop of this process blocks.
    pub(super) fn blocks(&self, process: ProcKey) -> Words {
        let chain = blocked_by(self.model, process);
        let Some((first, rest)) = chain.split_first() else { return Words::default() };
        let rest = rest.iter().map(|key| say![", and ", self.name(*key), " for that"]);
        rest.fold(say![self.name(*first), " waits for it to end"], |words, more| say![words, more])
    }

    /// The same, and that they hang.
    pub(super) fn hangs(&self, process: ProcKey) -> Words {
        match blocked_by(self.model, process).len() {
            0 => Words::default(),
            1 => say![self.blocks(process), ", and hangs"],
            2 => say![self.blocks(process), ": both hang"],
            _ => say![self.blocks(process), ": all hang"],
        }
    }
}
