//! A small kernel that carries bundles from event to event: what a fork inherits and what a successful call does.
//!
//! Only as much as makes histories short to write: what is not here is said in braces. Must not depend on the model.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test language: what has no effect needs no row")]

use std::collections::BTreeMap;

use super::{
    fields,
    statement::{Entered, Statement},
};
use crate::{
    event::{
        CLONE_THREAD, Call, Comm, EXIT_ZOMBIE, Event, EventKind, Leave, PF_FORKNOEXEC, RawId, RawTask,
        SIGNAL_STOP_STOPPED, State, TtyRequest, TtyState, WaitStatus,
    },
    ids::{BootNs, Pid, RawTty, Seq, Sid, Signal, Tid},
};

/// `CLONE_PARENT`.
const CLONE_PARENT: u64 = 0x8000;
/// `SIGNAL_STOP_CONTINUED` and `SIGNAL_CLD_CONTINUED`.
const CONTINUED: u32 = 0x22;

/// What is carried along.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    seq: u64,
    at: u64,
    tasks: BTreeMap<Pid, State>,
    ttys: BTreeMap<RawTty, TtyState>,
    /// `pid->ino` by number: of the last process that had it.
    inos: BTreeMap<u32, u64>,
    entered: BTreeMap<RawTask, (Seq, BootNs)>,
}

impl World {
    /// The inode of a number.
    pub fn ino(&self, number: u32) -> u64 {
        self.inos.get(&number).copied().unwrap_or_default()
    }

    /// What is known of a terminal.
    pub fn terminal(&self, tty: RawTty) -> Option<TtyState> {
        self.ttys.get(&tty).copied()
    }

    /// A thread by its text; without a start time, the current process of that number.
    pub fn task(&self, text: &str) -> Result<RawTask, String> {
        fields::task(text, |pid| self.start(Pid(pid)).0)
    }

    fn start(&self, pid: Pid) -> BootNs {
        self.tasks.get(&pid).map_or(BootNs(0), |state| state.id.start)
    }

    /// Group and session of a process; zero when it is not known.
    pub fn job(&self, process: RawTask) -> (RawId, Sid) {
        let known = self.tasks.get(&process.pid).filter(|known| known.id.start == process.start);
        known.map(|known| (known.pgrp, known.session.sid())).unwrap_or_default()
    }

    /// Text of a thread.
    pub fn task_text(&self, task: RawTask) -> String {
        let tid = if task.tid.0 == task.pid.0 { String::new() } else { format!("/{}", task.tid) };
        let start =
            if task.start == self.start(task.pid) { String::new() } else { format!("~{}", task.start.0 as i64) };
        format!("{}{tid}{start}", task.pid)
    }

    /// Nobody is a member of this group.
    pub fn is_empty_group(&self, id: RawId) -> bool {
        id.number != 0 && !self.tasks.values().any(|state| state.pgrp == id)
    }

    /// The event of a statement.
    pub fn event(&mut self, statement: &Statement) -> Result<Event, String> {
        let mut event = self.predict(statement)?;
        if let Some(state) = &mut event.subject {
            for token in &statement.fields {
                fields::apply(token, state, self)?;
            }
        } else if let Some(token) = statement.fields.first() {
            return Err(format!("{token:?}, but this event has no subject"));
        }
        self.carry(&event);
        Ok(event)
    }

    /// The event before the braces.
    pub fn predict(&self, statement: &Statement) -> Result<Event, String> {
        let seq = Seq(statement.seq.unwrap_or(self.seq + 1));
        let at = BootNs(statement.at.unwrap_or(self.at + 1000));
        let actor = self.task(&statement.actor)?;
        let mut kind = statement.kind.clone();
        if let EventKind::Leave(leave) = &mut kind {
            self.complete_leave(leave, actor, statement.entered);
        }
        if let EventKind::Freed { task } = &mut kind
            && task.start == super::statement::START_CARRIED
        {
            task.start = self.start(task.pid);
        }
        if let EventKind::Inspected(inspection) = &mut kind
            && inspection.task.start == super::statement::START_CARRIED
        {
            inspection.task.start = self.start(inspection.task.pid);
        }
        let carried = self.tasks.get(&actor.pid).map(|state| state.comm.clone()).unwrap_or_default();
        let actor_comm = statement.comm.clone().unwrap_or(carried);
        let mut subject = match statement.subject {
            Some((pid, tid)) if statement.fresh => {
                let state = found(pid, 0);
                Some(State { id: RawTask { tid, ..state.id }, ..state })
            }
            Some(selector) => Some(self.subject(selector, actor, at, &kind)?),
            None => None,
        };
        if let Some(state) = &mut subject {
            effect(state, &kind, self);
            (state.parent_pgrp, state.parent_session) = self.job(state.parent);
        }
        Ok(Event { seq, at, cpu: statement.cpu, actor, actor_comm, subject: subject.map(Box::new), kind })
    }

    /// ENTER and start time that the text leaves out.
    fn complete_leave(&self, leave: &mut Leave, actor: RawTask, entered: Entered) {
        let known = self.entered.get(&actor).copied();
        match entered {
            Entered::Carried => (leave.entered, leave.enter_emitted) = (known, known.is_some()),
            Entered::Said(entered, emitted) => (leave.entered, leave.enter_emitted) = (entered, emitted),
        }
        if let Some(waited) = &mut leave.waited
            && waited.child.start == super::statement::START_CARRIED
        {
            waited.child.start = self.start(waited.child.pid);
        }
    }

    /// The carried state of a subject: of a new process or thread what it inherits, of one from a snapshot nothing.
    fn subject(&self, (pid, tid): (Pid, Tid), actor: RawTask, at: BootNs, kind: &EventKind) -> Result<State, String> {
        let known = self.tasks.get(&pid).cloned();
        let mut state = match kind {
            EventKind::NewTask { flags } if flags & CLONE_THREAD == 0 => {
                let forker = self.tasks.get(&actor.pid).ok_or_else(|| format!("process {} is not there", actor.pid))?;
                child(forker, RawTask { pid, tid: Tid(pid.0), start: at }, self.next_ino(), *flags)
            }
            EventKind::Snapshot { .. } if known.is_none() => found(pid, self.next_ino()),
            _ => known.ok_or_else(|| format!("process {pid} is not there"))?,
        };
        state.id.tid = tid;
        if let Some(tty) = &mut state.tty {
            *tty = self.ttys.get(&tty.tty).copied().unwrap_or(*tty);
            tty.foreground_empty = self.is_empty_group(tty.foreground);
        }
        Ok(state)
    }

    fn next_ino(&self) -> u64 {
        1000 + self.inos.len() as u64
    }

    /// Keeps what the event shows, and what it does to others.
    pub fn carry(&mut self, event: &Event) {
        (self.seq, self.at) = (event.seq.0, event.at.0);
        if let Some(state) = &event.subject {
            let mut state = State::clone(state);
            state.id.tid = Tid(state.id.pid.0);
            if let Some(tty) = state.tty {
                self.ttys.insert(tty.tty, tty);
            }
            if state.ino != 0 {
                self.inos.insert(state.id.pid.0, state.ino);
            }
            self.tasks.insert(state.id.pid, state);
        }
        match &event.kind {
            EventKind::Enter { .. } => {
                self.entered.insert(event.actor, (event.seq, event.at));
            }
            EventKind::Leave(leave) => {
                self.entered.remove(&event.actor);
                if let Some(waited) = leave.waited.filter(|waited| !waited.left_waitable)
                    && matches!(waited.status, WaitStatus::Exited(_) | WaitStatus::Killed { .. })
                {
                    self.tasks.remove(&waited.child.pid);
                }
            }
            EventKind::Dead => {
                if let Some(state) = event.subject.as_ref().filter(|state| state.exit_state != 0) {
                    self.exit_is_over(state);
                }
            }
            _ => {}
        }
    }

    /// The terminal of a session leader is taken from all, children get process 1 as their parent, a released process is gone.
    fn exit_is_over(&mut self, dead: &State) {
        let init = RawTask { pid: Pid(1), tid: Tid(1), start: self.start(Pid(1)) };
        for state in self.tasks.values_mut() {
            if dead.facts.session_leader && state.session == dead.session {
                state.tty = None;
            }
            if state.parent.pid == dead.id.pid && state.parent.start == dead.id.start {
                state.parent = init;
                state.facts.parent_is_init = true;
            }
        }
        if dead.exit_state & EXIT_ZOMBIE == 0 {
            self.tasks.remove(&dead.id.pid);
        }
    }
}

/// A process that a snapshot finds: a child of 1 in a session of its own.
fn found(pid: Pid, ino: u64) -> State {
    let own = RawId { number: pid.0, ino };
    let mut state =
        State { id: RawTask { pid, tid: Tid(pid.0), start: BootNs(u64::from(pid.0)) }, ino, ..State::default() };
    (state.pgrp, state.session, state.live) = (own, own, 1);
    state.facts.single_thread = true;
    state
}

/// What a new process inherits (kernel/fork.c, `copy_process`).
fn child(forker: &State, id: RawTask, ino: u64, flags: u64) -> State {
    let mut state = forker.clone();
    if flags & CLONE_PARENT == 0 {
        state.parent = forker.id;
        state.facts.parent_is_init = forker.id.pid.0 == 1;
    }
    (state.id, state.ino, state.live) = (id, ino, 1);
    (state.facts.session_leader, state.facts.single_thread) = (false, true);
    (state.signal_flags, state.exit_code, state.jobctl) = (0, 0, 0);
    state.task_flags |= PF_FORKNOEXEC;
    state
}

/// What an event does to its subject.
fn effect(state: &mut State, kind: &EventKind, world: &World) {
    match kind {
        EventKind::Exec { args, .. } => {
            state.task_flags &= !PF_FORKNOEXEC;
            name(state, args);
        }
        EventKind::Snapshot { args } => name(state, args),
        EventKind::Exit { group_dead: true } => state.live = 0,
        EventKind::Dead if state.live == 0 => {
            (state.exit_state, state.task_exit_state) = (EXIT_ZOMBIE, EXIT_ZOMBIE);
            state.tty = state.tty.filter(|_| !state.facts.session_leader);
        }
        EventKind::Stopped { .. } => state.signal_flags |= SIGNAL_STOP_STOPPED,
        EventKind::Continued => state.signal_flags = CONTINUED,
        EventKind::SignalGenerated(sent) if sent.signal == Signal::CONT && state.is_stopped() => {
            state.signal_flags = CONTINUED;
        }
        EventKind::Leave(Leave { call, ret, .. }) if *ret >= 0 => call_effect(state, call, world),
        _ => {}
    }
}

/// A process is named after the last part of its program's path.
fn name(state: &mut State, args: &[Vec<u8>]) {
    if let Some(name) = args.first().and_then(|arg| arg.rsplit(|byte| *byte == b'/').next()) {
        state.comm = Comm(name.into());
    }
}

/// What a successful call does to its subject.
fn call_effect(state: &mut State, call: &Call, world: &World) {
    let own = RawId { number: state.id.pid.0, ino: state.ino };
    match *call {
        Call::Setpgid { pgid, .. } if pgid == 0 || pgid as u32 == own.number => state.pgrp = own,
        Call::Setpgid { pgid, .. } => {
            state.pgrp = RawId { number: pgid as u32, ino: world.ino(pgid as u32) };
        }
        Call::Setsid => {
            (state.pgrp, state.session, state.tty) = (own, own, None);
            state.facts.session_leader = true;
        }
        Call::TtyIoctl { request: TtyRequest::SetForeground, value, .. } => {
            let foreground = RawId { number: value as u32, ino: world.ino(value as u32) };
            if let Some(tty) = &mut state.tty {
                tty.foreground = foreground;
                tty.foreground_empty = world.is_empty_group(foreground);
            }
        }
        _ => {}
    }
    if let Some(tty) = &mut state.tty
        && tty.foreground == state.pgrp
    {
        tty.foreground_empty = false;
    }
}
