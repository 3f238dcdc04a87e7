//! Reaps: a wait that returned a child, and what a reap ends.
//!
//! `release_task` (kernel/exit.c) has no tracepoint, so a reap is an interval with the evidence that closed it. Here, and
//! nowhere else, a membership ends with a process.

use super::Cx;
use crate::{
    delta::{Bounds, Change, GroupEnd, LeaderState, ReapEvidence, TtyChange},
    event::{Leave, RawTask, WaitStatus, Waited},
    ids::{PgrpKey, ProcKey},
    state::{Knowledge, Model, Phase, Process, Stop, recent},
};

impl Model {
    /// wait4 or waitid returned.
    pub(super) fn waited(&mut self, cx: &mut Cx, leave: &Leave, waiter: ProcKey) {
        let Some(waited) = leave.waited else { return };
        let Some(child) = self.waited_child(cx, waiter, waited) else { return };
        let Some(process) = self.processes.get_mut(&child) else { return };
        let reaps = match waited.status {
            WaitStatus::Exited(_) | WaitStatus::Killed { .. } => !waited.left_waitable,
            WaitStatus::Stopped(_) | WaitStatus::Continued => false,
            // A zombie is reported before anything else of it could be (kernel/exit.c, `wait_consider_task`).
            WaitStatus::Unknown { may_be_stop } => {
                !waited.left_waitable && (!may_be_stop || process.phase >= Phase::Zombie)
            }
        };
        // A tracer is told of the end of a process that is not its child, and the zombie stays its parent's, or goes if the
        // parent wants none (kernel/exit.c, `wait_task_zombie`).
        let of_another = process.parent.filter(|parent| !process.parent_exited && *parent != waiter);
        if !reaps || of_another.is_some() {
            // The parent is told before the last thread is switched away from (kernel/signal.c, `do_signal_stop`). A tracer that is
            // the parent is told the same of each thread (`ptrace_stop`): it is of the process where there is one.
            let told = process.book.last_stop.as_deref().copied().filter(|stop| {
                stop.told
                    && process.facts.single_thread
                    && waited.status == WaitStatus::Stopped(stop.signal)
                    && process.phase == Phase::Alive
            });
            if let Some(stop) = told.filter(|_| process.stopped.is_none()) {
                process.book.last_stop = None;
                process.stopped = Some(Stop { signal: stop.signal, sent: Some(stop.sent), since: cx.event.at });
                cx.push(Change::Stopped { process: child, signal: stop.signal, sent: Some(stop.sent) });
            }
            // Threads that are traced go when their tracer has waited for each, without an event; whoever is told of the end of the
            // process is told when all have gone (kernel/exit.c, `delay_group_leader`).
            let ended = matches!(waited.status, WaitStatus::Exited(_) | WaitStatus::Killed { .. });
            let of_process = waited.child.tid.0 == waited.child.pid.0;
            if ended && of_process && process.phase == Phase::Exiting {
                self.become_zombie(cx, child, waited.status, false);
            }
            if let Some(process) = self.processes.get_mut(&child).filter(|_| ended && of_process && reaps) {
                process.book.told_to_tracer = true;
            }
            cx.push(Change::WaitReported { child, status: waited.status });
            let parent = of_another.filter(|_| reaps).and_then(|parent| self.processes.get(&parent));
            if parent.is_some_and(Process::wants_no_zombies) {
                self.reap_unseen(cx, child, ReapEvidence::AutoReap);
            }
            return;
        }
        if matches!(waited.status, WaitStatus::Exited(_) | WaitStatus::Killed { .. }) {
            process.status = Some(waited.status);
        }
        let exited = process.book.zombie_by().or(process.exited_at);
        let until = process.book.released_at().unwrap_or(cx.event.at).min(cx.event.at);
        let entered = leave.entered.map(|(_, at)| at);
        let after = exited.max(entered).unwrap_or(process.seen.at).min(until);
        self.reap(cx, child, Some(waiter), ReapEvidence::Wait, Bounds { after, until });
    }

    /// The child that a wait returned. Without a start time its number is one of the waiter's namespace.
    fn waited_child(&mut self, cx: &mut Cx, waiter: ProcKey, waited: Waited) -> Option<ProcKey> {
        let RawTask { pid, start, .. } = waited.child;
        if start.0 != 0 {
            return self.reference(cx, waited.child);
        }
        let waiter = self.processes.get(&waiter)?;
        let Some(inside) = waiter.namespace else { return self.lookup(waited.child) };
        let namespace = |child: &ProcKey| self.processes.get(child).and_then(|child| child.namespace);
        let is_it = |child: &&ProcKey| namespace(child).is_some_and(|ns| ns.pid == pid && ns.inum == inside.inum);
        waiter.children.iter().find(is_it).copied()
    }

    /// Ends a process: it leaves its group, and its number is free unless that is still a group's or a session's.
    pub(super) fn reap(
        &mut self,
        cx: &mut Cx,
        key: ProcKey,
        by: Option<ProcKey>,
        evidence: ReapEvidence,
        bounds: Bounds,
    ) {
        self.exit_notify(cx, key);
        let Some(process) = self.processes.get_mut(&key) else { return };
        if process.phase == Phase::Reaped {
            return;
        }
        process.stopped = None;
        let (own_group, own_session, parent) = (process.group, process.session, process.parent);
        cx.push(Change::Reaped { process: key, by, evidence, bounds });
        if let Some(session) = own_session.and_then(|session| self.sessions.get(&session))
            && session.leader == Some(key)
            && let (session, Some(tty)) = (session.key, session.tty)
        {
            self.lose_tty(cx, session, tty, Some(TtyChange::LeaderExit));
        }
        self.drop_tty(key);
        self.leader_reaped(cx, key);
        self.leave_group(cx, key, GroupEnd::LastReaped { last: key }, bounds);
        if let Some(parent) = parent.and_then(|parent| self.processes.get_mut(&parent)) {
            parent.children.remove(&key);
        }
        self.bury(key);
        if let Some(process) = self.processes.get_mut(&key) {
            // For readers of this event: where it was.
            (process.group, process.session) = (own_group, own_session);
        }
    }

    /// Groups and sessions that bear the number of a process which is no member go on without their leader for good.
    fn leader_reaped(&mut self, cx: &mut Cx, key: ProcKey) {
        let session = self.sessions.current_mut(crate::ids::Sid(key.number.0));
        if let Some(session) = session.filter(|session| session.leader == Some(key)) {
            session.leader_reaped = true;
        }
        let group = self.groups.current_mut(crate::ids::Pgid(key.number.0));
        let Some(group) = group.filter(|group| group.leader == Some(key)) else { return };
        group.leader_reaped = true;
        let (group, member): (PgrpKey, bool) = (group.key, group.members.contains(&key));
        if !member {
            cx.push(Change::Leaderless { group, leader: LeaderState::Reaped });
        }
    }

    /// Forgets a process but for its identity; it stays readable until the next event.
    fn bury(&mut self, key: ProcKey) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.phase = Phase::Reaped;
        if process.knowledge == Knowledge::Seen {
            self.recent.process_ended(recent::EndedProcess {
                key,
                start: process.start,
                ino: process.ino,
                parent: process.parent,
                namespace: process.namespace,
            });
        }
        self.processes.retire(&key);
    }
}
