//! Wording: what one change is called, in the field's terms. One small function for each kind of change.
//!
//! Must not: know columns, widths or what was printed before; those are [`super::layout`]'s and the sinks'. A change that
//! deserves no line has no phrase. Names come from the model as it is after the event, cleaned for the terminal.

mod group;
mod inspected;
mod process;
mod refusal;
mod signal;
mod terminal;
mod trouble;
mod words;

use std::collections::BTreeMap;

use tracer_model::{
    delta::{Change, Delta, SignalPath},
    event::{Call, Event, EventKind},
    ids::{BootNs, PgrpKey, Pid, ProcKey, Signal, TtyKey},
    state::Model,
    timeline::Lifetimes,
};

pub(super) use self::{
    group::has_living_members,
    refusal::errno_name,
    trouble::cause,
    words::{call, count},
};
use super::{Style, Tone, attribute, time};

/// An event with all that its wording may look at.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub event: &'a Event,
    pub delta: &'a Delta,
    pub model: &'a Model,
    /// Lifetimes up to this event.
    pub lives: &'a Lifetimes,
    /// Groups all of whose members have exited, and since when.
    pub zombies_since: &'a BTreeMap<PgrpKey, BootNs>,
    /// The call that the actor is in, of those whose beginning is an event.
    pub inside: Option<Call>,
    /// The process whose descendants are followed.
    pub root: Option<Pid>,
    /// Time 0.
    pub base: BootNs,
    /// The tracer let one call go at a time: it decided who was first, and by how much.
    pub serialised: bool,
    pub style: Style,
}

/// Who a line is about: its process column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Process(ProcKey),
    /// Something typed, or a hangup.
    Terminal(TtyKey),
    Nobody,
}

/// Where a phrase goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of its own.
    Line,
    /// Appended to the line of the change before it in the same event, or a line of its own.
    Clause,
    /// Its note, in the margin of the line that tells the birth of this group; a line of its own where that is out of reach.
    Birth(PgrpKey),
}

/// Lines of the same kind that follow each other closely are one line with several objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Forks(ProcKey),
    Reaps(ProcKey),
    Signal(Signal, SignalPath),
}

/// What is said of one change.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub who: Who,
    /// Before the objects.
    pub head: String,
    /// What `fold` collects.
    pub objects: Vec<String>,
    /// The reason or the detail, in the margin.
    pub note: String,
    pub tone: Tone,
    pub place: Place,
    pub fold: Option<Fold>,
    /// Cut off rather than wrapped on a narrow terminal.
    pub clip: bool,
    /// The group whose bracket begins, or ends, here.
    pub opens: Option<PgrpKey>,
    pub closes: Option<PgrpKey>,
}

impl Phrase {
    fn new(who: Who, head: impl Into<String>) -> Self {
        Self {
            who,
            head: head.into(),
            objects: Vec::new(),
            note: String::new(),
            tone: Tone::Plain,
            place: Place::Line,
            fold: None,
            clip: false,
            opens: None,
            closes: None,
        }
    }

    fn of(process: ProcKey, head: impl Into<String>) -> Self {
        Self::new(Who::Process(process), head)
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn clause(mut self) -> Self {
        self.place = Place::Clause;
        self
    }

    fn at_birth_of(mut self, group: PgrpKey) -> Self {
        self.place = Place::Birth(group);
        self
    }

    fn folds(mut self, fold: Fold, object: String) -> Self {
        self.fold = Some(fold);
        self.objects.push(object);
        self
    }
}

/// What is said of an event: a phrase for each change that deserves one, in the order of the changes, and what is no change.
pub(super) fn phrases(scene: &Scene<'_>) -> Vec<Phrase> {
    let changes = scene.delta.changes.iter().filter_map(|change| phrase(scene, change));
    changes.chain(without_change(scene)).collect()
}

/// What is said of an event although it changes nothing that the model keeps.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are told by their changes, or not at all")]
fn without_change(scene: &Scene<'_>) -> Option<Phrase> {
    match &scene.event.kind {
        EventKind::SignalDelivered { signal, disposition, .. } => signal::discarded(scene, *signal, *disposition),
        EventKind::Leave(leave) => process::parenthood(scene, leave),
        EventKind::Inspected(inspection) => inspected::settled(scene, inspection),
        EventKind::Attribute(it) => Some(Phrase::of(scene.delta.by?, attribute::words(it, scene.style))),
        _ => None,
    }
}

fn phrase(scene: &Scene<'_>, change: &Change) -> Option<Phrase> {
    match change {
        Change::Forked { child, parent } => Some(process::forked(scene, *child, *parent)),
        Change::Found { process, .. } => process::found(scene, *process),
        Change::Executed { process } => process::executed(scene, *process),
        Change::Exited { process, status } => Some(process::exited(*process, *status)),
        Change::Reaped { process, by, evidence, bounds } => {
            Some(process::reaped(scene, *process, *by, *evidence, *bounds))
        }
        Change::Reparented { process, from, to } => Some(process::reparented(scene, *process, *from, *to)),
        Change::WaitReported { child, status } => process::wait_reported(scene, *child, *status),

        Change::GroupBorn { group, leader, birth } => group::born(scene, *group, *leader, *birth),
        Change::Joined { process, group, from, leader } => Some(group::joined(scene, *process, *group, *from, *leader)),
        Change::GroupEnded { group, end } => Some(group::ended(scene, *group, *end)),
        Change::Leaderless { group, leader } => group::leaderless(scene, *group, *leader),
        // The exit was told, and the reap and the end of the group will be.
        Change::Zombie { .. } | Change::HeldByZombies { .. } => None,
        Change::Orphaned { group, cause, stopped_members } => group::orphaned(scene, *group, *cause, *stopped_members),
        Change::NoLongerOrphaned { group } => Some(group::no_longer_orphaned(*group)),
        Change::LeaderRace(race) => Some(group::leader_race(scene, *race)),

        Change::SessionBorn { session, leader } => Some(terminal::session_born(scene, *session, *leader)),
        Change::SessionEnded { session } => Some(terminal::session_ended(*session)),
        Change::SessionLeaderExited { session, .. } => Some(terminal::session_leader_exited(scene, *session)),
        Change::TtyGained { session, tty, how } => terminal::gained(scene, *session, *tty, *how),
        Change::TtyLost { session, tty, how } => Some(terminal::lost(scene, *session, *tty, *how)),
        Change::TtyLeft { process, tty } => terminal::left(scene, *process, *tty),
        Change::Foreground { tty, by, from, to } => terminal::foreground(scene, *tty, *by, (*from, *to)),

        Change::Refused { call, errno, reason } => refusal::refused(scene, call, *errno, *reason),
        Change::SignalSent { target, signal, path, dropped } => signal::sent(scene, *target, *signal, *path, *dropped),
        Change::Stopped { process, signal, .. } => Some(signal::stopped(*process, *signal)),
        Change::Continued { process, .. } => signal::continued(scene, *process),

        Change::UnseenCall { process, what } => Some(trouble::unseen_call(scene, *process, *what)),
        Change::Gap { .. } => trouble::gap(scene),
        Change::Anomaly(anomaly) => Some(trouble::anomaly(scene, *anomaly)),
    }
}

impl Scene<'_> {
    /// `41211 sleep`; the number alone when the name is not known.
    fn name(&self, process: ProcKey) -> String {
        let comm = self.model.process(process).map(|process| self.style.clean(&process.comm.0)).unwrap_or_default();
        if comm.is_empty() { process.number.to_string() } else { format!("{} {comm}", process.number) }
    }

    fn group_of(&self, process: ProcKey) -> Option<PgrpKey> {
        self.model.process(process).and_then(|process| process.group)
    }

    fn ms(&self, at: BootNs) -> String {
        time::ms(at, self.base)
    }

    fn span(&self, ns: u64) -> String {
        time::span(ns, self.style)
    }
}
