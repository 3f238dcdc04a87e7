//! Runs the rules over the events and decides what was lost on the way.
//!
//! A rule hears of an event when it is of a kind that the rule's row names, and of time when its deadline has come. Must not:
//! know a rule.

use std::collections::VecDeque;

use super::{
    Draft, Evidence, Finding, NEVER, Now, Question, RULES, Rule, Subject, Undecided, Watch,
    kinds::{Kind, own_kind},
    memory::Memory,
};
use crate::{
    delta::{Bounds, Delta},
    event::{Event, EventKind},
    ids::{BootNs, ProcKey, Seq},
    state::Model,
};

/// Gaps that are remembered, oldest forgotten first.
const GAPS: usize = 256;

/// A bit for each rule, in the order of [`RULES`].
type Several = u64;
const ALL: Several = Several::MAX >> (Several::BITS as usize - RULES.len());

/// A rule at work.
struct Watching {
    rule: &'static Rule,
    watch: Box<dyn Watch>,
    /// Its deadline.
    next: BootNs,
}

/// Every rule at work.
pub struct Findings {
    watches: Vec<Watching>,
    /// The rules that hear of each kind.
    hearers: [Several; Kind::COUNT],
    /// No rule has a deadline before this.
    next: BootNs,
    memory: Memory,
    gaps: VecDeque<(Seq, Bounds)>,
    /// The changes of the last event as evidence, where that is remembered.
    shown: Vec<Option<Evidence>>,
    drafts: Vec<Draft>,
    decided: Vec<Finding>,
    /// What somebody will ask.
    question: Option<Box<Question>>,
    at: BootNs,
    seq: Seq,
}

impl Default for Findings {
    fn default() -> Self {
        let mut hearers = [0; Kind::COUNT];
        for (bit, rule) in RULES.iter().enumerate() {
            for kind in rule.hears {
                if let Some(hearers) = hearers.get_mut(*kind as usize) {
                    *hearers |= 1 << bit;
                }
            }
        }
        Self {
            watches: RULES.iter().map(|rule| Watching { rule, watch: (rule.watch)(), next: NEVER }).collect(),
            hearers,
            next: NEVER,
            memory: Memory::default(),
            gaps: VecDeque::new(),
            shown: Vec::new(),
            drafts: Vec::new(),
            decided: Vec::new(),
            question: None,
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

    /// Every rule hears of everything: that must make no difference.
    #[cfg(test)]
    pub(super) fn all_ears() -> Self {
        Self { hearers: [ALL; Kind::COUNT], ..Self::default() }
    }

    /// Says that nothing will come that is older than `at`. `model` is as it was after the last event.
    pub fn advance(&mut self, at: BootNs, model: &Model) {
        self.at = self.at.max(at);
        let (first, mut before) = (self.decided.len(), BootNs(0));
        // What a rule then begins to wait for may be due as well: it is decided before anything else happens.
        while self.next <= self.at && self.next > before {
            before = self.next;
            let due = self.watches.iter().enumerate().filter(|(_, watching)| watching.next <= self.at);
            let due = due.fold(0, |all, (bit, _)| all | 1 << bit);
            self.run(due, None, &Delta::default(), model, |watch, now, drafts| watch.due(now, drafts));
            self.next = self.watches.iter().map(|watching| watching.next).min().unwrap_or(NEVER);
        }
        self.sort_since(first);
    }

    /// Says that this event comes next, before the model and [`Self::observe`] take it. What is due within a gap is decided when the
    /// gap is known.
    pub fn reach(&mut self, event: &Event, model: &Model) {
        let at = if let EventKind::Gap(gap) = &event.kind { gap.from } else { event.at };
        self.advance(at, model);
    }

    /// When a rule decides what it waits for, if it does: [`Self::advance`] to there is news.
    #[must_use]
    pub fn next(&self) -> Option<BootNs> {
        Some(self.next).filter(|next| *next < NEVER)
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
        let own = own_kind(event);
        if own.is_none() && delta.changes.is_empty() && self.question.is_none() {
            return;
        }
        self.memory.notice(event, delta.subject);
        self.shown.clear();
        for change in &delta.changes {
            let mut evidence = None;
            if Memory::keeps(change) {
                let now = self.now_of(Some(event), delta, model);
                evidence = if Memory::shows(change) { now.new_evidence_of(change) } else { None };
                let foreground = now.foreground_of(change);
                self.memory.observe(change, evidence.as_ref(), foreground, (event, delta), model);
            }
            self.shown.push(evidence);
        }
        if let Some(mut question) = self.question.take() {
            question.observe(&self.now_of(Some(event), delta, model));
            self.question = Some(question);
        }
        if let EventKind::Inspected(inspection) = &event.kind {
            self.memory.inspected(delta.subject, inspection, model);
        }
        let kinds = delta.changes.iter().map(Kind::of).chain(own);
        let hear = kinds.filter_map(|kind| self.hearers.get(kind as usize)).fold(0, |all, it| all | it);
        if hear != 0 {
            self.run(hear, Some(event), delta, model, |watch, now, drafts| watch.event(now, drafts));
        }
    }

    /// Says that the capture has ended.
    pub fn end(&mut self, model: &Model) {
        self.run(ALL, None, &Delta::default(), model, |watch, now, drafts| watch.end(now, drafts));
    }

    /// What the rules see when nothing happens.
    pub(super) fn now<'a>(&'a self, delta: &'a Delta, model: &'a Model) -> Now<'a> {
        self.now_of(None, delta, model)
    }

    fn now_of<'a>(&'a self, event: Option<&'a Event>, delta: &'a Delta, model: &'a Model) -> Now<'a> {
        let Self { memory, shown, gaps, seq, .. } = self;
        let at = event.map_or(self.at, |event| event.at);
        Now { event, delta, model, memory, shown, gaps, at, seq: *seq }
    }

    /// Nothing was decided since [`Self::take`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decided.is_empty()
    }

    /// See [`Findings::ask`].
    pub(super) fn put_question(&mut self, question: Question) {
        self.memory.keep(question.number());
        self.question = Some(Box::new(question));
    }

    /// What was asked, with what was seen for it.
    pub(super) fn question(&self) -> Option<&Question> {
        self.question.as_deref()
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What was decided since this was last asked.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.decided)
    }

    /// Asks rules, each in the same way.
    fn run(
        &mut self,
        rules: Several,
        event: Option<&Event>,
        delta: &Delta,
        model: &Model,
        ask: impl Fn(&mut dyn Watch, &Now<'_>, &mut Vec<Draft>),
    ) {
        let (memory, shown, gaps) = (&self.memory, &self.shown, &self.gaps);
        let now = Now { event, delta, model, memory, shown, gaps, at: self.at, seq: self.seq };
        let first = self.decided.len();
        let mut left = rules;
        while let Some(Watching { rule, watch, next }) = self.watches.get_mut(left.trailing_zeros() as usize) {
            left &= left - 1;
            ask(watch.as_mut(), &now, &mut self.drafts);
            *next = watch.next();
            self.next = self.next.min(*next);
            if !self.drafts.is_empty() {
                decide(rule, &mut self.drafts, &now, &mut self.decided);
            }
        }
        self.sort_since(first);
    }

    /// What was decided together is told in the order of time.
    fn sort_since(&mut self, first: usize) {
        if let Some(new @ [_, _, ..]) = self.decided.get_mut(first..) {
            new.sort_by_key(|finding| finding.at);
        }
    }
}

/// Makes findings of what a rule has drafted.
#[inline(never)]
fn decide(rule: &'static Rule, drafts: &mut Vec<Draft>, now: &Now<'_>, decided: &mut Vec<Finding>) {
    for draft in drafts.drain(..).filter(|draft| concerns(draft, now)) {
        let lost = undecided(&draft, now.model, now.gaps).map(Undecided::Lost);
        let undecided = lost.or_else(|| too_early(&draft, now.at).map(Undecided::Ended));
        decided.push(finding(rule, draft, now, undecided));
    }
}

fn finding(rule: &'static Rule, draft: Draft, now: &Now<'_>, undecided: Option<Undecided>) -> Finding {
    let Draft { severity, subject, about: _, since: _, until, at, fact, cause, fix, mut evidence } = draft;
    evidence.sort_by_key(|evidence| evidence.seq);
    evidence.dedup();
    let severity = if undecided.is_some() { super::Severity::Info } else { severity.min(rule.severity) };
    let at = at.or(until).map_or(now.at, |at| at.min(now.at));
    Finding { rule, severity, subject, at, undecided, fact, cause, fix, evidence }
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

/// From the end of the capture until what the finding rests on is certain.
fn too_early(draft: &Draft, at: BootNs) -> Option<Bounds> {
    draft.until.filter(|until| at < *until).map(|until| Bounds { after: at, until })
}

/// The gap in which the finding could have been refuted.
fn undecided(draft: &Draft, model: &Model, gaps: &VecDeque<(Seq, Bounds)>) -> Option<Bounds> {
    let since = draft.since.and_then(|since| gaps.iter().find(|(gap, _)| *gap > since)).map(|(_, bounds)| *bounds);
    since.or_else(|| draft.about.iter().find_map(|key| model.uncertain(*key)))
}
