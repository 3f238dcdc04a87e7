//! Answers to what users ask of one process or group: why is it as it is, who killed it, whom did that signal reach.
//!
//! Pure readers of the model, of what the rules remember, and of what was kept for the question. Must not: judge; that is
//! what findings are for.

mod ended;
mod left;
mod look;
mod reached;
#[cfg(test)]
mod tests;
mod why;

pub(super) use ended::{ended_itself, handled_first};
pub(super) use left::class;
pub use left::{Class, Left, Place};
pub use look::{Doing, Look};
pub use reached::{Asked, Question};

use super::{
    Evidence, Fate, Now,
    evidence::ending,
    memory::{Life, Received},
    words::{Span, Word, Words, say},
};
use crate::{
    event::{Disposition, WaitStatus},
    ids::{BootNs, Signal},
};

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it comes to, in a word that programs can test: `stopped`, `zombie`, `killed`, `exited`, `running`, `waiting`,
    /// `alive`, `signal`.
    pub state: &'static str,
    /// The process that it is about.
    pub about: Option<Word>,
    /// What is the case, in one line.
    pub fact: Words,
    /// What belongs to it, each with a word before it: `because`, `sent by`, `waits`, `release`.
    pub rows: Vec<(&'static str, Words)>,
    /// The events that it rests on, in order.
    pub evidence: Vec<Evidence>,
}

impl Answer {
    fn of(state: &'static str, about: Option<Word>, fact: Words) -> Self {
        Self { state, about, fact, rows: Vec::new(), evidence: Vec::new() }
    }

    /// A row, unless it is empty.
    fn row(mut self, name: &'static str, words: Words) -> Self {
        if !words.is_empty() {
            self.rows.push((name, words));
        }
        self
    }

    /// A row for each.
    fn each(self, name: &'static str, items: impl IntoIterator<Item = Words>) -> Self {
        items.into_iter().fold(self, |answer, words| answer.row(name, words))
    }

    fn seen(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self.evidence.sort_by_key(|evidence| evidence.seq);
        self.evidence.dedup();
        self
    }
}

/// `died of SIGINT`, `exited with 3`.
fn past(status: WaitStatus) -> String {
    ending(status).replace("dies", "died").replace("exits ", "exited with ")
}

/// What a signal met, where that is not its default action.
fn fate(received: &Received) -> &'static str {
    // It continues before it is dropped for want of a handler.
    let continues = received.signal.signal == Signal::CONT && received.signal.disposition == Disposition::Default;
    if continues && received.fate == Fate::Ignored { "" } else { received.fate.aside() }
}

/// Signals that a process got, before an instant or up to now.
fn told<'a>(now: &'a Now<'_>, life: &'a Life, before: Option<BootNs>) -> impl Iterator<Item = Words> + 'a {
    let until = before.unwrap_or(now.at);
    let earlier = life.received.iter().filter(move |it| before.is_none_or(|before| it.evidence.at < before));
    earlier.map(move |received| {
        let ago = Span(until.since(received.evidence.at));
        say![received.signal.signal, fate(received), " ", ago, " earlier, ", received.evidence.path()]
    })
}
