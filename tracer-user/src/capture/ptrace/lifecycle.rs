//! Births, execs, exits and reaps.
//!
//! Must not: say more of a reap than the return of a wait, or the absence of the process, shows.

use std::collections::BTreeSet;

use libc::c_int;

use tracer_model::{
    event::{Comm, Coverage, EXIT_DEAD, EventKind, Facts, RawId, RawTask, State},
    ids::{BootNs, Pid, Seq, Signal, Tid},
};

use super::{
    bundle, sys,
    table::{Process, Thread},
    tracer::Tracer,
};
use crate::capture::{boot_now, procfs, strings};

/// `CLONE_VFORK`, `CLONE_PARENT` (include/uapi/linux/sched.h).
const CLONE_VFORK: u64 = 0x4000;
const CLONE_PARENT: u64 = 0x8000;

/// Bytes of a command line that are recorded.
const ARGUMENTS: usize = 512;

impl Tracer {
    /// A thread made another, or a process.
    pub fn forked(&mut self, tid: Tid, vfork: bool) {
        if let Ok(child) = sys::message(tid) {
            self.born(Tid(child as u32), Some(tid), vfork);
        }
        self.run_on(tid, 0);
    }

    /// A thread that was not known is. Nobody has said who made it if `forker` is missing.
    fn born(&mut self, child: Tid, forker: Option<Tid>, vfork: bool) {
        if self.table.threads.contains_key(&child) {
            return;
        }
        let forker = forker.and_then(|tid| Some(self.table.process_of(tid)?.task(tid)));
        let pid = match forker {
            Some(forker) if sys::is_thread_of(forker.pid, child) => forker.pid,
            Some(_) => Pid(child.0),
            None => bundle::process_of(child).unwrap_or(Pid(child.0)),
        };
        self.table.threads.insert(child, Thread::new(pid));
        if let Some(process) = self.table.processes.get_mut(&pid).filter(|_| pid.0 != child.0) {
            process.threads.insert(child);
        } else {
            self.process_born(pid, forker, vfork);
        }
        for word in self.table.early.remove(&child).unwrap_or_default() {
            self.handle(child, word);
        }
    }

    fn process_born(&mut self, pid: Pid, forker: Option<RawTask>, vfork: bool) {
        // It waits for us: only one that was killed at once can be without.
        let read = procfs::read_stat(pid).unwrap_or_default();
        let forker = forker.unwrap_or_else(|| self.table.identity(read.parent.pid));
        let parent = if read.parent.pid.0 == 0 {
            RawTask { tid: Tid(forker.pid.0), ..forker }
        } else {
            self.table.identity(read.parent.pid)
        };
        let model = self.table.processes.get(&forker.pid);
        let (facts, uid, namespace) = model.map(|model| (model.facts, model.uid, model.namespace)).unwrap_or_default();
        let comm = model.map(|model| model.comm.clone()).unwrap_or_default();
        // `/proc` has the start in steps of 10 ms, within which a number can be used again. It was before this moment.
        let latest = if read.id.start.0 == 0 { u64::MAX } else { read.id.start.0 + procfs::TICK_NS - 1 };
        let start = BootNs(boot_now().0.min(latest));
        let mut process = Process {
            id: RawTask { pid, tid: Tid(pid.0), start },
            parent,
            pgrp: read.pgrp.number,
            session: read.session.number,
            tty: read.tty,
            stat: None,
            stale: false,
            comm: read.comm,
            uid,
            namespace,
            // prctl(2): a child does not inherit it.
            facts: Facts { subreaper: false, ..facts },
            forked: true,
            stopped: None,
            threads: BTreeSet::from([Tid(pid.0)]),
            exiting: 0,
            exit_code: 0,
            zombie: false,
        };
        let outside = procfs::pid_namespace(pid).is_some_and(|inum| inum != self.around.namespace);
        if outside {
            bundle::read_status(&mut process, self.around, Tid(pid.0));
        }
        self.table.insert(process);
        let flags = if vfork { CLONE_VFORK } else { 0 } | if parent.pid == forker.pid { 0 } else { CLONE_PARENT };
        let state = self.table.state(self.around, pid, Tid(pid.0));
        self.emit(forker, comm, state, EventKind::NewTask { flags });
    }

    /// A program was executed. Of several threads the one that did so is left; it bears the leader's number from now on.
    pub fn executed(&mut self, tid: Tid) {
        let old = sys::message(tid).map_or(tid, |old| Tid(old as u32));
        let Some(pid) = self.table.threads.get(&tid).map(|thread| thread.pid) else { return };
        let others: Vec<Tid> =
            self.table.processes.get(&pid).map(|it| it.threads.iter().copied().collect()).unwrap_or_default();
        for other in others {
            self.table.remove_thread(other);
        }
        self.table.threads.insert(tid, Thread::new(pid));
        let around = self.around;
        if let Some(process) = self.table.processes.get_mut(&pid) {
            process.threads.insert(tid);
            process.exiting = 0;
            self.table.exits.remove(&pid);
            process.forked = false;
            process.stopped = None;
            // The name is new, and is read with the rest.
            process.stale = true;
            bundle::read_status(process, around, tid);
        }
        let (args, truncated) = if self.options.capture_arguments { arguments(pid) } else { (Vec::new(), false) };
        self.emit_own(pid, tid, EventKind::Exec { old_tid: old, args, truncated });
        self.run_on(tid, 0);
    }

    /// A thread begins to exit.
    pub fn exiting(&mut self, tid: Tid) {
        let code = sys::message(tid).map_or(0, |code| code as i32);
        self.begin_exit(tid, code);
        self.run_on(tid, 0);
    }

    fn begin_exit(&mut self, tid: Tid, code: i32) {
        let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| !thread.exiting) else { return };
        thread.exiting = true;
        thread.open = None;
        let pid = thread.pid;
        let Some(process) = self.table.processes.get_mut(&pid) else { return };
        process.exiting += 1;
        // Written to `/proc/PID/comm`, a new name is seen here at the latest.
        process.stale = true;
        let group_dead = process.is_exiting();
        if group_dead || code & 0x7f != 0 {
            process.exit_code = code;
        }
        if group_dead {
            self.table.exits.insert(pid);
        }
        self.emit_own(pid, tid, EventKind::Exit { group_dead });
    }

    /// A thread is gone. That of the leader is reported when no other is left.
    pub fn ended(&mut self, tid: Tid, word: c_int) {
        // Killed before it could say that it exits.
        self.begin_exit(tid, word);
        let Some(thread) = self.table.remove_thread(tid) else { return };
        if tid.0 == thread.pid.0 {
            self.process_ended(thread.pid, word);
        } else if let Some(mut state) = self.table.state(self.around, thread.pid, tid) {
            state.task_exit_state = EXIT_DEAD;
            let comm = state.comm.clone();
            self.emit(state.id, comm, Some(state), EventKind::Dead);
        }
        // Whoever it forked last could not say so.
        let orphans: Vec<Tid> = self.table.early.keys().copied().collect();
        for orphan in orphans {
            self.born(orphan, None, false);
        }
    }

    fn process_ended(&mut self, pid: Pid, word: c_int) {
        let Some(process) = self.table.processes.get_mut(&pid) else { return };
        self.table.exits.remove(&pid);
        process.zombie = true;
        process.stale = true;
        process.exit_code = word;
        process.stopped = None;
        process.threads.clear();
        process.exiting = 0;
        if process.session == pid.0 {
            // Its terminal is nobody's now, and it may be reaped already, so that nothing shows it.
            process.tty = None;
        }
        let (adopted, by_init) = self.children_adopted(pid);
        let Some(mut state) = self.table.state(self.around, pid, Tid(pid.0)) else { return };
        // Whoever adopts one adopts all of them: it was init, so that there is no subreaper on the way to it.
        state.facts.no_subreaper_above = by_init;
        let gone = sys::pgid(pid).is_none();
        let released = gone && self.table.traces(state.parent.pid) && self.releases_children(state.parent.pid);
        if released {
            // Nobody can have waited for it: it was released by itself.
            (state.exit_state, state.task_exit_state) = (EXIT_DEAD, EXIT_DEAD);
            (state.pgrp, state.session) = (RawId::default(), RawId::default());
        }
        let (comm, parent) = (state.comm.clone(), state.parent.pid);
        self.emit(state.id, comm, Some(state), EventKind::Dead);
        self.show_adopted(adopted);
        if released {
            self.freed(pid);
        } else if !self.table.traces(parent) {
            self.watch(pid, gone);
        }
    }

    /// The children of a process that has ended have another parent. Of those who are over, somebody else may be the one who
    /// reaps them; the state of the others, and whether it is init who has them now.
    fn children_adopted(&mut self, pid: Pid) -> (Vec<State>, bool) {
        let (mut alive, mut by_init) = (Vec::new(), false);
        for child in self.table.children(pid) {
            let Some(process) = self.table.processes.get_mut(&child) else { continue };
            let zombie = process.zombie;
            process.stale = true;
            let Some(state) = self.table.state(self.around, child, Tid(child.0)) else { continue };
            by_init |= state.parent.pid.0 == 1;
            if !zombie {
                alive.push(state);
            } else if !self.table.traces(state.parent.pid) {
                self.watch(child, sys::pgid(child).is_none());
            }
        }
        (alive, by_init)
    }

    /// Who was adopted by another process than init sleeps on, perhaps: it is shown with its parent now.
    fn show_adopted(&mut self, adopted: Vec<State>) {
        let from = Seq(self.queue.last().0 + 1);
        let nobody = RawTask::default();
        let mut any = false;
        for state in adopted.into_iter().filter(|child| child.parent.pid.0 != 1) {
            any = true;
            self.emit(nobody, Comm::default(), Some(state), EventKind::Snapshot { args: Vec::new() });
        }
        if any {
            self.emit(nobody, Comm::default(), None, EventKind::SnapshotEnd { from, coverage: Coverage::Some });
        }
    }

    /// Whether a child of this process that is gone can only have been released by itself: its parent is in no call that waits
    /// (and would be held at the next one), or ignores SIGCHLD (kernel/signal.c, `do_notify_parent`).
    fn releases_children(&self, parent: Pid) -> bool {
        !self.waits(parent) || bundle::dispositions(Tid(parent.0)).is_some_and(|parent| parent.ignores(Signal::CHLD))
    }

    /// Whether a thread of a process is in a call that waits for children.
    fn waits(&self, pid: Pid) -> bool {
        let threads = self.table.processes.get(&pid).into_iter().flat_map(|process| &process.threads);
        let open = |tid: &Tid| self.table.threads.get(tid).and_then(|thread| thread.open);
        threads.filter_map(open).any(|open| super::decode::is_wait(&open.begun.call))
    }

    /// Asks after a zombie whose parent is not traced.
    fn watch(&mut self, pid: Pid, gone: bool) {
        match sys::pidfd(pid).filter(|_| !gone) {
            Some(pidfd) => self.zombies.watch(pid, pidfd),
            None => self.freed(pid),
        }
    }

    /// A process has been reaped by now, by whom is not known.
    pub fn freed(&mut self, pid: Pid) {
        if let Some(process) = self.table.remove(pid) {
            let nobody = RawTask::default();
            self.emit(nobody, Comm::default(), None, EventKind::Freed { task: process.id });
        }
    }

    /// A wait of this process returned a child, or did not: whoever is gone nevertheless was released by itself.
    pub fn settle_children(&mut self, parent: Pid, reaped: Option<Pid>) {
        if let Some(reaped) = reaped.filter(|pid| self.table.is_zombie(*pid)) {
            self.table.remove(reaped);
        }
        if self.waits(parent) {
            return;
        }
        for child in self.table.children(parent) {
            if self.table.is_zombie(child) && sys::pgid(child).is_none() {
                self.freed(child);
            }
        }
    }
}

/// The argument strings of a process that has just executed, and whether there are more.
fn arguments(pid: Pid) -> (Vec<Vec<u8>>, bool) {
    let bytes = procfs::whole(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    (strings(bytes.get(..ARGUMENTS).unwrap_or(&bytes)), bytes.len() > ARGUMENTS)
}

/// For a process that is shown as it is found.
pub(super) fn found(state: &State) -> Process {
    Process {
        id: RawTask { tid: Tid(state.id.pid.0), ..state.id },
        parent: state.parent,
        pgrp: state.pgrp.number,
        session: state.session.number,
        tty: state.tty,
        stat: None,
        stale: false,
        comm: state.comm.clone(),
        uid: state.uid,
        namespace: state.namespace,
        facts: state.facts,
        forked: state.not_yet_execed(),
        stopped: None,
        threads: BTreeSet::new(),
        exiting: 0,
        exit_code: state.exit_code,
        zombie: state.exit_state != 0,
    }
}
