//! The state of a traced process, as exactly as it can be had at this moment.
//!
//! Group and session are asked of the kernel each time. `/proc/PID/stat` is read only while something that it shows may have
//! changed without our seeing it: a controlling terminal and its foreground group, a parent that is not traced. Everything
//! else changes only by what we see. `/proc/PID/status` is read where dispositions matter.
//! Must not: stop or resume anybody.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use tracer_model::{
    event::{
        EXIT_ZOMBIE, Facts, PF_EXITING, PF_FORKNOEXEC, RawId, RawTask, SIGNAL_GROUP_EXIT, SIGNAL_STOP_STOPPED,
        SIGNAL_UNKILLABLE, State,
    },
    ids::{BootNs, Pid, Sid, Signal, Tid},
};

use super::{process::Process, sys, table::Table};
use crate::capture::procfs;

/// Longer than any `/proc/PID/stat` and any `/proc/PID/status` of a thread group.
const BUFFER: usize = 4096;

/// What of the world outside is constant: whose numbers these are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Process 1 is the init of the machine, which the orphan rule excludes.
    pub initial_namespace: bool,
    /// Inode of our pid namespace.
    pub namespace: u32,
}

impl Table {
    /// The state of a process, seen as one of its threads.
    pub fn state(&mut self, around: Surroundings, pid: Pid, tid: Tid) -> Option<State> {
        let must_read = self.must_read(pid);
        let process = self.processes.get_mut(&pid)?;
        if must_read {
            self.read_again(pid);
        } else {
            process.stat = None;
            self.settle(pid);
        }
        if self.processes.get(&pid)?.namespace.is_some() {
            // What it is called in there may have changed with its group and its session.
            self.read_status(pid, around, tid);
        }
        let exiting = self.threads.get(&tid).is_some_and(|thread| thread.exiting);
        let place = self.place(self.processes.get(&pid)?.parent.pid);
        self.processes.get(&pid).map(|process| describe(process, around, tid, exiting, place))
    }

    /// Takes over what `/proc/PID/stat` says, if it is still there.
    pub fn read_again(&mut self, pid: Pid) {
        if let Some(read) = self.read_stat(pid) {
            self.take(pid, read);
        }
    }

    /// Asks for group and session, unless they are what they were.
    fn settle(&mut self, pid: Pid) {
        let Some(parent) = self.processes.get(&pid).map(|process| process.parent.pid) else { return };
        let parent_traced = self.traces(parent);
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if !process.is_settled(parent_traced) {
            process.pgrp = sys::pgid(pid).unwrap_or(process.pgrp);
            if process.leaving {
                process.session = sys::sid(pid).unwrap_or(process.session);
            }
            process.unsure = process.unsettled != 0;
            process.leaving &= process.unsure;
        }
    }

    /// Group and session of a process, traced or not.
    pub fn place(&mut self, pid: Pid) -> (u32, u32) {
        self.settle(pid);
        match self.processes.get(&pid) {
            Some(process) => (process.pgrp, process.session),
            None => (sys::pgid(pid).unwrap_or(0), sys::sid(pid).unwrap_or(0)),
        }
    }

    /// What `/proc/PID/stat` says, taken over.
    fn take(&mut self, pid: Pid, read: State) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.pgrp = read.pgrp.number;
        process.session = read.session.number;
        process.forked = read.not_yet_execed();
        process.comm = read.comm;
        process.stale = false;
        process.unsure = process.unsettled != 0;
        process.leaving &= process.unsure;
        process.tty = read.tty;
        if read.parent.pid != process.parent.pid {
            if !self.traces(read.parent.pid) {
                self.meet(read.parent.pid);
            }
            let parent = self.identity(read.parent.pid);
            self.set_parent(pid, parent);
        }
    }

    /// Whether something may have changed that only `/proc` shows. A terminal is got by a session leader and by nobody else.
    pub fn must_read(&mut self, pid: Pid) -> bool {
        let Some(process) = self.processes.get(&pid) else { return false };
        let leads = process.session == pid.0;
        let (stale, zombie, parent) = (process.stale, process.zombie, process.parent.pid);
        // Also a zombie has its terminal until it is reaped, and others give that another foreground.
        let may_change = process.tty.is_some() || leads && !zombie;
        let adopted = !zombie && !self.traces(parent) && !self.is_there(parent);
        if let Some(process) = self.processes.get_mut(&pid).filter(|_| adopted) {
            // Until it is read.
            process.stale = true;
        }
        stale || adopted || may_change
    }

    /// Whether a parent that is not traced is there for certain, as it was when this was first asked. The first time the
    /// answer is no: it may have exited before its descriptor was opened.
    fn is_there(&mut self, parent: Pid) -> bool {
        // Nobody is adopted from process 1.
        if parent.0 <= 1 {
            return true;
        }
        if !self.asked.insert(parent) {
            return self.guardians.contains_key(&parent);
        }
        if let Some(pidfd) = self.guardians.get(&parent) {
            let there = !sys::has_exited(pidfd);
            if !there {
                self.forget_stranger(parent);
            }
            return there;
        }
        if let Some(pidfd) = sys::pidfd(parent) {
            self.guardians.insert(parent, pidfd);
        }
        // Not in this round.
        self.asked.remove(&parent);
        false
    }

    /// Reads `/proc/PID/stat` through a descriptor that is kept.
    fn read_stat(&mut self, pid: Pid) -> Option<State> {
        let mut bytes = [0; BUFFER];
        if self.processes.get(&pid)?.stat.is_none() {
            let file = self.with_descriptors(|| File::open(format!("/proc/{pid}/stat")));
            self.processes.get_mut(&pid)?.stat = file.ok();
        }
        let length = self.processes.get(&pid)?.stat.as_ref()?.read_at(&mut bytes, 0).ok()?;
        procfs::parse_stat(bytes.get(..length)?)
    }

    /// Reads `/proc/PID/status` of a thread, and takes over what it says. `None` when it is gone.
    pub fn read_status(&mut self, pid: Pid, around: Surroundings, tid: Tid) -> Option<Dispositions> {
        let bytes = self.with_descriptors(|| procfs::whole(format!("/proc/{tid}/status"))).ok()?;
        take_status(self.processes.get_mut(&pid)?, around, &bytes);
        Some(parse_dispositions(&bytes))
    }

    /// Opens something. When there are no more descriptors, one of those is closed that are kept.
    pub fn with_descriptors<T>(&mut self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let full = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
        match open() {
            Err(error) if full(&error) => {
                self.processes.values_mut().find_map(|process| process.stat.take());
                open()
            }
            done => done,
        }
    }

    /// A process by its number: as it is known, or as `/proc` has it.
    pub fn identity(&self, pid: Pid) -> RawTask {
        if let Some(process) = self.processes.get(&pid) {
            return process.id;
        }
        let start = procfs::read(pid).map_or(BootNs(0), |state| state.id.start);
        RawTask { pid, tid: Tid(pid.0), start }
    }
}

fn describe(
    process: &Process,
    around: Surroundings,
    tid: Tid,
    thread_exiting: bool,
    parent_place: (u32, u32),
) -> State {
    let over = process.zombie;
    let ended = over || process.is_exiting();
    let signalled = process.exit_code & 0x7f != 0;
    let stopped = process.stopped && !ended;
    let own = |mask: bool, bit: u32| if mask { bit } else { 0 };
    State {
        id: process.task(tid),
        parent: process.parent,
        parent_pgrp: RawId { number: parent_place.0, ino: 0 },
        parent_session: Sid(parent_place.1),
        pgrp: RawId { number: process.pgrp, ino: 0 },
        session: RawId { number: process.session, ino: 0 },
        tty: process.tty.map(|mut tty| {
            let foreground = tty.foreground.number;
            tty.foreground_empty = foreground != 0 && !sys::group_exists(foreground);
            tty
        }),
        signal_flags: own(stopped, SIGNAL_STOP_STOPPED)
            | own(ended || signalled, SIGNAL_GROUP_EXIT)
            | own(process.namespace.is_some_and(|inside| inside.pid.0 == 1), SIGNAL_UNKILLABLE),
        exit_state: own(over, EXIT_ZOMBIE),
        task_exit_state: own(over, EXIT_ZOMBIE),
        exit_code: process.exit_code,
        group_exit_code: process.exit_code,
        task_flags: own(process.forked, PF_FORKNOEXEC) | own(thread_exiting || over, PF_EXITING),
        live: process.threads.len().saturating_sub(process.exiting) as i32,
        facts: Facts {
            session_leader: process.session == process.id.pid.0,
            single_thread: process.threads.len() <= 1,
            parent_is_init: around.initial_namespace && process.parent.pid.0 == 1,
            ..process.facts
        },
        uid: process.uid,
        namespace: process.namespace,
        comm: process.comm.clone(),
        ..State::default()
    }
}

/// What a process does with its signals, from `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dispositions {
    ignored: u64,
    caught: u64,
    blocked: u64,
}

impl Dispositions {
    /// Whether a set has a signal.
    fn has(set: u64, signal: Signal) -> bool {
        signal.0.checked_sub(1).and_then(|bit| set.checked_shr(bit)).is_some_and(|set| set & 1 != 0)
    }

    pub fn ignores(&self, signal: Signal) -> bool {
        Self::has(self.ignored, signal)
    }

    pub fn catches(&self, signal: Signal) -> bool {
        Self::has(self.caught, signal)
    }

    pub fn blocks(&self, signal: Signal) -> bool {
        Self::has(self.blocked, signal)
    }
}

/// Reads `/proc/PID/status` of a thread: its owner, its dispositions, and what follows from these.
pub(super) fn read_status(process: &mut Process, around: Surroundings, tid: Tid) {
    if let Ok(bytes) = procfs::whole(format!("/proc/{tid}/status")) {
        take_status(process, around, &bytes);
    }
}

fn take_status(process: &mut Process, around: Surroundings, bytes: &[u8]) {
    let mut read = State::default();
    procfs::parse_status(bytes, &mut read);
    process.uid = read.uid;
    process.facts = Facts { subreaper: process.facts.subreaper, ..read.facts };
    process.namespace = read.namespace.map(|namespace| {
        // That of who forked it, unless it is further inside: nobody gets elsewhere (pid_namespaces(7)).
        let known = process.namespace.filter(|known| known.level == namespace.level).map(|known| known.inum);
        let known = known.filter(|inum| *inum != 0 && *inum != around.namespace);
        let inum = known.or_else(|| procfs::pid_namespace(process.id.pid)).unwrap_or(0);
        tracer_model::event::Namespace { inum, ..namespace }
    });
}

/// What a process does with its signals. `None` when it is gone.
pub(super) fn dispositions(tid: Tid) -> Option<Dispositions> {
    Some(parse_dispositions(&procfs::whole(format!("/proc/{tid}/status")).ok()?))
}

fn parse_dispositions(status: &[u8]) -> Dispositions {
    let mut dispositions = Dispositions::default();
    for line in status.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let set = match key {
            "SigBlk" => &mut dispositions.blocked,
            "SigIgn" => &mut dispositions.ignored,
            "SigCgt" => &mut dispositions.caught,
            _ => continue,
        };
        *set = u64::from_str_radix(value.trim(), 16).unwrap_or(0);
    }
    dispositions
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_kept_descriptor_is_closed_for_want_of_descriptors_only() {
        let mut table = Table::default();
        let stat = File::open("/proc/self/stat").ok();
        assert!(stat.is_some());
        table.insert(Process { stat, ..Process::new(Pid(1)) });
        let kept = |table: &Table| table.processes.get(&Pid(1)).is_some_and(|process| process.stat.is_some());
        for (errno, expected) in [(Errno::ENOENT, true), (Errno::ESRCH, true), (Errno::EMFILE, false)] {
            let failed = table.with_descriptors(|| io::Result::<()>::Err(errno.into()));
            assert_eq!((failed.is_err(), kept(&table)), (true, expected), "{errno}");
        }
    }
}
