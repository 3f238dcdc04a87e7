//! Who is traced: threads, and the processes that they make up.
//!
//! Must not: make a system call.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    os::fd::OwnedFd,
    time::Instant,
};

use tracer_model::{
    event::{Call, RawTask},
    ids::{Pid, Tid},
};

use super::process::{Open, Process, ShownBy, Subject, Thread};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub threads: BTreeMap<Tid, Thread>,
    pub processes: BTreeMap<Pid, Process>,
    /// Parent and child, for every process.
    family: BTreeSet<(Pid, Pid)>,
    /// Parent and child, for every process that has exited and is not known to be reaped.
    over: BTreeSet<(Pid, Pid)>,
    /// Threads in a call whose return a group shows.
    pub unseen: Vec<Tid>,
    /// Processes that have begun to exit and have not ended yet.
    pub exits: BTreeSet<Pid>,
    /// What was reported last of threads before the event that says who forked them, and since when they wait for it.
    pub early: BTreeMap<Tid, (i32, Instant)>,
    /// Who was reaped last, oldest first: a signal of theirs can come later.
    reaped: VecDeque<RawTask>,
    /// Processes that were met or shown, and are not known to have ended.
    strangers: BTreeSet<Pid>,
    /// Those of them who have not been shown yet.
    not_shown: Vec<Pid>,
    /// Parents that are not traced: each tells when it has exited, and its children have another parent.
    pub guardians: BTreeMap<Pid, OwnedFd>,
    /// Those of them that were asked in this round of stops.
    pub asked: BTreeSet<Pid>,
}

/// How many of those who were reaped are remembered.
const REAPED: usize = 1024;

impl Table {
    /// The process of a thread.
    pub fn process_of(&self, tid: Tid) -> Option<&Process> {
        self.processes.get(&self.threads.get(&tid)?.pid)
    }

    /// The process of a thread.
    pub fn process_of_mut(&mut self, tid: Tid) -> Option<&mut Process> {
        self.processes.get_mut(&self.threads.get(&tid)?.pid)
    }

    /// Who bears this number in the pid namespace of `caller`.
    pub fn named(&self, caller: &Process, number: u32) -> Option<Pid> {
        let Some(namespace) = caller.namespace else { return Some(Pid(number)) };
        let is_it =
            |process: &&Process| process.namespace.is_some_and(|own| own.inum == namespace.inum && own.pid.0 == number);
        self.processes.values().find(is_it).map(|process| process.id.pid)
    }

    /// Adds a process.
    pub fn insert(&mut self, process: Process) {
        self.remove(process.id.pid);
        self.family.insert((process.parent.pid, process.id.pid));
        if process.zombie {
            self.over.insert((process.parent.pid, process.id.pid));
        }
        self.processes.insert(process.id.pid, process);
    }

    /// A process has exited.
    pub fn set_over(&mut self, pid: Pid) {
        self.exits.remove(&pid);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.zombie = true;
            self.over.insert((process.parent.pid, pid));
        }
    }

    /// Forgets a process.
    pub fn remove(&mut self, pid: Pid) -> Option<Process> {
        let process = self.processes.remove(&pid)?;
        self.exits.remove(&pid);
        self.family.remove(&(process.parent.pid, pid));
        self.over.remove(&(process.parent.pid, pid));
        // Its number can be another's.
        self.strangers.remove(&pid);
        if self.reaped.len() == REAPED {
            self.reaped.pop_front();
        }
        self.reaped.push_back(process.id);
        Some(process)
    }

    /// Who bears a number, or was the last to bear it.
    pub fn last_known(&self, pid: Pid) -> Option<RawTask> {
        let known = self.processes.get(&pid).map(|process| process.id);
        known.or_else(|| self.reaped.iter().rev().find(|reaped| reaped.pid == pid).copied())
    }

    /// Notes that a process which is not traced was met.
    pub fn meet(&mut self, stranger: Pid) {
        if stranger.0 != 0 && self.strangers.insert(stranger) {
            self.not_shown.push(stranger);
        }
    }

    /// A process that is not traced has exited: who is met with its number is another.
    pub fn forget_stranger(&mut self, pid: Pid) {
        self.guardians.remove(&pid);
        self.strangers.remove(&pid);
    }

    /// Notes that a process was shown.
    pub fn note_shown(&mut self, pid: Pid) {
        self.strangers.insert(pid);
    }

    /// Those who were met and not shown yet.
    pub fn not_shown(&mut self) -> Vec<Pid> {
        std::mem::take(&mut self.not_shown)
    }

    /// A process has another parent.
    pub fn set_parent(&mut self, pid: Pid, parent: RawTask) {
        if let Some(process) = self.processes.get_mut(&pid) {
            self.family.remove(&(process.parent.pid, pid));
            self.family.insert((parent.pid, pid));
            if self.over.remove(&(process.parent.pid, pid)) {
                self.over.insert((parent.pid, pid));
            }
            process.parent = parent;
        }
    }

    /// The children of a process, zombies too.
    pub fn children(&self, pid: Pid) -> Vec<Pid> {
        self.family.range((pid, Pid(0))..=(pid, Pid(u32::MAX))).map(|(_, child)| *child).collect()
    }

    /// Those of its children that have exited and are not known to be reaped.
    pub fn zombies(&self, pid: Pid) -> impl Iterator<Item = Pid> {
        self.over.range((pid, Pid(0))..=(pid, Pid(u32::MAX))).map(|(_, child)| *child)
    }

    /// Whether a process has a child, a zombie or not.
    pub fn has_child(&self, pid: Pid) -> bool {
        self.family.range((pid, Pid(0))..=(pid, Pid(u32::MAX))).next().is_some()
    }

    /// A thread has begun a watched call.
    pub fn open_call(&mut self, tid: Tid, open: Open) {
        self.close_call(tid);
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        thread.open = Some(open);
        if matches!(open.shown_by, ShownBy::Group(_)) {
            self.unseen.push(tid);
        }
        if let Some(subject) = self.changed_by(tid, &open) {
            subject.unsettled += 1;
            subject.leaving |= open.begun.call == Call::Setsid;
        }
    }

    /// A thread is in no watched call any more: the one that it was in.
    pub fn close_call(&mut self, tid: Tid) -> Option<Open> {
        let open = self.threads.get_mut(&tid)?.open.take()?;
        if matches!(open.shown_by, ShownBy::Group(_)) {
            self.unseen.retain(|other| *other != tid);
        }
        if let Some(subject) = self.changed_by(tid, &open) {
            subject.unsettled = subject.unsettled.saturating_sub(1);
            subject.unsure = true;
        }
        Some(open)
    }

    /// Whose group or session a call can change.
    fn changed_by(&mut self, tid: Tid, open: &Open) -> Option<&mut Process> {
        if !matches!(open.begun.call, Call::Setpgid { .. } | Call::Setsid) {
            return None;
        }
        match open.subject {
            Subject::Caller => self.process_of_mut(tid),
            Subject::Other(pid) => self.processes.get_mut(&pid),
            Subject::Unknown => None,
        }
    }

    /// Who is about to move this process into a group of its own: the thread, its process, the call.
    pub fn mover(&self, pid: Pid) -> Option<(Tid, Pid, Open)> {
        let moves = |tid: &Tid| {
            let thread = self.threads.get(tid)?;
            let open = thread.open.filter(|open| open.shown_by == ShownBy::Group(pid))?;
            (thread.pid != pid).then_some((*tid, thread.pid, open))
        };
        self.unseen.iter().find_map(moves)
    }

    /// Forgets a thread. Its process is kept.
    pub fn remove_thread(&mut self, tid: Tid) -> Option<Thread> {
        self.close_call(tid);
        let thread = self.threads.remove(&tid)?;
        if let Some(process) = self.processes.get_mut(&thread.pid)
            && process.threads.remove(&tid)
            && thread.exiting
        {
            process.exiting = process.exiting.saturating_sub(1);
        }
        Some(thread)
    }

    /// Whether every thread of a process has stopped that has not begun to exit.
    pub fn stands_still(&self, pid: Pid) -> bool {
        let still = |tid: &Tid| self.threads.get(tid).is_some_and(|thread| thread.stopped.is_some() || thread.exiting);
        self.processes.get(&pid).is_some_and(|process| process.threads.iter().all(still) && !process.is_exiting())
    }

    /// Whether a process has begun to exit and has not ended yet.
    pub fn somebody_exits(&self) -> bool {
        !self.exits.is_empty()
    }

    /// Whether a process is traced and alive.
    pub fn traces(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| !process.zombie)
    }

    /// Whether a process is traced and has executed nothing since it was forked.
    pub fn is_fork(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.forked)
    }

    /// Whether a process has exited and is not known to be reaped.
    pub fn is_zombie(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.zombie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_bears_the_number_of_one_that_has_ended_is_met_anew() {
        let mut table = Table::default();
        table.meet(Pid(7));
        table.meet(Pid(7));
        assert_eq!((table.not_shown(), table.not_shown()), (vec![Pid(7)], vec![]));
        table.forget_stranger(Pid(7));
        table.meet(Pid(7));
        assert_eq!(table.not_shown(), [Pid(7)]);

        table.insert(Process::new(Pid(8)));
        table.note_shown(Pid(8));
        table.remove(Pid(8));
        table.meet(Pid(8));
        assert_eq!(table.not_shown(), [Pid(8)], "a number that was a traced process's");
    }

    #[test]
    fn the_zombies_of_a_parent_follow_their_parent_and_their_reap() {
        let mut table = Table::default();
        for number in 1..=3 {
            table
                .insert(Process { parent: RawTask { pid: Pid(9), ..RawTask::default() }, ..Process::new(Pid(number)) });
        }
        table.set_over(Pid(1));
        table.set_over(Pid(3));
        let zombies = |table: &Table, parent| table.zombies(Pid(parent)).collect::<Vec<_>>();
        assert_eq!((zombies(&table, 9), table.has_child(Pid(9))), (vec![Pid(1), Pid(3)], true));
        table.set_parent(Pid(3), RawTask { pid: Pid(4), ..RawTask::default() });
        table.remove(Pid(1));
        assert_eq!((zombies(&table, 9), zombies(&table, 4)), (vec![], vec![Pid(3)]));
        table.remove(Pid(2));
        assert!(!table.has_child(Pid(9)));
    }
}
