//! Why a difference is no divergence yet: an interval that is open for the process ([`compare::INTERVALS`]), a change that the
//! kernel makes before any record of it and whose record must come ([`RECORDS`]), or a loss.
//!
//! Must not: excuse what is in neither table.

use std::collections::BTreeMap;

use tracer_model::{
    compare::{self, Compared, Difference, Fact, Interval, Value},
    delta::{Change, Delta, TtyChange},
    ids::{Pid, Seq},
    state::{Model, Process},
};

use super::{HEAL_NS, SETTLE_NS};

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
    /// In what it shows.
    facts: &'static [Fact],
    /// What it is.
    pub what: &'static str,
    /// Where the kernel makes it, before the probe runs.
    pub kernel: &'static str,
    /// Whether a difference is of this kind, if of a process that the model has, of this one.
    is_it: fn(Difference, Option<&Process>) -> bool,
}

/// All of them.
pub const RECORDS: &[Unannounced] = &[
    Unannounced {
        facts: &[Fact::Existence, Fact::Members],
        what: "a fork",
        kernel: "kernel/fork.c, copy_process: attach_pid is before task_newtask",
        is_it: |difference, _| difference.model == Value::None,
    },
    Unannounced {
        facts: &[Fact::Terminal, Fact::Foreground],
        what: "an open that acquires the terminal, or a hangup when its master is closed",
        kernel: "drivers/tty/tty_io.c, tty_open, __tty_hangup: the terminal is had or gone before the open returns or SIGHUP is sent",
        is_it: |_, _| true,
    },
    Unannounced {
        facts: &[Fact::Stopped],
        what: "the SIGCONT of a hangup, to the leader of the session",
        kernel: "drivers/tty/tty_jobctrl.c, tty_signal_session_leader; kernel/signal.c, prepare_signal: the stop ends before signal_generate",
        is_it: |difference, known| {
            difference.kernel == Value::Is(false) && known.is_some_and(|known| known.facts.session_leader)
        },
    },
];

/// Why a fact of a process may differ for a moment.
pub(super) fn of_process(model: &Model, known: Option<&Process>, difference: Difference) -> Option<Excuse> {
    let interval = || {
        // One that the model does not have has begun nothing.
        let known = known.filter(|_| difference.fact != Fact::Existence)?;
        compare::explanation(model, known, difference.fact)
    };
    of(model, interval, difference, known)
}

/// The same of a group, a session or a terminal.
pub(super) fn of_entity(model: &Model, compared: &Compared, difference: Difference) -> Option<Excuse> {
    of(model, || compared.explanation(model, difference.fact), difference, None)
}

fn of(
    model: &Model,
    interval: impl Fn() -> Option<Interval>,
    difference: Difference,
    known: Option<&Process>,
) -> Option<Excuse> {
    if model.has_open_gap() {
        return Some(Excuse::Loss);
    }
    let recorded = || {
        let row = RECORDS.iter().find(|row| row.facts.contains(&difference.fact) && (row.is_it)(difference, known));
        row.map(|_| Excuse::Record)
    };
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
            Fact::Terminal | Fact::Foreground => {
                self.terminals.get(&process.session.map_or(0, |session| session.number.0))
            }
            Fact::Parent
            | Fact::Group
            | Fact::Session
            | Fact::SessionLeader
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
