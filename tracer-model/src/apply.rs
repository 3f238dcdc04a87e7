//! One event onto the state: dispatch only, one file per family below.
//!
//! State is set from the bundles that events carry ([`bundle`]); what happens to others than the subject follows from the
//! kernel's rules. Every step is total: what does not fit becomes an anomaly and is believed.

mod bundle;
mod calls;
mod gap;
mod groups;
mod identity;
mod inspected;
mod lifecycle;
mod reap;
pub(crate) mod signals;
pub(crate) mod taken;
mod tty;

use crate::{
    delta::{Change, Delta, OrphanCause},
    event::{Event, EventKind},
    ids::{PgrpKey, ProcKey},
    state::{Knowledge, Model, Phase, Stamp},
};

/// What one application carries along.
pub(crate) struct Cx<'e> {
    /// The event.
    pub event: &'e Event,
    /// Its changes so far.
    pub delta: &'e mut Delta,
    /// Whose bundle is being taken, unless it is one of a released process: it is there, whatever else would follow from what the bundle says of others.
    pub shown: Option<ProcKey>,
    /// Groups whose orphan status may have changed, with what took a link away.
    pub touched: Vec<(PgrpKey, OrphanCause)>,
}

impl Cx<'_> {
    /// The orphan status of a group may have changed. What took a link away says more than that it was found so.
    pub fn touch(&mut self, group: PgrpKey, cause: OrphanCause) {
        match self.touched.iter_mut().find(|(touched, _)| *touched == group) {
            Some((_, before)) if cause != OrphanCause::Found => *before = cause,
            Some(_) => {}
            None => self.touched.push((group, cause)),
        }
    }

    /// Place of the event.
    pub fn stamp(&self) -> Stamp {
        Stamp { seq: self.event.seq, at: self.event.at }
    }

    /// Says that something changed.
    pub fn push(&mut self, change: Change) {
        self.delta.changes.push(change);
    }

    /// Whether the event is one of a snapshot: state that is found, not changed.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.event.kind, EventKind::Snapshot { .. })
    }
}

impl Model {
    /// Applies one event and says what it changed. Deterministic; never panics; an event that contradicts the state is
    /// believed and reported as [`Change::Anomaly`].
    pub fn apply(&mut self, event: &Event) -> Delta {
        let mut delta = Delta::default();
        self.apply_into(event, &mut delta);
        delta
    }

    /// [`Self::apply`] with a delta that is used again and again.
    pub fn apply_into(&mut self, event: &Event, delta: &mut Delta) {
        self.forget_departed();
        (delta.by, delta.subject) = (None, None);
        delta.changes.clear();
        let mut cx = Cx { event, delta, shown: None, touched: std::mem::take(&mut self.touched) };
        self.now = cx.stamp();
        match &event.kind {
            EventKind::NewTask { flags } => self.new_task(&mut cx, *flags),
            EventKind::Exec { args, truncated, .. } => self.exec(&mut cx, args, *truncated),
            EventKind::Exit { group_dead } => self.exit(&mut cx, *group_dead),
            EventKind::Dead => self.dead(&mut cx),
            EventKind::Stopped { .. } | EventKind::Continued | EventKind::SignalDelivered { .. } => {
                self.own_event(&mut cx);
            }
            EventKind::Freed { task } => self.freed(&mut cx, *task),
            EventKind::SignalGenerated(signal) => self.signal_generated(&mut cx, signal),
            EventKind::Enter { call, target_unknown } => self.enter(&mut cx, call, *target_unknown),
            EventKind::Leave(leave) => self.leave(&mut cx, leave),
            EventKind::Snapshot { args } => self.snapshot(&mut cx, args),
            EventKind::SnapshotEnd { from, coverage } => self.snapshot_end(&mut cx, *from, *coverage),
            EventKind::Gap(gap) => self.gap(&mut cx, gap),
            EventKind::ClockAnchor { .. } => {}
            EventKind::Attribute(_) => drop(self.take_actor(&mut cx)),
            EventKind::Inspected(inspection) => self.inspected(&mut cx, inspection),
        }
        self.settle_orphans(&mut cx);
        self.touched = cx.touched;
    }

    /// Takes the subject's bundle, if there is one, and names actor and subject in the delta.
    fn own_event(&mut self, cx: &mut Cx) {
        self.take_subject(cx);
        self.take_actor(cx);
    }

    /// Sets the state of the subject from its bundle.
    fn take_subject(&mut self, cx: &mut Cx) -> Option<ProcKey> {
        let subject = cx.event.subject.as_ref()?;
        cx.delta.subject = self.absorb(cx, subject);
        cx.delta.subject
    }

    /// Names the actor, making it known by its number when it is not.
    fn take_actor(&mut self, cx: &mut Cx) -> Option<ProcKey> {
        let event = cx.event;
        // Most act on themselves.
        if let (Some(key), Some(subject)) = (cx.delta.subject, &event.subject)
            && (subject.id.pid, subject.id.start) == (event.actor.pid, event.actor.start)
            && self.processes.get(&key).is_some_and(|process| process.phase != Phase::Reaped)
        {
            cx.delta.by = Some(key);
            return cx.delta.by;
        }
        cx.delta.by = self.reference(cx, event.actor);
        let actor = cx.delta.by.and_then(|key| self.processes.get_mut(&key));
        if let Some(actor) = actor.filter(|actor| actor.knowledge == Knowledge::Referenced) {
            actor.comm.clone_from(&event.actor_comm);
        }
        cx.delta.by
    }
}
