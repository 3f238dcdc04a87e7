//! Lines before they are laid out: phrases with their columns, folded where they are alike.
//!
//! Must not: know widths, or word anything; that is [`super::layout`]'s and [`super::phrase`]'s.

use std::collections::BTreeMap;

use tracer_model::ids::{BootNs, PgrpKey, SessionKey};

use super::{
    Tone,
    phrase::{Fold, Phrase, Place, Scene, Who, phrases},
};

/// Lines of the same kind are folded when each follows the one before it within this time.
const FOLD_NS: u64 = 10_000_000;
/// Objects that are listed; more are counted.
const LISTED: usize = 12;

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub at: BootNs,
    who: Who,
    /// The process column: number and name, cleaned for the terminal.
    pub number: String,
    pub name: String,
    /// Its group and session.
    pub group: Option<PgrpKey>,
    pub session: Option<SessionKey>,
    /// Not one of the followed processes: somebody outside who touches them.
    pub outsider: bool,
    head: String,
    objects: Vec<String>,
    /// Objects that are not listed.
    more: usize,
    tail: String,
    pub note: String,
    pub tone: Tone,
    /// Cut off rather than wrapped.
    pub clip: bool,
    /// Of the same event and the same process as the line before: time and process need not be said again.
    pub continues: bool,
    fold: Option<Fold>,
    /// Time of the last line that was folded into this one.
    last: BootNs,
    /// Brackets that begin and end here.
    pub opens: Vec<PgrpKey>,
    pub closes: Vec<PgrpKey>,
}

impl Row {
    fn new(scene: &Scene<'_>, phrase: Phrase) -> Self {
        let (number, name, process) = match phrase.who {
            Who::Process(key) => {
                let process = scene.model.process(key);
                let name = process.map(|process| scene.style.clean(&process.comm.0).into_owned());
                (key.number.to_string(), name.unwrap_or_default(), process)
            }
            Who::Terminal(tty) => (String::new(), tty.tty.to_string(), None),
            Who::Nobody => (String::new(), String::new(), None),
        };
        Self {
            at: scene.event.at,
            who: phrase.who,
            number,
            name,
            group: process.and_then(|process| process.group),
            session: process.and_then(|process| process.session),
            outsider: scene.root.is_some() && process.is_some_and(|process| !process.followed),
            head: phrase.head,
            objects: phrase.objects,
            more: 0,
            tail: String::new(),
            note: phrase.note,
            tone: phrase.tone,
            clip: phrase.clip,
            continues: false,
            fold: phrase.fold,
            last: scene.event.at,
            opens: phrase.opens.into_iter().collect(),
            closes: phrase.closes.into_iter().collect(),
        }
    }

    /// What happened.
    pub(super) fn text(&self) -> String {
        let more = if self.more > 0 { format!(" and {} more", self.more) } else { String::new() };
        format!("{}{}{more}{}", self.head, self.objects.join(", "), self.tail)
    }

    /// Appends a statement about the same event.
    fn append(&mut self, phrase: &Phrase) {
        self.tail.push_str(if self.tail.is_empty() { ": " } else { ", " });
        self.tail.push_str(&phrase.head);
        self.remark(&phrase.note);
        self.opens.extend(phrase.opens);
        self.closes.extend(phrase.closes);
    }

    /// Takes up the object of a line that is like this one.
    fn absorb(&mut self, phrase: &Phrase, at: BootNs) -> bool {
        let alike = self.fold.is_some() && self.fold == phrase.fold && self.tail.is_empty();
        if !alike || at.since(self.last) > FOLD_NS {
            return false;
        }
        for object in &phrase.objects {
            if self.objects.len() < LISTED {
                self.objects.push(object.clone());
            } else {
                self.more += 1;
            }
        }
        self.last = at;
        true
    }

    /// Adds to the margin.
    fn remark(&mut self, more: &str) {
        if !self.note.is_empty() && !more.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(more);
    }
}

/// Lines in the order of the events.
#[derive(Debug, Default)]
pub(super) struct Rows {
    all: Vec<Row>,
    /// Lines that tell the birth of a group, on which later events may have a remark. Empty when lines are printed at once.
    births: BTreeMap<PgrpKey, usize>,
    keeps: bool,
    /// The last line is (also) about the event at hand.
    current: bool,
}

impl Rows {
    /// Lines that stay here until the end, so that later events can still add to them.
    pub(super) fn kept() -> Self {
        Self { keeps: true, ..Self::default() }
    }

    /// Whether lines stay here until the end.
    pub(super) fn are_kept(&self) -> bool {
        self.keeps
    }

    /// Adds the lines of one event.
    pub(super) fn add(&mut self, scene: &Scene<'_>) {
        self.current = false;
        for phrase in phrases(scene) {
            self.add_phrase(scene, phrase);
        }
    }

    fn add_phrase(&mut self, scene: &Scene<'_>, phrase: Phrase) {
        if let Place::Birth(group) = phrase.place
            && let Some(row) = self.births.get(&group).and_then(|row| self.all.get_mut(*row))
        {
            row.remark(&phrase.note);
            return;
        }
        if let Some(last) = self.all.last_mut() {
            if last.absorb(&phrase, scene.event.at) {
                self.current = true;
                return;
            }
            if self.current && phrase.place == Place::Clause {
                last.append(&phrase);
                return;
            }
        }
        self.push(scene, phrase);
    }

    fn push(&mut self, scene: &Scene<'_>, phrase: Phrase) {
        if let Some(group) = phrase.opens.filter(|_| self.keeps) {
            self.births.insert(group, self.all.len());
        }
        let mut row = Row::new(scene, phrase);
        row.continues = self.current && self.all.last().is_some_and(|last| last.who == row.who && last.at == row.at);
        self.all.push(row);
        self.current = true;
    }

    /// How many lines are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len() + self.births.len()
    }

    /// The older half of the lines, when there are more than `most`: nothing adds to those any more.
    pub(super) fn surplus(&mut self, most: usize) -> Option<Vec<Row>> {
        if self.all.len() <= most {
            return None;
        }
        let count = self.all.len() - most / 2;
        self.births.retain(|_, row| {
            let stays = *row >= count;
            *row = row.saturating_sub(count);
            stays
        });
        Some(self.all.drain(..count).collect())
    }

    /// The lines so far, which are no longer kept.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.births.clear();
        std::mem::take(&mut self.all)
    }
}
