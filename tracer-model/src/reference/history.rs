//! Histories of the small kernel, and what may become of their records before a model sees them.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::kernel::{Kernel, Step};
use crate::{
    event::{Comm, Event, EventKind, Gap, GapCause, RawTask},
    ids::BootNs,
    order::Reorder,
};

/// A step whose processes are chosen by their place: among those that can act, or in the whole table.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    what: What,
    who: usize,
    target: usize,
    other: usize,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
enum What {
    Fork,
    CloneParent,
    Setpgid,
    LeadGroup,
    Setsid,
    Exec,
    Exit,
    QuickExit,
    Wait,
    Stop,
    Continue,
    Kill,
    Subreaper,
    IgnoreChildren,
    IgnoreTtou,
    AcquireTty,
    GiveTtyUp,
    SetForeground,
}

/// How often each is done.
const WEIGHTS: [(u32, What); 18] = [
    (6, What::Fork),
    (1, What::CloneParent),
    (6, What::Setpgid),
    (3, What::LeadGroup),
    (2, What::Setsid),
    (2, What::Exec),
    (3, What::Exit),
    (3, What::QuickExit),
    (4, What::Wait),
    (2, What::Stop),
    (1, What::Continue),
    (1, What::Kill),
    (1, What::Subreaper),
    (1, What::IgnoreChildren),
    (1, What::IgnoreTtou),
    (3, What::AcquireTty),
    (1, What::GiveTtyUp),
    (4, What::SetForeground),
];

/// Any step.
pub fn op() -> impl Strategy<Value = Op> {
    let what = prop::strategy::Union::new_weighted(WEIGHTS.map(|(weight, what)| (weight, Just(what))).to_vec());
    let place = || 0_usize..12;
    (what, place(), place(), place()).prop_map(|(what, who, target, other)| Op { what, who, target, other })
}

impl Op {
    /// The step that this is now. `None`: not for process 1.
    pub fn resolve(self, kernel: &Kernel) -> Option<Step> {
        let able: Vec<u32> = kernel.tasks.keys().copied().filter(|pid| kernel.can_act(*pid)).collect();
        let all: Vec<u32> = kernel.tasks.keys().copied().collect();
        let any = |place: usize| all[place % all.len()];
        let (who, target, other) = (able[self.who % able.len()], any(self.target), any(self.other));
        Some(match self.what {
            What::Fork => Step::Fork { who, clone_parent: false },
            What::CloneParent => Step::Fork { who, clone_parent: true },
            What::Setpgid => Step::Setpgid { who, pid: target.cast_signed(), pgid: other.cast_signed() },
            What::LeadGroup => Step::Setpgid { who, pid: target.cast_signed(), pgid: 0 },
            What::Setsid => Step::Setsid { who },
            What::Exec => Step::Exec { who },
            // Init does not exit. It has no terminal: the default action of a stop signal does not stop it, and a call that
            // would stop it would never end.
            What::Exit | What::QuickExit | What::AcquireTty if who == 1 => return None,
            What::Exit => Step::Exit { who, quick: false },
            What::QuickExit => Step::Exit { who, quick: kernel.can_act(kernel.tasks[&who].parent) },
            What::Wait => Step::WaitAny { who },
            What::Stop | What::Kill if target == 1 => return None,
            What::Stop => Step::Stop { who, target },
            What::Continue => Step::Continue { who, target },
            What::Kill => Step::Kill { who, target },
            What::Subreaper => Step::Subreaper { who },
            What::IgnoreChildren => Step::IgnoreChildren { who },
            What::IgnoreTtou => Step::IgnoreTtou { who },
            What::AcquireTty => Step::AcquireTty { who, tty: self.target as u32 % 3 },
            What::GiveTtyUp => Step::GiveTtyUp { who },
            What::SetForeground => Step::SetForeground { who, pgid: target.cast_signed() },
        })
    }
}

/// The kernel after a history.
pub fn run(kernel: &mut Kernel, ops: &[Op]) {
    for op in ops {
        if let Some(step) = op.resolve(kernel) {
            kernel.step(step);
        }
    }
}

/// What becomes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost.
    Dropped,
    /// It comes twice.
    Twice,
    /// It comes after so many others.
    Late(usize),
}

/// What becomes of a record: a fault of one in six.
pub fn fault() -> impl Strategy<Value = Option<Fault>> {
    let fault = prop_oneof![
        2 => Just(Fault::Dropped),
        1 => Just(Fault::Twice),
        2 => (1_usize..12).prop_map(Fault::Late),
    ];
    prop::option::weighted(0.16, fault)
}

/// What becomes of the records of a history.
pub fn faults() -> impl Strategy<Value = Vec<Option<Fault>>> {
    vec(fault(), 0..400)
}

/// The records as they come.
pub fn damaged(events: &[Event], faults: &[Option<Fault>]) -> Vec<Event> {
    let mut coming: Vec<(usize, Event)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        match faults.get(index).copied().flatten() {
            None => coming.push((index, event.clone())),
            Some(Fault::Dropped) => {}
            Some(Fault::Twice) => coming.extend([(index, event.clone()), (index, event.clone())]),
            Some(Fault::Late(by)) => coming.push((index + by, event.clone())),
        }
    }
    coming.sort_by_key(|(place, _)| *place);
    coming.into_iter().map(|(_, event)| event).collect()
}

/// What a reorder buffer makes of records as they come: one is there every µs, and one that is missing for `window` ns is lost.
pub fn ordered(coming: &[Event], last: &Event, window: u64) -> Vec<Event> {
    let mut reorder = Reorder::new(crate::ids::Seq(1), window, BootNs(0));
    let mut out = Vec::new();
    let mut now = BootNs(0);
    for event in coming {
        now = BootNs(now.0.max(event.at.0) + 1000);
        out.extend(reorder.push(event.seq, Some(event.clone())));
        reorder.release(now, event.seq, &mut out);
    }
    reorder.finish(now, last.seq, &mut out);
    out
}

/// A known loss in place of a record.
pub fn gap(event: &Event) -> Event {
    let gap = Gap { from: event.at, until: event.at, lost: 1, cause: GapCause::MissingSequence, probes: Vec::new() };
    Event {
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind: EventKind::Gap(gap),
        ..event.clone()
    }
}

/// The numbers in these events, gaps not counted.
pub fn numbers(events: &[Event]) -> BTreeSet<u64> {
    events.iter().filter(|event| !matches!(event.kind, EventKind::Gap(_))).map(|event| event.seq.0).collect()
}
