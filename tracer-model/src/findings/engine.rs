//! Runs the rules over the events and decides what was lost on the way.
//!
//! Must not: know a rule.

use std::collections::VecDeque;

use super::{Draft, Finding, Now, RULES, Rule, Subject, Watch, memory::Memory};
use crate::{
    delta::{Bounds, Delta},
    event::{Event, EventKind},
    ids::{BootNs, ProcKey, Seq},
    state::Model,
};

/// Gaps that are remembered, oldest forgotten first.
const GAPS: usize = 256;

/// Every rule at work.
pub struct Findings {
    watches: Vec<(&'static Rule, Box<dyn Watch>)>,
    memory: Memory,
    gaps: VecDeque<(Seq, Bounds)>,
    decided: Vec<Finding>,
    at: BootNs,
    seq: Seq,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            watches: RULES.iter().map(|rule| (rule, (rule.watch)())).collect(),
            memory: Memory::default(),
            gaps: VecDeque::new(),
            decided: Vec::new(),
            at: BootNs(0),
            seq: Seq(0),
        }
    }
}

impl Findings {
    /// Every rule, with nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that nothing will come that is older than `at`. `model` is as it was after the last event.
    pub fn advance(&mut self, at: BootNs, model: &Model) {
        self.at = self.at.max(at);
        self.run(None, &Delta::default(), model, Step::Due);
    }

    /// Takes one event, what it changed, and the model after it.
    pub fn observe(&mut self, event: &Event, delta: &Delta, model: &Model) {
        (self.at, self.seq) = (self.at.max(event.at), event.seq);
        if let EventKind::Gap(gap) = &event.kind {
            self.gaps.push_back((event.seq, Bounds { after: gap.from, until: gap.until }));
            if self.gaps.len() > GAPS {
                self.gaps.pop_front();
            }
        }
        let now = Now { event: Some(event), delta, model, memory: &self.memory, at: event.at, seq: event.seq };
        let told: Vec<_> = delta.changes.iter().map(|change| (now.evidence_of(change), change)).collect();
        self.memory.observe(&told, model);
        self.run(Some(event), delta, model, Step::Event);
    }

    /// Says that the capture has ended.
    pub fn end(&mut self, model: &Model) {
        self.run(None, &Delta::default(), model, Step::End);
    }

    /// What the rules see when nothing happens.
    pub(super) fn now<'a>(&'a self, delta: &'a Delta, model: &'a Model) -> Now<'a> {
        Now { event: None, delta, model, memory: &self.memory, at: self.at, seq: self.seq }
    }

    /// What was decided since this was last asked.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.decided)
    }

    fn run(&mut self, event: Option<&Event>, delta: &Delta, model: &Model, step: Step) {
        let now = Now { event, delta, model, memory: &self.memory, at: self.at, seq: self.seq };
        let mut drafts = Vec::new();
        let first = self.decided.len();
        for (rule, watch) in &mut self.watches {
            match step {
                Step::Event => watch.event(&now, &mut drafts),
                Step::Due => watch.due(&now, &mut drafts),
                Step::End => watch.end(&now, &mut drafts),
            }
            for draft in drafts.drain(..).filter(|draft| concerns(draft, &now)) {
                let undecided = undecided(&draft, model, &self.gaps);
                self.decided.push(finding(rule, draft, &now, undecided));
            }
        }
        if let Some(new) = self.decided.get_mut(first..) {
            new.sort_by_key(|finding| finding.at);
        }
    }
}

/// What the rules are asked for.
#[derive(Clone, Copy)]
enum Step {
    Event,
    Due,
    End,
}

fn finding(rule: &'static Rule, draft: Draft, now: &Now<'_>, undecided: Option<Bounds>) -> Finding {
    let Draft { severity, subject, about: _, since: _, at, fact, cause, fix, mut evidence } = draft;
    evidence.sort_by_key(|evidence| evidence.seq);
    evidence.dedup();
    let severity = if undecided.is_some() { super::Severity::Info } else { severity.min(rule.severity) };
    Finding { rule, severity, subject, at: at.unwrap_or(now.at), undecided, fact, cause, fix, evidence }
}

/// When a command is followed, findings are about it or its descendants.
fn concerns(draft: &Draft, now: &Now<'_>) -> bool {
    let followed = |key: &ProcKey| {
        let process = now.model.process(*key).is_some_and(|process| process.followed);
        process || now.memory.life(*key).is_some_and(|life| life.followed)
    };
    now.model.root.is_none()
        || draft.about.iter().any(followed)
        || matches!(&draft.subject, Subject::Process(key, _) if followed(key))
}

/// The gap in which the finding could have been refuted.
fn undecided(draft: &Draft, model: &Model, gaps: &VecDeque<(Seq, Bounds)>) -> Option<Bounds> {
    let since = draft.since.and_then(|since| gaps.iter().find(|(gap, _)| *gap > since)).map(|(_, bounds)| *bounds);
    since.or_else(|| draft.about.iter().find_map(|key| model.uncertain(*key)))
}
