//! Answers to the two questions that users ask of one process: why is it as it is, and who killed it.
//!
//! Pure readers of the model and of what the rules remember. Must not: judge; that is what findings are for.

use super::{
    Evidence, Findings, Now,
    evidence::ending,
    memory::{Life, Received},
    waiters::{blocked_by, waiter},
    words::{Span, Words, say},
};
use crate::{
    delta::{Delta, SignalPath},
    event::{Disposition, SignalOutcome, WaitStatus},
    ids::{BootNs, Pid, ProcKey, Signal},
    state::{Model, Phase, Process, Stop},
};

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What is the case, in one line.
    pub fact: Words,
    /// What belongs to it, each with a word before it: `because`, `sent by`, `waits`, `release`.
    pub rows: Vec<(&'static str, Words)>,
    /// The events that it rests on, in order.
    pub evidence: Vec<Evidence>,
}

impl Answer {
    fn of(fact: Words) -> Self {
        Self { fact, rows: Vec::new(), evidence: Vec::new() }
    }

    /// A row, unless it is empty.
    fn row(mut self, name: &'static str, words: Words) -> Self {
        if !words.is_empty() {
            self.rows.push((name, words));
        }
        self
    }

    fn seen(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self.evidence.sort_by_key(|evidence| evidence.seq);
        self.evidence.dedup();
        self
    }
}

impl Findings {
    /// Why the process of this number is as it is; the last one that had it, when it has ended. `None`: none was seen.
    #[must_use]
    pub fn why(&self, model: &Model, pid: Pid) -> Option<Answer> {
        let delta = Delta::default();
        let now = self.now(&delta, model);
        let current = model.process_by_pid(pid).filter(|process| process.phase != Phase::Reaped);
        let Some(process) = current else {
            return now.memory.with_number(pid).next_back().map(|life| ended(&now, life));
        };
        Some(match (process.phase, process.stopped) {
            (Phase::Zombie | Phase::Released, _) => zombie(&now, process),
            (_, Some(stop)) => stopped(&now, process, stop),
            _ => running(&now, process),
        })
    }

    /// Who killed the process of this number. `None`: none was seen.
    #[must_use]
    pub fn who_killed(&self, model: &Model, pid: Pid) -> Option<Answer> {
        let delta = Delta::default();
        let now = self.now(&delta, model);
        let life = now.memory.with_number(pid).rev().find(|life| life.status.is_some());
        let latest = now.memory.with_number(pid).next_back();
        match (life, latest) {
            (Some(life), _) => Some(ended(&now, life)),
            (None, Some(life)) => {
                Some(Answer::of(say![now.name(life.key), " has not died"]).row("so far", told(&now, life, None)))
            }
            (None, None) => None,
        }
    }
}

fn stopped(now: &Now<'_>, process: &Process, stop: Stop) -> Answer {
    let key = process.key;
    let by = if stop.signal == Signal(0) { say![] } else { say![" by ", stop.signal] };
    let fact = say![now.name(key), " is stopped", by, ", for ", Span(now.at.since(stop.since))];
    let received = now.last_received(key, |received| received.signal.signal == stop.signal);
    let tty = process.tty.map_or_else(|| say!["its terminal"], |tty| say![tty]);
    let foreground = process.tty.and_then(|tty| now.model.terminal(tty)).and_then(|tty| tty.foreground);
    let foreground = foreground.map(|fore| say!["; in the foreground is ", now.group_name(fore.number)]);
    let background = matches!(received.map(|it| it.path), Some(SignalPath::BackgroundAccess { .. }));
    let because = match (stop.signal, received) {
        (Signal::TTIN, Some(it)) if background => {
            say![user(now, key, it), " read ", tty, " from the background", foreground]
        }
        (Signal::TTOU, Some(it)) if background => {
            say![
                user(now, key, it),
                " changed ",
                tty,
                ", or wrote to it under `stty tostop`, from the background",
                foreground
            ]
        }
        (_, Some(received)) => now.path(received.path, key, stop.signal),
        (_, None) => say!["who sent the signal was not seen"],
    };
    let group = process.group.map(|group| say![group]).unwrap_or_default();
    let whole = process.group.map(|group| Words::list(now.living(group).map(|member| member_state(now, member))));
    let release = match stop.signal {
        Signal::TTIN | Signal::TTOU => {
            say!["fg in the shell that started it; kill -CONT -- -", group.clone(), " alone would let it stop again"]
        }
        _ => say!["fg in the shell that started it, or kill -CONT -- -", group.clone()],
    };
    Answer::of(fact)
        .row("because", because)
        .row("group", say![group, whole.map(|members| say![": ", members])])
        .row("waits", waits(now, key))
        .row("release", release)
        .seen(received.map(|received| received.evidence.clone()))
        .seen(now.memory.life(key).and_then(|life| life.moved.clone()))
}

/// Who used the terminal.
fn user(now: &Now<'_>, key: ProcKey, received: &Received) -> Words {
    let SignalPath::BackgroundAccess { by: Some(by) } = received.path else { return say!["a member of its group"] };
    if by == key { say!["it"] } else { say![now.name(by), " of its group"] }
}

/// A status as the past.
fn past(status: WaitStatus) -> String {
    ending(status).replace("dies", "died").replace("exits ", "exited with ")
}

fn member_state(now: &Now<'_>, member: ProcKey) -> Words {
    let stopped = now.model.process(member).is_some_and(|process| process.stopped.is_some());
    say![now.name(member), if stopped { " (stopped)" } else { " (runs)" }]
}

/// Who waits for a stopped process, up to the one that a user sees hanging.
fn waits(now: &Now<'_>, process: ProcKey) -> Words {
    if !blocked_by(now.model, process).is_empty() {
        return say![now.blocks(process), ", and hangs with it"];
    }
    let parent = now.model.process(process).filter(|it| !it.parent_exited).and_then(|it| it.parent);
    match (waiter(now.model, process), parent) {
        (Some(waiter), _) => say![now.name(waiter.process), " waits and is told of stops: nobody hangs"],
        (None, Some(parent)) => say!["nobody: its parent ", now.name(parent), " is in no wait for it"],
        (None, None) => say!["nobody: its parent has ended"],
    }
}

fn zombie(now: &Now<'_>, process: &Process) -> Answer {
    let since = process.exited_at.unwrap_or(now.at);
    let status = process.status.map_or_else(|| "has ended".to_owned(), past);
    let fact = say![now.name(process.key), " is a zombie, for ", Span(now.at.since(since)), ": it ", status];
    let parent = process.parent.filter(|_| !process.parent_exited);
    let because = parent.map_or_else(
        || say!["its parent has ended, and who adopted it has not waited for it"],
        |parent| say!["its parent ", now.name(parent), " has not waited for it"],
    );
    let alone = process.group.filter(|group| now.living(*group).next().is_none());
    let holds = alone.map(|group| say!["process group ", group, ", of which no member lives"]);
    let release =
        parent.map_or_else(|| say!["whoever adopted it waits"], |parent| say![now.name(parent), " waits, or ends"]);
    let life = now.memory.life(process.key);
    Answer::of(fact)
        .row("because", because)
        .row("holds", say![holds])
        .row("release", release)
        .row("by", say![life.map(|life| sender(now, life))])
        .seen(life.and_then(|life| life.exited.clone()))
}

fn running(now: &Now<'_>, process: &Process) -> Answer {
    let key = process.key;
    let waited: Vec<ProcKey> = process
        .children
        .iter()
        .copied()
        .filter(|child| waiter(now.model, *child).is_some_and(|it| it.process == key))
        .collect();
    let state = if waited.is_empty() { say![" runs"] } else { say![" waits for a child"] };
    let ground = process.tty.zip(process.group).map(|(tty, group)| {
        let fore = now.model.foreground_of(group) == Some(tty);
        let orphaned = now.model.group(group).is_some_and(crate::state::ProcessGroup::is_orphaned);
        let orphaned = if orphaned { ", which is orphaned: a stop signal is discarded, and a read fails" } else { "" };
        if fore {
            say!["in the foreground of ", tty]
        } else {
            say!["in the background of ", tty, ", in group ", group, orphaned]
        }
    });
    let mut stuck = Vec::new();
    let mut open = waited.clone();
    while let Some(below) = open.pop().filter(|_| stuck.len() < 16) {
        let Some(child) = now.model.process(below) else { continue };
        match child.stopped {
            Some(stop) => stuck.push(say![now.name(below), " is stopped by ", stop.signal]),
            None => open.extend(
                child.children.iter().filter(|it| waiter(now.model, **it).is_some_and(|by| by.process == below)),
            ),
        }
    }
    let hangs = if stuck.is_empty() { say![] } else { say![Words::list(stuck), ", and it waits for that"] };
    let life = now.memory.life(key);
    let children = Words::list(waited.iter().map(|child| say![now.name(*child)]));
    Answer::of(say![now.name(key), state])
        .row("because", hangs)
        .row("waits", if children.is_empty() { children } else { say!["for ", children, " to end"] })
        .row("terminal", say![ground])
        .row("signals", say![life.map(|life| told(now, life, None))])
        .seen(
            life.into_iter()
                .flat_map(|life| [life.forked.clone(), life.executed.clone(), life.moved.clone()])
                .flatten(),
        )
}

fn ended(now: &Now<'_>, life: &Life) -> Answer {
    let status = life.status.map_or_else(|| "has ended".to_owned(), past);
    let at = life.exited.as_ref().map(|exited| say![" at ", exited.at]);
    let answer = Answer::of(say![now.name(life.key), " ", status, at]);
    let fatal = fatal(life);
    let also = fatal.map_or_else(Words::default, |received| others(now, life.key, received));
    let group = life.groups.back().copied();
    let killed = matches!(life.status, Some(WaitStatus::Killed { .. }));
    let survivors =
        group.filter(|_| killed).map(|group| Words::list(now.living(group).map(|member| say![now.name(member)])));
    let survivors = survivors.filter(|names| !names.is_empty()).map(|names| say![names, " of the same group"]);
    let children = now
        .model
        .processes()
        .filter(|process| now.memory.life(process.key).and_then(|it| it.launcher) == Some(life.key));
    let left = Words::list(children.filter(|child| now.is_alive(child.key)).map(|child| say![now.name(child.key)]));
    let reaper = life.reaper.map(|by| say![now.name(by)]);
    Answer::of(answer.fact)
        .row("by", sender(now, life))
        .row("also", also)
        .row("lives on", say![survivors])
        .row("left", left)
        .row("before", told(now, life, fatal.map(|fatal| fatal.evidence.at)))
        .row("reaped by", say![reaper])
        .seen(fatal.map(|fatal| fatal.evidence.clone()))
        .seen(life.exited.clone())
        .seen(life.reaped.clone())
}

/// The signal that a process died of.
fn fatal(life: &Life) -> Option<&Received> {
    let Some(WaitStatus::Killed { signal, .. }) = life.status else { return None };
    life.received.iter().rev().find(|received| received.signal.signal == signal)
}

fn sender(now: &Now<'_>, life: &Life) -> Words {
    match (life.status, fatal(life)) {
        (_, Some(received)) => now.path(received.path, life.key, received.signal.signal),
        (Some(WaitStatus::Killed { .. }), None) => {
            say!["who sent the signal was not seen: a fault of its own, or before the capture"]
        }
        _ => say!["nobody: it ended by itself"],
    }
}

/// Who else got the signal of the same call or the same key, and what it did with it.
pub(super) fn others(now: &Now<'_>, process: ProcKey, mine: &Received) -> Words {
    const TOGETHER: u64 = 1_000_000;
    let Some(group) = mine.group else { return Words::default() };
    if matches!(mine.path, SignalPath::KillProcess { .. }) {
        return Words::default();
    }
    let same = |theirs: &&Received| {
        let close = theirs.evidence.at.since(mine.evidence.at).max(mine.evidence.at.since(theirs.evidence.at));
        theirs.path == mine.path && theirs.signal.signal == mine.signal.signal && close <= TOGETHER
    };
    let got = |life: &Life| {
        let theirs = life.received.iter().rev().find(same)?;
        Some(say![now.name(life.key), fate(theirs)])
    };
    Words::list(now.memory.once_in(group).filter(|life| life.key != process).filter_map(got))
}

/// What a signal met, where that is not its default action.
fn fate(received: &Received) -> &'static str {
    match (received.signal.outcome, received.signal.disposition) {
        _ if received.signal.blocked => " (blocked)",
        (SignalOutcome::AlreadyPending, _) => " (pending already)",
        (SignalOutcome::Ignored, _) | (_, Disposition::Ignored) => " (ignored)",
        (_, Disposition::Handler) => " (handled)",
        (_, Disposition::Default) => "",
    }
}

/// Signals that a process got, before an instant or up to now.
fn told(now: &Now<'_>, life: &Life, before: Option<BootNs>) -> Words {
    let until = before.unwrap_or(now.at);
    let earlier = life.received.iter().filter(|received| before.is_none_or(|before| received.evidence.at < before));
    Words::list(earlier.map(|received| {
        let ago = Span(until.since(received.evidence.at));
        let path = now.path(received.path, life.key, received.signal.signal);
        say![received.signal.signal, fate(received), " ", ago, " earlier, ", path]
    }))
}
