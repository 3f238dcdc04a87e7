//! Filters: which events are shown. One language, live and of recordings.
//!
//! ```text
//! name=bash,zsh and not kind=signal_generated
//! under=41207 or tty=pts/3
//! (group=11 or uid>=1000) time>=1.2s time<3s
//! ```
//!
//! A test is KEY OPERATOR VALUE; commas stand between values of which one must hold. Tests are joined by `and` (which may be
//! left out), `or`, `not` and parentheses. A test of a process holds when it holds of whoever acts, of the subject, or of a
//! process that the event names besides. `docs/FILTERS.md` has the keys. Must not: know where events come from.

mod parse;
mod test;
#[cfg(test)]
mod tests;
mod words;

use std::str::FromStr;

use tracer_model::{delta::Delta, event::Event, findings::Finding, state::Model};

pub use parse::FilterError;
pub use test::Glob;
use test::{Test, Who};

use crate::trace_file::Header;

/// Key, values, and what it asks, of every test.
pub const KEYS: [(&str, &str, &str); 14] = [
    ("pid", "NUMBER", "number of a process"),
    ("under", "PID", "a process and its descendants"),
    ("name", "GLOB", "name of a process, as ps -o comm"),
    ("exe", "GLOB", "first argument of the program, or what follows its last /"),
    ("group", "NUMBER", "number of a process group"),
    ("session", "NUMBER", "number of a session"),
    ("tty", "GLOB", "controlling terminal: pts/3"),
    ("uid", "NUMBER", "real user id"),
    ("cgroup", "NUMBER", "cgroup id: ls -di /sys/fs/cgroup/PATH"),
    ("unit", "NAME", "a cgroup of this machine of that name, and those in it: ssh.service"),
    ("kind", "GLOB", "kind of an event, or name of a call: exec, setpgid, signal_*"),
    ("signal", "NAME", "signal that is sent, delivered or stops: SIGTERM, TERM"),
    ("rule", "GLOB", "findings of a rule: JC102, or its name"),
    ("time", "TIME", "305.402, 1.2s, an RFC 3339 time, #812"),
];

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    expression: Expression,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Test(Test),
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(|expression| Self { text: text.to_owned(), expression })
    }
}

impl Filter {
    /// Looks for the units that it names among the cgroups of this machine: before [`Self::begin`].
    pub fn look_up(&mut self) -> Result<(), FilterError> {
        let mut missing = None;
        self.expression.each(&mut |test| {
            if let Err(wrong) = test.look_up() {
                missing.get_or_insert(wrong);
            }
        });
        missing.map_or(Ok(()), |(place, what)| Err(FilterError::new(&self.text, place, what)))
    }

    /// Times are those of the recording, or the capture, with this header.
    pub fn begin(&mut self, header: &Header) {
        self.expression.each(&mut |test| test.begin(header));
    }

    /// Follows the clocks: to be called with every event, before [`Self::holds`].
    pub fn follow(&mut self, event: &Event) {
        self.expression.each(&mut |test| test.follow(event));
    }

    /// Whether it holds of an event, of which `model` is the state after it.
    #[must_use]
    pub fn holds(&self, event: &Event, delta: &Delta, model: &Model) -> bool {
        let who = Who::of_event(event, delta, model);
        self.expression.holds(&|test| test.of_event(event, &who, model))
    }

    /// Whether it holds of a finding.
    #[must_use]
    pub fn holds_of_finding(&self, finding: &Finding) -> bool {
        self.expression.holds(&|test| test.of_finding(finding))
    }
}

impl Expression {
    fn holds(&self, test: &impl Fn(&Test) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(test)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(test)),
            Self::Not(part) => !part.holds(test),
            Self::Test(it) => test(it),
        }
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut Test)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Test(it) => visit(it),
        }
    }
}
