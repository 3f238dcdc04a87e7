//! What the rules remember beyond the model: of every process how it came, moved, was signalled and went, and lately ended
//! ones too.
//!
//! Bounded: processes that were reaped are forgotten oldest first. Must not: judge.

use std::collections::VecDeque;

use super::{
    Evidence, Now,
    intents::{Fate, Intents},
    memberships::Memberships,
    races::Races,
    words::{Word, Words},
};
use crate::{
    apply::signals::SI_QUEUE,
    delta::{Change, Delta, SignalPath},
    event::{
        Call, Comm, Disposition, Event, EventKind, Inspection, SignalGenerated, SignalOrigin, WaitStatus,
        inspection::{Moment, Status},
    },
    ids::{BootNs, PgrpKey, Pid, ProcKey, Seq, SessionKey, Signal, TtyKey},
    state::{Model, Process},
    table::Table,
};

/// How many reaped processes are remembered.
const REAPED: usize = 4096;
/// How many signals of a process are remembered, and how many of the groups that it was in.
const FEW: usize = 8;

/// A signal that a process got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    /// The event.
    pub evidence: Evidence,
    /// The signal.
    pub signal: SignalGenerated,
    /// What it met.
    pub fate: Fate,
    /// Its path.
    pub path: SignalPath,
    /// The group that the process was in.
    pub group: Option<PgrpKey>,
    /// The call in which somebody used the terminal from the background, where that is what it came of.
    pub call: Option<Call>,
    /// Who had the terminal then, where it came of using that from the background.
    pub foreground: Option<Box<Words>>,
}

/// One process, as far as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Life {
    /// It.
    pub key: ProcKey,
    /// Its last name.
    pub comm: Comm,
    /// Until when it had another, and which.
    pub renamed: Option<(Seq, Comm)>,
    /// Who forked it, and that process's session and terminal then.
    pub launcher: Option<ProcKey>,
    /// Session of the launcher at the fork.
    pub launch_session: Option<SessionKey>,
    /// Terminal of the launcher at the fork.
    pub launch_tty: Option<TtyKey>,
    /// The life before of the same number.
    before: Option<ProcKey>,
    /// The command or a descendant.
    pub followed: bool,
    /// Its fork was seen, and when.
    pub forked: Option<Evidence>,
    /// Its last exec.
    pub executed: Option<Evidence>,
    /// The last call that changed its group or session.
    pub moved: Option<Evidence>,
    /// Groups that it was in, the present one last.
    pub groups: VecDeque<PgrpKey>,
    /// The event that stopped it, while it is stopped.
    pub stopped: Option<Evidence>,
    /// Its exit.
    pub exited: Option<Evidence>,
    /// What it exited with.
    pub status: Option<WaitStatus>,
    /// Its reap, and by whom.
    pub reaped: Option<Evidence>,
    /// Who reaped it.
    pub reaper: Option<ProcKey>,
    /// When it was reaped, at the latest.
    pub reaped_at: Option<BootNs>,
    /// Signals that it got (SIGCHLD aside), oldest first.
    pub received: VecDeque<Received>,
    /// Signals that it has a handler for and was not seen to take yet: bit 0 is signal 1.
    waiting: u64,
    /// What it shared and held, the last of each moment.
    pub inspections: Vec<Inspection>,
}

impl Life {
    /// When it was looked at last, it was in a call that takes no signal.
    pub fn is_uninterruptible(&self) -> bool {
        let last = self.inspections.last().and_then(|it| it.status.as_ref().ok());
        last.is_some_and(Status::is_uninterruptible)
    }

    /// What it shared and held at that moment.
    pub fn inspected(&self, moment: Moment) -> Option<&Inspection> {
        self.inspections.iter().find(|it| it.moment == moment)
    }

    fn new(process: &Process) -> Self {
        Self {
            key: process.key,
            comm: process.comm.clone(),
            renamed: None,
            launcher: None,
            launch_session: None,
            launch_tty: None,
            before: None,
            followed: process.followed,
            forked: None,
            executed: None,
            moved: None,
            groups: VecDeque::new(),
            stopped: None,
            exited: None,
            status: None,
            reaped: None,
            reaper: None,
            reaped_at: None,
            received: VecDeque::new(),
            waiting: 0,
            inspections: Vec::new(),
        }
    }

    /// Pending signals survive an exec, handlers do not (execve(2)): what it has not taken by now meets the default action.
    /// Those signals. `known`: since when nothing was lost that could have shown that it took one.
    fn reset_handlers(&mut self, known: Seq) -> u64 {
        let waiting = std::mem::take(&mut self.waiting);
        let mut left = waiting;
        for received in self.received.iter_mut().rev().filter(|it| it.evidence.seq > known) {
            if received.fate == Fate::Handled && take_bit(&mut left, received.signal.signal) {
                received.signal.disposition = Disposition::Default;
                received.fate = Fate::Open;
            }
        }
        waiting
    }
}

/// Whether a signal is in a set, from which it is taken: it waits once at most, and is the last that was sent. An earlier one was
/// taken.
pub(super) fn take_bit(set: &mut u64, signal: Signal) -> bool {
    let was = *set & bit(signal) != 0;
    *set &= !bit(signal);
    was
}

/// The bit of a signal in a set.
fn bit(signal: Signal) -> u64 {
    signal.0.checked_sub(1).and_then(|bit| 1_u64.checked_shl(bit)).unwrap_or(0)
}

/// Lives by process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    lives: Table<ProcKey, Life>,
    /// The last life of each number.
    last: Table<Pid, ProcKey>,
    /// Who was in a group.
    members: Memberships,
    reaped: VecDeque<ProcKey>,
    /// Somebody will ask of this number: whoever has it is not forgotten.
    asked: Option<Pid>,
    /// Processes that are in no followed tree and wait for what one wrote.
    strangers: VecDeque<Inspection>,
    /// What the followed command was called when it was started.
    command: Option<Comm>,
    /// The last event that stands for others that were lost.
    lost: Seq,
    /// How groups that exist became orphaned.
    orphaned: Table<PgrpKey, Evidence>,
    /// Signals as they were meant.
    pub intents: Intents,
    /// Races and their margins.
    pub races: Races,
}

impl Memory {
    /// What is remembered of a process.
    pub fn life(&self, key: ProcKey) -> Option<&Life> {
        self.lives.get(&key)
    }

    /// Who forked a process, who forked that one, and so on, as far as they are remembered, and no more than 64: what comes from
    /// anywhere may claim to be a circle.
    pub fn launchers(&self, process: ProcKey) -> impl Iterator<Item = &Life> {
        let above = |life: &Life| self.lives.get(&life.launcher?);
        std::iter::successors(self.life(process).and_then(above), move |life| above(life)).take(64)
    }

    /// Forgets nobody who has this number.
    pub fn keep(&mut self, pid: Pid) {
        self.asked = Some(pid);
    }

    /// Every remembered process that had this number, oldest first.
    pub fn with_number(&self, pid: Pid) -> impl DoubleEndedIterator<Item = &Life> {
        let last = self.last.get(&pid).and_then(|key| self.lives.get(key));
        let mut lives: Vec<_> = std::iter::successors(last, |life| self.lives.get(&life.before?)).collect();
        lives.reverse();
        lives.into_iter()
    }

    /// Every process that was in this group at some time.
    pub fn once_in(&self, group: PgrpKey) -> impl Iterator<Item = &Life> {
        self.members.of(group).filter_map(|member| self.lives.get(member))
    }

    /// Every remembered process.
    pub fn all(&self) -> impl Iterator<Item = &Life> {
        self.lives.values()
    }

    /// What orphaned a group that is orphaned, where that was seen.
    pub fn orphaned(&self, group: PgrpKey) -> Option<&Evidence> {
        self.orphaned.get(&group)
    }

    /// Whether [`Self::observe`] makes anything of a change.
    pub fn keeps(change: &Change) -> bool {
        let told = matches!(change, Change::SignalSent { path, .. } if !matches!(path, SignalPath::ChildStatus { .. }));
        told || matches!(
            change,
            Change::Forked { .. }
                | Change::Found { .. }
                | Change::Executed { .. }
                | Change::GroupBorn { .. }
                | Change::Joined { .. }
                | Change::Stopped { .. }
                | Change::Continued { .. }
                | Change::Exited { .. }
                | Change::Reaped { .. }
                | Change::Orphaned { .. }
                | Change::NoLongerOrphaned { .. }
                | Change::GroupEnded { .. }
                | Change::Foreground { .. }
                | Change::Refused { .. }
        )
    }

    /// Whether what [`Self::observe`] keeps of it is evidence.
    pub fn shows(change: &Change) -> bool {
        !matches!(
            change,
            Change::Found { .. }
                | Change::NoLongerOrphaned { .. }
                | Change::GroupEnded { .. }
                | Change::Foreground { .. }
                | Change::Refused { .. }
        )
    }

    /// Takes what no change tells of.
    pub fn notice(&mut self, event: &Event, process: Option<ProcKey>) {
        if let EventKind::Gap(_) = event.kind {
            self.lost = event.seq;
        } else if let EventKind::SignalDelivered { signal, .. } = event.kind
            && let Some(life) = process.and_then(|process| self.lives.get_mut(&process))
        {
            life.waiting &= !bit(signal);
        }
    }

    /// Whoever else was inspected, latest last.
    pub fn strangers(&self) -> impl DoubleEndedIterator<Item = &Inspection> {
        self.strangers.iter()
    }

    /// Takes an inspection. `process`: whose it is, where the model knows it.
    pub fn inspected(&mut self, process: Option<ProcKey>, inspection: &Inspection, model: &Model) {
        let followed = process.and_then(|process| model.process(process)).is_some_and(|process| process.followed);
        if inspection.moment == Moment::Left && !followed {
            self.strangers.push_back(inspection.clone());
            if self.strangers.len() > FEW {
                self.strangers.pop_front();
            }
        }
        // What there was before it began to end is what it had.
        let process = process.filter(|_| inspection.is_of_the_living());
        let Some(life) = process.and_then(|process| self.open(process, model)) else { return };
        life.inspections.retain(|it| it.moment != inspection.moment);
        life.inspections.push(inspection.clone());
    }

    /// Takes a change, what of it can be evidence, and who has the terminal that it is about, where that will be told.
    pub fn observe(
        &mut self,
        change: &Change,
        evidence: Option<&Evidence>,
        foreground: Option<Words>,
        (event, delta): (&Event, &Delta),
        model: &Model,
    ) {
        self.intents.take(change, evidence, delta, model);
        let refused = delta.subject.filter(|_| matches!(change, Change::Refused { .. }));
        let executed = refused.and_then(|subject| self.lives.get(&subject)?.executed.as_ref());
        self.races.take(change, (event, delta, executed.map(|executed| executed.at)), model);
        self.take(change, (evidence.cloned(), foreground), event, model);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes of one process that are remembered")]
    fn take(
        &mut self,
        change: &Change,
        (evidence, foreground): (Option<Evidence>, Option<Words>),
        event: &Event,
        model: &Model,
    ) {
        match *change {
            Change::Forked { child, parent } => {
                let Some(parent) = model.process(parent) else { return };
                let (session, tty) = (parent.session, parent.tty);
                let Some(life) = self.open(child, model) else { return };
                (life.launcher, life.launch_session, life.launch_tty) = (Some(parent.key), session, tty);
                life.forked = evidence;
            }
            Change::Found { process, .. } => drop(self.open(process, model)),
            Change::Executed { process } => {
                let known = self.lost;
                if self.command.is_none() && model.followed_root() == Some(process) {
                    self.command = model.process(process).map(|process| process.comm.clone());
                }
                if let Some(life) = self.open(process, model) {
                    life.executed = evidence;
                    // What a program has open is not what the one before it had.
                    life.inspections.retain(|it| it.moment != Moment::Refused);
                    let waiting = life.reset_handlers(known);
                    self.intents.reset_handlers(process, waiting, known);
                }
            }
            Change::GroupBorn { group, leader: Some(process), .. } | Change::Joined { process, group, .. } => {
                if let Some(life) = self.open(process, model) {
                    life.moved = evidence;
                    if life.groups.back() == Some(&group) {
                        return;
                    }
                    life.groups.push_back(group);
                    let full = life.groups.len() > FEW;
                    let oldest = life.groups.pop_front_if(|_| full);
                    let forgotten = oldest.filter(|oldest| !life.groups.contains(oldest));
                    self.members.insert(group, process);
                    if let Some(group) = forgotten {
                        self.members.remove(group, process);
                    }
                }
            }
            Change::Stopped { process, .. } => {
                if let Some(life) = self.open(process, model) {
                    life.stopped = evidence;
                }
            }
            Change::Continued { process, .. } => {
                if let Some(life) = self.open(process, model) {
                    life.stopped = None;
                }
            }
            Change::Exited { process, status } => {
                if let Some(life) = self.open(process, model) {
                    (life.exited, life.status) = (evidence, Some(status));
                }
            }
            Change::Reaped { process, by, bounds, .. } => {
                if let Some(life) = self.open(process, model) {
                    (life.reaped, life.reaper, life.reaped_at) = (evidence, by, Some(bounds.until));
                    if self.asked != Some(process.number) {
                        self.reaped.push_back(process);
                    }
                }
                if self.reaped.len() > REAPED
                    && let Some(oldest) = self.reaped.pop_front()
                {
                    self.forget(oldest);
                }
            }
            Change::SignalSent { target, signal, path, dropped } if !matches!(path, SignalPath::ChildStatus { .. }) => {
                let group = model.process(target).and_then(|target| target.group);
                let call = background_call(path, target, event, model);
                if let (Some(life), Some(evidence)) = (self.open(target, model), evidence) {
                    let fate = Fate::met(&signal, dropped);
                    if fate == Fate::Handled && is_shown_when_taken(&signal) {
                        life.waiting |= bit(signal.signal);
                    }
                    life.received.push_back(Received {
                        evidence,
                        signal,
                        fate,
                        path,
                        group,
                        call,
                        foreground: foreground.map(Box::new),
                    });
                    if life.received.len() > FEW {
                        life.received.pop_front();
                    }
                }
            }
            Change::Orphaned { group, .. } => {
                if let Some(evidence) = evidence {
                    self.orphaned.insert(group, evidence);
                }
            }
            Change::NoLongerOrphaned { group } | Change::GroupEnded { group, .. } => {
                self.orphaned.remove(&group);
            }
            _ => {}
        }
    }

    /// The life of a process, begun when it is new, with its name and group as they are now.
    fn open(&mut self, key: ProcKey, model: &Model) -> Option<&mut Life> {
        let Self { lives, last, members, .. } = self;
        let process = model.process(key)?;
        let life = lives.or_insert_with(key, || {
            let before = last.get(&key.number).copied().filter(|before| *before < key);
            last.insert(key.number, key);
            Life { before, ..Life::new(process) }
        })?;
        if life.comm != process.comm {
            let before = std::mem::replace(&mut life.comm, process.comm.clone());
            if !before.0.is_empty() {
                life.renamed = Some((process.seen.seq, before));
            }
        }
        life.followed |= process.followed;
        if let Some(group) = process.group.filter(|_| life.groups.is_empty()) {
            life.groups.push_back(group);
            members.insert(group, key);
        }
        Some(life)
    }

    fn forget(&mut self, key: ProcKey) {
        let Some(life) = self.lives.remove(&key) else { return };
        if self.last.get(&key.number) == Some(&key) {
            self.last.remove(&key.number);
        }
        for group in life.groups {
            self.members.remove(group, key);
        }
    }
}

/// Whether its target is seen to take it later. Of what comes with a code of its sender's (tkill, `rt_sigqueueinfo`) it is not,
/// but for that of sigqueue.
fn is_shown_when_taken(sent: &SignalGenerated) -> bool {
    !sent.at_delivery && !matches!(sent.origin, SignalOrigin::Info(code) if code < 0 && code != SI_QUEUE)
}

/// The call of whoever used the terminal from the background. A tracer is not told which member it was: the first that is
/// signalled stands for its group.
pub(super) fn background_call(path: SignalPath, target: ProcKey, event: &Event, model: &Model) -> Option<Call> {
    let SignalPath::BackgroundAccess { by } = path else { return None };
    let open = &model.process(by.unwrap_or(target))?.book.calls;
    open.get(event.actor.tid).map(|open| open.call)
}

impl Now<'_> {
    /// The followed command by the name that it was started by: a shell executes its last command.
    pub(super) fn command(&self, root: ProcKey) -> Word {
        self.memory.command.clone().map_or_else(|| self.name(root), |comm| Word::Process(root.number, comm))
    }

    /// The signal that a process died of: the kernel may send more of it to one that is on its way out. One that waited blocked
    /// is not known to be it where records were lost since.
    pub(super) fn fatal<'a>(&'a self, life: &'a Life) -> Option<&'a Received> {
        let Some(WaitStatus::Killed { signal, .. }) = life.status else { return None };
        let until = life.exited.as_ref().map_or(self.seq, |exited| exited.seq);
        let can = |it: &&Received| it.signal.signal == signal && it.evidence.seq <= until && it.fate.can_kill(signal);
        let last = life.received.iter().rev().find(can)?;
        let waited = last.fate == Fate::Blocked && self.lost_between(last.evidence.seq, until).is_some();
        Some(last).filter(|_| !waited)
    }

    /// Records were lost since this life was seen to begin and before it ended, or since it last got, and survived, what it died of.
    pub(super) fn lost_of(&self, life: &Life) -> Option<Seq> {
        let WaitStatus::Killed { signal, .. } = life.status? else { return None };
        let until = life.exited.as_ref().map_or(self.seq, |exited| exited.seq);
        let survived = life.received.iter().rev().find(|it| it.signal.signal == signal && it.evidence.seq <= until);
        let since = survived.map(|it| &it.evidence).or(life.forked.as_ref());
        self.lost_between(since.map_or(Seq(0), |it| it.seq), until)
    }

    /// The signal of this number that a process got last.
    pub(super) fn last_received(&self, process: ProcKey, is: impl Fn(&Received) -> bool) -> Option<&Received> {
        self.memory.life(process)?.received.iter().rev().find(|received| is(received))
    }
}
