//! Whom a signal reached: one sending, along one path, with what became of it in each process, and who had left the group
//! before by which call.
//!
//! Kept only for a question that was asked before the events came ([`Findings::ask`]): a group that is signalled all day long
//! costs nothing otherwise. Must not: judge.

use std::collections::VecDeque;

use super::Answer;
use crate::{
    delta::{Change, Delta, Dropped, SignalPath},
    event::{Call, Disposition, SignalGenerated, SignalOutcome, WaitStatus},
    findings::{
        Evidence, Fate, Findings, Now,
        words::{Errno, Span, Word, Words, count, say},
    },
    ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, Seq, Signal},
    state::Model,
};

/// Sendings that are kept, oldest forgotten first: those that the question is about, and those that it may turn out to be.
const KEPT: usize = 256;
/// A signal of the terminal or the kernel reaches all its targets within this time.
const TOGETHER: u64 = 50_000_000;
/// `kill(2)`: nobody has that number.
const ESRCH: i32 = 3;
/// `kill(2)`: not permitted for any of them.
const EPERM: i32 = 1;
/// Sendings that are told in full.
const TOLD: usize = 5;

/// Whom a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The process of this number.
    Process(Pid),
    /// The process group of this number.
    Group(Pgid),
}

/// A question about signals, and what was seen for it.
#[derive(Clone, Debug)]
pub struct Question {
    asked: Asked,
    /// `None`: any.
    signal: Option<Signal>,
    sendings: VecDeque<Sending>,
    forgotten: usize,
    /// Calls that reached nobody.
    refused: Vec<(BootNs, Evidence, Words)>,
}

/// One signal on its way to everyone whom it reached.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    path: SignalPath,
    signal: Signal,
    at: BootNs,
    reached: Vec<Reached>,
    escaped: Vec<Escaped>,
    /// Living members of the group of a process that alone was sent it, as they were called then.
    spared: Vec<Word>,
    /// Members of the group of whom a tracer does not know whether it reached them.
    unseen: Vec<Word>,
}

/// One whom it reached.
#[derive(Clone, Debug)]
struct Reached {
    process: ProcKey,
    group: Option<PgrpKey>,
    sent: SignalGenerated,
    dropped: Option<Dropped>,
    evidence: Evidence,
    then: Option<(Then, Evidence)>,
}

/// What it did next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Died,
    Exited(WaitStatus),
    Stopped,
    Continued,
}

/// One who had been in the group.
#[derive(Clone, Debug)]
struct Escaped {
    process: ProcKey,
    /// What it was called then.
    name: Word,
    group: Option<PgrpKey>,
    left: Option<Evidence>,
}

impl Findings {
    /// Keeps what a question about signals needs of the events to come. `signal`: this one alone.
    pub fn ask(&mut self, asked: Asked, signal: Option<Signal>) {
        let (sendings, forgotten, refused) = (VecDeque::new(), 0, Vec::new());
        self.put_question(Question { asked, signal, sendings, forgotten, refused });
    }

    /// What became of the signals that were asked for, latest first. Empty: none was sent.
    #[must_use]
    pub fn signals(&self, model: &Model) -> Vec<Answer> {
        let delta = Delta::default();
        let (now, Some(question)) = (self.now(&delta, model), self.question()) else { return Vec::new() };
        question.answers(&now)
    }
}

impl Question {
    /// The number that it is about.
    pub(in crate::findings) fn number(&self) -> Pid {
        match self.asked {
            Asked::Process(pid) => pid,
            Asked::Group(group) => Pid(group.0),
        }
    }

    /// Takes one event.
    pub(in crate::findings) fn observe(&mut self, now: &Now<'_>) {
        for change in now.changes() {
            self.take(now, change);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that a signal makes")]
    fn take(&mut self, now: &Now<'_>, change: &Change) {
        match *change {
            Change::SignalSent { target, signal, path, dropped }
                if self.signal.is_none_or(|wanted| wanted == signal.signal)
                    && !matches!(path, SignalPath::ChildStatus { .. }) =>
            {
                self.sent(now, change, (target, signal, path, dropped));
            }
            Change::Executed { process } => {
                let received = || now.memory.life(process).into_iter().flat_map(|life| &life.received);
                let reached = self.sendings.iter_mut().flat_map(|sending| &mut sending.reached);
                for reached in reached.filter(|it| it.process == process) {
                    if let Some(received) = received().find(|it| it.evidence.seq == reached.evidence.seq) {
                        reached.sent.disposition = received.signal.disposition;
                    }
                }
            }
            Change::Exited { process, status } => {
                let killed = match status {
                    WaitStatus::Killed { signal, .. } => Some(signal),
                    _ => None,
                };
                // It died of the last one that can kill: the others had met something else.
                let mut killed = killed;
                self.became(now, change, process, |signal, met| {
                    let fatal = killed.take_if(|killed| *killed == signal && met.can_kill(signal));
                    Some(fatal.map_or(Then::Exited(status), |_| Then::Died))
                });
            }
            Change::Stopped { process, signal: by, .. } => {
                self.became(now, change, process, |signal, _| (signal == by).then_some(Then::Stopped));
            }
            Change::Continued { process, .. } => {
                self.became(now, change, process, |signal, _| (signal == Signal::CONT).then_some(Then::Continued));
            }
            Change::Refused { call: call @ Call::Kill { target, signal }, errno, .. }
                if self.is_aimed_at(target) && self.signal.is_none_or(|wanted| wanted.0 == signal) && signal != 0 =>
            {
                let Some(by) = now.delta.by else { return };
                let why = match (errno, target) {
                    (ESRCH, ..0) => ": there was no such process group",
                    (ESRCH, _) => ": there was no such process",
                    (EPERM, _) => ": it may signal none of them",
                    _ => "",
                };
                let text = say![now.name(by), ": ", call, " = ", Errno(errno), why];
                let evidence = now.evidence(text.clone());
                self.refused.push((now.at, evidence, text));
                if self.refused.len() > KEPT {
                    self.refused.remove(0);
                }
            }
            _ => {}
        }
    }

    fn is_aimed_at(&self, target: i32) -> bool {
        match self.asked {
            Asked::Process(pid) => i64::from(target) == i64::from(pid.0),
            Asked::Group(group) => i64::from(target) == -i64::from(group.0),
        }
    }

    fn sent(
        &mut self,
        now: &Now<'_>,
        change: &Change,
        (target, signal, path, dropped): (ProcKey, SignalGenerated, SignalPath, Option<Dropped>),
    ) {
        let Some(evidence) = now.evidence_of(change).filter(|_| !now.is_wrapper(target)) else { return };
        let group = now.group_of(target);
        let reached = Reached { process: target, group, sent: signal, dropped, evidence, then: None };
        let with = |sending: &&mut Sending| {
            sending.signal == signal.signal
                && sending.path == path
                && !sending.has(target)
                && (path.intent().is_some() || now.at.since(sending.at) <= TOGETHER)
        };
        if let Some(sending) = self.sendings.iter_mut().rev().find(with) {
            sending.reached.push(reached);
            sending.escaped.retain(|escaped| escaped.process != target);
            return;
        }
        let (alone, unseen_call) =
            (matches!(path, SignalPath::KillProcess { .. }), matches!(path, SignalPath::KillUnseen { .. }));
        let others = group.into_iter().flat_map(|group| now.living(group));
        let others =
            others.filter(|member| *member != target && Some(*member) != now.delta.by && !now.is_wrapper(*member));
        let (unseen, seen): (Vec<ProcKey>, Vec<ProcKey>) = others.partition(|member| now.is_untraced(*member));
        let names = |members: Vec<ProcKey>| members.into_iter().map(|member| now.name(member)).collect();
        let spared = names(if alone { seen } else { Vec::new() });
        let unseen = names(if alone { Vec::new() } else { unseen });
        let whole = group.filter(|_| !alone && !unseen_call);
        let escaped = whole.map(|group| escaped(now, group, target)).unwrap_or_default();
        self.sendings.push_back(Sending {
            path,
            signal: signal.signal,
            at: now.at,
            reached: vec![reached],
            escaped,
            spared,
            unseen,
        });
        if self.sendings.len() > KEPT {
            let other = self.sendings.iter().position(|sending| !self.concerns(sending));
            self.forgotten += usize::from(other.is_none());
            self.sendings.remove(other.unwrap_or(0));
        }
    }

    /// Tells it of what the process was sent, latest first.
    fn became(
        &mut self,
        now: &Now<'_>,
        change: &Change,
        process: ProcKey,
        mut then: impl FnMut(Signal, Fate) -> Option<Then>,
    ) {
        let Some(evidence) = now.evidence_of(change) else { return };
        for sending in self.sendings.iter_mut().rev() {
            let signal = sending.signal;
            for reached in sending.reached.iter_mut().filter(|reached| reached.process == process) {
                let open = matches!(reached.then, None | Some((Then::Stopped | Then::Continued, _)));
                if open && let Some(then) = then(signal, Fate::met(&reached.sent, reached.dropped)) {
                    reached.then = Some((then, evidence.clone()));
                }
            }
        }
    }

    /// Whether the question is about this one.
    fn concerns(&self, sending: &Sending) -> bool {
        match self.asked {
            Asked::Process(pid) => {
                let reached = sending.reached.iter().map(|reached| reached.process);
                reached.chain(sending.escaped.iter().map(|escaped| escaped.process)).any(|key| key.number == pid)
            }
            Asked::Group(group) => {
                matches!(sending.path, SignalPath::KillGroup { group: Some(to), .. } if to.number == group)
                    || sending.reached.iter().any(|reached| reached.group.is_some_and(|it| it.number == group))
            }
        }
    }

    /// The sending that reached a process with this event.
    pub(super) fn fatal(&self, process: ProcKey, seq: Seq) -> Option<&Sending> {
        let is = |reached: &Reached| reached.process == process && reached.evidence.seq == seq;
        self.sendings.iter().rev().find(|sending| sending.reached.iter().any(is))
    }

    fn answers(&self, now: &Now<'_>) -> Vec<Answer> {
        let mut answers: Vec<(BootNs, Answer)> = Vec::new();
        let concerned = self.sendings.iter().filter(|sending| self.concerns(sending));
        answers.extend(concerned.map(|sending| (sending.at, self.answer(now, sending))));
        answers.extend(self.refused.iter().map(|(at, evidence, text)| {
            let answer = Answer::of("signal", None, say!["a signal at ", *at, " reached nobody"])
                .row("by", text.clone())
                .seen([evidence.clone()]);
            (*at, answer)
        }));
        answers.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let earlier = answers.len().saturating_sub(TOLD) + self.forgotten;
        let mut answers: Vec<Answer> = answers.into_iter().take(TOLD).map(|(_, answer)| answer).collect();
        if let Some(last) = answers.last_mut().filter(|_| earlier > 0) {
            last.rows.push(("before", say![count(earlier, "earlier signal", "earlier signals"), " of this kind"]));
        }
        answers
    }

    fn answer(&self, now: &Now<'_>, sending: &Sending) -> Answer {
        let Sending { path: _, signal, at, reached, escaped, spared, unseen: _ } = sending;
        let asked = match self.asked {
            Asked::Process(pid) => reached.iter().find(|reached| reached.process.number == pid),
            Asked::Group(_) => None,
        };
        let missed = match self.asked {
            Asked::Process(pid) => escaped.iter().find(|escaped| escaped.process.number == pid),
            Asked::Group(_) => None,
        };
        let about = asked.map(|it| it.name(now)).or_else(|| missed.map(|it| it.name.clone()));
        let fact = match (asked, missed, self.asked) {
            (Some(asked), _, _) => {
                say![signal.to_string(), " to ", asked.name(now), " at ", *at, ": it ", asked.outcome(now)]
            }
            (None, Some(missed), _) => {
                say![signal.to_string(), " at ", *at, " did not reach ", missed.name.clone()]
            }
            (None, None, Asked::Group(group)) => {
                let many = count(reached.len(), "process", "processes");
                say![signal.to_string(), " to group ", group.0, " at ", *at, " reached ", many]
            }
            (None, None, Asked::Process(_)) => say![signal.to_string(), " at ", *at],
        };
        let by = asked.or(reached.first()).map(|it| it.evidence.path());
        let others = match asked {
            Some(asked) => sending.others(now, asked.process),
            None => Words::list(reached.iter().map(|it| say![it.name(now), " ", it.outcome(now)])),
        };
        let spared = Words::list(spared.iter().map(|name| say![name.clone()]));
        let spared = if spared.is_empty() { spared } else { say![spared, ", of the same group"] };
        let evidence = asked.into_iter().chain(reached.iter().filter(|_| asked.is_none()).take(3));
        let evidence = evidence.flat_map(|it| {
            let then = it.then.as_ref().map(|(_, evidence)| evidence.clone());
            [Some(it.evidence.clone()), then].into_iter().flatten()
        });
        Answer::of("signal", about, fact)
            .row("by", say![by])
            .row(if asked.is_some() { "also" } else { "reached" }, others)
            .row("escaped", sending.escaped(now))
            .row("not told", spared)
            .row("not seen", sending.unseen())
            .seen(evidence)
            .seen(missed.and_then(|missed| missed.left.clone()))
    }
}

impl Sending {
    /// It was sent to one process and to no group.
    pub fn is_to_one(&self) -> bool {
        matches!(self.path, SignalPath::KillProcess { .. })
    }

    /// It reached this process.
    pub fn has(&self, process: ProcKey) -> bool {
        self.reached.iter().any(|reached| reached.process == process)
    }

    /// Who else got it, and what became of it there.
    pub fn others(&self, now: &Now<'_>, process: ProcKey) -> Words {
        let others = self.reached.iter().filter(|reached| reached.process != process);
        Words::list(others.map(|it| say![it.name(now), " ", it.outcome(now)]))
    }

    /// Of whom it is not known whether it reached them.
    pub fn unseen(&self) -> Words {
        let unseen = Words::list(self.unseen.iter().map(|name| say![name.clone()]));
        if unseen.is_empty() {
            unseen
        } else {
            say![unseen, ", of the same group: what is not traced may have got it too"]
        }
    }

    /// Who had left the group before, by which call.
    pub fn escaped(&self, now: &Now<'_>) -> Words {
        Words::list(self.escaped.iter().map(|it| {
            let left = it.left.as_ref().map(|left| say![" since ", left.at, " (", left.text(), ")"]);
            let group = it.group.map(|group| say![" is in group ", group]);
            let fate = if now.is_alive(it.process) { ", and lives on" } else { "" };
            say![it.name.clone(), group, left, fate]
        }))
    }
}

impl Reached {
    /// What it was called when it got it.
    fn name(&self, now: &Now<'_>) -> Word {
        now.name_at(&self.evidence, self.process)
    }

    /// `died`, `handled it`, `ignores it`, `blocks it`.
    fn outcome(&self, now: &Now<'_>) -> Words {
        let after = |evidence: &Evidence| Span(evidence.at.since(self.evidence.at));
        let then = self.then.as_ref();
        let met = match (self.dropped, self.sent.outcome, self.sent.disposition) {
            (Some(Dropped::Init), _, _) => "has no handler, and for the init of a pid namespace that is to ignore it",
            (Some(Dropped::Exiting), _, _) => return say!["was exiting already"],
            _ if self.sent.blocked => "blocks it",
            (_, SignalOutcome::AlreadyPending, _) => "had one waiting already",
            (_, SignalOutcome::Overflow, _) => "did not get it: its queue is full",
            (_, SignalOutcome::Ignored, _) | (_, _, Disposition::Ignored) if self.sent.signal != Signal::CONT => {
                "ignores it"
            }
            (_, _, Disposition::Handler) => "handled it",
            _ => "",
        };
        match (met, then) {
            (_, Some((Then::Died, evidence))) => say!["died of it after ", after(evidence)],
            (_, Some((Then::Stopped, _))) => say!["was stopped"],
            (_, Some((Then::Continued, _))) => say!["was continued"],
            ("", Some((Then::Exited(status), evidence))) => say![super::past(*status), " after ", after(evidence)],
            ("", None) if now.is_alive(self.process) => say!["lives on"],
            ("", None) => say!["got it"],
            (met, Some((Then::Exited(status), evidence))) => {
                say![met, ", and ", super::past(*status), " after ", after(evidence)]
            }
            (met, None) if now.is_alive(self.process) => say![met, " and lives on"],
            (met, None) => say![met],
        }
    }
}

/// Who was in the group once, lives, and is not in it now.
fn escaped(now: &Now<'_>, group: PgrpKey, target: ProcKey) -> Vec<Escaped> {
    let out = |key: ProcKey| now.is_alive(key) && now.group_of(key) != Some(group) && key != target;
    let lives = now.memory.once_in(group).filter(|life| out(life.key) && Some(life.key) != now.delta.by);
    lives
        .map(|life| Escaped {
            process: life.key,
            name: now.name(life.key),
            group: now.group_of(life.key),
            left: life.moved.clone(),
        })
        .collect()
}

/// A word for JSON: who an answer is about.
impl Answer {
    /// The processes that a row names.
    #[must_use]
    pub fn processes(words: &Words) -> Vec<Pid> {
        let named = words.0.iter().filter_map(|word| match word {
            Word::Process(pid, _) => Some(*pid),
            Word::Text(_) | Word::Bytes(_) | Word::Call(_) | Word::Errno(_) | Word::Time(_) | Word::Span(_) => None,
        });
        named.collect()
    }
}
