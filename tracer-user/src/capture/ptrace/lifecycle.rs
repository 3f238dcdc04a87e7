//! Births, execs, exits and reaps.
//!
//! Must not: say more of a reap than the return of a wait, or the absence of the process, shows.

use libc::c_int;

use tracer_model::{
    event::{CLONE_THREAD, Comm, Coverage, EXIT_DEAD, EventKind, Facts, RawId, RawTask, State},
    ids::{BootNs, Pid, Seq, Signal, Tid},
};

use super::{
    abi::{CLONE_NEWPID, CLONE_PARENT, CLONE_VFORK, Cloning},
    bundle,
    process::{Process, Thread},
    sys,
    tracer::Tracer,
};
use crate::capture::{procfs, strings};

/// Bytes of a command line that are recorded.
const ARGUMENTS: usize = 512;

/// What is known of a fork from the thread that made it.
#[derive(Clone, Copy, Debug)]
struct Fork {
    by: Tid,
    flags: Option<u64>,
    /// Its end sends SIGCHLD.
    usual_signal: bool,
    /// It stops before it exits, as its maker did.
    stops_at_exit: bool,
    vfork: bool,
    /// It was later than this.
    not_before: BootNs,
}

impl Tracer {
    /// A thread made another, or a process. It goes on at once: the new one cannot do anything of interest before its first
    /// stop is handled.
    pub fn forked(&mut self, tid: Tid, vfork: bool) {
        let child = sys::message(tid).ok().map(|child| Tid(child as u32));
        let registers = sys::registers(tid).unwrap_or_default();
        // The message of another stop, in which it is when it was killed meanwhile, is no number of a thread.
        let in_fork = Cloning::is_under_way(&registers).unwrap_or_else(|| sys::is_in_fork(tid));
        let (child, cloned) = (child.filter(|_| in_fork), clone_flags(tid, &registers));
        let thread = self.table.threads.get(&tid);
        let (not_before, stops_at_exit) = thread.map_or((BootNs(0), true), |it| (it.resumed, it.stops_at_exit));
        let usual_signal = cloned.is_some_and(|(_, signal)| signal == libc::SIGCHLD as u64);
        let fork =
            Fork { by: tid, flags: cloned.map(|(flags, _)| flags), usual_signal, stops_at_exit, vfork, not_before };
        // It has a child or another thread now.
        self.stop_at_exit(tid, true);
        self.run_on(tid, 0);
        if let Some(child) = child {
            self.born(child, Some(fork));
        }
    }

    /// A thread is there, and nobody has said who made it.
    pub fn orphaned(&mut self, child: Tid) {
        self.born(child, None);
    }

    /// A thread that was not known is. Nobody has said who made it if `fork` is missing.
    fn born(&mut self, child: Tid, fork: Option<Fork>) {
        if self.table.threads.contains_key(&child) {
            return;
        }
        let fork = fork.filter(|fork| self.table.threads.contains_key(&fork.by));
        let pid = match fork.and_then(|fork| Some((fork.flags, self.table.process_of(fork.by)?.id.pid))) {
            Some((Some(flags), pid)) if flags & CLONE_THREAD != 0 => pid,
            Some((None, pid)) if sys::is_thread_of(pid, child) => pid,
            Some(_) => Pid(child.0),
            None => procfs::process_of(child).unwrap_or(Pid(child.0)),
        };
        let stops_at_exit = fork.is_none_or(|fork| fork.stops_at_exit);
        self.table.threads.insert(child, Thread { stops_at_exit, ..Thread::new(pid) });
        if let Some(process) = self.table.processes.get_mut(&pid).filter(|_| pid.0 != child.0) {
            process.threads.insert(child);
        } else {
            self.process_born(pid, fork);
        }
        if let Some((word, _)) = self.table.early.remove(&child) {
            self.handle(child, word);
        }
    }

    fn process_born(&mut self, pid: Pid, fork: Option<Fork>) {
        let known = fork.and_then(|fork| self.child_of(pid, &fork));
        // It waits for us: only one that was killed at once can be without.
        let mut child = known.unwrap_or_else(|| self.child_in_proc(pid, fork.as_ref()));
        let by = fork.and_then(|fork| Some(self.table.process_of(fork.by)?.task(fork.by)));
        let by = by.unwrap_or(child.parent);
        let maker = self.table.processes.get(&by.pid);
        let comm = maker.map(|maker| maker.comm.clone()).unwrap_or_default();
        let away = maker.is_none_or(|maker| maker.children_away || maker.namespace.is_some());
        let flags = fork.and_then(|fork| fork.flags).unwrap_or_else(|| {
            let vfork = if fork.is_some_and(|fork| fork.vfork) { CLONE_VFORK } else { 0 };
            vfork | if child.parent.pid == by.pid { 0 } else { CLONE_PARENT }
        });
        let asked = fork.is_none_or(|fork| fork.flags.is_none());
        if (away || asked || flags & CLONE_NEWPID != 0)
            && procfs::pid_namespace(pid).is_some_and(|inum| inum != self.around.namespace)
        {
            bundle::read_status(&mut child, self.around, Tid(pid.0));
        }
        if let Some(parent) = self.table.processes.get_mut(&child.parent.pid) {
            parent.odd_children |= flags & CLONE_PARENT != 0 || !fork.is_some_and(|fork| fork.usual_signal);
        }
        self.table.insert(child);
        let state = self.table.state(self.around, pid, Tid(pid.0));
        self.emit(by, comm, state, EventKind::NewTask { flags });
    }

    /// What a fork makes of the process that forks, if all of it is known.
    fn child_of(&self, pid: Pid, fork: &Fork) -> Option<Process> {
        let parent = self.table.process_of(fork.by).filter(|parent| parent.id.tid == fork.by)?;
        let flags = fork.flags?;
        // `/proc` has the start in steps of 10 ms: only where these are one can we do without it.
        let start = Some(self.now).filter(|now| procfs::same_tick(*now, fork.not_before))?;
        // It has the group that its maker had then: the one that it has now, unless somebody else can change that.
        let settled = parent.is_settled(true) && !parent.forked && parent.threads.len() == 1;
        Some(Process {
            id: RawTask { pid, tid: Tid(pid.0), start },
            parent: if flags & CLONE_PARENT != 0 { parent.parent } else { parent.id },
            pgrp: parent.pgrp,
            session: parent.session,
            tty: parent.tty,
            comm: parent.comm.clone(),
            uid: parent.uid,
            namespace: parent.namespace,
            // prctl(2): a child does not inherit it.
            facts: Facts { subreaper: false, ..parent.facts },
            forked: true,
            unsure: !settled,
            leaving: !settled,
            ..Process::new(pid)
        })
    }

    /// A new process as `/proc` shows it.
    fn child_in_proc(&self, pid: Pid, fork: Option<&Fork>) -> Process {
        let read = procfs::read_stat(pid).unwrap_or_default();
        let forker = fork.and_then(|fork| self.table.process_of(fork.by));
        let parent = match forker {
            Some(forker) if read.parent.pid.0 == 0 => forker.id,
            Some(_) | None => self.table.identity(read.parent.pid),
        };
        let model = forker.or_else(|| self.table.processes.get(&parent.pid));
        let (facts, uid, namespace) = model.map(|model| (model.facts, model.uid, model.namespace)).unwrap_or_default();
        // In steps of 10 ms, within which a number can be used again. It was before this moment.
        let latest = if read.id.start.0 == 0 { u64::MAX } else { read.id.start.0 + procfs::TICK_NS - 1 };
        Process {
            id: RawTask { pid, tid: Tid(pid.0), start: BootNs(self.now.0.min(latest)) },
            parent,
            pgrp: read.pgrp.number,
            session: read.session.number,
            tty: read.tty,
            comm: read.comm,
            uid,
            namespace,
            facts: Facts { subreaper: false, ..facts },
            forked: true,
            ..Process::new(pid)
        }
    }

    /// A program was executed. Of several threads the one that did so is left; it bears the leader's number from now on.
    pub fn executed(&mut self, tid: Tid) {
        let old = sys::message(tid).map_or(tid, |old| Tid(old as u32));
        self.cannot_be_moved(Pid(tid.0));
        self.replaced(tid, old);
        self.run_on(tid, 0);
    }

    /// Of a process that has executed a program this is the only thread, which bore another number before.
    pub fn replaced(&mut self, tid: Tid, old: Tid) {
        let Some(Thread { pid, .. }) = self.table.threads.get(&tid) else { return };
        let pid = *pid;
        // The options are those of the thread that is left.
        let stops_at_exit = self.table.threads.get(&old).is_none_or(|thread| thread.stops_at_exit);
        let others: Vec<Tid> =
            self.table.processes.get(&pid).map(|it| it.threads.iter().copied().collect()).unwrap_or_default();
        for other in others {
            self.table.remove_thread(other);
        }
        self.table.threads.insert(tid, Thread { stops_at_exit, ..Thread::new(pid) });
        if let Some(process) = self.table.processes.get_mut(&pid) {
            process.threads.insert(tid);
            process.exiting = 0;
            self.table.exits.remove(&pid);
            process.forked = false;
            process.goes_on();
            // The name is new, and is read with the rest.
            process.stale = true;
        }
        self.table.read_status(pid, self.around, tid);
        let (args, truncated) = if self.options.capture_arguments { arguments(pid) } else { (Vec::new(), false) };
        self.emit_own(pid, tid, EventKind::Exec { old_tid: old, args, truncated });
    }

    /// A thread begins to exit.
    pub fn exiting(&mut self, tid: Tid) {
        // It was killed in this stop, or was in it already when it was let go on from the one before. Its end says the code.
        let Ok(code) = sys::message(tid).map(|code| code as i32) else { return };
        let pid = self.table.threads.get(&tid).map(|thread| thread.pid);
        // Its group and session are to be had until we wait for it; a terminal is not.
        let early = !pid.is_some_and(|pid| self.table.must_read(pid) || !self.table.is_fork(pid));
        if early {
            self.run_on(tid, 0);
        }
        self.begin_exit(tid, code);
        if !early {
            self.run_on(tid, 0);
        }
    }

    fn begin_exit(&mut self, tid: Tid, code: i32) {
        let Some(thread) = self.table.threads.get_mut(&tid).filter(|thread| !thread.exiting) else { return };
        thread.exiting = true;
        let pid = thread.pid;
        self.table.close_call(tid);
        let Some(process) = self.table.processes.get_mut(&pid) else { return };
        process.exiting += 1;
        // Written to `/proc/PID/comm`, a new name is seen here at the latest. A child that executes nothing has hardly one.
        process.stale |= !process.forked;
        let group_dead = process.is_exiting();
        if group_dead || code & 0x7f != 0 {
            process.exit_code = code;
        }
        if group_dead {
            self.table.exits.insert(pid);
        }
        self.emit_own(pid, tid, EventKind::Exit { group_dead });
        // The last thread that runs does not stop but exits (kernel/signal.c, `exit_signals`).
        let still = self.table.stands_still(pid);
        if let Some(process) = self.table.processes.get_mut(&pid).filter(|process| still && !process.stopped)
            && let Some(signal) = process.stop_signal
        {
            process.stopped = true;
            self.emit_own(pid, tid, EventKind::Stopped { signal });
        }
    }

    /// A thread is gone. That of the leader is reported when no other is left.
    pub fn ended(&mut self, tid: Tid, word: c_int) {
        // First of all: a parent that waits needs a moment to reap it, but one that reaps itself is gone at once.
        let gone = sys::pgid(Pid(tid.0)).is_none();
        // It was not to say that it exits, or was killed before it could.
        self.begin_exit(tid, word);
        let Some(thread) = self.table.remove_thread(tid) else { return };
        if tid.0 == thread.pid.0 {
            self.process_ended(thread.pid, word, gone);
        } else if let Some(mut state) = self.table.state(self.around, thread.pid, tid) {
            state.task_exit_state = EXIT_DEAD;
            let comm = state.comm.clone();
            self.emit(state.id, comm, Some(state), EventKind::Dead);
        }
    }

    fn process_ended(&mut self, pid: Pid, word: c_int, gone: bool) {
        self.table.set_over(pid);
        let Some(process) = self.table.processes.get_mut(&pid) else { return };
        process.stale |= process.tty.is_some();
        process.exit_code = word;
        process.goes_on();
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
        threads.filter_map(open).any(|open| open.begun.call.is_wait())
    }

    /// Asks after a zombie whose parent is not traced.
    fn watch(&mut self, pid: Pid, gone: bool) {
        match sys::pidfd(pid).filter(|_| !gone) {
            Some(pidfd) => self.zombies.watch(pid, pidfd),
            None if gone || sys::pgid(pid).is_none() => self.freed(pid),
            // There are no more descriptors: that it is reaped will not be seen.
            None => {}
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
        let gone: Vec<Pid> = self.table.zombies(parent).filter(|child| sys::pgid(*child).is_none()).collect();
        for child in gone {
            self.freed(child);
        }
    }
}

/// The argument strings of a process that has just executed, and whether there are more.
fn arguments(pid: Pid) -> (Vec<Vec<u8>>, bool) {
    let bytes = procfs::whole(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    (strings(bytes.get(..ARGUMENTS).unwrap_or(&bytes)), bytes.len() > ARGUMENTS)
}

/// The flags of the clone that a thread is in, and the signal that the end of the new one sends.
fn clone_flags(tid: Tid, words: &[u32]) -> Option<(u64, u64)> {
    match Cloning::by_number(words).or_else(|| Cloning::of(sys::arch(tid).ok()?, words))? {
        Cloning::With { flags, signal } => Some((flags, signal)),
        Cloning::At(address) => Cloning::read(sys::read_memory(tid, address)?),
    }
}
