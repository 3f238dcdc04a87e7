//! Groups that the kernel stops because a member used the terminal from the background: what the rules for SIGTTIN and
//! SIGTTOU have in common.
//!
//! Must not: judge how much it weighs.

use super::{
    Evidence, Now,
    memory::background_call,
    waiting::{SECOND, Waiting, after},
    words::{Words, say},
};
use crate::{
    delta::{Change, ForegroundGroup, SignalPath},
    event::{Call, TtyRequest},
    ids::{BootNs, PgrpKey, ProcKey, Seq, Signal, TtyKey},
};

/// A stop that lasts longer than this was not meant.
pub(super) const PATIENCE: u64 = 2 * SECOND;

/// A group that was sent SIGTTIN or SIGTTOU.
#[derive(Clone, Debug)]
pub(super) struct BackgroundStop {
    /// The member that used the terminal.
    pub by: ProcKey,
    pub group: PgrpKey,
    pub tty: Option<TtyKey>,
    /// Who had the terminal, and how that is told.
    pub foreground: Option<ForegroundGroup>,
    in_foreground: Option<Words>,
    /// The call, where it is one that is traced.
    pub call: Option<Call>,
    /// Members that stopped.
    pub stopped: Vec<ProcKey>,
    pub at: BootNs,
    pub seq: Seq,
    pub evidence: Vec<Evidence>,
}

impl BackgroundStop {
    /// It was setting the foreground group.
    pub fn is_tcsetpgrp(&self) -> bool {
        matches!(self.call, Some(Call::TtyIoctl { request: TtyRequest::SetForeground, .. }))
    }

    /// `it read pts/3 (fd 0) from background group 12; in the foreground was 10 bash`.
    pub fn cause(&self, signal: Signal) -> Words {
        let foreground = self.in_foreground.clone().map(|foreground| say!["; ", foreground]);
        say!["it ", terminal_use(signal, self.call, self.tty), " from background group ", self.group, foreground]
    }
}

/// What was done to a terminal that brought this signal: `called tcsetpgrp on pts/3 (fd 0)`. `call`: where it was seen.
pub(super) fn terminal_use(signal: Signal, call: Option<Call>, tty: Option<TtyKey>) -> Words {
    let tty = tty.map_or_else(|| say!["its terminal"], |tty| say![tty]);
    let on = |fd: i32| say![tty.clone(), " (fd ", fd, ")"];
    match call {
        Some(Call::TtyIoctl { fd, request: TtyRequest::SetForeground, .. }) => say!["called tcsetpgrp on ", on(fd)],
        Some(Call::TtyIoctl { fd, .. }) => say!["changed the settings of ", on(fd), ", as tcsetattr does,"],
        Some(Call::Write { fd }) => say!["wrote to ", on(fd), " under `stty tostop`"],
        Some(Call::Read { fd }) => say!["read ", on(fd)],
        _ if signal == Signal::TTIN => say!["read ", tty],
        _ => say!["changed the settings of ", tty, " (tcsetattr), or wrote to it under `stty tostop`,"],
    }
}

/// What of the terminal stops it again, in the background: `write`. `call`: where it was seen.
pub(super) fn used_again(signal: Signal, call: Option<Call>) -> &'static str {
    match call {
        _ if signal == Signal::TTIN => "read",
        Some(Call::Write { .. }) => "write",
        Some(_) => "change of the terminal",
        None => "change of the terminal, or write to it",
    }
}

impl Now<'_> {
    /// Who has the terminal that a process is signalled for using from the background.
    pub(super) fn foreground_of(&self, change: &Change) -> Option<Words> {
        let Change::SignalSent { target, path: SignalPath::BackgroundAccess { .. }, .. } = *change else { return None };
        let target = self.model.process(target)?;
        self.foreground_then(target.tty?, target.group?)
    }
}

/// The stops among those that were expected: a signal may have stopped nobody.
fn lasting(stops: Vec<(PgrpKey, BootNs, BackgroundStop)>) -> Vec<(BackgroundStop, BootNs)> {
    stops.into_iter().filter(|(_, _, stop)| !stop.stopped.is_empty()).map(|(_, at, stop)| (stop, at)).collect()
}

/// How such a stop went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Continued within [`PATIENCE`].
    Continued,
    /// It is still stopped.
    Stopped,
    /// It died without having gone on.
    Ended,
}

/// The stops by one signal that are not decided yet.
#[derive(Debug)]
pub(super) struct BackgroundStops {
    signal: Signal,
    waiting: Waiting<PgrpKey, BackgroundStop>,
}

impl BackgroundStops {
    pub fn of(signal: Signal) -> Self {
        Self { signal, waiting: Waiting::default() }
    }

    /// Takes an event; gives the stops that it decides.
    pub fn event(&mut self, now: &Now<'_>) -> Vec<(BackgroundStop, Outcome)> {
        let mut decided = Vec::new();
        for change in now.changes() {
            if let Change::SignalSent { target, signal, path: SignalPath::BackgroundAccess { by }, .. } = *change
                && signal.signal == self.signal
                && let Some(group) = now.group_of(target)
            {
                // A tracer is not told which member it was: the first that is signalled stands for its group.
                self.sent(now, by.unwrap_or(target), group, change);
            } else if let Change::Stopped { process, signal, .. } = *change
                && signal == self.signal
                && let Some(stop) = now.group_of(process).and_then(|group| self.waiting.get_mut(group))
            {
                stop.stopped.push(process);
                stop.evidence.extend(now.evidence_of(change));
            } else if let Change::Continued { process, .. } | Change::Exited { process, .. } = *change
                && let Some(group) = now.group_of(process)
                && self.waiting.get_mut(group).is_some_and(|stop| stop.stopped.contains(&process))
                && let Some(mut stop) = self.waiting.take(group)
            {
                stop.evidence.extend(now.evidence_of(change));
                let outcome = if matches!(change, Change::Exited { .. }) { Outcome::Ended } else { Outcome::Continued };
                decided.push((stop, outcome));
            }
        }
        decided
    }

    /// When the next has lasted too long.
    pub fn next(&self) -> BootNs {
        self.waiting.next()
    }

    /// Time has passed; gives the stops that have lasted too long.
    pub fn due(&mut self, now: &Now<'_>) -> Vec<(BackgroundStop, BootNs)> {
        lasting(self.waiting.due(now.at))
    }

    /// The capture has ended; gives the stops that last, and when they would have done so for too long.
    pub fn end(&mut self) -> Vec<(BackgroundStop, BootNs)> {
        lasting(self.waiting.rest())
    }

    fn sent(&mut self, now: &Now<'_>, by: ProcKey, group: PgrpKey, change: &Change) {
        // The other members get theirs one after the other, in the same call.
        if self.waiting.get_mut(group).is_some_and(|stop| stop.by == by && stop.stopped.is_empty()) {
            return;
        }
        let tty = now.model.process(by).and_then(|process| process.tty);
        let path = SignalPath::BackgroundAccess { by: Some(by) };
        let stop = BackgroundStop {
            by,
            group,
            tty,
            foreground: tty.and_then(|tty| now.model.terminal(tty)).and_then(|tty| tty.foreground),
            in_foreground: tty.and_then(|tty| now.foreground_then(tty, group)),
            call: now.event.and_then(|event| background_call(path, by, event, now.model)),
            stopped: Vec::new(),
            at: now.at,
            seq: now.seq,
            evidence: now.evidence_of(change).into_iter().collect(),
        };
        self.waiting.put(group, after(now.at, PATIENCE), stop);
    }
}
