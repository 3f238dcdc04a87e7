//! Watching: every process is judged once it has settled, and again when something about it changes; what was seen before is
//! not told again.
//!
//! As a sink it hears of events and notes what has to be looked at; whoever runs the capture lets it tell what it found between
//! events, when the rules have said all that they have to say. Must not: read `/proc`, files or clocks, or remember anything
//! of a process that has been reaped: it runs for weeks.

mod judged;
mod left_out;
mod news;
mod occasion;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    rc::Rc,
};

use tracer_model::{
    audit::Verdict,
    delta::{Change, Delta},
    event::{Attribute, Event, EventKind, inspection::Moment},
    findings::{Finding, Subject},
    ids::{BootNs, ProcKey, RawTty, SessionKey},
    state::{Model, Phase},
};

pub use self::occasion::Occasion;
use self::{judged::Judged, left_out::LeftOut, news::News};
use super::{
    Choose, Outcome,
    book::{self, Book, is_of_daemons},
    known::{self, Entry, Known},
};
use crate::{
    sink::{Sink, Style, findings::Format},
    trace_file::{Header, Summary},
};

/// Rules whose findings are of one look, and not of what happened.
const OF_A_LOOK: [&str; 5] = ["JC504", "JC505", "JC506", "JC507", "JC508"];
/// Processes that are looked at again at once, at most, because their time has come.
const AT_ONCE: usize = 16;
/// Findings of one process that are kept.
const FINDINGS: usize = 16;

/// How watching went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// As of an audit; `worst` is of what was told.
    pub outcome: Outcome,
    /// Judgements that were told.
    pub told: u64,
    /// Processes that were to be judged when it ended, and were not.
    pub unjudged: usize,
    /// Judgements that a document at the end has no place for.
    pub left_out: usize,
    /// Steps of everybody that were not recorded.
    pub steps_left_out: u64,
}

/// The sink, and a handle to it.
#[derive(Clone)]
pub struct Watch(Rc<RefCell<State>>);

struct State {
    news: News,
    book: Book,
    known: Known,
    left_out: LeftOut,
    /// This process: it is nobody to judge.
    own: u32,
    /// So long after a look comes the next.
    again_ns: u64,
    /// What was seen before is told, too.
    repeat: bool,
    findings: BTreeMap<ProcKey, Vec<Finding>>,
    /// To be looked at, and why.
    wanted: BTreeMap<ProcKey, Occasion>,
    /// Those of `wanted` that nobody was told of yet.
    unasked: Vec<ProcKey>,
    /// Looked at and to be judged, and why. What happens after the look makes them wanted again.
    seen: BTreeMap<ProcKey, Occasion>,
    judged: Judged,
    /// Nobody is looked at again just because its time has come.
    ending: bool,
    watched: Watched,
}

impl Watch {
    /// Writes to `out`. `own`: the number of this process; `again_ns`: how long after a look everybody is looked at again;
    /// `repeat`: what was seen before is told, too.
    #[must_use]
    pub fn new(
        (out, style, format): (Box<dyn Write>, Style, Format),
        choose: Choose,
        known: Known,
        (own, again_ns, repeat): (u32, u64, bool),
    ) -> Self {
        Self(Rc::new(RefCell::new(State {
            news: News::new(out, style, format),
            book: Book::new(choose, style),
            known,
            left_out: LeftOut::default(),
            own,
            again_ns,
            repeat,
            findings: BTreeMap::new(),
            wanted: BTreeMap::new(),
            unasked: Vec::new(),
            seen: BTreeMap::new(),
            judged: Judged::default(),
            ending: false,
            watched: Watched::default(),
        })))
    }

    /// Has everybody looked at who is there: launchers before who they launched.
    pub fn begin(&self, model: &Model) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let living = model.processes().filter(|it| it.phase == Phase::Alive && !it.kernel_thread);
        let mut there: Vec<(BootNs, ProcKey)> = living.map(|it| (it.start, it.key)).collect();
        there.sort_unstable();
        for (_, process) in &there {
            state.want(*process, Occasion::Start);
        }
        state.news.head(there.len(), state.known.len())
    }

    /// Who is to be looked at now.
    #[must_use]
    pub fn take_wanted(&self) -> Vec<ProcKey> {
        std::mem::take(&mut self.0.borrow_mut().unasked)
    }

    /// Judges who was looked at, tells what is news, and notes whose time has come again.
    pub fn tell(&self, model: &Model, now: BootNs) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        // Who holds the other end of a pipe is known when everybody who was there was looked at.
        let begun = !state.wanted.values().any(|occasion| *occasion == Occasion::Start);
        while begun && let Some((process, occasion)) = state.seen.pop_first() {
            state.judge(process, occasion, model, now)?;
        }
        if !state.ending {
            state.overdue(now);
        }
        state.news.flush()
    }

    /// Who is to be judged and was not yet: also whoever is to be looked at first.
    #[must_use]
    pub fn waiting(&self) -> BTreeSet<ProcKey> {
        let state = self.0.borrow();
        state.wanted.keys().chain(state.seen.keys()).copied().collect()
    }

    /// Whether it was judged at this time or later.
    #[must_use]
    pub fn was_judged_since(&self, process: ProcKey, at: BootNs) -> bool {
        self.0.borrow().judged.at(process).is_some_and(|judged| judged >= at)
    }

    /// By `at` so many steps of everybody were not recorded, since the capture began.
    pub fn left_out(&self, total: u64, at: BootNs) {
        self.0.borrow_mut().left_out.count(total, at);
    }

    /// From now on only who waits is judged.
    pub fn ending(&self) {
        self.0.borrow_mut().ending = true;
    }

    /// So many were to be judged when it ended, and were not.
    pub fn left_unjudged(&self, many: usize) {
        let state = &mut *self.0.borrow_mut();
        state.watched.unjudged = many;
    }

    /// What the rules said of a process.
    #[cfg(test)]
    pub(super) fn findings(&self, pid: tracer_model::ids::Pid) -> Vec<Finding> {
        let (first, last) = ProcKey::lives(pid);
        self.0.borrow().findings.range(first..=last).flat_map(|row| row.1.iter().cloned()).collect()
    }

    /// How many entries there are of processes, and of what is known.
    #[cfg(test)]
    pub(super) fn entries(&self) -> (usize, usize) {
        let state = self.0.borrow();
        let lists = state.findings.len() + state.wanted.len() + state.unasked.len() + state.seen.len();
        (lists + state.judged.entries() + state.book.entries(), state.known.len())
    }

    /// Records that were lost since this was last asked.
    #[must_use]
    pub fn take_lost(&self) -> u64 {
        self.0.borrow_mut().news.take_lost()
    }

    /// Hands on what is known by now.
    pub fn with_known(&self, hand_on: impl FnOnce(&Known)) {
        hand_on(&self.0.borrow().known);
    }

    /// Takes over what somebody changed in the baseline.
    pub fn edited(&self, before: &Known, file: &Known) {
        self.0.borrow_mut().known.edited(before, file);
    }

    /// Whether there is news since this was last asked.
    #[must_use]
    pub fn take_changed(&self) -> bool {
        self.0.borrow_mut().known.take_changed()
    }

    /// How it went so far.
    #[must_use]
    pub fn watched(&self) -> Watched {
        self.0.borrow().watched
    }
}

impl State {
    fn want(&mut self, process: ProcKey, occasion: Occasion) {
        let before = self.wanted.get(&process).copied();
        if before.is_none() {
            self.unasked.push(process);
        }
        self.wanted.insert(process, before.map_or(occasion, |before| before.max(occasion)));
    }

    fn overdue(&mut self, now: BootNs) {
        // Its next look is as far away as after one, should this one never come.
        for process in self.judged.take_older_than(self.again_ns, AT_ONCE, now) {
            self.want(process, Occasion::Again);
        }
    }

    fn forget(&mut self, process: ProcKey) {
        self.judged.remove(process);
        self.wanted.remove(&process);
        self.seen.remove(&process);
    }

    /// Its terminal is that of everybody in it.
    fn terminal_changed(&mut self, session: SessionKey, model: &Model) {
        let groups = model.session(session).into_iter().flat_map(|session| &session.groups);
        let groups = groups.filter_map(|group| model.group(*group));
        let members: Vec<ProcKey> = groups.flat_map(|group| group.members.iter().copied()).collect();
        for member in members.into_iter().filter(|member| self.judged.has(*member)).collect::<Vec<_>>() {
            self.want(member, Occasion::Terminal);
        }
    }

    /// Who opens its own controlling terminal has nothing that it had not; a shell does so with every command.
    fn changed(&mut self, attribute: &Attribute, by: Option<ProcKey>, model: &Model) {
        let Some(by) = by.filter(|by| self.judged.has(*by)) else { return };
        let own = model.process(by).and_then(|process| process.tty);
        let is_own =
            |terminal: RawTty| own.is_some_and(|own| terminal == own.tty || (terminal.major, terminal.minor) == (5, 0));
        if attribute.terminal().is_some_and(|terminal| !is_own(terminal)) {
            self.want(by, Occasion::Opened);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes after which somebody is looked at again")]
    fn heard(&mut self, change: &Change, model: &Model) {
        match *change {
            Change::TtyGained { session, .. } | Change::TtyLost { session, .. } => {
                self.terminal_changed(session, model);
            }
            Change::Executed { process } | Change::GroupBorn { leader: Some(process), .. }
                if self.judged.has(process) =>
            {
                self.want(process, Occasion::Changed);
            }
            Change::Exited { process, .. } => {
                for launched in self.judged.launched_by(process) {
                    // A child is adopted now, and looked at when it has settled.
                    if model.process(launched).is_some_and(|it| it.parent == Some(process)) {
                        self.wanted.entry(launched).or_insert(Occasion::LauncherEnded);
                    } else {
                        self.want(launched, Occasion::LauncherEnded);
                    }
                }
                self.forget(process);
            }
            Change::Reaped { process, .. } => {
                self.forget(process);
                self.findings.remove(&process);
            }
            _ => {}
        }
    }

    /// Judges one, and tells it if it is news.
    fn judge(&mut self, key: ProcKey, occasion: Occasion, model: &Model, now: BootNs) -> io::Result<()> {
        // Who ended while it was looked at is nobody to judge.
        let there = self.book.inspection(key).filter(|it| it.is_of_the_living());
        let moment = there.map(|it| it.moment);
        let process = model.process(key).filter(|it| it.phase == Phase::Alive && it.key.number.0 != self.own);
        let judged = process.filter(|process| {
            moment == Some(Moment::Settled)
                || moment.is_some() && (self.judged.has(key) || self.book.is_long_lived(process, model))
        });
        let Some(process) = judged else {
            return Ok(());
        };
        let launch = self.book.living_launch(key, model);
        let launcher = launch.map(|launch| launch.by).filter(|by| model.launches(*by));
        let mut row = self.book.row(process, model, launch, self.findings.get(&key).into_iter().flatten());
        let launched = row.path.first().map_or(process.start, |step| step.at.min(process.start));
        row.steps_left_out = self.left_out.since(launched);
        // That it once had a terminal is told once.
        if let Some(findings) = self.findings.get_mut(&key).filter(|_| process.tty.is_none()) {
            findings.retain(|it| it.rule.id != "JC503");
        }
        let entry = Entry::of(&row);
        let first = !self.known.has(&entry);
        self.watched.outcome.unknown |= row.judgement.verdict == Verdict::Unknown;
        if !self.judged.has(key) {
            self.watched.outcome.judged += 1;
        }
        self.judged.insert(key, now, launcher);
        let rules = row.findings.iter().map(known::rule).collect();
        let new = self.known.note(entry, rules, self.news.unix(now).div_euclid(1_000_000_000));
        let Some(new) = new.or_else(|| self.repeat.then(BTreeSet::new)) else { return Ok(()) };
        let verdict = row.severity().filter(|_| first);
        self.watched.told += 1;
        // What was accepted is told beside what is new, and does not count.
        let new = row.findings.iter().filter(|finding| new.contains(&known::rule(finding)));
        let worst = new.map(|finding| finding.severity).chain(verdict).max();
        self.watched.outcome.worst = self.watched.outcome.worst.max(worst);
        self.news.tell(row, occasion, now)
    }
}

impl Sink for Watch {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.news.begin(header);
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the events that are told, and the time")]
    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.book.observe(event, delta, model);
        for change in &delta.changes {
            state.heard(change, model);
        }
        match &event.kind {
            EventKind::ClockAnchor { unix_ns } => state.news.clock(event.at, *unix_ns),
            // Whoever came and went then was not seen: that is not left for the end.
            EventKind::Gap(gap) => state.news.gap(gap)?,
            EventKind::Attribute(attribute) => state.changed(attribute, delta.by, model),
            _ => {}
        }
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject)
            && matches!(inspection.moment, Moment::Settled | Moment::Asked)
        {
            if let Some(findings) = state.findings.get_mut(&process) {
                findings.retain(|it| !OF_A_LOOK.contains(&it.rule.id));
            }
            let occasion = state.wanted.remove(&process).unwrap_or(Occasion::Settled);
            let before = state.seen.get(&process).copied();
            state.seen.insert(process, before.map_or(occasion, |before| before.max(occasion)));
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        if let Subject::Process(process, _) = finding.subject
            && is_of_daemons(finding)
        {
            let findings = state.findings.entry(process).or_default();
            book::take(findings, finding);
            if findings.len() > FINDINGS {
                findings.remove(0);
            }
            if finding.rule.id == "JC503" {
                state.want(process, Occasion::Terminal);
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.watched.left_out = state.news.left_out();
        state.watched.steps_left_out = state.left_out.total();
        let watched = state.watched;
        state.news.foot(watched, summary)
    }
}
