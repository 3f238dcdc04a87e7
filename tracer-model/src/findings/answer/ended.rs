//! How a process ended: of which signal it died, who sent it along which path, who else got it, and who lives on.
//!
//! Must not: say who sent a signal that was not seen.

use super::{super::memory::Received, Answer, Question, past, reached::Sending, told};
use crate::{
    delta::Delta,
    event::{Disposition, WaitStatus},
    findings::{
        Fate, Findings, Now,
        evidence::unsent,
        memory::Life,
        words::{Span, Words, say},
    },
    ids::{Pid, ProcKey, Signal},
    state::{Model, Process},
};

impl Findings {
    /// Who killed the process of this number. `None`: none was seen.
    #[must_use]
    pub fn who_killed(&self, model: &Model, pid: Pid) -> Option<Answer> {
        let delta = Delta::default();
        let now = self.now(&delta, model);
        let died = now.memory.with_number(pid).rev().find(|life| life.status.is_some());
        let latest = now.memory.with_number(pid).next_back();
        match (died, latest) {
            (Some(life), _) => Some(ended(&now, life, self.question())),
            (None, Some(life)) => {
                let name = now.name(life.key);
                let fact = say![name.clone(), " has not died"];
                Some(Answer::of("alive", Some(name), fact).each("so far", told(&now, life, None)))
            }
            (None, None) => None,
        }
    }
}

/// A process that has ended.
pub(super) fn ended(now: &Now<'_>, life: &Life, question: Option<&Question>) -> Answer {
    let status = life.status.map_or_else(|| "has ended".to_owned(), past);
    let at = life.exited.as_ref().map(|exited| say![" at ", exited.at]);
    let killed = matches!(life.status, Some(WaitStatus::Killed { .. }));
    let fatal = now.fatal(life);
    let sending = question.zip(fatal).and_then(|(question, fatal)| question.fatal(life.key, fatal.evidence.seq));
    let reached = |key: ProcKey| sending.is_some_and(|sending| sending.has(key));
    let group = life.groups.back().copied().filter(|_| killed);
    let same = group.into_iter().flat_map(|group| now.living(group)).filter(|member| !reached(*member));
    let sent = fatal.map(|fatal| &fatal.evidence).or(life.exited.as_ref()).map(|evidence| evidence.seq);
    let came_later = |key: ProcKey| now.memory.life(key).and_then(|it| it.forked.as_ref()).map(|it| it.seq) > sent;
    let others = |member: &ProcKey| {
        *member != life.key && !now.is_wrapper(*member) && !now.is_untraced(*member) && !came_later(*member)
    };
    let same: Vec<ProcKey> = same.filter(others).collect();
    let lives_on = Words::list(same.iter().map(|member| say![now.name(*member)]));
    // A tracer is shown no signal that waits because it is blocked.
    let alone = sending.is_none_or(Sending::is_to_one);
    let took = now.model.is_seen_by_tracer() && !alone;
    let did_not = if took { " of the same group did not take it" } else { " of the same group did not get it" };
    let lives_on = if lives_on.is_empty() { lives_on } else { say![lives_on, did_not] };
    let child = |process: &&Process| {
        let launcher = now.memory.life(process.key).and_then(|it| it.launcher);
        launcher == Some(life.key) && now.is_alive(process.key) && !reached(process.key) && !same.contains(&process.key)
    };
    let left = now.model.processes().filter(child).map(|child| say![now.name(child.key)]);
    let name = now.name(life.key);
    let until = fatal.map(|fatal| &fatal.evidence).or(life.exited.as_ref()).map(|evidence| evidence.at);
    Answer::of(if killed { "killed" } else { "exited" }, Some(name.clone()), say![name, " ", status, at])
        .row("by", sender(now, life))
        .row("also", sending.map(|sending| sending.others(now, life.key)).unwrap_or_default())
        .row("escaped", sending.map(|sending| sending.escaped(now)).unwrap_or_default())
        .row("lives on", lives_on)
        .row("not seen", sending.map(Sending::unseen).unwrap_or_default())
        .row("left", Words::list(left))
        .each("before", told(now, life, until))
        .row("reaped by", say![life.reaper.zip(life.reaped.as_ref()).map(|(by, reaped)| now.name_at(reaped, by))])
        .seen(fatal.and_then(|fatal| handled_first(life, fatal)).map(|first| first.evidence.clone()))
        .seen(fatal.map(|fatal| fatal.evidence.clone()))
        .seen(life.exited.clone())
        .seen(life.reaped.clone())
}

/// Who sent it, along which path.
pub(super) fn sender(now: &Now<'_>, life: &Life) -> Words {
    match (life.status, now.fatal(life)) {
        (_, Some(fatal)) => handled_first(life, fatal).map_or_else(|| fatal.evidence.path(), ended_itself),
        (Some(WaitStatus::Killed { signal, .. }), None) => unsent(signal, now.lost_of(life).is_some()),
        _ => after_handling(life).unwrap_or_else(|| say!["nobody: it ended by itself"]),
    }
}

/// A shell's status for a command that died of a signal is this and its number; many programs that end because of one say the
/// same of themselves.
const BY_SIGNAL: u32 = 128;
/// A program that was asked to end has this long to put things in order: then it is killed by most who asked, ns.
const GRACE: u64 = 10_000_000_000;

/// What asked a process to end that then did so by itself: it handled the signal shortly before, or its status says that it
/// ended because of it, as a shell's does.
fn after_handling(life: &Life) -> Option<Words> {
    let exited = life.exited.as_ref()?;
    let status = |signal: Signal| i32::try_from(BY_SIGNAL.saturating_add(signal.0)).ok().map(WaitStatus::Exited);
    let says = |it: &Received| life.status == status(it.signal.signal);
    let ends = |signal| matches!(signal, Signal::HUP | Signal::INT | Signal::QUIT | Signal::TERM);
    // What it ignored, or was not given, asked nothing of it. What it had blocked, or no handler for, it may have waited for.
    let took = |it: &Received| it.fate == Fate::Handled || matches!(it.fate, Fate::Open | Fate::Blocked) && says(it);
    let asked = |it: &&Received| ends(it.signal.signal) && took(it) && it.evidence.seq < exited.seq;
    let last = life.received.iter().rev().find(asked)?;
    let after = exited.at.since(last.evidence.at);
    let (signal, path) = (last.signal.signal, last.evidence.path());
    let handled = if last.fate == Fate::Handled { "it handled " } else { "" };
    (after <= GRACE).then(|| say!["itself, ", Span(after), " after ", handled, signal, ", ", path])
}

/// What a process had handled when it ended itself with the same, so that its parent sees what it died of. `fatal`: what it
/// died of.
pub(in crate::findings) fn handled_first<'a>(life: &'a Life, fatal: &Received) -> Option<&'a Received> {
    let handled = |it: &&Received| {
        it.signal.signal == fatal.signal.signal
            && it.signal.disposition == Disposition::Handler
            && it.evidence.seq < fatal.evidence.seq
            && it.path.sender() != Some(life.key)
    };
    let by_itself = fatal.path.sender() == Some(life.key);
    let last = life.received.iter().rev().find(handled).filter(|_| by_itself)?;
    (fatal.evidence.at.since(last.evidence.at) <= GRACE).then_some(last)
}

/// Along which path it came that a process handled first.
pub(in crate::findings) fn ended_itself(first: &Received) -> Words {
    say![first.evidence.path(), "; it handled that, and then sent itself the same"]
}
