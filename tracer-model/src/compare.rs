//! The model beside the kernel: where what is known of a process differs from a bundle that was not fed to the model, and
//! whether something that has begun and not ended explains it.
//!
//! Pure readers of [`Model`]. Must not: judge what explains a difference ([`interval`] does), or change anything.

mod census;
mod interval;

use std::fmt;

pub use self::{
    census::{Census, Compared, Entity},
    interval::{INTERVALS, Interval, Row, explanation, explanation_of_absence, is_open},
};
use crate::{
    delta::LeaderState,
    event::{EXIT_DEAD, EXIT_ZOMBIE, State, TtyState},
    ids::RawTty,
    state::{Knowledge, Model, Phase, Process, Qualifies, same_ino, same_start},
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// That the process, group or session exists.
    Existence,
    /// Number of the real parent.
    Parent,
    /// Process group.
    Group,
    /// Session.
    Session,
    /// Being a session leader.
    SessionLeader,
    /// Controlling terminal.
    Terminal,
    /// Foreground process group of the controlling terminal.
    Foreground,
    /// That the foreground process group has a member.
    ForegroundExists,
    /// Stopped for job control.
    Stopped,
    /// Exited and not reaped.
    Zombie,
    /// Keeping its group from being orphaned.
    Link,
    /// The members of a process group, the process groups of a session, the processes whose controlling terminal it is.
    Members,
    /// What became of the leader.
    Leader,
    /// Being an orphaned process group.
    Orphaned,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Existence => "existence",
            Self::Parent => "parent",
            Self::Group => "process group",
            Self::Session => "session",
            Self::SessionLeader => "session leader",
            Self::Terminal => "controlling terminal",
            Self::Foreground => "foreground group",
            Self::ForegroundExists => "existence of the foreground group",
            Self::Stopped => "stopped",
            Self::Zombie => "zombie",
            Self::Link => "keeps its group from being orphaned",
            Self::Members => "members",
            Self::Leader => "leader",
            Self::Orphaned => "orphaned",
        })
    }
}

/// One side of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    None,
    /// A number.
    Number(u32),
    /// A number, of another life than the other side's.
    Life(u32, u64),
    /// A terminal.
    Tty(RawTty),
    /// A yes or no.
    Is(bool),
    /// What became of a leader.
    Leader(LeaderState),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Life(number, ino) => write!(f, "{number} (inode {ino})"),
            Self::Tty(tty) => write!(f, "{tty}"),
            Self::Is(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Self::Leader(state) => f.write_str(match state {
                LeaderState::Alive => "alive",
                LeaderState::Zombie => "a zombie",
                LeaderState::Reaped => "reaped",
                LeaderState::MovedAway => "in another group",
                LeaderState::Unknown => "unknown",
            }),
        }
    }
}

/// A difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub fact: Fact,
    /// What the model says.
    pub model: Value,
    /// What the kernel has.
    pub kernel: Value,
}

/// What a comparison of one process came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Facts that were compared.
    pub compared: u64,
    /// Facts of which the model says that it does not know them.
    pub undecided: u64,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

impl Comparison {
    fn add(&mut self, fact: Fact, model: Value, kernel: Value) {
        self.compared += 1;
        if model != kernel {
            self.differences.push(Difference { fact, model, kernel });
        }
    }
}

/// Compares a process as the kernel has it with the model. `None` while it is being released. `stop_known`: whether the state
/// tells a job-control stop.
#[must_use]
pub fn process(model: &Model, kernel: &State, stop_known: bool) -> Option<Comparison> {
    if kernel.exit_state & EXIT_DEAD != 0 || kernel.facts.unreadable {
        return None;
    }
    let mut comparison = Comparison::default();
    let Some(known) = known(model, kernel) else {
        comparison.add(Fact::Existence, Value::None, Value::Number(kernel.id.pid.0));
        return Some(comparison);
    };
    comparison.compared += 1;
    membership(model, known, kernel, &mut comparison);
    terminal(model, known, kernel, &mut comparison);
    let zombie = kernel.exit_state & EXIT_ZOMBIE != 0 && kernel.facts.single_thread;
    comparison.add(Fact::Zombie, Value::Is(known.phase >= Phase::Zombie), Value::Is(zombie));
    if !stop_known {
        comparison.undecided += 1;
    } else if !zombie && known.phase < Phase::Zombie {
        comparison.add(Fact::Stopped, Value::Is(known.stopped.is_some()), Value::Is(kernel.is_stopped()));
    }
    Some(comparison)
}

/// The process as the model has it, if it has this one of its number.
#[must_use]
pub fn known<'m>(model: &'m Model, kernel: &State) -> Option<&'m Process> {
    let known = model.process_by_pid(kernel.id.pid).filter(|known| known.knowledge == Knowledge::Seen);
    known.filter(|known| same_start(known.start, kernel.id.start) && same_ino(known.ino, kernel.ino))
}

/// Parent, group, session.
fn membership(model: &Model, known: &Process, kernel: &State, comparison: &mut Comparison) {
    let parent = |number: u32| if number == 0 { Value::None } else { Value::Number(number) };
    if known.parent_exited {
        comparison.undecided += 1;
    } else {
        comparison.add(
            Fact::Parent,
            parent(known.parent.map_or(0, |parent| parent.number.0)),
            parent(kernel.parent.pid.0),
        );
    }
    let group = known.group.and_then(|group| model.group(group));
    let (number, ino) = group.map_or((0, 0), |group| (group.key.number.0, group.ino));
    let (left, right) = lives((number, ino), (kernel.pgrp.number, kernel.pgrp.ino));
    comparison.add(Fact::Group, left, right);
    let session = known.session.and_then(|session| model.session(session));
    let (number, ino) = session.map_or((0, 0), |session| (session.key.number.0, session.ino));
    let (left, right) = lives((number, ino), (kernel.session.number, kernel.session.ino));
    comparison.add(Fact::Session, left, right);
    comparison.add(Fact::SessionLeader, Value::Is(known.facts.session_leader), Value::Is(kernel.facts.session_leader));
    match (known.book.qualifies, link(kernel)) {
        (Qualifies::Unknown, _) | (_, None) => comparison.undecided += 1,
        (qualifies, Some(link)) => {
            comparison.add(Fact::Link, Value::Is(qualifies == Qualifies::Yes), Value::Is(link));
        }
    }
}

/// Two numbers as values, told apart by their inodes when the numbers are equal and the inodes are not.
fn lives(model: (u32, u64), kernel: (u32, u64)) -> (Value, Value) {
    let value = |(number, _)| if number == 0 { Value::None } else { Value::Number(number) };
    if model.0 == kernel.0 && !same_ino(model.1, kernel.1) {
        (Value::Life(model.0, model.1), Value::Life(kernel.0, kernel.1))
    } else {
        (value(model), value(kernel))
    }
}

/// Whether a process keeps its group from being orphaned, by the kernel's own facts (kernel/exit.c,
/// `will_become_orphaned_pgrp`). `None` when the parent's group is not in the bundle.
#[must_use]
pub fn link(kernel: &State) -> Option<bool> {
    let gone = kernel.exit_state != 0 && kernel.facts.single_thread;
    if gone || kernel.facts.parent_is_init || kernel.parent.pid.0 == 0 {
        return Some(false);
    }
    (kernel.parent_pgrp.number != 0).then(|| {
        let same = kernel.parent_pgrp.number == kernel.pgrp.number && same_ino(kernel.parent_pgrp.ino, kernel.pgrp.ino);
        !same && kernel.parent_session == kernel.session.sid()
    })
}

fn terminal(model: &Model, known: &Process, kernel: &State, comparison: &mut Comparison) {
    let has = known.tty.and_then(|tty| model.terminal(tty));
    // `/proc` does not tell instances of devpts apart.
    let instance = |tty: RawTty| {
        if kernel.tty.is_some_and(|kernel| kernel.tty.instance == 0) { RawTty { instance: 0, ..tty } } else { tty }
    };
    let value = |tty: Option<RawTty>| tty.map_or(Value::None, Value::Tty);
    let (left, right) = (has.map(|tty| instance(tty.key.tty)), kernel.tty.map(|tty| tty.tty));
    comparison.add(Fact::Terminal, value(left), value(right));
    if let (Some(has), Some(TtyState { foreground, session, .. })) = (has, kernel.tty)
        && left == right
        && session.0 != 0
    {
        let (left, right) =
            lives((has.foreground_id.number, has.foreground_id.ino), (foreground.number, foreground.ino));
        comparison.add(Fact::Foreground, left, right);
    }
}
