//! Why a difference is no divergence yet: an interval that is open for the process ([`compare::INTERVALS`]), a change that the
//! kernel makes before any record of it and whose record must come ([`RECORDS`]), or a loss.
//!
//! Must not: excuse what is in neither table.

use std::collections::BTreeMap;

use tracer_model::{
    compare::{self, Compared, Difference, Entity, Fact, Interval, Value},
    delta::{Change, Delta, TtyChange},
    ids::{Pid, Seq},
    state::{Knowledge, Model, Phase, Process},
};

use super::{HEAL_NS, SETTLE_NS};

#[cfg(test)]
mod tests;

/// Why a difference is no divergence yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// A call that has begun and not returned.
    Call,
    /// An exit that has begun and is not complete.
    Exit,
    /// A stop signal that was sent and has not stopped its target yet; under ptrace also a stop that has ended and not shown that.
    Stop,
    /// The kernel made the change before the probe that records it ran: a fork, an open, a hangup.
    Record,
    /// It was reaped by a process whose calls are not seen, and the kernel has not been asked after it yet.
    Release,
    /// Records were lost and the model has not been resynchronised yet.
    Loss,
}

impl Excuse {
    /// How long it holds, ns.
    pub(super) fn limit(self) -> u64 {
        match self {
            Self::Call | Self::Exit | Self::Stop | Self::Record | Self::Release => SETTLE_NS,
            Self::Loss => HEAL_NS,
        }
    }
}

impl From<Interval> for Excuse {
    fn from(interval: Interval) -> Self {
        match interval {
            Interval::Call(_) => Self::Call,
            Interval::Exit(_) => Self::Exit,
            Interval::Stop(_) => Self::Stop,
            Interval::Release(_) => Self::Release,
        }
    }
}

/// A change that nothing announces: the difference is a divergence, unless its record comes.
#[derive(Debug)]
pub struct Unannounced {
    /// What it is.
    pub what: &'static str,
    /// Where the kernel makes it, before the probe runs.
    pub kernel: &'static str,
    /// Whether a difference is of this kind, and whose it is.
    is_it: fn(&Model, Entity, Difference) -> bool,
}

/// All of them.
pub const RECORDS: &[Unannounced] = &[
    Unannounced {
        what: "a fork",
        kernel: "kernel/fork.c, copy_process: attach_pid is before task_newtask",
        is_it: |model, whose, difference| {
            // A child is in its father's group and session: it founds none.
            match (whose, difference.fact, difference.kernel) {
                (Entity::Process(_), Fact::Existence, _) => difference.model == Value::None,
                (_, Fact::Members, Value::Number(member)) => is_new(model, Pid(member)),
                _ => false,
            }
        },
    },
    Unannounced {
        what: "an open by which a session leader acquires the terminal",
        kernel: "drivers/tty/tty_io.c, tty_open_proc_set_tty: before the open returns",
        is_it: |model, whose, difference| {
            difference.model == Value::None
                && match (whose, difference.fact) {
                    (Entity::Process(pid), Fact::Terminal) => leads_session(model, pid),
                    (Entity::Session(_), Fact::Terminal) | (Entity::Terminal(_), Fact::Session) => true,
                    (Entity::Terminal(_), Fact::Members) => {
                        matches!(difference.kernel, Value::Number(user) if leads_session(model, Pid(user)))
                    }
                    _ => false,
                }
        },
    },
    Unannounced {
        what: "a hangup when the master is closed",
        kernel: "drivers/tty/tty_jobctrl.c, tty_signal_session_leader: nobody has the terminal any more when SIGHUP is sent",
        is_it: |_, whose, difference| {
            difference.kernel == Value::None
                && match whose {
                    Entity::Process(_) | Entity::Session(_) => difference.fact == Fact::Terminal,
                    Entity::Terminal(_) => matches!(difference.fact, Fact::Existence | Fact::Members | Fact::Session),
                    Entity::Group(_) => false,
                }
        },
    },
    Unannounced {
        what: "the SIGCONT of a hangup, to the leader of the session",
        kernel: "drivers/tty/tty_jobctrl.c, tty_signal_session_leader; kernel/signal.c, prepare_signal: the stop ends before signal_generate",
        is_it: |model, whose, difference| {
            difference.fact == Fact::Stopped
                && difference.kernel == Value::Is(false)
                && matches!(whose, Entity::Process(pid) if leads_session(model, pid))
        },
    },
];

/// Whether the model has nobody of this number who lives.
fn is_new(model: &Model, pid: Pid) -> bool {
    let known = model.process_by_pid(pid);
    known.is_none_or(|known| known.knowledge != Knowledge::Seen || known.phase >= Phase::Exiting)
}

fn leads_session(model: &Model, pid: Pid) -> bool {
    model.process_by_pid(pid).is_some_and(|known| known.facts.session_leader)
}

/// The row that a difference is of.
fn unannounced(model: &Model, whose: Entity, difference: Difference) -> Option<&'static Unannounced> {
    RECORDS.iter().find(|row| (row.is_it)(model, whose, difference))
}

/// Why a fact of a process may differ for a moment.
pub(super) fn of_process(model: &Model, pid: Pid, difference: Difference) -> Option<Excuse> {
    let interval = || {
        // One that the model does not have has begun nothing.
        let known = model.process_by_pid(pid).filter(|_| difference.fact != Fact::Existence)?;
        compare::explanation(model, known, difference.fact)
    };
    of(model, interval, Entity::Process(pid), difference)
}

/// The same of a group, a session or a terminal.
pub(super) fn of_entity(model: &Model, compared: &Compared, difference: Difference) -> Option<Excuse> {
    of(model, || compared.explanation(model, difference.fact), compared.entity, difference)
}

fn of(model: &Model, interval: impl Fn() -> Option<Interval>, whose: Entity, difference: Difference) -> Option<Excuse> {
    if model.has_open_gap() {
        return Some(Excuse::Loss);
    }
    let recorded = || unannounced(model, whose, difference).map(|_| Excuse::Record);
    interval().map(Excuse::from).or_else(recorded)
}

/// Why the kernel may have a process no more.
pub(super) fn of_absence(model: &Model, known: &Process) -> Option<Excuse> {
    if model.has_open_gap() {
        return Some(Excuse::Loss);
    }
    compare::explanation_of_absence(model, known).map(Excuse::from)
}

/// The last records of what nothing announces.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Sessions' terminals that were gained by open or lost by a hangup.
    terminals: BTreeMap<u32, Seq>,
    /// Processes that were continued.
    continued: BTreeMap<Pid, Seq>,
}

impl Records {
    pub fn note(&mut self, seq: Seq, delta: &Delta) {
        for change in &delta.changes {
            if let Change::TtyGained { session, how: Some(TtyChange::Open), .. }
            | Change::TtyLost { session, how: Some(TtyChange::Hangup), .. } = change
            {
                self.terminals.insert(session.number.0, seq);
            }
            if let Change::Continued { process, .. } = change {
                self.continued.insert(process.number, seq);
            }
        }
    }

    /// Whether a record of the change that shows in this fact of a process came after `seq`.
    pub fn came(&self, process: &Process, fact: Fact, seq: Seq) -> bool {
        let last = match fact {
            Fact::Existence => return process.born.is_some(),
            Fact::Stopped => self.continued.get(&process.key.number),
            Fact::Terminal => self.terminals.get(&process.session.map_or(0, |session| session.number.0)),
            Fact::Parent
            | Fact::Group
            | Fact::Session
            | Fact::SessionLeader
            | Fact::Foreground
            | Fact::ForegroundExists
            | Fact::Zombie
            | Fact::Link
            | Fact::Members
            | Fact::Leader
            | Fact::Orphaned => None,
        };
        last.is_some_and(|last| *last > seq)
    }

    /// Forgets what nobody asks after any more.
    pub fn forget_until(&mut self, seq: Seq) {
        self.terminals.retain(|_, last| *last > seq);
        self.continued.retain(|_, last| *last > seq);
    }
}
