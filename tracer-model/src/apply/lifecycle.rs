//! Births, execs, exits.
//!
//! An exit has three marks: EXIT (terminal, files and children still there), `exit_notify` inside it (children get other
//! parents, orphaned groups their signals), DEAD (over). Must not end a membership: that is the reap's (`reap`).

use super::Cx;
use crate::{
    delta::{Anomaly, Bounds, Change, HangupKind, LeaderState, OrphanCause, ReapEvidence},
    event::{CLONE_THREAD, EXIT_DEAD, RawTask, State, WaitStatus},
    ids::{PgrpKey, Pid, ProcKey, Signal},
    state::{Knowledge, Model, Orphaned, Phase, Process, book::Exit},
};

impl Model {
    /// `task_newtask`. A new process proves that nothing else bore its number.
    pub(super) fn new_task(&mut self, cx: &mut Cx, flags: u64) {
        self.take_actor(cx);
        if flags & CLONE_THREAD == 0
            && let Some(state) = &cx.event.subject
        {
            self.vacate_number(cx, state);
        }
        let known = cx.event.subject.as_ref().and_then(|state| self.lookup(state.id));
        let known = known.and_then(|key| self.processes.get(&key)).is_some_and(|it| it.knowledge == Knowledge::Seen);
        let Some(child) = self.take_subject(cx) else { return };
        if known
            && flags & CLONE_THREAD == 0
            && let Some(state) = &cx.event.subject
        {
            // The snapshot was quicker than this record.
            self.announce_fork(cx, child, state);
        }
        let (followed, args) = match cx.delta.by.and_then(|forker| self.processes.get(&forker)) {
            Some(forker) if flags & CLONE_THREAD == 0 => (forker.followed, forker.args.clone()),
            Some(_) | None => return,
        };
        if let Some(child) = self.processes.get_mut(&child) {
            child.followed |= followed;
            child.born = Some(cx.event.at);
            child.args = args;
        }
    }

    /// Says that a process was forked, before anything else is said of it.
    pub(super) fn announce_fork(&mut self, cx: &mut Cx, child: ProcKey, state: &State) {
        match self.reference(cx, state.parent) {
            Some(parent) => cx.push(Change::Forked { child, parent }),
            None => cx.push(Change::Found { process: child, by_snapshot: false }),
        }
    }

    /// `sched_process_exec`. Group, session and terminal are kept; of several threads one is left.
    pub(super) fn exec(&mut self, cx: &mut Cx, args: &[Vec<u8>], truncated: bool) {
        self.own_event(cx);
        let Some(process) = cx.delta.subject.and_then(|key| self.processes.get_mut(&key)) else { return };
        process.args = args.into();
        process.args_truncated = truncated;
        process.book.threads_are_gone();
        let process = process.key;
        cx.push(Change::Executed { process });
    }

    /// `sched_process_exit` of a thread or, when it is the last one, of the process.
    pub(super) fn exit(&mut self, cx: &mut Cx, group_dead: bool) {
        self.own_event(cx);
        let (Some(key), Some(state)) = (cx.delta.subject, &cx.event.subject) else { return };
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.book.calls.remove(state.id.tid);
        if !group_dead {
            process.book.exit_mut().threads.insert(state.id.tid);
            return;
        }
        if process.phase != Phase::Alive {
            return;
        }
        let status = WaitStatus::from_word(state.wait_status());
        process.phase = Phase::Exiting;
        process.exited_at = Some(cx.event.at);
        process.status = Some(status);
        if matches!(status, WaitStatus::Killed { signal: Signal::KILL, .. }) {
            self.dies_of_kill(cx, key);
        }
        cx.push(Change::Exited { process: key, status });
        self.leader_exits(cx, key, state);
    }

    /// A session leader begins to exit: note whom the kernel will hang up (`drivers/tty/tty_jobctrl.c`, `disassociate_ctty`).
    fn leader_exits(&mut self, cx: &mut Cx, key: ProcKey, state: &State) {
        if !state.facts.session_leader {
            return;
        }
        let Some(session) = self.processes.get(&key).and_then(|process| process.session) else { return };
        let tty = self.sessions.get(&session).and_then(|session| session.tty);
        let foreground = tty.and_then(|tty| self.terminals.get(&tty)).and_then(|tty| tty.foreground);
        let old_foreground = self.groups.key_of(state.tty_old_pgrp).filter(|_| state.tty_old_pgrp.0 != 0);
        if let Some(process) = self.processes.get_mut(&key) {
            process.book.exit_mut().foreground = foreground.and_then(|group| group.group);
            process.book.exit_mut().old_foreground = old_foreground;
        }
        self.note_hung_up(foreground.and_then(|group| group.group), key, HangupKind::LeaderExit);
        let others = self.sessions.get(&session).into_iter().flat_map(|session| &session.groups);
        if others.filter_map(|group| self.groups.get(group)).any(|group| group.members.iter().any(|it| *it != key)) {
            cx.push(Change::SessionLeaderExited { session, tty });
        }
    }

    /// DEAD: a thread was switched away from for the last time. The bundle's exit state is that of the leader thread.
    pub(super) fn dead(&mut self, cx: &mut Cx) {
        self.own_event(cx);
        let (Some(key), Some(state)) = (cx.delta.subject, &cx.event.subject) else { return };
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.book.thread_is_gone(state.id.tid);
        if state.exit_state == EXIT_DEAD && process.phase < Phase::Zombie {
            self.released(cx, key);
        }
        let over = self.processes.get(&key).is_some_and(|process| process.phase >= Phase::Zombie);
        if over {
            self.settle_orphans(cx);
            self.check_orphan_signals(cx, key);
        }
    }

    /// The process had been released when its exit was over. By itself, if its parent ignores SIGCHLD; else a parent's wait
    /// was quicker than this record, and its return is still to come.
    fn released(&mut self, cx: &mut Cx, key: ProcKey) {
        self.exit_notify(cx, key);
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.phase = Phase::Released;
        process.stopped = None;
        process.book.exit_mut().released_at = Some(cx.event.at);
        let parent = process.parent.filter(|_| !process.parent_exited);
        let parent = parent.and_then(|parent| self.processes.get(&parent));
        if parent.is_some_and(Process::wants_no_zombies) {
            self.reap_unseen(cx, key, ReapEvidence::AutoReap);
        }
    }

    /// The exit is over and the process waits to be reaped. One that was `found` so has not changed.
    pub(super) fn become_zombie(&mut self, cx: &mut Cx, key: ProcKey, status: WaitStatus, found: bool) {
        self.exit_notify(cx, key);
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.phase = Phase::Zombie;
        process.stopped = None;
        process.status = Some(status);
        let at = cx.event.at;
        process.book.exit_mut().zombie_by.get_or_insert(at);
        let own = process.group;
        if !found {
            cx.push(Change::Zombie { process: key });
        }
        let Some(group) = own.and_then(|group| self.groups.get(&group)) else { return };
        let (group, leader, living) = (group.key, group.leader, group.living);
        if found {
            return;
        }
        if living == 0 {
            cx.push(Change::HeldByZombies { group });
        } else if leader == Some(key) {
            cx.push(Change::Leaderless { group, leader: LeaderState::Zombie });
        }
    }

    /// `exit_notify` (kernel/exit.c): the children get other parents, and the process itself keeps no group from being
    /// orphaned any more. Once per process, at the first evidence.
    pub(super) fn exit_notify(&mut self, cx: &mut Cx, key: ProcKey) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        if !std::mem::replace(&mut process.book.exit_notified, true) {
            if let Some(group) = process.group.and_then(|group| self.groups.get_mut(&group)) {
                group.living = group.living.saturating_sub(1);
            }
            self.requalify(cx, key, OrphanCause::Exit(key));
        }
        self.namespace_is_empty(cx, key);
        self.disown(cx, key);
    }

    /// The init of a pid namespace waits for everybody in there before it is a zombie itself, without a call
    /// (`kernel/pid_namespace.c`, `zap_pid_ns_processes`): its own zombies are no more then.
    fn namespace_is_empty(&mut self, cx: &mut Cx, key: ProcKey) {
        let init = self.processes.get(&key).filter(|it| it.namespace.is_some_and(|namespace| namespace.pid == Pid(1)));
        let Some(init) = init else { return };
        let (exited, until) = (init.exited_at, cx.event.at);
        let shown = cx.shown;
        let ended =
            |child: &&Process| matches!(child.phase, Phase::Zombie | Phase::Released) && shown != Some(child.key);
        let children = init.children.iter().filter_map(|child| self.processes.get(child)).filter(ended);
        let ended: Vec<_> = children.map(|child| (child.key, child.book.zombie_by().or(child.exited_at))).collect();
        for (child, zombie) in ended {
            // Whoever is each other's child, which no kernel shows, is so once.
            if let Some(init) = self.processes.get_mut(&key) {
                init.children.remove(&child);
            }
            let after = zombie.max(exited).unwrap_or(until).min(until);
            self.reap(cx, child, Some(key), ReapEvidence::Wait, Bounds { after, until });
        }
    }

    /// The children of a process that has exited have another parent: the one that the kernel certainly chose, or one that is
    /// not known until it is seen.
    fn disown(&mut self, cx: &mut Cx, key: ProcKey) {
        let Some(process) = self.processes.get(&key) else { return };
        let own = |child: &ProcKey| self.processes.get(child).is_some_and(|child| !child.parent_exited);
        let children: Vec<_> = process.children.iter().copied().filter(own).collect();
        let reaper = self.adopter(key).filter(|_| !children.is_empty());
        for child in children {
            match reaper {
                Some(to) if to != child => {
                    cx.push(Change::Reparented { process: child, from: key, to });
                    self.set_parent(child, to);
                    if let Some(child) = self.processes.get_mut(&child) {
                        child.book.parent_job = None;
                    }
                }
                Some(_) | None => {
                    if let Some(child) = self.processes.get_mut(&child) {
                        child.parent_exited = true;
                    }
                }
            }
            self.requalify(cx, child, OrphanCause::Exit(key));
            self.reap_if_adopter_wants_none(cx, child);
        }
    }

    /// A zombie whose new parent wants none is released when it is adopted (kernel/exit.c, `reparent_leader`).
    fn reap_if_adopter_wants_none(&mut self, cx: &mut Cx, child: ProcKey) {
        let zombie = self.processes.get(&child).filter(|child| child.phase == Phase::Zombie && !child.parent_exited);
        let adopter = zombie.and_then(|zombie| self.processes.get(&zombie.parent?));
        if adopter.is_some_and(Process::wants_no_zombies) {
            self.reap_unseen(cx, child, ReapEvidence::AutoReap);
        }
    }

    /// Who adopts the children of an exiting process (kernel/exit.c, `find_new_reaper`): the nearest ancestor that is a
    /// subreaper, else the init of its pid namespace. `None` unless every ancestor up to there is known, or it is known that
    /// none is a subreaper.
    pub(super) fn adopter(&self, father: ProcKey) -> Option<ProcKey> {
        let father = self.processes.get(&father)?;
        if father.facts.no_subreaper_above {
            return self.init_of(father);
        }
        let mut next = father.parent.filter(|_| !father.parent_exited);
        for _ in 0..self.processes.len() {
            let ancestor = next.and_then(|key| self.processes.get(&key))?;
            let known =
                ancestor.knowledge == Knowledge::Seen && (ancestor.can_adopt() || ancestor.waits_for_its_namespace());
            // What was lost since it was seen can have made it a subreaper, or none.
            if !known
                || self.uncertain(ancestor.key).is_some()
                || ancestor.namespace.map(|ns| ns.inum) != father.namespace.map(|ns| ns.inum)
            {
                return None;
            }
            let number = ancestor.namespace.map_or(ancestor.key.number, |ns| ns.pid);
            if ancestor.facts.subreaper || (number.0 == 1 && ancestor.book.is_global_init.is_some()) {
                return Some(ancestor.key);
            }
            next = ancestor.parent.filter(|_| !ancestor.parent_exited);
        }
        None
    }

    /// The init of a process's pid namespace: process 1 of the capture's own, an ancestor in another.
    fn init_of(&self, process: &Process) -> Option<ProcKey> {
        let Some(namespace) = process.namespace else {
            return self.process_by_pid(Pid(1)).filter(|init| init.can_adopt()).map(|init| init.key);
        };
        let is_it = |it: &Process| it.namespace.is_some_and(|ns| ns.inum == namespace.inum && ns.pid == Pid(1));
        let mut next = process.parent;
        for _ in 0..self.processes.len() {
            let ancestor = next.and_then(|key| self.processes.get(&key))?;
            if is_it(ancestor) && (ancestor.can_adopt() || ancestor.waits_for_its_namespace()) {
                return Some(ancestor.key);
            }
            if !ancestor.can_adopt() {
                return None;
            }
            next = ancestor.parent;
        }
        None
    }

    /// At the end of an exit: every group that it orphaned while a member was stopped must have got SIGHUP and SIGCONT, and
    /// no other group that is not orphaned may have (kernel/exit.c, `kill_orphaned_pgrp`).
    fn check_orphan_signals(&mut self, cx: &mut Cx, key: ProcKey) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.book.exit_notified = true;
        let exit = process.book.exit_mut();
        let Exit { expected, signalled, .. } = &mut *exit;
        let (expected, signalled) = (std::mem::take(expected), std::mem::take(signalled));
        (exit.foreground, exit.old_foreground) = (None, None);
        exit.hung_up.clear();
        if self.taken.is_some() {
            // They have not been seen yet.
            return self.note_orphaned(expected, key);
        }
        let since = process.exited_at.unwrap_or(cx.event.at);
        if self.gaps.iter().any(|(_, gap)| gap.until >= since) {
            return;
        }
        let both = |group: &&_| [Signal::HUP, Signal::CONT].iter().all(|sig| signalled.contains(&(**group, *sig)));
        let missing = expected.iter().filter(|group| !both(group)).copied();
        let not_orphaned = |group: &PgrpKey| self.groups.get(group).is_some_and(|it| it.orphaned == Orphaned::No);
        let surplus = signalled.iter().map(|(group, _)| *group).filter(not_orphaned);
        let mut differing: Vec<_> = missing.chain(surplus).filter(|group| self.groups.contains_key(group)).collect();
        differing.sort_unstable();
        differing.dedup();
        for group in differing {
            cx.push(Change::Anomaly(Anomaly::OrphanSignalsDiffer(group)));
        }
    }

    /// `sched_process_free`: after the reap, by up to 50 ms. Threads are freed too; only the leader thread stands for the
    /// process.
    pub(super) fn freed(&mut self, cx: &mut Cx, task: RawTask) {
        if task.tid.0 != task.pid.0 {
            return;
        }
        let Some(key) = self.lookup(task) else { return };
        let Some(process) = self.processes.get(&key) else { return };
        // Without a start time it can be the number's last life that is freed.
        if task.start.0 == 0 && process.phase == Phase::Alive {
            return;
        }
        if process.knowledge == Knowledge::Referenced {
            self.forget_reference(cx, key);
            return;
        }
        cx.delta.subject = Some(key);
        self.reap_unseen(cx, key, ReapEvidence::Freed);
    }
}
