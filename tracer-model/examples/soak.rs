//! Feeds the model with generated job control, without end, and says what it costs: bytes for each live process, and whether
//! time and memory grow with history.
//!
//! ```text
//! cargo xtask bench soak                            10^8 events, 1000 processes alive
//! cargo xtask bench soak --events 1000000 --live 100000
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program"
)]

use tracer_model::{
    event::{
        Call, Comm, Coverage, Disposition, EXIT_DEAD, EXIT_ZOMBIE, Event, EventKind, Facts, Leave, PF_FORKNOEXEC,
        RawId, RawTask, SignalGenerated, SignalOrigin, SignalOutcome, State, TtyRequest, TtyState, WaitStatus, Waited,
    },
    findings::Findings,
    ids::{BootNs, Pid, RawTty, Seq, Sid, Signal, Tid},
    state::Model,
    timeline::Lifetimes,
};

/// Processes of one shell's job at a time.
const JOB: usize = 4;
/// `kernel.pid_max` as it was for long: numbers come round.
const NUMBERS: u32 = 1 << 22;

/// A shell: a session on a terminal of its own, and its job.
struct Shell {
    id: RawTask,
    ino: u64,
    job: Vec<(RawTask, u64)>,
}

struct World {
    model: Model,
    rules: Option<(Findings, Lifetimes)>,
    seq: u64,
    ino: u64,
    number: u32,
    shells: Vec<Shell>,
    found: usize,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let events: u64 = words.next().map_or(100_000_000, |word| word.parse().unwrap());
    let live: usize = words.next().map_or(1000, |word| word.parse().unwrap());
    let with_rules = words.next().is_some_and(|word| word == "rules");
    let before = resident();
    let mut world = World::new(live, with_rules);
    let held = resident() - before;
    println!("{live} live processes: {held} bytes, {} for each", held / live as u64);
    let part = (events / 20).max(1);
    let mut next = part;
    let mut begin = (on_cpu(), world.seq);
    let first = world.seq;
    println!("{:>12} {:>10} {:>8} {:>9}", "events", "RSS KiB", "ns/event", "processes");
    while world.seq - first < events {
        for shell in 0..world.shells.len() {
            world.job(shell);
        }
        if world.seq - first >= next {
            let (since, at) = begin;
            let ns = (on_cpu() - since) / (world.seq - at);
            let alive = world.model.processes().count();
            println!("{:>12} {:>10} {ns:>8} {alive:>9}", world.seq - first, resident() / 1024);
            next += part;
            begin = (on_cpu(), world.seq);
        }
    }
    if with_rules {
        println!("{} findings", world.found);
    }
}

/// Time on a CPU, in ns: other work on the machine does not count.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// `VmRSS`, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

impl World {
    /// Shells with a job each, so that so many processes are alive.
    fn new(live: usize, rules: bool) -> Self {
        let mut world = Self {
            model: Model::new(),
            rules: rules.then(|| (Findings::new(), Lifetimes::with_history(1000))),
            seq: 0,
            ino: 0,
            number: 1,
            shells: Vec::new(),
            found: 0,
        };
        let init = Shell { id: task(1, 1), ino: 1, job: Vec::new() };
        let state = World::state(&init, init.id, 1, own(init.id, 1), true, 0);
        world.apply(init.id, Some(state), EventKind::Snapshot { args: Vec::new() });
        for _ in 0..live.div_ceil(JOB + 1) {
            let (id, ino) = world.birth();
            let shell = Shell { id, ino, job: Vec::new() };
            let state = World::state(&shell, id, ino, own(id, ino), true, 0);
            world.apply(id, Some(state), EventKind::Snapshot { args: vec![b"-bash".to_vec()] });
            world.shells.push(shell);
        }
        world.apply(RawTask::default(), None, EventKind::SnapshotEnd { from: Seq(1), coverage: Coverage::All });
        for shell in 0..world.shells.len() {
            world.start(shell);
        }
        world
    }

    fn birth(&mut self) -> (RawTask, u64) {
        self.ino += 1;
        let ino = self.ino + 1;
        loop {
            self.number = if self.number >= NUMBERS { 2 } else { self.number + 1 };
            if self.model.process_by_pid(Pid(self.number)).is_none() {
                return (task(self.number, self.seq * 1000 + 1), ino);
            }
        }
    }

    fn apply(&mut self, actor: RawTask, subject: Option<State>, kind: EventKind) {
        self.seq += 1;
        let (seq, at) = (Seq(self.seq), BootNs(self.seq * 1000));
        let event = Event { seq, at, cpu: 0, actor, actor_comm: Comm("bash".into()), subject, kind };
        let delta = self.model.apply(&event);
        if let Some((findings, lifetimes)) = &mut self.rules {
            findings.observe(&event, &delta, &self.model);
            lifetimes.observe(&event, &delta, &self.model);
            // What has ended is for whoever reports it; a live report has done so by now.
            if self.seq.is_multiple_of(100_000) {
                lifetimes.forget_ended();
            }
            self.found += findings.take().len();
        }
    }

    /// The bundle of a process of a shell's session.
    fn state(shell: &Shell, id: RawTask, ino: u64, pgrp: RawId, execed: bool, exit_state: u32) -> State {
        let leads = id == shell.id;
        let foreground = shell.job.first().map_or(own(shell.id, shell.ino), |(id, ino)| own(*id, *ino));
        let tty = RawTty { major: 136, minor: shell.id.pid.0, instance: 1 };
        let tty = TtyState { tty, foreground, foreground_empty: false, session: Sid(shell.id.pid.0) };
        State {
            id,
            ino,
            parent: if leads { task(1, 1) } else { shell.id },
            parent_pgrp: if leads { RawId { number: 1, ino: 1 } } else { own(shell.id, shell.ino) },
            parent_session: Sid(if leads { 1 } else { shell.id.pid.0 }),
            pgrp,
            session: own(shell.id, shell.ino),
            tty: (id.pid.0 != 1).then_some(tty),
            exit_state,
            task_exit_state: exit_state,
            task_flags: if execed { 0 } else { PF_FORKNOEXEC },
            live: 1,
            facts: Facts {
                session_leader: leads,
                single_thread: true,
                no_subreaper_above: true,
                parent_is_init: leads,
                ..Facts::default()
            },
            cgroup: 1,
            comm: Comm("bash".into()),
            ..State::default()
        }
    }

    /// A pipeline ends and is reaped, and another is started.
    fn job(&mut self, shell: usize) {
        let job = std::mem::take(&mut self.shells[shell].job);
        let group = own(job[0].0, job[0].1);
        let it = Shell { job: job.clone(), ..self.shells[shell] };
        for (id, ino) in &job {
            let state = |exit_state| Self::state(&it, *id, *ino, group, true, exit_state);
            let (alive, zombie) = (state(0), state(EXIT_ZOMBIE));
            let released = State { exit_state: EXIT_DEAD, ..state(EXIT_ZOMBIE) };
            self.apply(*id, Some(alive), EventKind::Exit { group_dead: true });
            self.apply(*id, Some(Self::state(&it, it.id, it.ino, own(it.id, it.ino), true, 0)), child_died());
            self.apply(*id, Some(zombie), EventKind::Dead);
            let waited = Waited { child: *id, status: WaitStatus::Exited(0), left_waitable: false };
            self.call(&it, it.id, Call::Wait4 { pid: -1, options: 2 }, i64::from(id.pid.0), Some(waited));
            self.apply(RawTask::default(), None, EventKind::Freed { task: released.id });
        }
        self.start(shell);
    }

    fn start(&mut self, shell: usize) {
        let mut it = Shell { job: Vec::new(), ..self.shells[shell] };
        let mut group = None;
        let mut job = Vec::new();
        for _ in 0..JOB {
            let (id, ino) = self.birth();
            let state = Self::state(&it, id, ino, own(it.id, it.ino), false, 0);
            self.apply(it.id, Some(state), EventKind::NewTask { flags: 0 });
            let into = *group.get_or_insert(own(id, ino));
            let call = Call::Setpgid { pid: id.pid.0 as i32, pgid: into.number as i32 };
            let before = Self::state(&it, id, ino, own(it.id, it.ino), false, 0);
            let after = Self::state(&it, id, ino, into, false, 0);
            self.whole_call(it.id, call, before, after, 0, None);
            job.push((id, ino));
            it.job.clone_from(&job);
            if job.len() == 1 {
                let value = into.number as i32;
                let call = Call::TtyIoctl { fd: 255, request: TtyRequest::SetForeground, arg: 0, value };
                self.call(&it, it.id, call, 0, None);
            }
            let state = Self::state(&it, id, ino, into, true, 0);
            let args = vec![b"sleep".to_vec(), b"1".to_vec()];
            self.apply(id, Some(state), EventKind::Exec { old_tid: id.tid, args, truncated: false });
        }
        self.shells[shell].job = job;
    }

    fn call(&mut self, shell: &Shell, who: RawTask, call: Call, ret: i64, waited: Option<Waited>) {
        let state = Self::state(shell, who, shell.ino, own(shell.id, shell.ino), true, 0);
        self.whole_call(who, call, state.clone(), state, ret, waited);
    }

    fn whole_call(&mut self, who: RawTask, call: Call, before: State, after: State, ret: i64, waited: Option<Waited>) {
        self.apply(who, Some(before), EventKind::Enter { call, target_unknown: false });
        let entered = Some((Seq(self.seq), BootNs(self.seq * 1000)));
        let leave = Leave { call, ret, entered, enter_emitted: true, target_unknown: false, waited };
        self.apply(who, Some(after), EventKind::Leave(leave));
    }
}

fn task(number: u32, start: u64) -> RawTask {
    RawTask { pid: Pid(number), tid: Tid(number), start: BootNs(start) }
}

fn own(id: RawTask, ino: u64) -> RawId {
    RawId { number: id.pid.0, ino }
}

fn child_died() -> EventKind {
    EventKind::SignalGenerated(SignalGenerated {
        signal: Signal::CHLD,
        origin: SignalOrigin::Info(1),
        process_directed: true,
        outcome: SignalOutcome::Delivered,
        disposition: Disposition::Handler,
        blocked: false,
        at_delivery: false,
    })
}
