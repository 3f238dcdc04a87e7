//! The tests that a filter is made of, and of what they are asked.
//!
//! Must not: read a clock. Only [`Test::look_up`] looks at the machine, once.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path};

use tracer_model::{
    delta::Delta,
    event::{Event, EventKind, Leave},
    findings::{Finding, Subject},
    ids::{Pid, ProcKey, Signal},
    state::{Model, Process},
};

use super::words::nearest;
use crate::{
    cli::at::{At, Limit},
    trace_file::{Header, call_name, kind_name},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Pid,
    Group,
    Session,
    Uid,
    Cgroup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Name,
    Executable,
    Tty,
    Kind,
    Signal,
    Rule,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Number(Number, Operator, u64),
    Word(Word, Operator, Glob),
    /// A process and its descendants.
    Under(Operator, u64),
    Unit {
        operator: Operator,
        name: String,
        /// Where the name stands in the filter.
        place: usize,
        /// Once they are looked up: the cgroups of that name, and those in them.
        ids: Vec<u64>,
    },
    Time {
        operator: Operator,
        at: At,
        /// Once the header is known.
        limit: Option<Limit>,
    },
}

/// A pattern: `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Vec<u8>>);

impl Glob {
    /// The pattern of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(|part| part.as_bytes().to_vec()).collect())
    }

    /// Whether it matches the whole of these bytes.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return text.is_empty() };
        let Some(text) = text.strip_prefix(first.as_slice()) else { return false };
        let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
        let Some(mut text) = text.strip_suffix(last.as_slice()) else { return false };
        middle.iter().all(|part| {
            let found = (0..=text.len()).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(part)));
            text = found.and_then(|at| text.get(at + part.len()..)).unwrap_or_default();
            found.is_some()
        })
    }
}

/// The processes that an event concerns.
pub(super) struct Who<'a> {
    numbers: Vec<u32>,
    processes: Vec<&'a Process>,
}

impl<'a> Who<'a> {
    pub(super) fn of_event(event: &Event, delta: &Delta, model: &'a Model) -> Self {
        let mut numbers = vec![event.actor.pid.0];
        numbers.extend(event.subject.as_ref().map(|state| state.id.pid.0));
        #[expect(clippy::wildcard_enum_match_arm, reason = "few kinds name a third process")]
        match &event.kind {
            EventKind::Freed { task } => numbers.push(task.pid.0),
            EventKind::Inspected(inspection) => numbers.push(inspection.task.pid.0),
            EventKind::Leave(Leave { waited: Some(waited), .. }) => numbers.push(waited.child.pid.0),
            _ => {}
        }
        let mut processes: Vec<&Process> =
            [delta.by, delta.subject].into_iter().flatten().filter_map(|key| model.process(key)).collect();
        processes.extend(numbers.get(2..).unwrap_or_default().iter().filter_map(|pid| model.process_by_pid(Pid(*pid))));
        Self { numbers, processes }
    }
}

impl Test {
    /// Looks for the cgroups of this machine that have a unit's name; its place and what is wrong when there are none.
    pub(super) fn look_up(&mut self) -> Result<(), (usize, String)> {
        let Self::Unit { name, place, ids, .. } = self else { return Ok(()) };
        let mut names = BTreeSet::new();
        ids.clear();
        collect(Path::new("/sys/fs/cgroup"), name, false, ids, &mut names);
        if ids.is_empty() {
            let nearest = nearest(name, names.iter().map(String::as_str));
            let nearest = nearest.map_or_else(String::new, |nearest| format!("; the nearest is {nearest}"));
            return Err((*place, format!("no cgroup of this machine has this name{nearest}")));
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, header: &Header) {
        if let Self::Time { at, limit, .. } = self {
            *limit = Some(Limit::new(at.resolve(crate::live::unix_now()), header));
        }
    }

    pub(super) fn follow(&mut self, event: &Event) {
        if let Self::Time { limit: Some(limit), .. } = self {
            limit.is_before(event);
        }
    }

    pub(super) fn of_event(&self, event: &Event, who: &Who, model: &Model) -> bool {
        match self {
            Self::Number(Number::Pid, operator, value) => {
                let pids = who.numbers.iter().filter(|pid| **pid != 0);
                operator.any(pids.map(|pid| u64::from(*pid)), *value)
            }
            Self::Number(number, operator, value) => {
                operator.any(who.processes.iter().filter_map(|process| number_of(*number, process)), *value)
            }
            Self::Under(operator, pid) => {
                let under = who.processes.iter().any(|process| is_under(process, *pid, model));
                under == (*operator == Operator::Equal)
            }
            Self::Unit { operator, ids, .. } => {
                let inside = who.processes.iter().any(|process| ids.contains(&process.cgroup));
                inside == (*operator == Operator::Equal)
            }
            Self::Time { operator, limit, .. } => limit.is_some_and(|limit| operator.time(limit, event)),
            Self::Word(Word::Kind, operator, glob) => {
                let call = call_name(&event.kind);
                let request = call.filter(|call| call.starts_with("TIOC")).map(|_| "ioctl");
                operator.word(glob, [kind_name(&event.kind)].into_iter().chain(call).chain(request).map(str::as_bytes))
            }
            Self::Word(Word::Signal, operator, glob) => {
                let name = signal_of(&event.kind).map(|signal| signal.to_string());
                let short = name.as_deref().and_then(|name| name.strip_prefix("SIG"));
                operator.word(glob, name.as_deref().into_iter().chain(short).map(str::as_bytes))
            }
            Self::Word(Word::Rule, ..) => false,
            Self::Word(Word::Tty, operator, glob) => {
                let names: Vec<String> =
                    who.processes.iter().filter_map(|process| process.tty).map(|tty| tty.tty.to_string()).collect();
                operator.word(glob, names.iter().map(String::as_bytes))
            }
            Self::Word(Word::Name, operator, glob) => {
                operator.word(glob, who.processes.iter().map(|process| &*process.comm.0))
            }
            Self::Word(Word::Executable, operator, glob) => {
                let paths = || who.processes.iter().filter_map(|process| process.args.first()).map(Vec::as_slice);
                let last = |path: &'_ [u8]| path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
                let names = paths().map(|path| path.get(last(path)..).unwrap_or_default());
                operator.word(glob, paths().chain(names))
            }
        }
    }

    pub(super) fn of_finding(&self, finding: &Finding) -> bool {
        let number = |wanted: Number| match (&finding.subject, wanted) {
            (Subject::Process(key, _), Number::Pid) => Some(u64::from(key.number.0)),
            (Subject::Group(key), Number::Group) => Some(u64::from(key.number.0)),
            (Subject::Session(key), Number::Session) => Some(u64::from(key.number.0)),
            _ => None,
        };
        match self {
            Self::Word(Word::Rule, operator, glob) => {
                operator.word(glob, [finding.rule.id, finding.rule.name].into_iter().map(str::as_bytes))
            }
            Self::Word(Word::Name, operator, glob) => {
                let name = if let Subject::Process(_, comm) = &finding.subject { Some(&comm.0) } else { None };
                operator.word(glob, name.into_iter().map(|name| &**name))
            }
            Self::Word(Word::Tty, operator, glob) => {
                let name = if let Subject::Terminal(tty) = &finding.subject { Some(tty.tty.to_string()) } else { None };
                operator.word(glob, name.iter().map(String::as_bytes))
            }
            Self::Number(wanted, operator, value) => operator.any(number(*wanted).into_iter(), *value),
            Self::Word(Word::Kind | Word::Signal | Word::Executable, operator, _)
            | Self::Under(operator, _)
            | Self::Unit { operator, .. }
            | Self::Time { operator, .. } => *operator == Operator::NotEqual,
        }
    }
}

impl Operator {
    /// Whether it holds of one of them; `!=`: of all of them.
    fn any(self, mut have: impl Iterator<Item = u64>, value: u64) -> bool {
        match self {
            Self::Equal => have.any(|it| it == value),
            Self::NotEqual => have.all(|it| it != value),
            Self::Less => have.any(|it| it < value),
            Self::LessEqual => have.any(|it| it <= value),
            Self::Greater => have.any(|it| it > value),
            Self::GreaterEqual => have.any(|it| it >= value),
        }
    }

    fn word<'a>(self, glob: &Glob, mut have: impl Iterator<Item = &'a [u8]>) -> bool {
        have.any(|it| glob.matches(it)) == (self != Self::NotEqual)
    }

    /// The clock of `limit` has been set by the event.
    fn time(self, limit: Limit, event: &Event) -> bool {
        let (reached, passed) = (limit.is_reached(event), limit.is_over(event));
        match self {
            Self::Equal => reached && !passed,
            Self::NotEqual => !reached || passed,
            Self::Less => !reached,
            Self::LessEqual => !passed,
            Self::Greater => passed,
            Self::GreaterEqual => reached,
        }
    }
}

fn number_of(number: Number, process: &Process) -> Option<u64> {
    match number {
        Number::Pid => Some(u64::from(process.key.number.0)),
        Number::Group => process.group.map(|group| u64::from(group.number.0)),
        Number::Session => process.session.map(|session| u64::from(session.number.0)),
        Number::Uid => process.uid.map(|uid| u64::from(uid.0)),
        Number::Cgroup => Some(process.cgroup),
    }
}

fn is_under(process: &Process, pid: u64, model: &Model) -> bool {
    let mut next = Some(process);
    let mut seen: Vec<ProcKey> = Vec::new();
    while let Some(process) = next {
        if u64::from(process.key.number.0) == pid {
            return true;
        }
        // A recording that somebody made up can have parents in a ring.
        if seen.contains(&process.key) {
            return false;
        }
        seen.push(process.key);
        next = process.parent.and_then(|parent| model.process(parent));
    }
    false
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds have no signal")]
fn signal_of(kind: &EventKind) -> Option<Signal> {
    match kind {
        EventKind::SignalGenerated(generated) => Some(generated.signal),
        EventKind::SignalDelivered { signal, .. } | EventKind::Stopped { signal } => Some(*signal),
        _ => None,
    }
}

/// Inodes, which are the ids, of cgroups of this name and of all in them; and the names that there are.
fn collect(folder: &Path, name: &str, inside: bool, ids: &mut Vec<u64>, names: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let inside = inside || entry.file_name() == name;
        if inside {
            ids.extend(entry.metadata().map(|metadata| metadata.ino()));
        }
        names.insert(crate::text::sanitize(entry.file_name().as_encoded_bytes()).into_owned());
        collect(&entry.path(), name, inside, ids, names);
    }
}
