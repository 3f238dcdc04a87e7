//! Why a process is as it is: its state, what put it there, who waits for it up to the one that a user sees hanging, and what
//! would release it. Every state has an answer.
//!
//! Must not: say since when, or by whom, of what was not seen.

use super::{super::memory::Received, Answer, Look, Question, fate, past, told};
use crate::{
    delta::{Delta, SignalPath},
    event::{SignalOutcome, WaitStatus},
    findings::{
        Findings, Now,
        memory::Life,
        waiters::{blocked_by, waiter},
        words::{Span, Words, say},
    },
    ids::{PgrpKey, Pid, ProcKey, Signal, TtyKey},
    state::{Model, Orphaned, Phase, Process, Stop},
};

/// Processes that are followed downwards when something is looked for that hangs.
const DEEPEST: usize = 64;

impl Findings {
    /// Why the process of this number is as it is; the last one that had it, when it has ended. `None`: none was seen.
    #[must_use]
    pub fn why(&self, model: &Model, pid: Pid, look: &Look) -> Option<Answer> {
        let delta = Delta::default();
        let now = self.now(&delta, model);
        let current = model.process_by_pid(pid).filter(|process| process.phase != Phase::Reaped);
        let Some(process) = current else {
            return now.memory.with_number(pid).next_back().map(|life| ended(&now, life, self.question()));
        };
        let state = State { now: &now, look, process, life: now.memory.life(process.key) };
        Some(match (process.phase, process.stopped) {
            (Phase::Zombie | Phase::Released, _) => state.zombie(),
            (_, Some(stop)) => state.stopped(stop),
            _ => state.running(),
        })
    }

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
                Some(Answer::of("alive", Some(name), fact).row("so far", told(&now, life, None)))
            }
            (None, None) => None,
        }
    }
}

/// A living process, or its zombie.
struct State<'a> {
    now: &'a Now<'a>,
    look: &'a Look,
    process: &'a Process,
    life: Option<&'a Life>,
}

impl State<'_> {
    fn answer(&self, state: &'static str, words: Words) -> Answer {
        let name = self.now.name(self.process.key);
        Answer::of(state, Some(name.clone()), say![name, words])
    }

    /// What ends every answer about a process that is there.
    fn finish(&self, answer: Answer) -> Answer {
        let unseen = Words::list(self.look.unseen.iter().map(|what| say![*what]));
        let pid = self.process.key.number.to_string();
        let history = say!["what was before this look: sesstrace record -p ", pid, " sees what comes"];
        let history = if self.look.live { history } else { say![] };
        let not_seen = match (history.is_empty(), unseen.is_empty()) {
            (true, _) => unseen,
            (false, true) => history,
            (false, false) => say![unseen, "; ", history],
        };
        answer.row("not seen", not_seen)
    }

    fn stopped(&self, stop: Stop) -> Answer {
        let (now, key) = (self.now, self.process.key);
        // A stop that a snapshot found may have lasted for a while.
        let stopped = self.life.and_then(|life| life.stopped.clone());
        let since = match &stopped {
            Some(_) => say![", for ", Span(now.at.since(stop.since))],
            None if self.look.live => say![],
            None => say![", since before the capture"],
        };
        let received = now.last_received(key, |received| received.signal.signal == stop.signal);
        let because = self.stop_cause(stop.signal, received);
        let traced = self.look.tracer.clone().map(|tracer| say!["by ", tracer, ", which can keep it stopped"]);
        let group = self.process.group.map(|group| say![group]).unwrap_or_default();
        let members = self.process.group.map(|group| {
            let member = |key| {
                let stopped = now.model.process(key).is_some_and(|process| process.stopped.is_some());
                say![now.name(key), if stopped { " (stopped)" } else { " (runs)" }]
            };
            say![": ", Words::list(now.living(group).map(member))]
        });
        let answer = self
            .answer("stopped", say![" is stopped", by(stop.signal), since])
            .row("because", because)
            .row("group", say![group, members])
            .row("traced", say![traced])
            .row("waits", self.waits(true))
            .row("release", release(now, self.process, stop.signal))
            .seen(received.map(|received| received.evidence.clone()))
            .seen(stopped)
            .seen(self.life.and_then(|life| life.moved.clone()));
        self.finish(answer)
    }

    /// It has a terminal, in whose background it is.
    fn is_background(&self) -> bool {
        self.process.tty.is_some() && !is_foreground(self.now, self.process)
    }

    /// The call, signal and sender that stopped it.
    fn stop_cause(&self, signal: Signal, received: Option<&Received>) -> Words {
        let (now, key) = (self.now, self.process.key);
        let tty = self.process.tty.map_or_else(|| say!["its terminal"], |tty| say![tty]);
        let foreground = self.process.tty.and_then(|tty| foreground(now, tty));
        let foreground = foreground.map(|group| say!["; in the foreground is ", group]);
        let background = matches!(received.map(|it| it.path), Some(SignalPath::BackgroundAccess { .. }));
        let by = || match received.map(|it| it.path) {
            Some(SignalPath::BackgroundAccess { by: Some(by) }) if by != key => say![now.name(by), " of its group"],
            Some(SignalPath::BackgroundAccess { by: None }) => say!["a process of its group"],
            _ => say!["it"],
        };
        match (received, &self.look.doing) {
            (Some(_), _) if background && signal == Signal::TTIN => {
                say![by(), " read ", tty, " from the background", foreground]
            }
            (Some(_), _) if background && signal == Signal::TTOU => {
                say![by(), " changed ", tty, ", or wrote to it under `stty tostop`, from the background", foreground]
            }
            (Some(received), _) => now.path(received.path, key, signal),
            // The call that the stop came upon is still there to be seen.
            (None, Some(doing)) if doing.on_terminal && (stops_background(signal) || self.is_background()) => {
                say!["it is in ", doing.words(), ", from the background", foreground]
            }
            (None, _) if stops_background(signal) => {
                say!["it, or a process of its group, used ", tty, " from the background", foreground]
            }
            (None, _) if self.look.live && signal == Signal(0) => {
                say!["by which signal the kernel no longer shows: its parent has been told"]
            }
            (None, _) => say!["who sent the signal was not seen"],
        }
    }

    /// Who waits for it, up to the process that a user sees hanging. `stopped`: for its stop as well.
    fn waits(&self, stopped: bool) -> Words {
        let (now, key) = (self.now, self.process.key);
        let chain = blocked_by(now.model, key);
        if let Some(top) = chain.last() {
            let at = now.model.process(*top).filter(|top| is_foreground(now, top)).and_then(|top| top.tty);
            let hangs = at.map(|tty| say![": what hangs at ", tty, " is ", now.name(*top)]);
            let hangs = hangs.unwrap_or_else(|| say![", and hangs with it"]);
            return say![now.blocks(key), stopped.then_some(hangs)];
        }
        let told = match self.look.stop_told.filter(|_| stopped) {
            Some(true) => "; it has been told of the stop",
            Some(false) => "; it has not been told of the stop",
            None => "",
        };
        let parent = self.process.parent.filter(|_| !self.process.parent_exited);
        match (waiter(now.model, key), parent) {
            (Some(waiter), _) if stopped => {
                say![now.name(waiter.process), " waits and is told of stops: nobody hangs"]
            }
            (Some(waiter), _) => say![now.name(waiter.process), " waits for it to end"],
            (None, Some(parent)) if self.look.live && self.look.doing.is_none() => {
                say!["its parent ", now.name(parent), ", if it waits: that could not be seen", told]
            }
            (None, Some(parent)) => {
                // Some wait for a signal instead, and hang all the same.
                let above = blocked_by(now.model, parent).first().copied();
                let above = above.map(|above| say!["; ", now.name(above), " waits for ", now.name(parent)]);
                say!["nobody: its parent ", now.name(parent), " is in no wait for it", told, above]
            }
            (None, None) => say!["nobody: its parent has ended"],
        }
    }

    fn zombie(&self) -> Answer {
        let (now, process) = (self.now, self.process);
        let status = process.status.map_or_else(|| "has ended".to_owned(), past);
        let exited = self.life.and_then(|life| life.exited.clone());
        let since = match process.exited_at.filter(|_| exited.is_some()) {
            Some(at) => say![", for ", Span(now.at.since(at))],
            None if self.look.live => say![],
            None => say![", since before the capture"],
        };
        let parent = process.parent.filter(|_| !process.parent_exited);
        let because = parent.map_or_else(
            || say!["its parent has ended, and who adopted it has not waited for it"],
            |parent| say!["its parent ", now.name(parent), " has not waited for it"],
        );
        let stuck = parent.and_then(|parent| now.model.process(parent)?.stopped.map(|stop| (parent, stop)));
        let stuck = stuck.map(|(parent, stop)| say![": ", now.name(parent), " is stopped", by(stop.signal)]);
        let alone = process.group.filter(|group| now.living(*group).next().is_none());
        let holds = alone.map(|group| say!["process group ", group, ", of which no member lives"]);
        let release =
            parent.map_or_else(|| say!["whoever adopted it waits"], |parent| say![now.name(parent), " waits, or ends"]);
        let ended = self.life.filter(|life| life.status.is_some());
        let answer = self
            .answer("zombie", say![" is a zombie", since, ": it ", status])
            .row("because", say![because, stuck])
            .row("holds", say![holds])
            .row("waits", self.zombie_waits(parent))
            .row("release", release)
            .row("by", say![ended.map(|life| sender(now, life))])
            .seen(exited);
        self.finish(answer)
    }

    /// A parent that waits for something else hangs, and its zombies with it.
    fn zombie_waits(&self, parent: Option<ProcKey>) -> Words {
        let now = self.now;
        let Some(parent) = parent.and_then(|parent| now.model.process(parent)) else { return say![] };
        let others = waited_for(now, parent).into_iter().filter(|child| *child != self.process.key);
        let others = Words::list(others.map(|child| say![now.name(child)]));
        if others.is_empty() { others } else { say![now.name(parent.key), " waits for ", others, " first"] }
    }

    fn running(&self) -> Answer {
        let (now, process) = (self.now, self.process);
        let waited = waited_for(now, process);
        let exiting = process.phase == Phase::Exiting;
        let words = match (&self.look.doing, waited.is_empty()) {
            _ if exiting => say![" is exiting"],
            (_, false) => say![" waits for a child"],
            (Some(doing), true) => say![" is in ", doing.words()],
            (None, true) => say![" runs"],
        };
        let stuck = stuck_below(now, &waited);
        let hangs = Words::list(stuck.iter().filter_map(|below| {
            let stop = now.model.process(*below)?.stopped?;
            Some(say![now.name(*below), " is stopped", by(stop.signal)])
        }));
        let hangs = if hangs.is_empty() { self.unnoticed() } else { say![hangs, ", and it waits for that"] };
        let hangs = if hangs.is_empty() { self.defies() } else { hangs };
        let children = Words::list(waited.iter().map(|child| say![now.name(*child)]));
        let waits = match waited.len() {
            0 => self.waits(false),
            1 => say!["for ", children, " to end"],
            _ => say!["for one of ", children, " to end"],
        };
        let undo = stuck.iter().find_map(|below| {
            let process = now.model.process(*below)?;
            Some(release(now, process, process.stopped?.signal))
        });
        let (state, life) = (if waited.is_empty() { "running" } else { "waiting" }, self.life);
        let got = life.map(|life| told(now, life, None)).filter(|got| !got.is_empty());
        let signals = self.look.signals();
        let between = if got.is_some() && !signals.is_empty() { "; " } else { "" };
        let answer = self
            .answer(state, words)
            .row("because", hangs)
            .row("waits", waits)
            .row("release", say![undo])
            .row("parent", self.parent())
            .row("terminal", self.ground())
            .row("signals", say![got, between, signals])
            .seen(
                life.into_iter()
                    .flat_map(|life| [&life.forked, &life.executed, &life.moved].map(Clone::clone))
                    .flatten(),
            )
            .seen(process.group.and_then(|group| now.memory.orphaned(group).cloned()))
            .seen(self.defied().map(|received| received.evidence.clone()));
        self.finish(answer)
    }

    /// Its stopped children, of which it is in no wait: it may wait for a signal of them.
    fn unnoticed(&self) -> Words {
        let now = self.now;
        let children = self.process.children.iter().filter_map(|child| {
            let stop = now.model.process(*child)?.stopped?;
            waiter(now.model, *child).is_none().then(|| say![now.name(*child), " is stopped", by(stop.signal)])
        });
        let children = Words::list(children);
        if children.is_empty() { children } else { say!["its child ", children, ", and it is in no wait for that"] }
    }

    /// The last signal that should have ended it.
    fn defied(&self) -> Option<&Received> {
        let ends =
            |signal: Signal| matches!(signal, Signal::HUP | Signal::INT | Signal::QUIT | Signal::TERM | Signal::KILL);
        self.now.last_received(self.process.key, |received| ends(received.signal.signal))
    }

    /// Why a signal that was meant to end it did not.
    fn defies(&self) -> Words {
        if let Some(received) = self.defied() {
            let signal = received.signal.signal;
            let what = match fate(received) {
                " (blocked)" => "it blocks that signal, which waits until it does not",
                " (pending already)" => "the same signal was waiting to be taken already",
                " (handled)" => "it has a handler for it, and goes on",
                _ if received.signal.outcome == SignalOutcome::Ignored => "it ignores that signal",
                _ => return say![],
            };
            let what = if self.is_namespace_init() && what == "it ignores that signal" {
                "it is the init of its pid namespace, which takes no default actions from inside"
            } else {
                what
            };
            return say![signal, " ", Span(self.now.since(received.evidence.at).0), " ago did not end it: ", what];
        }
        let waiting = self.look.pending.iter().find(|signal| self.look.blocked.contains(signal));
        waiting.map_or_else(Words::default, |signal| say![*signal, " was sent and waits: it blocks that signal"])
    }

    fn is_namespace_init(&self) -> bool {
        self.process.namespace.is_some_and(|inside| inside.pid == Pid(1))
    }

    /// A parent that is not the one that forked it.
    fn parent(&self) -> Words {
        let (now, process) = (self.now, self.process);
        let launcher = self.life.and_then(|life| life.launcher).filter(|launcher| Some(*launcher) != process.parent);
        let parent = process.parent.filter(|_| !process.parent_exited).map(|parent| now.name(parent));
        match (launcher, parent) {
            (Some(launcher), Some(parent)) => {
                say!["it was forked by ", now.name(launcher), ", which ended; ", parent, " adopted it"]
            }
            (_, None) if process.parent_exited => say!["its parent has ended; who adopted it was not seen"],
            _ => say![],
        }
    }

    /// Where it stands to its terminal, and what would happen if it used it.
    fn ground(&self) -> Words {
        let (now, process) = (self.now, self.process);
        let Some((tty, group)) = process.tty.zip(process.group) else { return say![] };
        if is_foreground(now, process) {
            let orphaned = is_orphaned(now, group);
            let orphaned = if orphaned {
                "; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it"
            } else {
                ""
            };
            return say!["in the foreground of ", tty, orphaned];
        }
        let foreground = foreground(now, tty).map(|group| say![", in whose foreground is ", group]);
        let read = if is_orphaned(now, group) {
            ", which is orphaned: a stop signal is discarded, and a read fails with EIO"
        } else if process.facts.ttin_ignored_or_blocked {
            ": a read would fail with EIO, for it ignores or blocks SIGTTIN"
        } else {
            ": a read would stop it"
        };
        say!["in the background of ", tty, foreground, ", in group ", group, read]
    }
}

/// ` by SIGTSTP`, where that is known.
fn by(signal: Signal) -> Words {
    if signal == Signal(0) { say![] } else { say![" by ", signal] }
}

fn stops_background(signal: Signal) -> bool {
    matches!(signal, Signal::TTIN | Signal::TTOU)
}

fn foreground(now: &Now<'_>, tty: TtyKey) -> Option<Words> {
    let group = now.model.terminal(tty)?.foreground?;
    Some(now.group_name(group.number))
}

fn is_foreground(now: &Now<'_>, process: &Process) -> bool {
    process.tty.is_some() && process.group.and_then(|group| now.model.foreground_of(group)) == process.tty
}

fn is_orphaned(now: &Now<'_>, group: PgrpKey) -> bool {
    now.model.group(group).is_some_and(|group| group.orphaned == Orphaned::Yes)
}

/// What would let a stopped process go on.
fn release(now: &Now<'_>, process: &Process, signal: Signal) -> Words {
    let Some(group) = process.group else { return say!["kill -CONT ", process.key.number.to_string()] };
    // Who has it as a job: the parent of a member that is outside of the group.
    let members = now.model.group(group).into_iter().flat_map(|it| it.members.iter());
    let parents = members.filter_map(|member| now.model.process(*member)).filter(|member| !member.parent_exited);
    let outside = |parent: &ProcKey| now.is_alive(*parent) && now.group_of(*parent) != Some(group);
    let parent = parents.filter_map(|member| member.parent).find(outside);
    let again = say!["; kill -CONT -- -", group, " alone would let it stop again"];
    let again = if stops_background(signal) { again } else { say![", or kill -CONT -- -", group] };
    match parent {
        _ if is_orphaned(now, group) => {
            say!["kill -CONT -- -", group, ": its group is orphaned, no shell is left that could continue it"]
        }
        Some(parent) if now.is_shell(parent) => say!["fg in ", now.name(parent), again],
        Some(parent) if stops_background(signal) => {
            say![now.name(parent), " gives it the terminal (tcsetpgrp) and continues it", again]
        }
        _ => say!["kill -CONT -- -", group],
    }
}

/// The children that a process is in a wait for.
fn waited_for(now: &Now<'_>, process: &Process) -> Vec<ProcKey> {
    let children = process.children.iter().copied();
    children.filter(|child| waiter(now.model, *child).is_some_and(|it| it.process == process.key)).collect()
}

/// The stopped processes at the lower end of a chain of waits, but for those whose stop ends the wait.
fn stuck_below(now: &Now<'_>, waited: &[ProcKey]) -> Vec<ProcKey> {
    let (mut stuck, mut open, mut looked) = (Vec::new(), waited.to_vec(), 0);
    while let Some(below) = open.pop().filter(|_| looked < DEEPEST) {
        looked += 1;
        let Some(child) = now.model.process(below) else { continue };
        if child.stopped.is_some() {
            stuck.extend(waiter(now.model, below).filter(|waiter| !waiter.sees_stops).map(|_| below));
        } else {
            open.extend(waited_for(now, child));
        }
    }
    stuck
}

/// A process that has ended.
fn ended(now: &Now<'_>, life: &Life, question: Option<&Question>) -> Answer {
    let status = life.status.map_or_else(|| "has ended".to_owned(), past);
    let at = life.exited.as_ref().map(|exited| say![" at ", exited.at]);
    let killed = match life.status {
        Some(WaitStatus::Killed { signal, .. }) => Some(signal),
        _ => None,
    };
    let fatal = fatal(life);
    let sending = question.zip(killed).and_then(|(question, signal)| question.fatal(life.key, signal));
    let reached = |key: ProcKey| sending.is_some_and(|sending| sending.has(key));
    let group = life.groups.back().copied().filter(|_| killed.is_some());
    let same = group.into_iter().flat_map(|group| now.living(group)).filter(|member| !reached(*member));
    let same: Vec<ProcKey> = same.filter(|member| *member != life.key).collect();
    let lives_on = Words::list(same.iter().map(|member| say![now.name(*member)]));
    let lives_on = if lives_on.is_empty() { lives_on } else { say![lives_on, " of the same group did not get it"] };
    let child = |process: &&Process| {
        let launcher = now.memory.life(process.key).and_then(|it| it.launcher);
        launcher == Some(life.key) && now.is_alive(process.key) && !reached(process.key) && !same.contains(&process.key)
    };
    let left = now.model.processes().filter(child).map(|child| say![now.name(child.key)]);
    let name = now.name(life.key);
    Answer::of(if killed.is_some() { "killed" } else { "exited" }, Some(name.clone()), say![name, " ", status, at])
        .row("by", sender(now, life))
        .row("also", sending.map(|sending| sending.others(now, life.key)).unwrap_or_default())
        .row("escaped", sending.map(|sending| sending.escaped(now)).unwrap_or_default())
        .row("lives on", lives_on)
        .row("left", Words::list(left))
        .row("before", told(now, life, fatal.map(|fatal| fatal.evidence.at)))
        .row("reaped by", say![life.reaper.map(|by| say![now.name(by)])])
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
