//! Signals: what they do at once, and what is sent (kernel/signal.c).

use super::{Kernel, errno::ESRCH};
use crate::{
    event::{Call, Disposition, EventKind, SignalGenerated, SignalOrigin, SignalOutcome},
    ids::Signal,
};

impl Kernel {
    /// One signal to one process. `__send_signal_locked`: a zombie takes none.
    pub(super) fn signal(&mut self, actor: u32, target: u32, signal: Signal, origin: SignalOrigin) {
        let task = self.task(target);
        let taken = !task.zombie && !task.exiting;
        if signal == Signal::CONT {
            task.stopped = false;
        }
        match signal {
            Signal::HUP => task.hup_pending |= taken,
            Signal::CONT => task.cont_pending |= taken,
            // `prepare_signal`: a stop signal takes a pending SIGCONT away, even from who ignores it.
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU if taken => task.cont_pending = false,
            _ => {}
        }
        let ignored = signal == Signal::TTOU && task.ignores_ttou;
        let disposition = match signal.stops() {
            true if ignored => Disposition::Ignored,
            true => Disposition::Default,
            false => Disposition::Handler,
        };
        let outcome = if taken && !ignored { SignalOutcome::Delivered } else { SignalOutcome::Ignored };
        let sent = SignalGenerated {
            signal,
            origin,
            process_directed: true,
            outcome,
            disposition,
            blocked: false,
            at_delivery: false,
        };
        self.emit_state(actor, target, EventKind::SignalGenerated(sent));
    }

    /// A member of a group takes a stop signal, and stops.
    pub(super) fn take_stop(&mut self, target: u32, signal: Signal) {
        self.task(target).stopped = true;
        self.emit_state(target, target, EventKind::Stopped { signal });
    }

    /// kill(2) of one process.
    fn kill(&mut self, who: u32, target: u32, signal: Signal, effect: impl FnOnce(&mut Self)) -> i64 {
        let call = Call::Kill { target: target.cast_signed(), signal: signal.0 };
        let ret = self.call(who, who, call, |kernel| {
            if !kernel.tasks.contains_key(&target) {
                return (-ESRCH, None);
            }
            kernel.signal(who, target, signal, SignalOrigin::Info(0));
            (0, None)
        });
        if ret == 0 {
            effect(self);
        }
        ret
    }

    pub(super) fn send_stop(&mut self, who: u32, target: u32) -> i64 {
        self.kill(who, target, Signal::STOP, |kernel| {
            let task = &kernel.tasks[&target];
            if target != 1 && !task.zombie && !task.stopped {
                kernel.take_stop(target, Signal::STOP);
            }
        })
    }

    pub(super) fn send_continue(&mut self, who: u32, target: u32) -> i64 {
        self.kill(who, target, Signal::CONT, |_| {})
    }

    pub(super) fn send_kill(&mut self, who: u32, target: u32) -> i64 {
        self.kill(who, target, Signal::KILL, |kernel| {
            if target != 1 && !kernel.tasks[&target].zombie {
                kernel.exit(target, false);
            }
        })
    }
}
