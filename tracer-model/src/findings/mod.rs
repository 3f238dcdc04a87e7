//! Findings: why something stopped, died, hung, failed or stayed.
//!
//! A pure, deterministic function of events, what they changed, the model after them, and a bounded memory. Each rule is one
//! file and one row of [`RULES`]; the doc comment of the file is its manual page. A rule judges by the state after a call and
//! never by the errno alone. Where records were lost that a rule depends on, or the recording ended before the time that it
//! gives had passed, its finding is undecided and says so.

mod answer;
mod background;
mod descriptors;
mod detachment;
mod engine;
mod evidence;
mod intents;
mod kinds;
mod lately;
mod memberships;
mod memory;
mod races;
#[expect(
    clippy::wildcard_enum_match_arm,
    clippy::single_match_else,
    reason = "a rule is about a few of the changes, calls and reasons, and names them"
)]
mod rules;
mod settled;
#[cfg(test)]
mod tests;
mod waiters;
mod waiting;
pub mod words;

use std::collections::VecDeque;

pub use self::{
    answer::{Answer, Asked, Class, Doing, Left, Look, Place, Question},
    engine::Findings,
    evidence::{Evidence, Shown},
    intents::{Delivery, Fate, Intent, Sender},
    races::{Closest, Margins, Outcomes, RACES, Race, RaceKind, Races},
    rules::RULES,
    words::Words,
};
use self::{
    kinds::Kind,
    memory::Memory,
    words::{Word, say},
};
use crate::{
    delta::{Bounds, Change, Delta, Refusal},
    event::{Call, Comm, Event, EventKind},
    ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, Seq, SessionKey, TtyKey},
    state::Model,
};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Likely to be wrong, or to go wrong another time.
    Warning,
    /// Something failed, hangs, or was lost.
    Error,
}

impl Severity {
    /// Its name: `info`, `warning`, `error`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A row of [`RULES`].
#[derive(Debug)]
pub struct Rule {
    /// `JC201`.
    pub id: &'static str,
    /// `background-read-stop`.
    pub name: &'static str,
    /// The most that its findings weigh.
    pub severity: Severity,
    source: &'static str,
    /// The kinds of which it is told.
    hears: &'static [Kind],
    watch: fn() -> Box<dyn Watch>,
}

impl Rule {
    /// The rule of this id or name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(name) || rule.name == name)
    }

    /// Its manual page, in Markdown: the doc comment of its file.
    #[must_use]
    pub fn page(&self) -> String {
        let lines = self.source.lines().take_while(|line| line.starts_with("//!"));
        let text: Vec<&str> = lines.map(|line| line.trim_start_matches("//!").trim_start_matches(' ')).collect();
        text.join("\n")
    }

    /// The first sentence of its manual page.
    #[must_use]
    pub fn summary(&self) -> String {
        self.page().lines().next().unwrap_or_default().to_owned()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Whom or what a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A process and its name.
    Process(ProcKey, Comm),
    /// A process group.
    Group(PgrpKey),
    /// A session.
    Session(SessionKey),
    /// A terminal.
    Terminal(TtyKey),
}

/// What a rule reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it weighs here: at most what the rule says.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// When it was decided.
    pub at: BootNs,
    /// It could be otherwise.
    pub undecided: Option<Undecided>,
    /// What is the case, in one line.
    pub fact: Words,
    /// Why.
    pub cause: Words,
    /// What would change it.
    pub fix: Words,
    /// The events that it rests on, in order.
    pub evidence: Vec<Evidence>,
}

/// Why a finding is undecided, and when that was which was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// Records were lost in this interval that could have shown otherwise.
    Lost(Bounds),
    /// The recording ended; until then it could have become otherwise.
    Ended(Bounds),
}

/// A finding before the engine has looked at what was lost.
#[derive(Clone, Debug)]
struct Draft {
    severity: Severity,
    subject: Subject,
    /// The processes whose state it rests on.
    about: Vec<ProcKey>,
    /// It rests on what did not happen since this event.
    since: Option<Seq>,
    /// Nor until then, which is when it was decided.
    until: Option<BootNs>,
    /// When it was decided; `None`: now.
    at: Option<BootNs>,
    fact: Words,
    cause: Words,
    fix: Words,
    evidence: Vec<Evidence>,
}

impl Draft {
    /// About a process.
    fn of(now: &Now<'_>, process: ProcKey, severity: Severity, fact: Words) -> Self {
        Self::on(now.subject(process), severity, fact).about([process])
    }

    fn on(subject: Subject, severity: Severity, fact: Words) -> Self {
        Self {
            severity,
            subject,
            about: Vec::new(),
            since: None,
            until: None,
            at: None,
            fact,
            cause: Words::default(),
            fix: Words::default(),
            evidence: Vec::new(),
        }
    }

    fn why(mut self, cause: Words) -> Self {
        self.cause = cause;
        self
    }

    fn fix(mut self, fix: Words) -> Self {
        self.fix = fix;
        self
    }

    /// The state of these processes bears it.
    fn about(mut self, processes: impl IntoIterator<Item = ProcKey>) -> Self {
        self.about.extend(processes);
        self
    }

    /// What did not happen since this event bears it.
    fn since(mut self, seq: Seq) -> Self {
        self.since = Some(seq);
        self
    }

    /// It bears it that nothing did until then: before, it is undecided.
    fn until(mut self, until: BootNs) -> Self {
        self.until = Some(until);
        self
    }

    fn at(mut self, at: BootNs) -> Self {
        self.at = Some(at);
        self
    }

    fn seen(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// A call that was refused by the event at hand.
struct Refused {
    call: Call,
    errno: i32,
    reason: Refusal,
    caller: ProcKey,
    /// When the call began, as far as that is known.
    began: BootNs,
    evidence: Evidence,
}

/// What a rule looks at.
struct Now<'a> {
    /// The event at hand; `None` where only time has passed.
    event: Option<&'a Event>,
    /// What it changed.
    delta: &'a Delta,
    /// The model after it.
    model: &'a Model,
    memory: &'a Memory,
    /// The changes as evidence, as far as that was made: it is shared by all who keep it.
    shown: &'a [Option<Evidence>],
    /// Where records were lost, of late.
    gaps: &'a VecDeque<(Seq, Bounds)>,
    at: BootNs,
    seq: Seq,
}

impl Now<'_> {
    /// What the event changed.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.delta.changes.iter()
    }

    /// The first gap between two events.
    fn lost_between(&self, after: Seq, until: Seq) -> Option<Seq> {
        self.gaps.iter().map(|(gap, _)| *gap).find(|gap| (after..until).contains(gap))
    }

    /// The refusal that the event is.
    fn refused(&self) -> Option<Refused> {
        let EventKind::Leave(leave) = &self.event?.kind else { return None };
        let caller = self.delta.by?;
        let refusal = |change: &Change| {
            let Change::Refused { call, errno, reason } = *change else { return None };
            let began = leave.entered.map_or(self.at, |(_, at)| at);
            Some(Refused { call, errno, reason, caller, began, evidence: self.returned(caller, leave) })
        };
        self.changes().find_map(refusal)
    }

    /// A process by number and name, also one that has ended.
    fn name(&self, key: ProcKey) -> Word {
        Word::Process(key.number, self.comm(key))
    }

    fn comm(&self, key: ProcKey) -> Comm {
        // What it does to others says it first; a thread may have a name of its own.
        let acts = self.delta.by == Some(key) && self.delta.subject != Some(key);
        let acts = |event: &&Event| acts && event.actor.tid.0 == key.number.0;
        if let Some(event) = self.event.filter(acts).filter(|event| !event.actor_comm.0.is_empty()) {
            return event.actor_comm.clone();
        }
        let process = self.model.process(key).map(|process| &process.comm);
        let known = process.filter(|comm| !comm.0.is_empty());
        known.or_else(|| self.memory.life(key).map(|life| &life.comm)).cloned().unwrap_or_default()
    }

    /// What a process was called at an event, of late.
    fn comm_at(&self, key: ProcKey, seq: Seq) -> Comm {
        let before = self.memory.life(key).and_then(|life| life.renamed.as_ref());
        before.filter(|(until, _)| seq < *until).map_or_else(|| self.comm(key), |(_, comm)| comm.clone())
    }

    fn subject(&self, key: ProcKey) -> Subject {
        Subject::Process(key, self.comm(key))
    }

    /// A group by its number, with the name of the process that leads or led it.
    fn group_name(&self, number: Pgid) -> Words {
        let pid = Pid(number.0);
        let ended = || self.memory.with_number(pid).next_back().map(|life| life.key);
        let leader = self.model.process_by_pid(pid).map(|process| process.key).or_else(ended);
        leader.map_or_else(|| words::say![number.0], |leader| words::say![self.name(leader)])
    }

    /// The members of a group that have not come to the end of their exit.
    fn living(&self, group: PgrpKey) -> impl Iterator<Item = ProcKey> {
        let members = self.model.group(group).into_iter().flat_map(|group| group.members.iter().copied());
        members.filter(|member| self.is_alive(*member))
    }

    /// Whether there is one.
    fn has_living(&self, group: PgrpKey) -> bool {
        self.model.group(group).is_some_and(|group| group.members.iter().any(|member| self.is_alive(*member)))
    }

    /// It has not begun to exit.
    fn is_alive(&self, process: ProcKey) -> bool {
        self.model.process(process).is_some_and(|process| process.phase == crate::state::Phase::Alive)
    }

    /// It has ended, or begun to.
    fn has_ended(&self, process: ProcKey) -> bool {
        !self.is_alive(process)
    }

    /// What a shell is called.
    fn is_shell(&self, process: ProcKey) -> bool {
        const SHELLS: [&str; 11] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "yash", "tcsh", "csh"];
        let Comm(name) = self.comm(process);
        let name = name.strip_prefix(b"-").unwrap_or(&name);
        SHELLS.iter().any(|shell| shell.as_bytes() == name)
    }

    /// The last that was seen of the members of a group that has ended: exit and reap of its last one.
    fn last_of(&self, group: PgrpKey) -> Option<&memory::Life> {
        let ended = |life: &&memory::Life| life.reaped.is_some() && life.groups.back() == Some(&group);
        self.memory.once_in(group).filter(ended).max_by_key(|life| life.reaped.as_ref().map(|reaped| reaped.seq))
    }

    /// Our own process that waits for the command of a run: it has no part in what happens.
    fn is_wrapper(&self, process: ProcKey) -> bool {
        let Some(root) = self.model.followed_root().and_then(|root| self.memory.life(root)) else { return false };
        root.launcher.or_else(|| self.model.process(root.key)?.parent) == Some(process)
            && self.comm(process).0 == b"sesstrace"
    }

    /// A tracer sees nothing of what it gets: it is none of those that are followed.
    fn is_untraced(&self, process: ProcKey) -> bool {
        self.model.is_seen_by_tracer() && self.model.process(process).is_some_and(|process| !process.followed)
    }

    /// `in the foreground is 30234 bash`: who has the terminal that a group in its background does not have.
    fn foreground(&self, tty: TtyKey, background: PgrpKey) -> Option<Words> {
        self.in_foreground(" is ", tty, background)
    }

    /// `in the foreground was 30234 bash`: the same, to be told later, with the name of now.
    fn foreground_then(&self, tty: TtyKey, background: PgrpKey) -> Option<Words> {
        self.in_foreground(" was ", tty, background)
    }

    fn in_foreground(&self, is: &'static str, tty: TtyKey, background: PgrpKey) -> Option<Words> {
        let foreground = self.model.terminal(tty)?.foreground?;
        if foreground.number == background.number {
            return Some(say!["in the foreground", is, "an earlier group of the same number, which has ended"]);
        }
        let ended = if foreground.empty { ", which has ended or does not exist yet" } else { "" };
        Some(say!["in the foreground", is, self.group_name(foreground.number), ended])
    }

    /// The group of a process.
    fn group_of(&self, process: ProcKey) -> Option<PgrpKey> {
        self.model.process(process).and_then(|process| process.group)
    }
}

/// What a command leaves behind has this long to end, ns.
pub const TO_END: u64 = 2 * waiting::SECOND;

/// No deadline.
const NEVER: BootNs = BootNs(u64::MAX);

/// One rule at work.
trait Watch {
    /// An event was applied, and is of a kind that the rule's row names.
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>);
    /// Nothing has happened until `now.at`.
    fn due(&mut self, _now: &Now<'_>, _out: &mut Vec<Draft>) {}
    /// When [`Self::due`] has something to do, at the earliest.
    fn next(&self) -> BootNs {
        NEVER
    }
    /// The capture has ended: what could still have happened will not be seen.
    fn end(&mut self, _now: &Now<'_>, _out: &mut Vec<Draft>) {}
}
