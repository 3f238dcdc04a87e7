//! Watching: every process is judged once it has settled, and again when something about it changes; what was seen before is
//! not told again.
//!
//! As a sink it hears of events and notes what has to be looked at; whoever runs the capture lets it tell what it found between
//! events, when the rules have said all that they have to say. Must not: read `/proc`, files or clocks, or remember anything
//! of a process that has been reaped: it runs for weeks.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    rc::Rc,
};

use serde_json::json;
use tracer_model::{
    audit::Verdict,
    delta::{Change, Delta},
    event::{Event, EventKind, inspection::Moment},
    findings::{Finding, Subject},
    ids::{BootNs, Pid, ProcKey},
    state::{Model, Phase},
};

use super::{
    Choose, Outcome, Row,
    book::{Book, is_of_daemons, is_there, launches},
    known::{Entry, Known},
    text, write,
};
use crate::{
    sink::{Sink, Style, Tone, findings::Format, headline::headline, time},
    trace_file::{Header, Summary},
};

/// Rules whose findings are of one look, and not of what happened.
const OF_A_LOOK: [&str; 5] = ["JC504", "JC505", "JC506", "JC507", "JC508"];
/// Processes that are looked at again at once, at most, because their time has come.
const AT_ONCE: usize = 16;
/// Rows that are kept for a document at the end.
const ROWS: usize = super::known::MOST;

/// Why a process was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// It was there when watching began.
    Start,
    /// It has settled.
    Settled,
    /// Its time had come again.
    Again,
    /// It executed a program, or began a session.
    Changed,
    /// Who launched it has ended.
    LauncherEnded,
    /// Its session acquired or lost a terminal.
    Terminal,
}

impl Occasion {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "was there",
            Self::Settled => "settled",
            Self::Again => "looked at again",
            Self::Changed => "executed a program or began a session",
            Self::LauncherEnded => "its launcher has ended",
            Self::Terminal => "its terminal changed",
        }
    }
}

/// A process that was judged and lives.
struct Judged {
    at: BootNs,
    /// Who launched it, while that lives.
    launcher: Option<ProcKey>,
}

/// How watching went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// As of an audit; `worst` is of what was told.
    pub outcome: Outcome,
    /// Judgements that were told.
    pub told: u64,
}

/// The sink, and a handle to it.
#[derive(Clone)]
pub struct Watch(Rc<RefCell<State>>);

struct State {
    out: Box<dyn Write>,
    style: Style,
    format: Format,
    header: Option<Header>,
    /// Wall clock minus boot clock.
    clock_offset: i64,
    book: Book,
    known: Known,
    /// This process: it is nobody to judge.
    own: u32,
    /// So long after a look comes the next.
    again_ns: u64,
    findings: BTreeMap<ProcKey, BTreeMap<&'static str, Finding>>,
    /// To be looked at, and why.
    wanted: BTreeMap<ProcKey, Occasion>,
    /// Those of `wanted` that nobody was told of yet.
    unasked: Vec<ProcKey>,
    /// Looked at and to be judged.
    seen: BTreeSet<ProcKey>,
    judged: BTreeMap<ProcKey, Judged>,
    /// `judged` in the order of their last look.
    by_age: BTreeSet<(BootNs, ProcKey)>,
    /// `judged` by their launchers.
    launched: BTreeSet<(ProcKey, ProcKey)>,
    /// For a document at the end.
    rows: Vec<Row>,
    watched: Watched,
}

impl Watch {
    /// Writes to `out`. `own`: the number of this process; `again_ns`: how long after a look everybody is looked at again.
    #[must_use]
    pub fn new(
        (out, style, format): (Box<dyn Write>, Style, Format),
        choose: Choose,
        known: Known,
        own: u32,
        again_ns: u64,
    ) -> Self {
        Self(Rc::new(RefCell::new(State {
            out,
            style,
            format,
            header: None,
            clock_offset: 0,
            book: Book::new(choose, style),
            known,
            own,
            again_ns,
            findings: BTreeMap::new(),
            wanted: BTreeMap::new(),
            unasked: Vec::new(),
            seen: BTreeSet::new(),
            judged: BTreeMap::new(),
            by_age: BTreeSet::new(),
            launched: BTreeSet::new(),
            rows: Vec::new(),
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
        state.head(there.len())
    }

    /// Who is to be looked at now.
    #[must_use]
    pub fn take_wanted(&self) -> Vec<ProcKey> {
        std::mem::take(&mut self.0.borrow_mut().unasked)
    }

    /// Judges who was looked at, tells what is news, and notes whose time has come again.
    pub fn tell(&self, model: &Model, now: BootNs) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let mut told = false;
        while let Some(process) = state.seen.pop_first() {
            told |= state.judge(process, model, now)?;
        }
        state.overdue(now);
        if told { state.out.flush() } else { Ok(()) }
    }

    /// What is known by now.
    #[must_use]
    pub fn known(&self) -> Known {
        self.0.borrow().known.clone()
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
        let due: Vec<ProcKey> = self
            .by_age
            .iter()
            .take(AT_ONCE)
            .take_while(|(at, _)| now.since(*at) >= self.again_ns)
            .map(|(_, process)| *process)
            .collect();
        for process in due {
            // Its next look is as far away as after one, should this one never come.
            self.keep_age(process, now);
            self.want(process, Occasion::Again);
        }
    }

    fn keep_age(&mut self, process: ProcKey, now: BootNs) {
        if let Some(judged) = self.judged.get_mut(&process) {
            self.by_age.remove(&(judged.at, process));
            judged.at = now;
            self.by_age.insert((now, process));
        }
    }

    fn forget(&mut self, process: ProcKey) {
        if let Some(judged) = self.judged.remove(&process) {
            self.by_age.remove(&(judged.at, process));
            if let Some(launcher) = judged.launcher {
                self.launched.remove(&(launcher, process));
            }
        }
        self.wanted.remove(&process);
        self.seen.remove(&process);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes after which somebody is looked at again")]
    fn heard(&mut self, change: &Change, model: &Model) {
        match *change {
            Change::TtyGained { session, .. } | Change::TtyLost { session, .. } => {
                let leader = model.session(session).and_then(|session| session.leader);
                if let Some(leader) = leader.filter(|leader| self.judged.contains_key(leader)) {
                    self.want(leader, Occasion::Terminal);
                }
            }
            Change::Executed { process } | Change::GroupBorn { leader: Some(process), .. }
                if self.judged.contains_key(&process) =>
            {
                self.want(process, Occasion::Changed);
            }
            Change::Exited { process, .. } => {
                let (first, last) = (ProcKey::lives(Pid(0)).0, ProcKey::lives(Pid(u32::MAX)).1);
                let range = self.launched.range((process, first)..=(process, last));
                for launched in range.map(|row| row.1).collect::<Vec<_>>() {
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

    /// Judges one. Says whether it was told.
    fn judge(&mut self, key: ProcKey, model: &Model, now: BootNs) -> io::Result<bool> {
        // Who ended while it was looked at is nobody to judge.
        let there = self.book.inspection(key).filter(|it| is_there(it));
        let moment = there.map(|it| it.moment);
        let occasion = self.wanted.remove(&key).unwrap_or(Occasion::Settled);
        let process = model.process(key).filter(|it| it.phase == Phase::Alive && it.key.number.0 != self.own);
        let judged = process.filter(|process| {
            moment == Some(Moment::Settled)
                || moment.is_some() && (self.judged.contains_key(&key) || self.book.is_long_lived(process, model))
        });
        let Some(process) = judged else {
            return Ok(false);
        };
        let launch = self.book.living_launch(key, model);
        let launcher = launch.map(|launch| launch.by).filter(|by| launches(model, *by));
        let has_tty = process.tty.is_some();
        let findings = self.findings.get(&key).into_iter().flatten().map(|row| row.1);
        // Who has no terminal now has not got one back.
        let row = self.book.row(process, model, launch, findings.filter(|it| has_tty || it.rule.id != "JC503"));
        let entry = Entry::of(&row);
        self.watched.outcome.unknown |= row.judgement.verdict == Verdict::Unknown;
        if !self.judged.contains_key(&key) {
            self.watched.outcome.judged += 1;
        }
        self.forget(key);
        self.by_age.insert((now, key));
        self.launched.extend(launcher.map(|launcher| (launcher, key)));
        self.judged.insert(key, Judged { at: now, launcher });
        let rules = row.findings.iter().map(|finding| finding.rule.id.to_owned()).collect();
        if !self.known.note(entry, rules, self.unix(now).div_euclid(1_000_000_000)) {
            return Ok(false);
        }
        self.watched.told += 1;
        self.watched.outcome.worst =
            self.watched.outcome.worst.max(row.findings.iter().map(|finding| finding.severity).max());
        self.news(row, occasion, now)?;
        Ok(true)
    }

    fn unix(&self, at: BootNs) -> i64 {
        self.clock_offset.saturating_add(at.0.cast_signed())
    }

    fn base(&self) -> BootNs {
        self.header.as_ref().map_or(BootNs(0), |header| header.boot_ns)
    }

    fn head(&mut self, there: usize) -> io::Result<()> {
        let Some(header) = &self.header else { return Ok(()) };
        match self.format {
            Format::Text => writeln!(
                self.out,
                "{}\nwatching {there} processes; {} judgements are known",
                headline(header, self.style),
                self.known.len()
            )?,
            Format::Json => writeln!(
                self.out,
                "{}",
                json!({"kind": "watching", "processes": there, "known": self.known.len(), "backend": header.backend})
            )?,
            Format::Markdown | Format::Sarif | Format::Junit => return Ok(()),
        }
        self.out.flush()
    }

    fn news(&mut self, row: Row, occasion: Occasion, now: BootNs) -> io::Result<()> {
        let (base, wall) = (self.base(), time::wall(self.unix(now)));
        match self.format {
            Format::Text => {
                let tone = text::tone(row.judgement.verdict);
                let name = self.style.clean(&row.name).into_owned();
                let by = row.launched.as_ref().map(|by| format!(", launched by {by}")).unwrap_or_default();
                let verdict = row.judgement.verdict.name();
                let line = format!(
                    "{wall}  {verdict:8}  {} {name}{by}: {} ({})",
                    row.key.number,
                    row.judgement.reason,
                    occasion.name()
                );
                writeln!(self.out, "{}", self.style.paint(tone, &line))?;
                text::details(&row, base, self.style, &mut *self.out)
            }
            Format::Json => {
                write::object(&row, base, json!({"occasion": occasion.name(), "time": wall}), &mut *self.out)
            }
            Format::Markdown | Format::Sarif | Format::Junit => {
                if self.rows.len() < ROWS {
                    self.rows.push(row);
                }
                Ok(())
            }
        }
    }

    fn foot(&mut self, summary: &Summary) -> io::Result<()> {
        let Watched { outcome, told } = self.watched;
        let (judged, lost) = (outcome.judged, summary.lost);
        let incomplete = if lost > 0 { format!("{lost} records lost") } else { "none lost".to_owned() };
        let unknown = if outcome.unknown { ", some of whom could not be looked at whole" } else { "" };
        match self.format {
            Format::Text => {
                let line = format!(
                    "judged {judged} processes{unknown}; {told} judgements were news; {} events, {incomplete}",
                    summary.events
                );
                writeln!(self.out, "{}", self.style.paint(Tone::Heading, &line))
            }
            Format::Json => writeln!(
                self.out,
                "{}",
                json!({"kind": "watched", "judged": judged, "news": told, "unknown": outcome.unknown, "events": summary.events, "lost": lost})
            ),
            Format::Markdown | Format::Sarif | Format::Junit => {
                let Some(header) = &self.header else { return Ok(()) };
                write::write(&self.rows, header, self.format, self.style, &mut *self.out)
            }
        }
    }
}

impl Sink for Watch {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.clock_offset = header.unix_ns.saturating_sub(header.boot_ns.0.cast_signed());
        state.header = Some(header.clone());
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.book.observe(event, delta, model);
        for change in &delta.changes {
            state.heard(change, model);
        }
        if let EventKind::ClockAnchor { unix_ns } = event.kind {
            state.clock_offset = unix_ns.saturating_sub(event.at.0.cast_signed());
        }
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject)
            && matches!(inspection.moment, Moment::Settled | Moment::Asked)
        {
            if let Some(findings) = state.findings.get_mut(&process) {
                findings.retain(|rule, _| !OF_A_LOOK.contains(rule));
            }
            state.seen.insert(process);
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        if let Subject::Process(process, _) = finding.subject
            && is_of_daemons(finding)
        {
            state.findings.entry(process).or_default().insert(finding.rule.id, finding.clone());
            if finding.rule.id == "JC503" {
                state.want(process, Occasion::Terminal);
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        state.watched.outcome.unknown |= summary.lost > 0;
        state.foot(summary)?;
        state.out.flush()
    }
}
