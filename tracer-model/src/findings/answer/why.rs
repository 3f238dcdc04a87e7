//! Why a process is as it is: its state, what put it there, who waits for it up to the one that a user sees hanging, and what
//! would release it. Every state has an answer.
//!
//! Must not: say since when, or by whom, of what was not seen.

use super::{
    super::memory::Received,
    Answer, Look,
    ended::{ended, sender},
    fate, past, told,
};
use crate::{
    delta::{Delta, SignalPath},
    event::SignalOutcome,
    findings::{
        Findings, Now,
        background::terminal_use,
        memory::Life,
        waiters::{blocked_by, waiter},
        words::{Span, Words, say},
    },
    ids::{PgrpKey, Pid, ProcKey, Signal},
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
            say![": ", Words::list(now.living(group).filter(|member| !now.is_wrapper(*member)).map(member))]
        });
        let answer = self
            .answer("stopped", say![" is stopped", by(stop.signal), since])
            .row("because", because)
            .row("group", say![group, members])
            .row("traced", say![traced])
            .row("waits", self.waits(true))
            .row("release", release(now, self.process, stops_background(stop.signal) || self.is_in_background_use()))
            .seen(received.map(|received| received.evidence.clone()))
            .seen(stopped)
            .seen(self.life.and_then(|life| life.moved.clone()));
        self.finish(answer)
    }

    /// It has a terminal, in whose background it is.
    fn is_background(&self) -> bool {
        self.process.tty.is_some() && !is_foreground(self.now, self.process)
    }

    /// The call that it is in is one that stops it again from the background.
    fn is_in_background_use(&self) -> bool {
        self.look.doing.as_ref().is_some_and(|doing| doing.on_terminal) && self.is_background()
    }

    /// The call, signal and sender that stopped it.
    fn stop_cause(&self, signal: Signal, received: Option<&Received>) -> Words {
        let (now, key) = (self.now, self.process.key);
        let group = self.process.group;
        let from = |foreground: Words| say![" from background group ", group, "; ", foreground];
        let foreground = || now.foreground(self.process.tty?, group?).map(from);
        let background = matches!(received.map(|it| it.path), Some(SignalPath::BackgroundAccess { .. }));
        let by = || match received.map(|it| (it, it.path)) {
            Some((received, SignalPath::BackgroundAccess { by: Some(by) })) if by != key => {
                say![now.name_at(&received.evidence, by), " of its group"]
            }
            Some((_, SignalPath::BackgroundAccess { by: None })) => say!["a process of its group"],
            _ => say!["it"],
        };
        match (received, &self.look.doing) {
            (Some(received), _) if background && stops_background(signal) => {
                let then = received.foreground.as_deref().cloned().map(from);
                say![by(), " ", terminal_use(signal, received.call, self.process.tty), then]
            }
            (Some(received), _) => received.evidence.path(),
            // The call that the stop came upon is still there to be seen.
            (None, Some(doing)) if doing.on_terminal && stops_background(signal) || self.is_in_background_use() => {
                say!["it is in ", doing.words(), ",", foreground()]
            }
            (None, _) if stops_background(signal) => {
                say!["it, or a process of its group, ", terminal_use(signal, None, self.process.tty), foreground()]
            }
            (None, _) if self.look.live && signal == Signal(0) && self.look.tracer.is_some() => {
                say!["its tracer holds it: for a stop of job control, or for a moment of its own"]
            }
            (None, _) if self.look.live && signal == Signal(0) => {
                say!["by which signal the kernel no longer shows: its parent has been told"]
            }
            (None, _) => say!["sender unknown"],
        }
    }

    /// Who waits for it, up to the process that a user sees hanging. `stopped`: for its stop as well.
    fn waits(&self, stopped: bool) -> Words {
        let (now, key) = (self.now, self.process.key);
        let chain = blocked_by(now.model, key);
        if let Some(top) = chain.last() {
            let at = now.model.process(*top).filter(|top| is_foreground(now, top)).and_then(|top| top.tty);
            return match at {
                _ if !stopped => now.blocks(key),
                Some(tty) => say![now.blocks(key), ": what hangs at ", tty, " is ", now.name(*top)],
                None => now.hangs(key),
            };
        }
        let told = match self.look.stop_told.filter(|_| stopped) {
            Some(true) => "; it has been told of the stop",
            Some(false) => "; it has not been told of the stop",
            None => "",
        };
        let parent = self.process.parent.filter(|_| !self.process.parent_exited);
        match (waiter(now.model, key), parent) {
            (Some(waiter), _) if stopped && !waiter.sees_stops => {
                say![
                    now.name(waiter.process),
                    " waits for any of its children, and others of them run: it does not hang yet"
                ]
            }
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
            (None, None) if self.process.parent_exited => say!["nobody: its parent has ended"],
            (None, None) => say!["nobody: it has no parent"],
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
        let alone = process.group.filter(|group| !now.has_living(*group));
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
        let undo = stuck.iter().chain(&self.unnoticed_children()).find_map(|below| {
            let process = now.model.process(*below)?;
            Some(release(now, process, stops_background(process.stopped?.signal)))
        });
        let (state, life) = (if waited.is_empty() { "running" } else { "waiting" }, self.life);
        let answer = self
            .answer(state, words)
            .row("because", hangs)
            .row("waits", waits)
            .row("release", say![undo])
            .row("parent", self.parent())
            .row("terminal", self.ground())
            .each("signals", life.into_iter().flat_map(|life| told(now, life, None)))
            .row("signals", self.look.signals())
            .each("zombies", self.zombies())
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
    fn unnoticed_children(&self) -> Vec<ProcKey> {
        let model = self.now.model;
        let stopped = |child: &ProcKey| model.process(*child).is_some_and(|child| child.stopped.is_some());
        let children = self.process.children.iter().copied();
        children.filter(|child| stopped(child) && waiter(model, *child).is_none()).collect()
    }

    fn unnoticed(&self) -> Words {
        let now = self.now;
        let children = Words::list(self.unnoticed_children().into_iter().filter_map(|child| {
            let stop = now.model.process(child)?.stopped?;
            Some(say![now.name(child), " is stopped", by(stop.signal)])
        }));
        if children.is_empty() { children } else { say!["its child ", children, ", and it is in no wait for that"] }
    }

    /// Its children that have ended and that it has not waited for.
    fn zombies(&self) -> Option<Words> {
        let now = self.now;
        let zombie = |child: &ProcKey| {
            let child = now.model.process(*child).filter(|child| child.phase == Phase::Zombie)?;
            let ago = child.exited_at.map(|at| say![" ", Span(now.at.since(at)), " ago"]);
            Some(say![now.name(child.key), " ", child.status.map_or_else(|| "has ended".to_owned(), past), ago])
        };
        let zombies = Words::list(self.process.children.iter().filter_map(zombie));
        (!zombies.is_empty()).then(|| say![zombies, ": it has not waited for that"])
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
                let ended =
                    now.memory.life(launcher).and_then(|life| life.status).map_or_else(|| "ended".to_owned(), past);
                say!["it was forked by ", now.name(launcher), ", which ", ended, "; ", parent, " adopted it"]
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
        let foreground = now.foreground(tty, group).map(|foreground| say!["; ", foreground]);
        let orphaned = if is_orphaned(now, group) { "orphaned " } else { "" };
        let read = if is_orphaned(now, group) {
            ": a read fails with EIO instead of stopping it"
        } else if process.facts.ttin_ignored_or_blocked {
            ": a read fails with EIO, for it ignores or blocks SIGTTIN"
        } else {
            ": a read would stop it"
        };
        say!["in the background of ", tty, ", in ", orphaned, "group ", group, foreground, read]
    }
}

/// ` by SIGTSTP`, where that is known.
fn by(signal: Signal) -> Words {
    if signal == Signal(0) { say![] } else { say![" by ", signal] }
}

fn stops_background(signal: Signal) -> bool {
    matches!(signal, Signal::TTIN | Signal::TTOU)
}

fn is_foreground(now: &Now<'_>, process: &Process) -> bool {
    process.tty.is_some() && process.group.and_then(|group| now.model.foreground_of(group)) == process.tty
}

fn is_orphaned(now: &Now<'_>, group: PgrpKey) -> bool {
    now.model.group(group).is_some_and(|group| group.orphaned == Orphaned::Yes)
}

/// What would let a stopped process go on. `again`: it would stop again in the background.
fn release(now: &Now<'_>, process: &Process, again: bool) -> Words {
    let Some(group) = process.group else { return say!["kill -CONT ", process.key.number.to_string()] };
    // Who has it as a job: the parent of a member that is outside of the group.
    let members = now.model.group(group).into_iter().flat_map(|it| it.members.iter());
    let parents = members.filter_map(|member| now.model.process(*member)).filter(|member| !member.parent_exited);
    let outside = |parent: &ProcKey| now.is_alive(*parent) && now.group_of(*parent) != Some(group);
    let parent = parents.filter_map(|member| member.parent).find(outside);
    let alone = say!["; kill -CONT -- -", group, " alone would let it stop again"];
    let alone = if again { alone } else { say![", or kill -CONT -- -", group] };
    match parent {
        _ if is_orphaned(now, group) => {
            say!["kill -CONT -- -", group, ": its group is orphaned, no shell is left that could continue it"]
        }
        Some(parent) if now.is_shell(parent) => say!["fg in ", now.name(parent), alone],
        Some(parent) if again => {
            say![now.name(parent), " gives it the terminal (tcsetpgrp) and continues it", alone]
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
            stuck.extend(waiter(now.model, below).filter(|it| !it.sees_stops && !it.has_others).map(|_| below));
        } else {
            open.extend(waited_for(now, child));
        }
    }
    stuck
}
