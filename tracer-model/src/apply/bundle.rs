//! Sets the state of one process from a bundle.
//!
//! Each part compares with what was known and says what is new; the parts on groups and terminals are in their families.
//! Must not look at the event for more than the explanation of a change.

use super::Cx;
use crate::{
    delta::{Change, OrphanCause, ReapEvidence},
    event::{CLONE_THREAD, EXIT_DEAD, EXIT_ZOMBIE, EventKind, PF_KTHREAD, SIGNAL_GROUP_EXIT, State, WaitStatus},
    ids::{ProcKey, Signal},
    state::{Knowledge, Model, Phase, Process, Stamp, Stop, book::ParentJob},
};

/// The parts of a bundle, in the order in which they are taken: what one explains can follow from those before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Part {
    Parent,
    Membership,
    Tty,
    Stop,
    Exit,
    None,
}

impl Model {
    /// Takes a bundle. Gives the process, unless it has ended. Most bundles show nothing that is not known, as a caller is shown
    /// before each call and after it.
    pub(super) fn absorb(&mut self, cx: &mut Cx, state: &State) -> Option<ProcKey> {
        let key = self.identify(cx, state)?;
        cx.shown = (state.exit_state != EXIT_DEAD).then_some(key);
        let taken = self.absorb_parts(cx, key, state);
        cx.shown = None;
        taken
    }

    fn absorb_parts(&mut self, cx: &mut Cx, key: ProcKey, state: &State) -> Option<ProcKey> {
        let process = self.processes.get_mut(&key)?;
        let found = process.knowledge == Knowledge::Referenced;
        let wants_no_zombies_now = if found {
            self.announce(cx, key, state);
            self.processes.get_mut(&key)?.take_facts(cx.stamp(), state)
        } else {
            process.take_facts(cx.stamp(), state)
        };
        if state.facts.unreadable {
            return Some(key);
        }
        if wants_no_zombies_now {
            self.reap_released_children(cx, key);
        }
        let new = self.first_new_part(key, state);
        if new <= Part::Parent {
            self.absorb_parent(cx, key, state, found);
            // A father whose number is another's has ended, and his zombies may have ended with him.
            if self.has_ended(key) {
                return None;
            }
        }
        if new <= Part::Membership {
            self.absorb_membership(cx, key, state, found);
        }
        if new <= Part::Tty {
            self.absorb_tty(cx, key, state, found);
        }
        if new <= Part::Stop {
            self.absorb_stop(cx, key, state, found);
        }
        if new <= Part::Exit {
            self.absorb_exit(cx, key, state, found);
        }
        Some(key)
    }

    fn has_ended(&self, key: ProcKey) -> bool {
        self.processes.get(&key).is_none_or(|process| process.phase == Phase::Reaped)
    }

    /// The first part of a bundle that shows what is not known.
    fn first_new_part(&self, key: ProcKey, state: &State) -> Part {
        let Some(process) = self.processes.get(&key) else { return Part::Parent };
        let session = process.session.and_then(|session| self.sessions.get(&session));
        if !self.has_parent(process, state) {
            Part::Parent
        } else if !self.is_in(process, session, state) {
            Part::Membership
        } else if !self.has_tty(process, session, state) {
            Part::Tty
        } else if process.stopped.is_some() != state.is_stopped() {
            Part::Stop
        } else if state.exit_state & EXIT_ZOMBIE != 0 && process.phase < Phase::Zombie {
            Part::Exit
        } else {
            Part::None
        }
    }

    /// A process is seen for the first time.
    fn announce(&mut self, cx: &mut Cx, key: ProcKey, state: &State) {
        if matches!(cx.event.kind, EventKind::NewTask { flags } if flags & CLONE_THREAD == 0) {
            self.announce_fork(cx, key, state);
        } else {
            cx.push(Change::Found { process: key, by_snapshot: cx.is_snapshot() });
        }
    }

    /// A parent shows that it wants no zombies. Those of its children that were released at their exit, and that no wait of its
    /// has returned, were released by themselves: it has set that since it was last seen. A wait that has not returned may have
    /// released them as well, and says so when it does.
    fn reap_released_children(&mut self, cx: &mut Cx, parent: ProcKey) {
        let waited = if let EventKind::Leave(leave) = &cx.event.kind { leave.waited } else { None };
        let Some(parent) = self.processes.get(&parent) else { return };
        if parent.book.calls.values().any(|open| open.call.is_wait()) {
            return;
        }
        let is_released = |child: &&ProcKey| {
            self.processes.get(child).is_some_and(|it| it.phase == Phase::Released)
                && waited.is_none_or(|waited| waited.child.pid != child.number)
        };
        let released: Vec<ProcKey> = parent.children.iter().filter(is_released).copied().collect();
        for child in released {
            self.reap_unseen(cx, child, ReapEvidence::AutoReap);
        }
    }

    /// The real parent. A process that has been released has none any more.
    fn absorb_parent(&mut self, cx: &mut Cx, key: ProcKey, state: &State, found: bool) {
        if self.processes.get(&key).is_none_or(|process| self.has_parent(process, state)) {
            return;
        }
        let is_init = Some(state.facts.parent_is_init);
        let job = parent_job(state);
        let Some(parent) = self.reference(cx, state.parent) else { return };
        if self.has_ended(key) {
            return;
        }
        let known = self.processes.get_mut(&parent).map(|it| std::mem::replace(&mut it.book.is_global_init, is_init));
        if known != Some(is_init) {
            self.requalify_children(cx, parent, OrphanCause::Found);
        }
        let Some(process) = self.processes.get_mut(&key) else { return };
        let other_job = std::mem::replace(&mut process.book.parent_job, job) != job;
        let before = process.parent;
        if before == Some(parent) && !process.parent_exited {
            if other_job {
                self.requalify(cx, key, OrphanCause::Found);
            }
            return;
        }
        if let Some(from) = before.filter(|from| *from != parent && !found) {
            cx.push(Change::Reparented { process: key, from, to: parent });
        }
        self.set_parent(key, parent);
        self.requalify(cx, key, before.map_or(OrphanCause::Found, OrphanCause::Exit));
    }

    /// Whether all that a bundle says of the parent is known.
    #[inline]
    fn has_parent(&self, process: &Process, state: &State) -> bool {
        if state.exit_state == EXIT_DEAD || state.parent.pid == state.id.pid {
            return true;
        }
        let known = !process.parent_exited && process.book.parent_job == parent_job(state);
        let parent = process.parent.filter(|_| known).and_then(|parent| self.processes.get(&parent));
        parent.is_some_and(|parent| {
            (parent.key.number, parent.start) == (state.parent.pid, state.parent.start)
                && parent.phase != Phase::Reaped
                && parent.book.is_global_init == Some(state.facts.parent_is_init)
        })
    }

    /// Links a process to a parent.
    pub(super) fn set_parent(&mut self, key: ProcKey, parent: ProcKey) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        let before = process.parent.replace(parent);
        process.parent_exited = false;
        if let Some(before) = before.and_then(|before| self.processes.get_mut(&before)) {
            before.children.remove(&key);
        }
        if let Some(parent) = self.processes.get_mut(&parent) {
            parent.children.insert(key);
        }
    }

    /// Stopped or not. The effect of SIGCONT is there when it is generated, ignored or not (kernel/signal.c,
    /// `prepare_signal`); a fatal signal ends a stop without continuing.
    fn absorb_stop(&mut self, cx: &mut Cx, key: ProcKey, state: &State, found: bool) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        match (process.stopped.is_some(), state.is_stopped()) {
            (false, true) => {
                let last = process.book.last_stop.take().map(|last| *last);
                let signal = if let EventKind::Stopped { signal } = cx.event.kind {
                    signal
                } else {
                    last.map_or(stop_signal(state), |last| last.signal)
                };
                let sent = last.filter(|last| last.signal == signal).map(|last| last.sent);
                process.stopped = Some(Stop { signal, sent, since: cx.event.at });
                if !found {
                    cx.push(Change::Stopped { process: key, signal, sent });
                }
            }
            (true, false) => {
                process.stopped = None;
                let by_this = matches!(&cx.event.kind, EventKind::SignalGenerated(sent) if sent.signal == Signal::CONT);
                let sent = by_this.then_some(cx.event.seq);
                if state.signal_flags & SIGNAL_GROUP_EXIT == 0 {
                    cx.push(Change::Continued { process: key, sent });
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// A bundle can show a zombie whose exit was not seen. That a process was released is judged at DEAD.
    fn absorb_exit(&mut self, cx: &mut Cx, key: ProcKey, state: &State, found: bool) {
        if state.exit_state & EXIT_ZOMBIE == 0 || !state.facts.single_thread {
            return;
        }
        let Some(process) = self.processes.get_mut(&key).filter(|process| process.phase < Phase::Zombie) else {
            return;
        };
        // Between the zombie state and the last switch away the exiting thread still runs; DEAD will tell, if it was not lost.
        let told = matches!(cx.event.kind, EventKind::Dead | EventKind::Snapshot { .. });
        let lost = process.exited_at.is_some_and(|since| self.gaps.iter().any(|(_, gap)| gap.until >= since));
        if process.phase == Phase::Exiting && !told && !lost {
            return;
        }
        let status = WaitStatus::from_word(state.wait_status());
        if process.phase == Phase::Alive && !found {
            process.exited_at = Some(cx.event.at);
            cx.push(Change::Exited { process: key, status });
        }
        self.become_zombie(cx, key, status, found);
    }
}

impl Process {
    /// What explains nothing and is just so. Says whether it wants no zombies from now on.
    fn take_facts(&mut self, seen: Stamp, state: &State) -> bool {
        self.knowledge = Knowledge::Seen;
        self.seen = seen;
        if state.facts.unreadable {
            return false;
        }
        let wants_no_zombies_now = state.facts.auto_reaps_children && !self.wants_no_zombies();
        self.facts = state.facts;
        // Threads have names of their own, and every new one has the flag: the leader thread's count.
        if state.id.tid.0 == state.id.pid.0 || self.comm.0.is_empty() {
            if self.comm != state.comm {
                self.comm.clone_from(&state.comm);
            }
            self.not_yet_execed = state.not_yet_execed();
        }
        self.kernel_thread = state.task_flags & PF_KTHREAD != 0;
        self.uid = Some(state.uid);
        self.cgroup = state.cgroup;
        if state.namespace.is_some() || state.exit_state != EXIT_DEAD {
            self.namespace = state.namespace;
        }
        wants_no_zombies_now
    }
}

/// Group and session of the parent, where the bundle has them.
fn parent_job(state: &State) -> Option<ParentJob> {
    let job = ParentJob { pgrp: state.parent_pgrp, session: state.parent_session };
    (job.pgrp.number != 0).then_some(job)
}

/// The signal by which a process is stopped that a snapshot shows: `JOBCTL_STOP_SIGMASK` of a thread that has stopped; or the
/// status that its parent has not read yet (include/linux/sched/jobctl.h; kernel/signal.c, `do_signal_stop`). 0: not known.
fn stop_signal(state: &State) -> Signal {
    const STOP_SIGNALS: u32 = 0xffff;
    let stopped = state.jobctl & STOP_SIGNALS;
    Signal(if stopped == 0 { state.group_exit_code as u32 & 0x7f } else { stopped & 0x7f })
}
