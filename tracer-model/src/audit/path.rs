//! The path of a process: each fork, setsid, setpgid, exec and adoption from the command, or from where the capture began, and
//! what it did to attributes of its own, where that was captured.
//!
//! Must not: judge.

use std::collections::BTreeMap;

use crate::{
    delta::{Change, Delta, GroupBirth},
    event::{Attribute, Call, Comm, Event, EventKind},
    ids::{BootNs, ProcKey, TtyKey},
    state::Model,
};

/// Steps of one process that are kept, the latest: so many of job control, and so many of attributes.
const STEPS: usize = 24;
/// Processes whose path is kept. The one with the least number is forgotten first.
const PATHS: usize = 32_768;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: BootNs,
    /// By or of whom.
    pub process: ProcKey,
    /// What.
    pub kind: StepKind,
}

/// What a step was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It was forked.
    Fork,
    /// It began a session.
    Setsid,
    /// Its setsid was refused (EPERM): a process group has its number.
    SetsidRefused,
    /// It began a process group, or was put in one.
    Setpgid,
    /// It executed a program, and has this name now.
    Exec(Comm),
    /// Its parent had exited and another process adopted it.
    Adopted,
    /// It got a controlling terminal.
    Terminal(TtyKey),
    /// It changed an attribute, or tried to.
    Attribute(Attribute),
}

impl StepKind {
    /// One word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Setsid => "setsid",
            Self::SetsidRefused => "setsid refused",
            Self::Setpgid => "setpgid",
            Self::Exec(_) => "exec",
            Self::Adopted => "adopted",
            Self::Terminal(_) => "terminal",
            Self::Attribute(attribute) => attribute.name(),
        }
    }

    /// The attribute, if it is about one.
    #[must_use]
    pub fn attribute(&self) -> Option<Attribute> {
        if let Self::Attribute(attribute) = self { Some(*attribute) } else { None }
    }
}

/// The paths of living processes.
#[derive(Clone, Debug, Default)]
pub struct Paths(BTreeMap<ProcKey, Vec<Step>>);

impl Paths {
    /// Takes an event and what it changed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that are steps")]
    pub fn observe(&mut self, event: &Event, delta: &Delta, model: &Model) {
        let at = event.at;
        if let (EventKind::Attribute(attribute), Some(process)) = (&event.kind, delta.by) {
            self.step(at, process, StepKind::Attribute(*attribute));
        }
        for change in &delta.changes {
            match *change {
                Change::Forked { child, parent } => {
                    let before = self.0.get(&parent).cloned().unwrap_or_default();
                    self.0.insert(child, before);
                    self.step(at, child, StepKind::Fork);
                }
                Change::Executed { process } => {
                    let name = model.process(process).map(|process| process.comm.clone()).unwrap_or_default();
                    self.step(at, process, StepKind::Exec(name));
                }
                Change::GroupBorn { leader: Some(process), birth, .. } => match birth {
                    GroupBirth::BySetsid => self.step(at, process, StepKind::Setsid),
                    GroupBirth::BySelf | GroupBirth::ByParent { .. } => self.step(at, process, StepKind::Setpgid),
                    GroupBirth::Found => {}
                },
                Change::Refused { call: Call::Setsid, .. } => {
                    if let Some(process) = delta.by {
                        self.step(at, process, StepKind::SetsidRefused);
                    }
                }
                Change::Joined { process, .. } => self.step(at, process, StepKind::Setpgid),
                Change::Reparented { process, .. } => self.step(at, process, StepKind::Adopted),
                Change::TtyGained { session, tty, how: Some(_) } => {
                    let leader = model.session(session).and_then(|session| session.leader);
                    if let Some(leader) = leader {
                        self.step(at, leader, StepKind::Terminal(tty));
                    }
                }
                Change::Reaped { process, .. } => drop(self.0.remove(&process)),
                _ => {}
            }
        }
        if self.0.len() > PATHS {
            self.0.pop_first();
        }
    }

    /// How many processes have one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The steps of a process, oldest first.
    #[must_use]
    pub fn of(&self, process: ProcKey) -> &[Step] {
        self.0.get(&process).map_or(&[], Vec::as_slice)
    }

    fn step(&mut self, at: BootNs, process: ProcKey, kind: StepKind) {
        let steps = self.0.entry(process).or_default();
        let is_alike = |step: &Step| step.kind.attribute().is_some() == kind.attribute().is_some();
        if steps.iter().filter(|step| is_alike(step)).count() >= STEPS
            && let Some(oldest) = steps.iter().position(is_alike)
        {
            steps.remove(oldest);
        }
        steps.push(Step { at, process, kind });
    }
}
