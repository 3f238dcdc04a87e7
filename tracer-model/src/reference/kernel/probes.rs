//! What the probes would write of it: bundles, and events around calls.

use super::Kernel;
use crate::{
    event::{
        Call, Comm, Coverage, EXIT_DEAD, EXIT_ZOMBIE, Event, EventKind, Facts, Leave, PF_FORKNOEXEC, RawId, RawTask,
        SIGNAL_STOP_STOPPED, State, TtyState, Waited,
    },
    ids::{BootNs, Pgid, RawTty, Seq, Sid},
};

impl Kernel {
    /// The bundle of a process.
    pub(super) fn state(&self, pid: u32) -> State {
        let task = &self.tasks[&pid];
        let tty = task.tty.map(|index| {
            let tty = self.ttys[&index];
            TtyState {
                tty: RawTty { major: 136, minor: index, instance: 1 },
                foreground: tty.foreground,
                foreground_empty: tty.foreground.number != 0 && self.members(tty.foreground).is_empty(),
                session: Sid(tty.session),
            }
        });
        let parent = self.tasks.get(&task.parent);
        let exit_state = if task.zombie { EXIT_ZOMBIE } else { 0 };
        let state = State {
            id: task.id,
            ino: task.ino,
            parent: parent.map(|parent| parent.id).unwrap_or_default(),
            parent_pgrp: parent.map(|parent| parent.pgrp).unwrap_or_default(),
            parent_session: parent.map(|parent| parent.session.sid()).unwrap_or_default(),
            pgrp: task.pgrp,
            session: task.session,
            tty,
            tty_old_pgrp: Pgid(0),
            signal_flags: if task.stopped { SIGNAL_STOP_STOPPED } else { 0 },
            exit_state,
            task_exit_state: exit_state,
            task_flags: if task.execed { 0 } else { PF_FORKNOEXEC },
            facts: Facts {
                session_leader: task.leader,
                subreaper: task.subreaper,
                no_subreaper_above: self.machine.new && self.reaper(pid) == 1,
                single_thread: true,
                parent_is_init: task.parent == 1,
                ttou_ignored_or_blocked: task.ignores_ttou,
                auto_reaps_children: task.ignores_chld,
                ..Facts::default()
            },
            comm: Comm("x".into()),
            ..State::default()
        };
        if self.machine.new { state } else { without_ino(state) }
    }

    /// The bundle of a process that has been released.
    pub(super) fn released_state(state: State) -> State {
        State { exit_state: EXIT_DEAD, pgrp: RawId::default(), session: RawId::default(), tty: None, ..state }
    }

    pub(super) fn emit(&mut self, actor: u32, subject: Option<State>, kind: EventKind) {
        self.emit_as(self.tasks.get(&actor).map(|task| task.id).unwrap_or_default(), subject, kind);
    }

    pub(super) fn emit_as(&mut self, actor: RawTask, subject: Option<State>, kind: EventKind) {
        self.seq += 1;
        let (seq, at) = (Seq(self.seq), BootNs(self.seq * 1000));
        self.events.push(Event {
            seq,
            at,
            cpu: 0,
            actor,
            actor_comm: Comm("x".into()),
            subject: subject.map(Box::new),
            kind,
        });
    }

    pub(super) fn emit_state(&mut self, actor: u32, subject: u32, kind: EventKind) {
        let state = self.state(subject);
        self.emit(actor, Some(state), kind);
    }

    /// A whole call: what it does is between its ENTER and its LEAVE. Its return value.
    pub(super) fn call(
        &mut self,
        who: u32,
        target: u32,
        call: Call,
        run: impl FnOnce(&mut Self) -> (i64, Option<Waited>),
    ) -> i64 {
        let target_unknown = !self.tasks.contains_key(&target);
        let subject = if target_unknown { who } else { target };
        self.emit_state(who, subject, EventKind::Enter { call, target_unknown });
        let entered = Some((Seq(self.seq), BootNs(self.seq * 1000)));
        let (ret, waited) = run(self);
        let leave = Leave { call, ret, entered, enter_emitted: true, target_unknown, waited };
        self.emit_state(who, subject, EventKind::Leave(leave));
        ret
    }

    /// Everything as the task iterator sees it.
    pub fn snapshot(&mut self, complete: bool) {
        let from = Seq(self.seq + 1);
        for pid in self.tasks.keys().copied().collect::<Vec<_>>() {
            self.emit_state(0, pid, EventKind::Snapshot { args: Vec::new() });
        }
        let coverage = if complete { Coverage::All } else { Coverage::Some };
        self.emit(0, None, EventKind::SnapshotEnd { from, coverage });
    }
}

/// A bundle of a kernel that has no `pid->ino`.
fn without_ino(state: State) -> State {
    let strip = |id: RawId| RawId { ino: 0, ..id };
    let tty = state.tty.map(|tty| TtyState { foreground: strip(tty.foreground), ..tty });
    State { ino: 0, pgrp: strip(state.pgrp), session: strip(state.session), tty, ..state }
}
