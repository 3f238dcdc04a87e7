//! Watched calls: their begin and return, and which of the rules look at them.
//!
//! Must not change groups or terminals: that is done from the bundle before these run.

use super::Cx;
use crate::{
    delta::Change,
    event::{Call, Leave, RawId, TtyRequest},
    ids::{ProcKey, Signal},
    state::{Model, OpenCall},
};

impl Model {
    /// ENTER: the bundle is the state before the call.
    pub(super) fn enter(&mut self, cx: &mut Cx, call: &Call, target_unknown: bool) {
        self.own_event(cx);
        let Some(caller) = cx.delta.by else { return };
        let target = if target_unknown { None } else { cx.delta.subject };
        let bundle = cx.event.subject.as_ref().filter(|_| target.is_some());
        let target_pgrp = bundle.map_or_else(RawId::default, |bundle| bundle.pgrp);
        let tid = cx.event.actor.tid;
        let open = OpenCall { entered: cx.stamp(), call: *call, target: target.unwrap_or(caller), target_pgrp };
        let Some(process) = self.processes.get_mut(&caller) else { return };
        process.book.called = true;
        process.book.calls.insert(tid, open);
        if let Some(signal) = call.signal().filter(|signal| signal.0 != 0) {
            self.sends.entered(caller, process.group, *call, signal, open.entered.seq);
        }
        if gives_up(call) {
            self.note_gave_up(caller);
        }
        let Some(process) = self.processes.get(&caller) else { return };
        if let Some(tty) = process.tty.filter(|_| sets_foreground(call)).and_then(|tty| self.terminals.get_mut(&tty)) {
            tty.foreground_calls.insert((caller, tid));
        }
    }

    /// LEAVE: the bundle is the state after the call.
    pub(super) fn leave(&mut self, cx: &mut Cx, leave: &Leave) {
        self.own_event(cx);
        let Some(caller) = cx.delta.by else { return };
        let tid = cx.event.actor.tid;
        let entered = self.close_call(caller, tid, &leave.call);
        if leave.ret < 0
            && leave.call.is_kill()
            && let Some(open) = &entered
        {
            self.sends.failed(open.entered.seq);
        }
        if let Call::SetParentDeathSignal { signal } = leave.call
            && leave.ret == 0
        {
            self.note_asked(caller, signal);
        }
        if let Call::Setpgid { pid, pgid } = leave.call {
            self.leader_race(cx, leave, (pid, pgid), entered);
        }
        if leave.call.is_wait() {
            self.waited(cx, leave, caller);
        }
        if self.taken.is_some()
            && let Some(open) = entered.filter(|open| leave.ret >= 0 && open.call.signal() == Some(Signal::KILL))
        {
            self.killed(cx, &open, caller);
        }
        if leave.ret < 0
            && let Some(reason) = self.refusal(cx, leave, caller)
        {
            let errno = i32::try_from(leave.ret.saturating_neg()).unwrap_or(i32::MAX);
            cx.push(Change::Refused { call: leave.call, errno, reason });
        }
    }

    /// Takes the ENTER of a call that returns.
    fn close_call(&mut self, caller: ProcKey, tid: crate::ids::Tid, call: &Call) -> Option<OpenCall> {
        let process = self.processes.get_mut(&caller)?;
        process.book.called = true;
        let open = process.book.calls.remove(tid);
        let tty = process.tty;
        if sets_foreground(call)
            && let Some(tty) = tty.and_then(|tty| self.terminals.get_mut(&tty))
        {
            tty.foreground_calls.remove(&(caller, tid));
        }
        open.filter(|open| std::mem::discriminant(&open.call) == std::mem::discriminant(call))
    }
}

/// `TIOCNOTTY`.
fn gives_up(call: &Call) -> bool {
    matches!(call, Call::TtyIoctl { request: TtyRequest::GiveUp, .. })
}

/// `TIOCSPGRP`.
fn sets_foreground(call: &Call) -> bool {
    matches!(call, Call::TtyIoctl { request: TtyRequest::SetForeground, .. })
}
