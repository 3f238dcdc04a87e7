//! An endless history of an interactive shell that runs jobs: what the events of a busy machine look like, without a machine.
//!
//! Deterministic: the same length gives the same events. Must not: measure.

use tracer_model::{
    event::{
        CLONE_THREAD, Call, Comm, Coverage, Disposition, EXIT_ZOMBIE, Event, EventKind, Facts, Leave, PF_EXITING,
        PF_FORKNOEXEC, RawId, RawTask, SIGNAL_GROUP_EXIT, SignalGenerated, SignalOrigin, SignalOutcome, State,
        TtyRequest, TtyState, WaitStatus, Waited,
    },
    ids::{BootNs, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};
use tracer_user::trace_file::{Header, Scope};

/// Shells that take turns.
const SHELLS: u32 = 8;
/// Where numbers begin again (`/proc/sys/kernel/pid_max` of 32768).
const PID_MAX: u32 = 32_768;
/// The numbers of those that do nothing are beyond.
const FIRST_BYSTANDER: u32 = PID_MAX;

/// What their recording says of itself: that of the tree of the first shell.
pub fn header() -> Header {
    Header {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        host: b"bench".to_vec(),
        kernel: String::new(),
        boot_id: String::new(),
        backend: "generated".to_owned(),
        tier: String::new(),
        tier_reason: String::new(),
        pid_namespace: 0,
        boot_ns: BootNs(5_000_000_000),
        unix_ns: 1_795_507_200_000_000_000,
        command: Vec::new(),
        scope: Scope::Tree { root: Pid(300), name: b"bash".to_vec() },
        user: None,
    }
}

/// Yields events for ever.
pub struct Jobs {
    seq: u64,
    at: u64,
    ino: u64,
    pid: u32,
    noise: u64,
    shells: Vec<State>,
    turn: usize,
    /// Processes that do nothing and have been shown, and how many there are.
    bystanders: std::ops::Range<u32>,
    queue: std::collections::VecDeque<Event>,
}

impl Jobs {
    /// Begins with a snapshot, which also shows so many processes that do nothing.
    pub fn new(bystanders: u32) -> Self {
        let mut jobs = Self {
            seq: 0,
            at: 5_000_000_000,
            ino: 10_000_000,
            pid: 1_000,
            noise: 88_172_645_463_325_252,
            shells: Vec::new(),
            turn: 0,
            bystanders: 0..bystanders,
            queue: std::collections::VecDeque::new(),
        };
        jobs.show(init());
        jobs
    }

    fn random(&mut self, below: u64) -> u64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise % below
    }

    /// A process is in the snapshot.
    fn show(&mut self, state: State) {
        let args = vec![state.comm.0.to_vec()];
        self.push(&init(), Some(state), EventKind::Snapshot { args }, 200);
    }

    /// The shells end the snapshot.
    fn start_shells(&mut self) {
        for n in 0..SHELLS {
            let pid = 300 + n;
            let ino = 500 + u64::from(n);
            let tty = TtyState {
                tty: RawTty { major: 136, minor: n, instance: 24 },
                foreground: RawId { number: pid, ino },
                foreground_empty: false,
                session: Sid(pid),
            };
            let shell = process(pid, ino, 1, "bash", Some(tty));
            self.shells.push(shell.clone());
            self.show(shell);
        }
        self.push(&init(), None, EventKind::SnapshotEnd { from: Seq(1), coverage: Coverage::All }, 200);
    }

    fn push(&mut self, actor: &State, subject: Option<State>, kind: EventKind, apart: u64) -> (Seq, BootNs) {
        self.seq += 1;
        self.at += apart / 2 + self.random(apart);
        let event = Event {
            seq: Seq(self.seq),
            at: BootNs(self.at),
            cpu: (self.at / 50_000 % 2) as u16,
            actor: actor.id,
            actor_comm: actor.comm.clone(),
            subject: subject.map(Box::new),
            kind,
        };
        self.queue.push_back(event);
        (Seq(self.seq), BootNs(self.at))
    }

    fn call(&mut self, actor: &State, before: &State, after: &State, call: Call, ret: i64, waited: Option<Waited>) {
        let entered = self.push(actor, Some(before.clone()), EventKind::Enter { call, target_unknown: false }, 9_000);
        let leave = Leave { call, ret, entered: Some(entered), enter_emitted: true, target_unknown: false, waited };
        self.push(actor, Some(after.clone()), EventKind::Leave(leave), 3_000);
    }

    /// One job: a child that leads a group in the foreground, execs, exits and is reaped.
    fn job(&mut self) {
        let mut shell = self.shells[self.turn].clone();
        self.ino += 1;
        self.pid = if self.pid + 1 >= PID_MAX { 1_000 } else { self.pid + 1 };
        let (pid, ino, shell_id) = (self.pid, self.ino, RawId { number: shell.id.pid.0, ino: shell.ino });
        let start = BootNs(self.at + 1_500);
        let mut child = State {
            id: RawTask { pid: Pid(pid), tid: Tid(pid), start },
            ino,
            parent: shell.id,
            parent_pgrp: shell.pgrp,
            parent_session: shell.session.sid(),
            task_flags: 0x0040_0000 | PF_FORKNOEXEC,
            facts: Facts { session_leader: false, ..shell.facts },
            ..shell.clone()
        };
        self.push(&shell, Some(child.clone()), EventKind::NewTask { flags: 0x0120_0011 & !CLONE_THREAD }, 40_000);
        let own = RawId { number: pid, ino };
        let number = pid.cast_signed();
        let before = child.clone();
        child.pgrp = own;
        self.call(&shell, &before, &child, Call::Setpgid { pid: number, pgid: number }, 0, None);
        self.call(&child.clone(), &child, &child, Call::Setpgid { pid: number, pgid: number }, 0, None);
        let set = |foreground| Call::TtyIoctl {
            fd: 255,
            request: TtyRequest::SetForeground,
            arg: 140_735_747_157_180,
            value: foreground,
        };
        let foreground = |state: &mut State, id| {
            if let Some(tty) = &mut state.tty {
                tty.foreground = id;
            }
        };
        let before = shell.clone();
        foreground(&mut shell, own);
        foreground(&mut child, own);
        self.call(&before, &before, &shell, set(number), 0, None);
        child.comm = Comm(["ls", "cat", "grep", "make", "cc1", "sed"][self.random(6) as usize].into());
        child.task_flags = 0x0040_0000;
        let args = vec![child.comm.0.to_vec(), format!("file-{}", self.random(500)).into_bytes()];
        let exec = EventKind::Exec { old_tid: child.id.tid, args, truncated: false };
        self.push(&child, Some(child.clone()), exec, 250_000);
        self.wait(&shell, &child);
        child.signal_flags = SIGNAL_GROUP_EXIT;
        child.task_flags |= PF_EXITING;
        child.live = 0;
        self.push(&child, Some(child.clone()), EventKind::Exit { group_dead: true }, 900_000);
        let sigchld = SignalGenerated {
            signal: Signal::CHLD,
            origin: SignalOrigin::Info(1),
            process_directed: true,
            outcome: SignalOutcome::Delivered,
            disposition: Disposition::Handler,
            blocked: false,
            at_delivery: false,
        };
        self.push(&child, Some(shell.clone()), EventKind::SignalGenerated(sigchld), 30_000);
        child.exit_state = EXIT_ZOMBIE;
        child.task_exit_state = EXIT_ZOMBIE;
        child.task_flags |= 0x8000;
        self.push(&child, Some(child.clone()), EventKind::Dead, 20_000);
        self.reap(&mut shell, &child, shell_id, set);
    }

    fn wait(&mut self, shell: &State, _: &State) {
        let call = Call::Wait4 { pid: -1, options: 10 };
        self.push(shell, Some(shell.clone()), EventKind::Enter { call, target_unknown: false }, 9_000);
    }

    fn reap(&mut self, shell: &mut State, child: &State, own: RawId, set: impl Fn(i32) -> Call) {
        let waited = Waited { child: child.id, status: WaitStatus::Exited(0), left_waitable: false };
        let enter = self.queue.iter().rev().find(|event| matches!(event.kind, EventKind::Enter { .. }));
        let entered = enter.map(|event| (event.seq, event.at));
        let leave = Leave {
            call: Call::Wait4 { pid: -1, options: 10 },
            ret: i64::from(child.id.pid.0),
            entered,
            enter_emitted: true,
            target_unknown: false,
            waited: Some(waited),
        };
        let before = shell.clone();
        if let Some(tty) = &mut shell.tty {
            tty.foreground_empty = true;
        }
        self.push(&before, Some(shell.clone()), EventKind::Leave(leave), 15_000);
        let empty = shell.clone();
        if let Some(tty) = &mut shell.tty {
            (tty.foreground, tty.foreground_empty) = (own, false);
        }
        let back = set(shell.id.pid.0.cast_signed());
        self.call(&before, &empty, shell, back, 0, None);
        let shell = shell.clone();
        let turn = self.turn;
        self.shells[turn] = shell;
        self.turn = (turn + 1) % self.shells.len();
        let reader = self.shells[self.turn].clone();
        self.push(&reader, None, EventKind::Freed { task: child.id }, 20_000);
    }
}

fn init() -> State {
    process(1, 1, 0, "systemd", None)
}

fn process(pid: u32, ino: u64, parent: u32, comm: &str, tty: Option<TtyState>) -> State {
    State {
        id: RawTask { pid: Pid(pid), tid: Tid(pid), start: BootNs(1_000_000 * u64::from(pid)) },
        ino,
        parent: RawTask { pid: Pid(parent), tid: Tid(parent), start: BootNs(1_000_000 * u64::from(parent)) },
        pgrp: RawId { number: pid, ino },
        session: RawId { number: pid, ino },
        tty,
        task_flags: 0x0040_0000,
        live: 1,
        facts: Facts {
            session_leader: true,
            single_thread: true,
            no_subreaper_above: true,
            parent_is_init: parent == 1,
            ..Facts::default()
        },
        uid: Uid(1000),
        cgroup: 4_242,
        comm: Comm(comm.into()),
        ..State::default()
    }
}

impl Iterator for Jobs {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.queue.is_empty() {
            // One after the other: who measures what a process costs must not hold them all.
            match self.bystanders.next() {
                Some(n) => {
                    self.show(process(FIRST_BYSTANDER + n, 1_000_000 + u64::from(n), 1, &format!("service-{n}"), None));
                }
                None if self.shells.is_empty() => self.start_shells(),
                None => self.job(),
            }
        }
        self.queue.pop_front()
    }
}
