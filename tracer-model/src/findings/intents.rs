//! Signals as they were meant: one call, one key at a terminal or one act of the kernel, with everybody who got the signal of
//! it and what became of each.
//!
//! Bounded: the oldest is forgotten first. Must not: judge.

use std::collections::VecDeque;

use super::{Evidence, Now, memory::take_bit};
use crate::{
    delta::{Change, Delta, Dropped, SignalPath},
    event::{Disposition, SignalGenerated, SignalOutcome, WaitStatus},
    ids::{BootNs, PgrpKey, ProcKey, Seq, SessionKey, Signal, Uid},
    state::Model,
};

/// How many are remembered.
const MOST: usize = 512;
/// Signals of the kernel that are further apart than this are not of one act, ns.
const TOGETHER: u64 = 1_000_000;

/// What a signal did to one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its default action is to come, or was discarded.
    Open,
    /// It died of it.
    Died,
    /// It was stopped by it.
    Stopped,
    /// It was continued by it.
    Continued,
    /// It has a handler for it.
    Handled,
    /// It ignores it, or does so by default.
    Ignored,
    /// It blocks it.
    Blocked,
    /// The same signal was pending already.
    Pending,
    /// It was being ended already.
    Exiting,
    /// It is the first process of a pid namespace and has no handler for it.
    Init,
    /// Its queue was full.
    Refused,
}

impl Fate {
    /// It died, stopped or went on.
    #[must_use]
    pub fn is_decisive(self) -> bool {
        matches!(self, Self::Died | Self::Stopped | Self::Continued)
    }

    /// What it is, where that is not its default action, as an aside.
    pub(super) fn aside(self) -> &'static str {
        match self {
            Self::Handled => " (handled)",
            Self::Ignored => " (ignored)",
            Self::Blocked => " (blocked)",
            Self::Pending => " (pending already)",
            Self::Exiting => " (was ending)",
            Self::Init => " (process 1, without a handler: nothing)",
            Self::Refused => " (its queue was full)",
            Self::Open | Self::Died | Self::Stopped | Self::Continued => "",
        }
    }

    /// A process that dies of the signal can have died of this one: what was handled, ignored or dropped kills nobody.
    pub(super) fn can_kill(self, signal: Signal) -> bool {
        signal == Signal::KILL || matches!(self, Self::Open | Self::Blocked)
    }

    /// What a signal met when it was sent.
    pub(super) fn met(sent: &SignalGenerated, dropped: Option<Dropped>) -> Self {
        match (sent.outcome, sent.disposition) {
            _ if dropped == Some(Dropped::Exiting) => Self::Exiting,
            _ if dropped == Some(Dropped::Init) => Self::Init,
            (SignalOutcome::Overflow, _) => Self::Refused,
            (SignalOutcome::AlreadyPending, _) => Self::Pending,
            _ if sent.blocked => Self::Blocked,
            (_, Disposition::Handler) => Self::Handled,
            (SignalOutcome::Ignored, _) | (_, Disposition::Ignored) => Self::Ignored,
            (SignalOutcome::Delivered | SignalOutcome::InfoLost, Disposition::Default) => Self::Open,
        }
    }
}

/// The signal to one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub target: ProcKey,
    /// The group that it was in.
    pub group: Option<PgrpKey>,
    /// The event.
    pub sent: Evidence,
    /// What became of it.
    pub fate: Fate,
    /// The event that showed it.
    pub seen: Option<Evidence>,
}

/// Who sent it, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// It.
    pub process: ProcKey,
    /// Its session.
    pub session: Option<SessionKey>,
    /// Its real user.
    pub uid: Option<Uid>,
    /// Its cgroup, 0 when unknown.
    pub cgroup: u64,
}

/// One intent with its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The first delivery: what names it.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    /// The signal.
    pub signal: Signal,
    /// The path along which it came.
    pub path: SignalPath,
    /// Who sent it, where it is a process.
    pub sender: Option<Sender>,
    /// Everybody whom it reached, in the order of the kernel.
    pub deliveries: Vec<Delivery>,
}

/// The intents of late, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intents(VecDeque<Intent>);

impl Intents {
    /// The one that began with this event.
    pub fn get(&self, seq: Seq) -> Option<&Intent> {
        self.0.binary_search_by_key(&seq, |intent| intent.seq).ok().and_then(|index| self.0.get(index))
    }

    /// The last ones that reached a process, newest first.
    pub fn to(&self, process: ProcKey) -> impl Iterator<Item = (&Intent, &Delivery)> {
        self.0.iter().rev().filter_map(move |intent| {
            Some((intent, intent.deliveries.iter().rev().find(|delivery| delivery.target == process)?))
        })
    }

    /// Takes a change with its evidence.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that a signal makes")]
    pub fn take(&mut self, change: &Change, evidence: Option<&Evidence>, delta: &Delta, model: &Model) {
        match *change {
            Change::SignalSent { path: SignalPath::ChildStatus { .. }, .. } => {}
            Change::SignalSent { target, signal, path, dropped } => {
                let Some(evidence) = evidence else { return };
                let continues = |it: &Change| matches!(*it, Change::Continued { process, .. } if process == target);
                let continued = signal.signal == Signal::CONT && delta.changes.iter().any(continues);
                let fate = if continued { Fate::Continued } else { Fate::met(&signal, dropped) };
                let seen = continued.then(|| evidence.clone());
                let group = model.process(target).and_then(|target| target.group);
                let delivery = Delivery { target, group, sent: evidence.clone(), fate, seen };
                self.sent(signal.signal, path, delivery, model);
            }
            Change::Exited { process, status: WaitStatus::Killed { signal, .. } } => {
                self.became(process, signal, Fate::Died, evidence);
            }
            Change::Stopped { process, signal, .. } => self.became(process, signal, Fate::Stopped, evidence),
            Change::Continued { process, .. } => self.became(process, Signal::CONT, Fate::Continued, evidence),
            _ => {}
        }
    }

    fn sent(&mut self, signal: Signal, path: SignalPath, delivery: Delivery, model: &Model) {
        let at = delivery.sent.at;
        let same = |intent: &&mut Intent| {
            intent.signal == signal
                && intent.path == path
                && (path.intent().is_some() || last(intent).is_some_and(|last| at.since(last) <= TOGETHER))
                && intent.deliveries.iter().all(|it| it.target != delivery.target)
        };
        // What belongs together is not far apart, even if others send meanwhile.
        if let Some(intent) = self.0.iter_mut().rev().take(8).find(same) {
            intent.deliveries.push(delivery);
            return;
        }
        let sender = path.sender().and_then(|sender| model.process(sender));
        let sender = sender.map(|it| Sender { process: it.key, session: it.session, uid: it.uid, cgroup: it.cgroup });
        let seq = delivery.sent.seq;
        // One event tells of several only where a tracer reconstructs a kill: they are one intent.
        if self.0.back().is_some_and(|last| last.seq >= seq) {
            return;
        }
        self.0.push_back(Intent { seq, at, signal, path, sender, deliveries: vec![delivery] });
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// A process executes a program: what waits of these signals has no handler any more (see `Life`).
    pub fn reset_handlers(&mut self, process: ProcKey, mut waiting: u64, known: Seq) {
        for intent in self.0.iter_mut().rev() {
            let signal = intent.signal;
            for delivery in intent.deliveries.iter_mut().filter(|it| it.target == process && it.sent.seq > known) {
                if delivery.fate == Fate::Handled && take_bit(&mut waiting, signal) {
                    delivery.fate = Fate::Open;
                }
            }
        }
    }

    /// The last signal of this number that the process got, and that can have done it, did this to it.
    fn became(&mut self, process: ProcKey, signal: Signal, fate: Fate, evidence: Option<&Evidence>) {
        let mut deliveries = self.0.iter_mut().rev().filter(|intent| intent.signal == signal);
        let can = |delivery: &&mut Delivery| fate != Fate::Died || delivery.fate.can_kill(signal);
        let to = |delivery: &&mut Delivery| delivery.target == process && can(delivery);
        let found = deliveries.find_map(|it| it.deliveries.iter_mut().find(to));
        if let Some(delivery) = found.filter(|delivery| !delivery.fate.is_decisive()) {
            (delivery.fate, delivery.seen) = (fate, evidence.cloned());
        }
    }
}

fn last(intent: &Intent) -> Option<BootNs> {
    intent.deliveries.last().map(|delivery| delivery.sent.at)
}

impl super::Findings {
    /// The signals that a process got of late, newest first: each with everybody else who got it.
    pub fn signals_to(&self, process: ProcKey) -> impl Iterator<Item = &Intent> {
        self.memory().intents.to(process).map(|(intent, _)| intent)
    }
}

impl Now<'_> {
    /// The last signal that did this to a process.
    pub(super) fn intent(&self, process: ProcKey, signal: Signal, fate: Fate) -> Option<&Intent> {
        let is = |(intent, delivery): &(&Intent, &Delivery)| intent.signal == signal && delivery.fate == fate;
        self.memory.intents.to(process).find(is).map(|(intent, _)| intent)
    }
}
