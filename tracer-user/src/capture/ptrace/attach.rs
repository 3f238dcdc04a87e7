//! Beginning to trace: the roots, their threads, and whoever descends from them already.
//!
//! A thread that is seized makes no child that is not traced, so that whoever is listed afterwards is either seized by us or
//! attached by the kernel. Must not: stop a process longer than it takes to tell it how to run.

use std::{collections::BTreeSet, fs, path::Path};

use nix::errno::Errno;

use tracer_model::{
    event::{Comm, Coverage, EventKind, RawTask, SIGNAL_STOP_STOPPED, State},
    ids::{Pid, Seq, Tid},
};

use super::{
    process::{Process, Thread},
    refusal, sys,
    tracer::Tracer,
};
use crate::capture::{CaptureError, procfs};

impl Tracer {
    /// Traces these and all their descendants, and shows them and their ancestors in their session.
    pub fn follow(&mut self, roots: &[Pid]) -> Result<(), CaptureError> {
        let from = Seq(self.queue.last().0 + 1);
        for &root in roots {
            let state = procfs::read(root).ok_or(CaptureError::NoSuchProcess(root.0))?;
            self.show_ancestors(&state);
            self.seize(root).map_err(|errno| refusal::of_process(root, errno))?;
        }
        let nobody = RawTask::default();
        self.emit(nobody, Comm::default(), None, EventKind::SnapshotEnd { from, coverage: Coverage::Some });
        Ok(())
    }

    /// The ancestors in the same session, the nearest last.
    fn show_ancestors(&mut self, of: &State) {
        let mut ancestors = Vec::new();
        let mut below = of.clone();
        while let Some(parent) = procfs::read(below.parent.pid)
            && parent.session == of.session
            && !self.table.processes.contains_key(&parent.id.pid)
        {
            ancestors.push(parent.clone());
            below = parent;
        }
        for state in ancestors.into_iter().rev() {
            self.show(state);
        }
    }

    /// A process as it is found.
    pub fn show(&mut self, mut state: State) {
        self.complete(&mut state);
        self.table.note_shown(state.id.pid);
        let wanted = self.options.capture_arguments && state.exit_state == 0;
        let args = if wanted { procfs::command_line(state.id.pid) } else { Vec::new() };
        self.emit(RawTask::default(), Comm::default(), Some(state), EventKind::Snapshot { args });
    }

    /// Seizes a process with all its threads, then its children in the same way.
    fn seize(&mut self, pid: Pid) -> Result<(), Errno> {
        // A thread that is stopped for job control shows another state once it is traced.
        let stopped = procfs::read_stat(pid).is_some_and(|state| state.is_stopped());
        let mut threads = Vec::new();
        // Until a pass finds none that is new: a thread that was not seized yet can make more.
        loop {
            let fresh: Vec<Tid> = tids(pid).into_iter().filter(|tid| !threads.contains(tid)).collect();
            if fresh.is_empty() {
                break;
            }
            for tid in fresh {
                match self.seize_thread(tid) {
                    Ok(()) => {}
                    // It has exited; while it does so the kernel says EPERM (kernel/ptrace.c, `ptrace_attach`).
                    Err(Errno::ESRCH | Errno::EPERM) if tid.0 != pid.0 && is_over(tid) => {}
                    Err(errno) => return Err(errno),
                }
                threads.push(tid);
            }
        }
        let Some(mut state) = procfs::read(pid) else { return Err(Errno::ESRCH) };
        state.signal_flags = if stopped { SIGNAL_STOP_STOPPED } else { 0 };
        let mut process = found(&state);
        process.parent = self.table.identity(state.parent.pid);
        process.threads = threads.iter().copied().filter(|tid| self.attached.contains(tid)).collect();
        process.stopped = stopped;
        for &tid in &process.threads {
            self.table.threads.insert(tid, Thread { stopped: stopped.then(|| self.queue.last()), ..Thread::new(pid) });
        }
        self.table.insert(process);
        self.show(state);
        let (mut odd, mut met) = (false, BTreeSet::new());
        // Until a pass finds none that is new: of who is running the list can leave one out (proc_pid_children(5)).
        loop {
            let fresh: Vec<Pid> = children(pid).into_iter().filter(|child| met.insert(*child)).collect();
            let fresh: Vec<Pid> = fresh.into_iter().filter(|child| tracer_of(*child) != Some(sys::own_tid())).collect();
            if fresh.is_empty() {
                break;
            }
            for child in fresh {
                odd |= !self.seize_child(child);
            }
        }
        if let Some(process) = self.table.processes.get_mut(&pid) {
            process.odd_children = odd;
        }
        Ok(())
    }

    /// A child that was there before. One that cannot be traced is shown, and so is one that is over. Whether its end is known
    /// or will be reported.
    fn seize_child(&mut self, pid: Pid) -> bool {
        let ours = tracer_of(pid) == Some(sys::own_tid());
        if ours || self.seize(pid).is_ok() {
            return true;
        }
        let Some(state) = procfs::read(pid) else { return true };
        let over = state.exit_state != 0;
        if over {
            let mut process = found(&state);
            process.parent = self.table.identity(state.parent.pid);
            self.table.insert(process);
        }
        self.show(state);
        over
    }

    fn seize_thread(&mut self, tid: Tid) -> Result<(), Errno> {
        match sys::seize(tid) {
            Ok(()) => {}
            // The kernel has attached it to us when its maker, whom we trace, made it.
            Err(Errno::EPERM) if tracer_of(Pid(tid.0)) == Some(sys::own_tid()) => {}
            Err(errno) => return Err(errno),
        }
        self.attached.insert(tid);
        if !self.options.seccomp {
            // To be told to stop at every call.
            sys::interrupt(tid)?;
        }
        Ok(())
    }
}

/// For a process that is shown as it is found.
fn found(state: &State) -> Process {
    let pid = state.id.pid;
    Process {
        id: RawTask { tid: Tid(pid.0), ..state.id },
        parent: state.parent,
        pgrp: state.pgrp.number,
        session: state.session.number,
        tty: state.tty,
        comm: state.comm.clone(),
        uid: state.uid,
        namespace: state.namespace,
        facts: state.facts,
        forked: state.not_yet_execed(),
        threads: BTreeSet::new(),
        exit_code: state.exit_code,
        zombie: state.exit_state != 0,
        children_away: !procfs::keeps_children(pid),
        ..Process::new(pid)
    }
}

/// The threads of a process.
fn tids(pid: Pid) -> Vec<Tid> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Tid)).collect()
}

/// Whether a thread has exited.
fn is_over(tid: Tid) -> bool {
    procfs::read_stat(Pid(tid.0)).is_none_or(|state| state.exit_state != 0)
}

/// The children of a process, from the lists of its threads, or where the kernel has none (`CONFIG_PROC_CHILDREN`), by the parents
/// of all.
fn children(pid: Pid) -> Vec<Pid> {
    if !Path::new("/proc/thread-self/children").exists() {
        return children_by_parent(pid);
    }
    let lists = tids(pid).into_iter().map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")));
    let text: String = lists.map(Result::unwrap_or_default).collect();
    text.split_ascii_whitespace().filter_map(|number| number.parse().ok().map(Pid)).collect()
}

fn children_by_parent(pid: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid));
    pids.filter(|child| procfs::read_stat(*child).is_some_and(|child| child.parent.pid == pid)).collect()
}

/// Who traces a thread: `TracerPid`, the number of a thread.
fn tracer_of(pid: Pid) -> Option<Tid> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let tracer = lines.find_map(|line| line.strip_prefix("TracerPid:"))?;
    tracer.trim().parse().ok().map(Tid).filter(|tid| tid.0 != 0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_are_found_with_and_without_the_lists_of_the_kernel() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (own, pid) = (Pid(std::process::id()), Pid(child.id()));
        assert!(children(own).contains(&pid) && children_by_parent(own).contains(&pid));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!children_by_parent(own).contains(&pid));
    }
}
