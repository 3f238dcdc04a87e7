//! A small kernel, obvious and slow: the reference that the model is compared with.
//!
//! Keeps processes in one table, finds groups by looking at everybody, and writes the events that the probes would write.
//! Shares no code with the model. The rules are those of kernel/sys.c, kernel/exit.c and `drivers/tty/tty_jobctrl.c`.

use std::collections::BTreeMap;

use crate::{
    event::{
        Call, Comm, Coverage, Disposition, EXIT_DEAD, EXIT_ZOMBIE, Event, EventKind, Facts, Leave, PF_FORKNOEXEC,
        RawId, RawTask, SIGNAL_STOP_STOPPED, SignalGenerated, SignalOrigin, SignalOutcome, State, TtyRequest, TtyState,
        WaitStatus, Waited,
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid},
};

const EPERM: i64 = 1;
const ESRCH: i64 = 3;
const ECHILD: i64 = 10;
const EACCES: i64 = 13;
const ENOTTY: i64 = 25;

/// A process.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Task {
    pub id: RawTask,
    pub ino: u64,
    pub parent: u32,
    pub pgrp: RawId,
    pub session: RawId,
    pub leader: bool,
    pub execed: bool,
    pub stopped: bool,
    pub zombie: bool,
    pub subreaper: bool,
    pub ignores_chld: bool,
    pub tty: Option<u32>,
}

/// A terminal: its session and foreground group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tty {
    pub session: u32,
    pub foreground: RawId,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    pub tasks: BTreeMap<u32, Task>,
    pub ttys: BTreeMap<u32, Tty>,
    pub events: Vec<Event>,
    /// When each process was released.
    pub released: BTreeMap<(Pid, BootNs), BootNs>,
    seq: u64,
    ino: u64,
    /// Bundles lack `pid->ino`, as on kernels before 6.9, and whether an ancestor is a subreaper.
    old: bool,
}

/// What a process can do. Processes are chosen by their place in the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Fork {
        who: usize,
        clone_parent: bool,
    },
    Setpgid {
        who: usize,
        target: usize,
        group: usize,
    },
    Setsid {
        who: usize,
    },
    Exec {
        who: usize,
    },
    /// `quick`: the parent's wait returns before the last record of the exiting process.
    Exit {
        who: usize,
        quick: bool,
    },
    Wait {
        who: usize,
    },
    Stop {
        who: usize,
        target: usize,
    },
    Continue {
        who: usize,
        target: usize,
    },
    Subreaper {
        who: usize,
    },
    IgnoreChildren {
        who: usize,
    },
    AcquireTty {
        who: usize,
        tty: u32,
    },
    GiveTtyUp {
        who: usize,
    },
    SetForeground {
        who: usize,
        target: usize,
    },
}

impl Kernel {
    /// Process 1 alone, in session and group 1, and a snapshot of it.
    pub fn new(old: bool) -> Self {
        let mut kernel = Self { old, ..Self::default() };
        let id = RawTask { pid: Pid(1), tid: Tid(1), start: BootNs(1) };
        let own = kernel.new_id(1);
        let task = Task {
            id,
            ino: own.ino,
            parent: 0,
            pgrp: own,
            session: own,
            leader: true,
            execed: true,
            stopped: false,
            zombie: false,
            subreaper: false,
            ignores_chld: false,
            tty: None,
        };
        kernel.tasks.insert(1, task);
        kernel.snapshot(true);
        kernel
    }

    fn new_id(&mut self, number: u32) -> RawId {
        self.ino += 1;
        RawId { number, ino: self.ino }
    }

    /// Members of a group, newest first.
    pub fn members(&self, group: RawId) -> Vec<u32> {
        let mut members: Vec<_> = self.tasks.values().filter(|task| task.pgrp == group).collect();
        members.sort_by_key(|task| std::cmp::Reverse(task.id.start));
        members.iter().map(|task| task.id.pid.0).collect()
    }

    fn group_exists(&self, number: u32) -> Option<&Task> {
        self.tasks.values().find(|task| task.pgrp.number == number)
    }

    /// Whether a number is used as anything.
    fn in_use(&self, number: u32) -> bool {
        self.tasks.values().any(|task| [task.id.pid.0, task.pgrp.number, task.session.number].contains(&number))
    }

    /// `will_become_orphaned_pgrp`, ignoring one process.
    fn orphaned_but(&self, group: RawId, ignored: Option<u32>) -> bool {
        !self.tasks.values().any(|task| {
            let parent = self.tasks.get(&task.parent);
            task.pgrp == group
                && Some(task.id.pid.0) != ignored
                && !task.zombie
                && task.parent > 1
                && parent.is_some_and(|parent| parent.pgrp != task.pgrp && parent.session == task.session)
        })
    }

    /// Whether a group is orphaned.
    pub fn orphaned(&self, group: RawId) -> bool {
        self.orphaned_but(group, None)
    }

    fn nth(&self, place: usize) -> u32 {
        let alive: Vec<_> = self.tasks.values().filter(|task| !task.zombie).map(|task| task.id.pid.0).collect();
        alive[place % alive.len()]
    }

    fn any(&self, place: usize) -> u32 {
        *self.tasks.keys().nth(place % self.tasks.len()).unwrap()
    }

    /// The bundle of a process.
    fn state(&self, pid: u32) -> State {
        let task = &self.tasks[&pid];
        let tty = task.tty.map(|index| {
            let tty = self.ttys[&index];
            TtyState {
                tty: RawTty { major: 136, minor: index, instance: 1 },
                foreground: tty.foreground,
                foreground_empty: tty.foreground.number != 0 && self.members(tty.foreground).is_empty(),
                session: Sid(tty.session),
            }
        });
        let parent = self.tasks.get(&task.parent);
        let state = State {
            id: task.id,
            ino: task.ino,
            parent: parent.map(|parent| parent.id).unwrap_or_default(),
            parent_pgrp: parent.map(|parent| parent.pgrp).unwrap_or_default(),
            parent_session: parent.map(|parent| parent.session.sid()).unwrap_or_default(),
            pgrp: task.pgrp,
            session: task.session,
            tty,
            tty_old_pgrp: Pgid(0),
            signal_flags: if task.stopped { SIGNAL_STOP_STOPPED } else { 0 },
            exit_state: if task.zombie { EXIT_ZOMBIE } else { 0 },
            task_exit_state: if task.zombie { EXIT_ZOMBIE } else { 0 },
            task_flags: if task.execed { 0 } else { PF_FORKNOEXEC },
            facts: Facts {
                session_leader: task.leader,
                subreaper: task.subreaper,
                no_subreaper_above: !self.old && self.reaper(pid) == 1,
                single_thread: true,
                parent_is_init: task.parent == 1,
                auto_reaps_children: task.ignores_chld,
                ..Facts::default()
            },
            comm: Comm("x".into()),
            ..State::default()
        };
        if self.old { without_ino(state) } else { state }
    }

    fn emit(&mut self, actor: u32, subject: Option<State>, kind: EventKind) {
        self.emit_as(self.tasks.get(&actor).map(|task| task.id).unwrap_or_default(), subject, kind);
    }

    fn emit_as(&mut self, actor: RawTask, subject: Option<State>, kind: EventKind) {
        self.seq += 1;
        let (seq, at) = (Seq(self.seq), BootNs(self.seq * 1000));
        self.events.push(Event { seq, at, cpu: 0, actor, actor_comm: Comm("x".into()), subject, kind });
    }

    fn emit_state(&mut self, actor: u32, subject: u32, kind: EventKind) {
        let state = self.state(subject);
        self.emit(actor, Some(state), kind);
    }

    /// A whole call: what it does is between its ENTER and its LEAVE.
    fn call(&mut self, who: u32, target: u32, call: Call, run: impl FnOnce(&mut Self) -> (i64, Option<Waited>)) {
        let unknown = !self.tasks.contains_key(&target);
        let subject = if unknown { who } else { target };
        self.emit_state(who, subject, EventKind::Enter { call, target_unknown: unknown });
        let entered = Some((Seq(self.seq), BootNs(self.seq * 1000)));
        let (ret, waited) = run(self);
        let leave = Leave { call, ret, entered, enter_emitted: true, target_unknown: unknown, waited };
        self.emit_state(who, subject, EventKind::Leave(leave));
    }

    fn signal(&mut self, actor: u32, target: u32, signal: Signal, origin: SignalOrigin) {
        if signal == Signal::CONT {
            self.tasks.get_mut(&target).unwrap().stopped = false;
        }
        let outcome = if self.tasks[&target].zombie { SignalOutcome::Ignored } else { SignalOutcome::Delivered };
        let sent = SignalGenerated {
            signal,
            origin,
            process_directed: true,
            outcome,
            disposition: Disposition::Handler,
            blocked: false,
            at_delivery: false,
        };
        self.emit_state(actor, target, EventKind::SignalGenerated(sent));
    }

    /// Does it, as far as the kernel allows.
    pub fn run(&mut self, op: Op) {
        match op {
            Op::Fork { who, clone_parent } => self.fork(self.nth(who), clone_parent),
            Op::Setpgid { who, target, group } => {
                let (who, target, group) = (self.nth(who), self.any(target), self.any(group));
                let call = Call::Setpgid { pid: target as i32, pgid: group as i32 };
                self.call(who, target, call, |kernel| (kernel.setpgid(who, target, group), None));
            }
            Op::Setsid { who } => {
                let who = self.nth(who);
                self.call(who, who, Call::Setsid, |kernel| (kernel.setsid(who), None));
            }
            Op::Exec { who } => {
                let who = self.nth(who);
                self.tasks.get_mut(&who).unwrap().execed = true;
                let exec = EventKind::Exec { old_tid: Tid(who), args: vec![b"x".to_vec()], truncated: false };
                self.emit_state(who, who, exec);
            }
            Op::Exit { who, quick } => {
                let who = self.nth(who);
                if who != 1 {
                    self.exit(who, quick);
                }
            }
            Op::Wait { who } => self.wait(self.nth(who)),
            Op::Stop { who, target } => self.stop(self.nth(who), self.nth(target)),
            Op::Continue { who, target } => {
                let (who, target) = (self.nth(who), self.any(target));
                self.signal(who, target, Signal::CONT, SignalOrigin::Info(0));
            }
            Op::Subreaper { who } => {
                let who = self.nth(who);
                self.call(who, who, Call::SetSubreaper { on: 1 }, |kernel| {
                    kernel.tasks.get_mut(&who).unwrap().subreaper = true;
                    (0, None)
                });
            }
            Op::IgnoreChildren { who } => {
                let who = self.nth(who);
                let call = Call::Wait4 { pid: -1, options: 1 };
                self.call(who, who, call, |kernel| {
                    kernel.tasks.get_mut(&who).unwrap().ignores_chld |= who != 1;
                    (-ECHILD, None)
                });
            }
            Op::AcquireTty { who, tty } => {
                let who = self.nth(who);
                let call = Call::TtyIoctl { fd: 0, request: TtyRequest::SetControlling, arg: 0, value: 0 };
                self.call(who, who, call, |kernel| (kernel.acquire_tty(who, tty), None));
            }
            Op::GiveTtyUp { who } => {
                let who = self.nth(who);
                let call = Call::TtyIoctl { fd: 0, request: TtyRequest::GiveUp, arg: 0, value: 0 };
                self.call(who, who, call, |kernel| (kernel.give_tty_up(who), None));
            }
            Op::SetForeground { who, target } => {
                let (who, target) = (self.nth(who), self.any(target));
                let call = Call::TtyIoctl { fd: 0, request: TtyRequest::SetForeground, arg: 0, value: target as i32 };
                self.call(who, who, call, |kernel| (kernel.set_foreground(who, target), None));
            }
        }
    }

    fn fork(&mut self, who: u32, clone_parent: bool) {
        let Some(number) = (2..14).find(|number| !self.in_use(*number)) else { return };
        let forker = self.tasks[&who].clone();
        // The init of a namespace may not make siblings (EINVAL).
        let parent = if clone_parent && who != 1 { forker.parent } else { who };
        let ino = self.new_id(number).ino;
        let start = BootNs((self.seq + 1) * 1000 + 1);
        let id = RawTask { pid: Pid(number), tid: Tid(number), start };
        let task = Task { id, ino, parent, leader: false, execed: false, stopped: false, subreaper: false, ..forker };
        self.tasks.insert(number, task);
        self.emit_state(who, number, EventKind::NewTask { flags: if clone_parent { 0x8000 } else { 0 } });
    }

    fn setpgid(&mut self, who: u32, target: u32, group: u32) -> i64 {
        let caller = self.tasks[&who].clone();
        let task = self.tasks[&target].clone();
        if task.parent == who {
            if task.session != caller.session {
                return -EPERM;
            }
            if task.execed {
                return -EACCES;
            }
        } else if target != who {
            return -ESRCH;
        }
        if task.leader {
            return -EPERM;
        }
        let id = if group == target {
            RawId { number: group, ino: task.ino }
        } else {
            match self.group_exists(group) {
                Some(member) if member.session == caller.session => member.pgrp,
                _ => return -EPERM,
            }
        };
        self.tasks.get_mut(&target).unwrap().pgrp = id;
        0
    }

    fn setsid(&mut self, who: u32) -> i64 {
        if self.tasks[&who].leader || self.group_exists(who).is_some() {
            return -EPERM;
        }
        let task = self.tasks.get_mut(&who).unwrap();
        let own = RawId { number: who, ino: task.ino };
        (task.pgrp, task.session, task.leader, task.tty) = (own, own, true, None);
        i64::from(who)
    }

    fn stop(&mut self, who: u32, target: u32) {
        if target == 1 {
            return;
        }
        self.signal(who, target, Signal::STOP, SignalOrigin::Info(0));
        self.tasks.get_mut(&target).unwrap().stopped = true;
        self.emit_state(target, target, EventKind::Stopped { signal: Signal::STOP });
    }

    fn acquire_tty(&mut self, who: u32, index: u32) -> i64 {
        let task = self.tasks[&who].clone();
        let owner = self.ttys.get(&index).map_or(0, |tty| tty.session);
        if task.leader && task.tty == Some(index) && owner == task.session.number {
            return 0;
        }
        if !task.leader || task.tty.is_some() || owner != 0 {
            return -EPERM;
        }
        self.ttys.insert(index, Tty { session: who, foreground: task.pgrp });
        self.tasks.get_mut(&who).unwrap().tty = Some(index);
        0
    }

    fn give_tty_up(&mut self, who: u32) -> i64 {
        let Some(index) = self.tasks[&who].tty else { return -ENOTTY };
        if self.tasks[&who].leader {
            for member in self.members(self.ttys[&index].foreground) {
                self.signal(who, member, Signal::HUP, SignalOrigin::KernelAsUser);
            }
            for member in self.members(self.ttys[&index].foreground) {
                self.signal(who, member, Signal::CONT, SignalOrigin::KernelAsUser);
            }
            self.clear_tty(who, index);
        } else {
            self.tasks.get_mut(&who).unwrap().tty = None;
        }
        0
    }

    /// The session of `leader` loses its terminal.
    fn clear_tty(&mut self, leader: u32, index: u32) {
        let session = self.tasks[&leader].session;
        self.ttys.remove(&index);
        for task in self.tasks.values_mut().filter(|task| task.session == session) {
            task.tty = None;
        }
    }

    fn set_foreground(&mut self, who: u32, target: u32) -> i64 {
        let task = &self.tasks[&who];
        let Some(index) = task.tty.filter(|index| self.ttys[index].session == task.session.number) else {
            return -ENOTTY;
        };
        // A group's session is that of a member; a plain process counts as well (`session_of_pgrp`).
        let (id, session) = match self.group_exists(target) {
            Some(member) => (member.pgrp, member.session),
            None => (RawId { number: target, ino: self.tasks[&target].ino }, self.tasks[&target].session),
        };
        if session != task.session {
            return -EPERM;
        }
        self.ttys.get_mut(&index).unwrap().foreground = id;
        0
    }

    fn exit(&mut self, who: u32, quick: bool) {
        self.tasks.get_mut(&who).unwrap().stopped = false;
        self.emit_state(who, who, EventKind::Exit { group_dead: true });
        if let Some(index) = self.tasks[&who].tty.filter(|_| self.tasks[&who].leader) {
            for member in self.members(self.ttys[&index].foreground) {
                self.signal(who, member, Signal::HUP, SignalOrigin::Kernel);
            }
            self.clear_tty(who, index);
        }
        let reaper = self.reaper(who);
        let children: Vec<_> =
            self.tasks.values().filter(|task| task.parent == who).map(|task| task.id.pid.0).collect();
        for child in children {
            self.tasks.get_mut(&child).unwrap().parent = reaper;
            self.kill_if_orphaned(who, child, who, None);
        }
        let parent = self.tasks[&who].parent;
        self.kill_if_orphaned(who, who, parent, Some(who));
        self.tasks.get_mut(&who).unwrap().zombie = true;
        let auto = self.tasks[&parent].ignores_chld;
        if auto {
            self.release(who, Some(who));
        } else {
            self.signal(who, parent, Signal::CHLD, SignalOrigin::Info(1));
            if quick {
                self.quick_wait(parent, who);
            } else {
                self.emit_state(who, who, EventKind::Dead);
            }
        }
        self.reap_adopted(reaper);
    }

    /// A parent that waits already gets the child before its last record, and returns before that or after.
    fn quick_wait(&mut self, parent: u32, child: u32) {
        let gone = self.tasks[&child].id;
        let dead = released(self.state(child));
        let waited = Waited { child: gone, status: WaitStatus::Exited(0), left_waitable: false };
        let early = self.seq.is_multiple_of(2);
        self.call(parent, parent, Call::Wait4 { pid: -1, options: 0 }, |kernel| {
            kernel.remove(child);
            if early {
                kernel.emit_as(gone, Some(dead.clone()), EventKind::Dead);
            }
            (i64::from(child), Some(waited))
        });
        if !early {
            self.emit_as(gone, Some(dead), EventKind::Dead);
        }
    }

    /// `find_new_reaper`.
    fn reaper(&self, who: u32) -> u32 {
        let mut next = self.tasks[&who].parent;
        while next > 1 && !self.tasks[&next].subreaper {
            next = self.tasks[&next].parent;
        }
        next.max(1)
    }

    /// `kill_orphaned_pgrp`: the link from `task` to `parent` was a real one, and the group has no other.
    fn kill_if_orphaned(&mut self, current: u32, task: u32, parent: u32, ignored: Option<u32>) {
        let (member, outside) = (&self.tasks[&task], &self.tasks[&parent]);
        let group = member.pgrp;
        let linked = outside.pgrp != group && outside.session == member.session;
        let members = self.members(group);
        if linked && self.orphaned_but(group, ignored) && members.iter().any(|it| self.tasks[it].stopped) {
            for signal in [Signal::HUP, Signal::CONT] {
                for member in &members {
                    self.signal(current, *member, signal, SignalOrigin::Kernel);
                }
            }
        }
    }

    /// Zombies that are adopted by a process that ignores SIGCHLD are released at once, without an event of their own.
    fn reap_adopted(&mut self, reaper: u32) {
        let zombie = |task: &&Task| task.zombie && task.parent == reaper;
        let zombies: Vec<_> = self.tasks.values().filter(zombie).map(|task| task.id.pid.0).collect();
        if self.tasks[&reaper].ignores_chld {
            for zombie in zombies {
                self.release(zombie, None);
            }
        }
    }

    /// `release_task` by itself or by whoever adopts it: its last record if it is `current`, and its freeing.
    fn release(&mut self, who: u32, current: Option<u32>) {
        let state = self.state(who);
        let task = self.remove(who);
        if current.is_some() {
            self.emit_as(task.id, Some(released(state)), EventKind::Dead);
        }
        self.emit(0, None, EventKind::Freed { task: task.id });
    }

    /// A process is gone, at a time between two events.
    fn remove(&mut self, who: u32) -> Task {
        let task = self.tasks.remove(&who).unwrap();
        self.released.insert((task.id.pid, task.id.start), BootNs(self.seq * 1000 + 500));
        task
    }

    fn wait(&mut self, who: u32) {
        let zombie = self.tasks.values().find(|task| task.zombie && task.parent == who).map(|task| task.id);
        let call = Call::Wait4 { pid: -1, options: 1 };
        self.call(who, who, call, |kernel| {
            let Some(child) = zombie else { return (-ECHILD, None) };
            kernel.remove(child.pid.0);
            let waited = Waited { child, status: WaitStatus::Exited(0), left_waitable: false };
            (i64::from(child.pid.0), Some(waited))
        });
    }

    /// Everything as the task iterator sees it.
    pub fn snapshot(&mut self, complete: bool) {
        let from = Seq(self.seq + 1);
        for pid in self.tasks.keys().copied().collect::<Vec<_>>() {
            self.emit_state(0, pid, EventKind::Snapshot { args: Vec::new() });
        }
        self.emit(
            0,
            None,
            EventKind::SnapshotEnd { from, coverage: if complete { Coverage::All } else { Coverage::Some } },
        );
    }
}

/// A bundle of a kernel that has no `pid->ino`.
fn without_ino(state: State) -> State {
    let strip = |id: RawId| RawId { ino: 0, ..id };
    let tty = state.tty.map(|tty| TtyState { foreground: strip(tty.foreground), ..tty });
    State { ino: 0, pgrp: strip(state.pgrp), session: strip(state.session), tty, ..state }
}

/// The bundle of a process that has been released.
fn released(state: State) -> State {
    State { exit_state: EXIT_DEAD, pgrp: RawId::default(), session: RawId::default(), tty: None, ..state }
}
