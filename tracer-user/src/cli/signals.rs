//! What the waiter is told of signals: whether the command got one too, as far as the backend can see.
//!
//! The probes see every call that signals the waiter, and to whom else it went. ptrace sees what is delivered to the command, and the
//! waiter takes silence to mean that it alone was signalled; of the waiter it sees the stops. Must not: send signals.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracer_model::{
    delta::{Change, Delta, SignalPath},
    event::{Event, EventKind},
    ids::{Pid, Signal},
    state::Model,
};

use crate::{
    capture::procfs,
    placement::{CaptureSide, Reach},
    sink::Sink,
    trace_file::{Header, Summary},
};

/// What the backend sees of the waiter.
#[derive(Clone)]
pub enum Sight {
    /// The probes: whatever happens to it, and who signals it.
    Everything,
    /// ptrace: whether it is stopped, and the source tells of each change.
    Stops(Arc<AtomicBool>),
    /// ptrace, where somebody else traces it: it has to be looked at.
    Nothing,
}

/// Notes what happens to the waiter and the command.
#[derive(Clone)]
pub struct Signals {
    waiter: Pid,
    root: Pid,
    sight: Sight,
    seen: Rc<RefCell<Vec<(Signal, Pid, Reach)>>>,
    /// ptrace: what is known of stops.
    stops: Rc<RefCell<Stops>>,
}

/// Tells a waiter that was stopped alone from one that stopped with the command.
#[derive(Clone, Copy, Debug, Default)]
struct Stops {
    /// The command stopped since the waiter was last looked at.
    command_stopped: bool,
    /// The waiter was stopped when it was last looked at.
    waiter_was_stopped: bool,
}

impl Stops {
    /// The command got SIGCONT from the waiter, which passes on what continued it: a stop that is found now is another one, with
    /// or without the command.
    fn waiter_went_on(&mut self) {
        *self = Self::default();
    }

    /// Looks at the waiter. Returns whether it was stopped alone: SIGSTOP cannot be caught, so that nothing else says so.
    fn look(&mut self, waiter_is_stopped: bool, command_is_stopped: bool) -> bool {
        let alone = waiter_is_stopped && !self.waiter_was_stopped && !command_is_stopped && !self.command_stopped;
        *self = Self { command_stopped: false, waiter_was_stopped: waiter_is_stopped };
        alone
    }
}

impl Signals {
    /// Of this waiter and this command.
    pub fn new(waiter: Pid, root: Pid, sight: Sight) -> Self {
        Self { waiter, root, sight, seen: Rc::default(), stops: Rc::default() }
    }

    /// Whether the source tells of whatever [`Self::tell`] would pass on.
    pub fn are_told(&self) -> bool {
        !matches!(self.sight, Sight::Nothing)
    }

    /// ptrace: whether the waiter is stopped.
    fn look_at_waiter(&self) -> Option<bool> {
        match &self.sight {
            Sight::Everything => None,
            Sight::Stops(is_stopped) => Some(is_stopped.load(Ordering::Relaxed)),
            Sight::Nothing => Some(procfs::read_stat(self.waiter).is_some_and(|waiter| waiter.is_stopped())),
        }
    }

    /// Passes on what was noted.
    pub fn tell(&self, side: &mut CaptureSide, model: &Model) {
        for (signal, sender, reach) in self.seen.borrow_mut().drain(..) {
            side.waiter_was_signalled(signal, sender, reach);
        }
        if let Some(waiter_is_stopped) = self.look_at_waiter() {
            // It may be in a stop that its tracer has not told of yet: that is seen at the next look.
            if waiter_is_stopped && procfs::is_in_trace_stop(self.root) {
                return;
            }
            let command_is_stopped = model.process_by_pid(self.root).is_some_and(|command| command.stopped.is_some());
            if self.stops.borrow_mut().look(waiter_is_stopped, command_is_stopped) {
                side.waiter_was_signalled(Signal::STOP, Pid(0), Reach::WaiterAlone);
            }
        }
    }

    /// A group's signal reaches the command as long as it is in the waiter's group, a process's signal never does.
    fn reach(&self, path: SignalPath, model: &Model) -> Reach {
        let to_one = matches!(
            path,
            SignalPath::KillProcess { .. } | SignalPath::KillUnseen { .. } | SignalPath::ParentDeath { .. }
        );
        let group = |pid| model.process_by_pid(pid).and_then(|process| process.group);
        if to_one || group(self.waiter) != group(self.root) { Reach::WaiterAlone } else { Reach::CommandToo }
    }

    /// The probes: a signal was sent to the waiter.
    fn sent(&self, event: &Event, delta: &Delta, model: &Model) {
        if !matches!(event.kind, EventKind::SignalGenerated(_)) {
            return;
        }
        for change in &delta.changes {
            if let Change::SignalSent { target, signal, path, .. } = change
                && target.number == self.waiter
                && signal.signal != Signal::CHLD
            {
                self.seen.borrow_mut().push((signal.signal, event.actor.pid, self.reach(*path, model)));
            }
        }
    }

    /// ptrace: the command takes a signal, or drops it when it is to; or it stopped.
    fn taken(&self, event: &Event) {
        if event.subject.as_ref().is_none_or(|subject| subject.id.pid != self.root) {
            return;
        }
        if matches!(event.kind, EventKind::Stopped { .. }) {
            self.stops.borrow_mut().command_stopped = true;
        }
        if let EventKind::SignalGenerated(sent) = event.kind
            && sent.signal != Signal::CHLD
        {
            if sent.signal == Signal::CONT && event.actor.pid == self.waiter {
                self.stops.borrow_mut().waiter_went_on();
            }
            // Who sent it is not needed, and not always known.
            self.seen.borrow_mut().push((sent.signal, Pid(0), Reach::CommandToo));
        }
    }
}

impl Sink for Signals {
    fn takes_findings(&self) -> bool {
        false
    }

    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        match self.sight {
            Sight::Everything => self.sent(event, delta, model),
            Sight::Stops(_) | Sight::Nothing => self.taken(event),
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Stops;

    #[test]
    fn a_waiter_that_follows_the_command_into_a_stop_is_not_stopped_alone() {
        let mut stops = Stops { command_stopped: true, ..Stops::default() };
        assert!(!stops.look(true, true));
        // Somebody continues the command alone: the waiter is to stay stopped, and the command is not to be stopped again.
        assert!(!stops.look(true, false));
        assert!(!stops.look(false, false));
        assert!(stops.look(true, false), "kill -STOP of the waiter");
        assert!(!stops.look(true, false), "once");
    }

    #[test]
    fn a_waiter_that_went_on_between_two_looks_is_stopped_anew() {
        let mut stops = Stops::default();
        assert!(stops.look(true, false));
        stops.command_stopped = true;
        stops.waiter_went_on();
        assert!(stops.look(true, false));
    }

    #[test]
    fn a_command_that_stopped_and_went_on_between_two_looks_is_remembered() {
        let mut stops = Stops { command_stopped: true, ..Stops::default() };
        assert!(!stops.look(true, false));
    }
}
