//! Swallows one change, uncounted: a check that does not report it is worthless.
//!
//! One lost record would be healed by the next bundle, which is what bundles are for. So the change itself is swallowed: the
//! call that made it, and what it changed in every later bundle. When its victim ends before anybody looked, another is taken.
//! Must not: touch what the oracle sees.

use std::collections::{BTreeMap, BTreeSet};

use tracer_model::{
    event::{Call, Event, EventKind, RawId, RawTask, State, TtyRequest, TtyState, WaitStatus},
    ids::{BootNs, Pid, RawTty, Seq, Tid},
};

use crate::capture::Item;

/// What is swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A process that moves to another group by setpgid.
    Setpgid,
    /// A reap.
    Reap,
    /// Another foreground process group of a terminal.
    Terminal,
    /// The end of a process that has children, which get another parent.
    Reparenting,
    /// The group of a process that was there before, of which the look that the model is told of says another one.
    Snapshot,
}

/// What has been swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swallowed {
    Setpgid { victim: RawTask, old: RawId },
    Reap { victim: RawTask },
    Terminal { tty: RawTty, old: TtyState },
    Reparenting { father: RawTask },
}

/// The swallowing.
#[derive(Debug, Default)]
pub(super) struct Mutator {
    mutation: Option<Mutation>,
    swallowed: Option<(Swallowed, Seq)>,
    /// Last bundle of each process: what a change is a change from.
    known: BTreeMap<Pid, State>,
    /// Threads whose ENTER was swallowed.
    entered: BTreeSet<(Pid, Tid)>,
    /// The children of the process whose end is swallowed.
    children: BTreeSet<(Pid, BootNs)>,
}

impl Mutator {
    /// Swallows one change of this kind, or none.
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    /// What was swallowed, in words.
    pub fn swallowed(&self) -> Option<String> {
        let (swallowed, seq) = self.swallowed?;
        let what = match swallowed {
            Swallowed::Setpgid { victim, old } if self.mutation == Some(Mutation::Snapshot) => {
                format!("that {} is not in the group of its parent, {}", victim.pid, old.number)
            }
            Swallowed::Setpgid { victim, old } => {
                format!("the setpgid of {}, which leaves group {}", victim.pid, old.number)
            }
            Swallowed::Reap { victim } => format!("the reap of {}", victim.pid),
            Swallowed::Terminal { tty, old } => {
                format!("that {tty} has not group {} in the foreground any more", old.foreground.number)
            }
            Swallowed::Reparenting { father } => {
                format!("the end of {}, whose children get another parent", father.pid)
            }
        };
        Some(format!("#{}: {what}", seq.0))
    }

    /// Passes an item on, as it is or without the change. `again`: nothing was reported yet.
    pub fn pass(&mut self, item: Item, again: bool) -> Item {
        let Some(mutation) = self.mutation else { return item };
        match item {
            Item::Event(event) => {
                let seq = event.seq;
                self.event(event, mutation, again).map_or(Item::Skip { seq }, Item::Event)
            }
            Item::Unnumbered(mut event) => {
                self.alter(&mut event);
                Item::Unnumbered(event)
            }
            Item::Skip { .. } => item,
        }
    }

    fn event(&mut self, mut event: Event, mutation: Mutation, again: bool) -> Option<Event> {
        if again && self.is_over(&event) {
            self.swallowed = None;
        }
        let swallow = match self.swallowed {
            Some((swallowed, _)) => is_of(swallowed, &event),
            None => self.begins(&event, mutation),
        };
        // The begin of a call can show what another one that has not returned has changed: that is still to be swallowed.
        let begun = swallow && self.swallowed.is_none();
        if let Some(subject) = event.subject.as_ref().filter(|_| !begun) {
            self.known.insert(subject.id.pid, State::clone(subject));
        }
        if let EventKind::Freed { task } = event.kind {
            self.known.remove(&task.pid);
        }
        if swallow {
            return None;
        }
        self.alter(&mut event);
        Some(event)
    }

    /// Whether the event is the change, or the ENTER of a call that may make it.
    fn begins(&mut self, event: &Event, mutation: Mutation) -> bool {
        let thread = (event.actor.pid, event.actor.tid);
        let old = event.subject.as_ref().and_then(|subject| self.known.get(&subject.id.pid)).cloned();
        let makes = |call: Call| match mutation {
            Mutation::Setpgid => matches!(call, Call::Setpgid { .. }),
            Mutation::Terminal => matches!(call, Call::TtyIoctl { request: TtyRequest::SetForeground, .. }),
            Mutation::Reap | Mutation::Reparenting | Mutation::Snapshot => false,
        };
        let swallowed = match (&event.kind, &event.subject) {
            (EventKind::Enter { call, .. }, _) if makes(*call) => {
                self.entered.insert(thread);
                return true;
            }
            (EventKind::Leave(leave), Some(new)) if makes(leave.call) => {
                self.entered.remove(&thread);
                match (mutation, &old) {
                    (Mutation::Setpgid, Some(old)) if leave.ret == 0 && old.pgrp != new.pgrp => {
                        Some(Swallowed::Setpgid { victim: new.id, old: old.pgrp })
                    }
                    (Mutation::Terminal, Some(State { tty: Some(old), .. }))
                        if leave.ret == 0 && new.tty.is_some_and(|new| new.foreground != old.foreground) =>
                    {
                        Some(Swallowed::Terminal { tty: old.tty, old: *old })
                    }
                    _ => None,
                }
            }
            (EventKind::Snapshot { .. }, Some(found)) if mutation == Mutation::Snapshot => {
                let other = found.parent_pgrp.number != 0 && found.parent_pgrp != found.pgrp && found.exit_state == 0;
                (other && found.parent_session == found.session.sid())
                    .then_some(Swallowed::Setpgid { victim: found.id, old: found.parent_pgrp })
            }
            (EventKind::Exit { group_dead: true }, Some(father)) if mutation == Mutation::Reparenting => {
                let is_child = |child: &&State| same(child.parent, father.id) && child.exit_state == 0;
                let children = self.known.values().filter(is_child).map(|child| (child.id.pid, child.id.start));
                self.children = children.collect();
                (!self.children.is_empty()).then_some(Swallowed::Reparenting { father: father.id })
            }
            (EventKind::Leave(leave), _) if mutation == Mutation::Reap => {
                let reaped = leave.waited.filter(|waited| !waited.left_waitable && waited.child.start != BootNs(0));
                let ended = |status| matches!(status, WaitStatus::Exited(_) | WaitStatus::Killed { .. });
                // The model never heard of one that nothing was seen of.
                let is_known = |child: RawTask| self.known.get(&child.pid).is_some_and(|known| same(known.id, child));
                let reaped = reaped.filter(|waited| ended(waited.status) && is_known(waited.child));
                reaped.map(|waited| Swallowed::Reap { victim: waited.child })
            }
            _ => None,
        };
        self.swallowed = swallowed.map(|swallowed| (swallowed, event.seq));
        swallowed.is_some() && !matches!(mutation, Mutation::Reap | Mutation::Snapshot)
    }

    /// Whether the victim is no more, so that nobody can see any longer what was swallowed.
    fn is_over(&self, event: &Event) -> bool {
        match self.swallowed {
            None => false,
            Some((Swallowed::Setpgid { victim, .. }, _)) => {
                matches!(event.kind, EventKind::Freed { task } if task == victim)
                    || event
                        .subject
                        .as_ref()
                        .is_some_and(|subject| subject.id.pid == victim.pid && subject.exit_state != 0)
            }
            Some((Swallowed::Terminal { tty, old }, _)) => {
                event.subject.as_ref().and_then(|subject| subject.tty).is_some_and(|now| {
                    now.tty == tty && (now.foreground == old.foreground || now.session != old.session)
                })
            }
            // A number that is in use again, and nobody looked in the meantime.
            Some((Swallowed::Reap { victim } | Swallowed::Reparenting { father: victim }, _)) => {
                matches!(event.kind, EventKind::NewTask { .. })
                    && event
                        .subject
                        .as_ref()
                        .is_some_and(|subject| subject.id.pid == victim.pid && subject.id.start != victim.start)
            }
        }
    }

    /// Takes the change out of an event that may show it.
    fn alter(&self, event: &mut Event) {
        let Some((swallowed, _)) = self.swallowed else { return };
        if let EventKind::Leave(leave) = &mut event.kind {
            if self.entered.contains(&(event.actor.pid, event.actor.tid)) {
                leave.enter_emitted = false;
            }
            if let Swallowed::Reap { victim } | Swallowed::Reparenting { father: victim } = swallowed
                && leave.waited.is_some_and(|waited| same(waited.child, victim))
            {
                leave.waited = None;
            }
        }
        let Some(subject) = &mut event.subject else { return };
        match swallowed {
            Swallowed::Setpgid { victim, old } if same(subject.id, victim) && subject.pgrp.number != 0 => {
                subject.pgrp = old;
            }
            Swallowed::Terminal { tty, old } => {
                if let Some(has) = subject.tty.as_mut().filter(|has| has.tty == tty) {
                    (has.foreground, has.foreground_empty) = (old.foreground, old.foreground_empty);
                }
            }
            Swallowed::Reparenting { father } => {
                if self.children.contains(&(subject.id.pid, subject.id.start)) {
                    subject.parent = father;
                    subject.facts.parent_is_init = false;
                }
            }
            Swallowed::Setpgid { .. } | Swallowed::Reap { .. } => {}
        }
    }
}

/// Whether an event is part of what was swallowed.
fn is_of(swallowed: Swallowed, event: &Event) -> bool {
    let same = |one: RawTask, other: RawTask| one.pid == other.pid && one.start == other.start;
    let freed = |victim: RawTask| matches!(event.kind, EventKind::Freed { task } if same(task, victim));
    match swallowed {
        Swallowed::Setpgid { .. } | Swallowed::Terminal { .. } => false,
        Swallowed::Reap { victim } => freed(victim),
        Swallowed::Reparenting { father } => {
            let subject = event.subject.as_ref().is_some_and(|subject| same(subject.id, father));
            freed(father) || same(event.actor, father) || subject
        }
    }
}

fn same(one: RawTask, other: RawTask) -> bool {
    one.pid == other.pid && one.start == other.start
}
