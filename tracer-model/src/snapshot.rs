//! The state as the events of a snapshot: what a recording begins with that begins in the middle of another one.
//!
//! A model that applies them has the same processes, groups, sessions and terminals. What came before is gone: who made a
//! group, since when something is so. Must not: invent what the state does not say.

use crate::{
    event::{
        Comm, Coverage, EXIT_ZOMBIE, Event, EventKind, PF_EXITING, PF_FORKNOEXEC, PF_KTHREAD, RawId, RawTask,
        SIGNAL_STOP_STOPPED, State, TtyState, WaitStatus,
    },
    ids::{BootNs, Seq, Sid, Tid, TtyKey, Uid},
    state::{Knowledge, Model, Phase, Process},
};

impl Model {
    /// The state as snapshot events of this number and time, parents before children, and the end of the snapshot. Empty when
    /// nothing is known.
    #[must_use]
    pub fn to_snapshot(&self, seq: Seq, at: BootNs) -> Vec<Event> {
        let event = |subject, kind| Event {
            seq,
            at,
            cpu: 0,
            actor: RawTask::default(),
            actor_comm: Comm::default(),
            subject,
            kind,
        };
        let mut seen: Vec<&Process> = self.processes().filter(|process| process.knowledge == Knowledge::Seen).collect();
        // The bundle that was seen last has the last word on a terminal.
        seen.sort_by_key(|process| (process.seen.seq, process.key));
        let snapshot = |process: &&Process| {
            event(Some(Box::new(self.bundle(process))), EventKind::Snapshot { args: process.args.to_vec() })
        };
        let mut events: Vec<Event> = seen.iter().map(snapshot).collect();
        if !events.is_empty() {
            events.push(event(None, EventKind::SnapshotEnd { from: seq, coverage: Coverage::Some }));
        }
        events
    }

    fn task(process: &Process) -> RawTask {
        RawTask { pid: process.key.number, tid: Tid(process.key.number.0), start: process.start }
    }

    fn group_id(&self, process: &Process) -> RawId {
        let group = process.group.and_then(|key| self.groups.get(&key));
        group.map_or_else(RawId::default, |group| RawId { number: group.key.number.0, ino: group.ino })
    }

    fn session_id(&self, process: &Process) -> RawId {
        let session = process.session.and_then(|key| self.sessions.get(&key));
        session.map_or_else(RawId::default, |session| RawId { number: session.key.number.0, ino: session.ino })
    }

    /// The state of a process as the kernel would show it.
    fn bundle(&self, process: &Process) -> State {
        let parent = process.parent.and_then(|key| self.processes.get(&key));
        let zombie = process.phase >= Phase::Zombie;
        let exiting = process.phase >= Phase::Exiting;
        let flag = |holds: bool, flag: u32| if holds { flag } else { 0 };
        let exit_state = flag(zombie, EXIT_ZOMBIE);
        State {
            id: Self::task(process),
            ino: process.ino,
            parent: parent.map_or_else(RawTask::default, Self::task),
            parent_pgrp: parent.map_or_else(RawId::default, |parent| self.group_id(parent)),
            parent_session: parent.map_or(Sid(0), |parent| self.session_id(parent).sid()),
            pgrp: self.group_id(process),
            session: self.session_id(process),
            tty: process.tty.and_then(|tty| self.terminal_state(tty)),
            signal_flags: flag(process.stopped.is_some(), SIGNAL_STOP_STOPPED),
            exit_state,
            task_exit_state: exit_state,
            exit_code: process.status.map_or(0, word),
            group_exit_code: process.stopped.map_or(0, |stop| stop.signal.0.cast_signed()),
            task_flags: flag(exiting, PF_EXITING)
                | flag(process.not_yet_execed, PF_FORKNOEXEC)
                | flag(process.kernel_thread, PF_KTHREAD),
            live: i32::from(!exiting),
            facts: process.facts,
            uid: process.uid.unwrap_or(Uid(0)),
            namespace: process.namespace,
            cgroup: process.cgroup,
            comm: process.comm.clone(),
            ..State::default()
        }
    }

    fn terminal_state(&self, key: TtyKey) -> Option<TtyState> {
        let terminal = self.terminals.get(&key)?;
        let session = terminal.session.and_then(|session| self.sessions.get(&session));
        Some(TtyState {
            tty: key.tty,
            foreground: terminal.foreground_id,
            foreground_empty: terminal.foreground.is_some_and(|foreground| foreground.group.is_none()),
            session: session.map_or(Sid(0), |session| session.key.number),
        })
    }
}

/// A wait status as the word of wait(2).
fn word(status: WaitStatus) -> i32 {
    match status {
        WaitStatus::Exited(code) => (code & 0xff) << 8,
        WaitStatus::Killed { signal, core } => signal.0.cast_signed() & 0x7f | if core { 0x80 } else { 0 },
        WaitStatus::Stopped(signal) => (signal.0.cast_signed() & 0xff) << 8 | 0x7f,
        WaitStatus::Continued => 0xffff,
        WaitStatus::Unknown { .. } => 0,
    }
}
