//! The tracing thread: waits for stops, has each handled, and does what the consumer asks for in between.
//!
//! Must not: wait for anything but stops, requests, and room in the queue.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use libc::c_int;
use nix::{
    errno::Errno,
    sys::signal::{SigSet, Signal as NixSignal},
};

use tracer_model::{
    event::{Comm, Event, EventKind, RawTask, State},
    ids::{BootNs, Pid, Seq, Sid, Tid},
};

use super::queue::Queue;
use super::{
    Options,
    bundle::Surroundings,
    requests::{Request, Requests},
    signals::Held,
    sys,
    table::Table,
    zombies::Zombies,
};
use crate::capture::{CaptureError, boot_now, procfs};

/// Stops that are fetched before the first of them is handled. If each were handled when it is fetched, whoever stops again at
/// once would keep all others waiting.
const BATCH: usize = 64;

/// How often those are asked after whose reap no wait will show, while there is something else to do.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Between two looks while somebody is held, or waits for its birth to be told.
const HELD_PAUSE: Duration = Duration::from_micros(200);

/// Whoever made a thread and has not said so for so long was killed before it could.
const SAYS_SO_WITHIN: Duration = Duration::from_millis(20);

/// Who cannot be stopped for so long, in vfork(2) or in an uninterruptible wait, is let go of by the end of this thread
/// (kernel/ptrace.c, `exit_ptrace`).
const LETS_GO_WITHIN: Duration = Duration::from_secs(1);

/// What the tracing thread has.
pub(super) struct Tracer {
    pub options: Options,
    pub around: Surroundings,
    pub queue: Arc<Queue>,
    pub requests: Arc<Requests>,
    pub zombies: Arc<Zombies>,
    pub table: Table,
    pub mode: Mode,
    pub held: Held,
    /// Every thread that is attached and can be let go of, whether or not its events matter any more.
    pub attached: BTreeSet<Tid>,
    /// When letting go began.
    letting_go: Option<Instant>,
    asked: Instant,
}

/// What a stop is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Events.
    Capturing,
    /// Nothing: the threads run on, with as few stops as can be.
    Serving,
    /// The occasion to let go of a thread.
    LettingGo,
}

impl Tracer {
    pub fn new(
        options: Options,
        around: Surroundings,
        queue: Arc<Queue>,
        requests: Arc<Requests>,
        zombies: Arc<Zombies>,
    ) -> Self {
        Self {
            options,
            around,
            queue,
            requests,
            zombies,
            table: Table::default(),
            mode: Mode::Capturing,
            held: Held::default(),
            attached: BTreeSet::new(),
            letting_go: None,
            asked: Instant::now(),
        }
    }

    /// The whole life of the thread.
    pub fn run(mut self) {
        // Signals are for the other threads, except the one that interrupts the wait below. SIGCHLD, of which every stop makes
        // one, is ignored by default; where it is blocked it is not, and would interrupt the consumer (kernel/signal.c,
        // `sig_ignored`).
        let mut others = SigSet::all();
        others.remove(NixSignal::SIGURG);
        others.remove(NixSignal::SIGCHLD);
        // It cannot fail: the argument is valid.
        let _ = others.thread_set_mask();
        self.requests.announce(sys::own_tid());
        let mut retiring = false;
        loop {
            let waited = self.wait();
            match waited {
                Ok(Some(first)) => self.handle_batch(first),
                Ok(None) | Err(Errno::EINTR) => {}
                Err(_) if retiring => return,
                // ECHILD: nobody is traced, so that only a request can change anything.
                Err(_) => {
                    self.take_in_orphans(true);
                    self.requests.wait();
                }
            }
            self.ask_after_zombies(waited.is_err());
            while let Some(request) = self.requests.next() {
                let reply = self.obey(request, &mut retiring);
                self.requests.reply(reply);
            }
            if self.letting_go.is_some_and(|since| since.elapsed() > LETS_GO_WITHIN) {
                return;
            }
        }
    }

    /// The next state change. `None` soon when there is none and somebody is held, waits for its birth to be told, or is to be
    /// let go of.
    fn wait(&mut self) -> Result<Option<(Tid, c_int)>, Errno> {
        let soon = !self.held.is_empty() || !self.table.early.is_empty() || self.letting_go.is_some();
        let waited = sys::wait(soon)?;
        if waited.is_none() {
            thread::sleep(HELD_PAUSE);
            self.release_held(false);
            self.take_in_orphans(false);
        }
        Ok(waited)
    }

    /// Lets those run whose maker does not say that it made them: all of them now, or who has waited long enough.
    fn take_in_orphans(&mut self, now: bool) {
        let waited = |since: Instant| now || since.elapsed() > SAYS_SO_WITHIN;
        let early = self.table.early.iter();
        let orphans: Vec<Tid> = early.filter(|(_, (_, since))| waited(*since)).map(|(tid, _)| *tid).collect();
        for orphan in orphans {
            self.orphaned(orphan);
        }
    }

    fn obey(&mut self, request: Request, retiring: &mut bool) -> Result<(), CaptureError> {
        match request {
            Request::Follow(roots) => return self.follow(&roots),
            Request::Stop => {
                self.ask_after_zombies(true);
                self.release_held(true);
                // Nobody would let them run later: they are told from others by the table.
                self.take_in_orphans(true);
                self.queue.close();
                self.mode = Mode::Serving;
                self.table = Table::default();
            }
            Request::LetGo => {
                *retiring = true;
                self.mode = Mode::LettingGo;
                self.letting_go = Some(Instant::now());
                for &tid in &self.attached {
                    // One that is stopped already will be let go of when that is handled; one that is gone needs nothing.
                    let _ = sys::interrupt(tid);
                }
            }
            Request::ServeToTheEnd => *retiring = true,
        }
        Ok(())
    }

    /// The first stop at once, and then all that there are by now.
    fn handle_batch(&mut self, first: (Tid, c_int)) {
        self.table.asked.clear();
        self.handle(first.0, first.1);
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Ok(Some(next)) = sys::wait(true)
        {
            batch.push(next);
        }
        for (at, (tid, word)) in batch.iter().enumerate() {
            if batch.iter().skip(at + 1).any(|(later, _)| later == tid) {
                self.overtaken(*tid, *word);
            } else {
                self.handle(*tid, *word);
            }
        }
        self.release_held(false);
        self.take_in_orphans(false);
    }

    /// One state change.
    pub fn handle(&mut self, tid: Tid, word: c_int) {
        if !self.options.seccomp {
            self.note_attached(tid, word);
        }
        match self.mode {
            Mode::Capturing => self.captured(tid, word),
            Mode::Serving => self.served(tid, word),
            Mode::LettingGo => self.let_go(tid, word),
        }
    }

    /// Asks after those whose reap no wait will show.
    fn ask_after_zombies(&mut self, now: bool) {
        if self.mode != Mode::Capturing || self.zombies.is_empty() || !now && self.asked.elapsed() < ASK_EVERY {
            return;
        }
        self.asked = Instant::now();
        for pid in self.zombies.reaped() {
            self.freed(pid);
        }
    }

    /// Lets a thread run on, with a signal (0 for none). One that was killed meanwhile will say so by itself.
    pub fn run_on(&mut self, tid: Tid, signal: c_int) {
        self.note_resumed(tid);
        let everywhere = !self.options.seccomp && self.mode == Mode::Capturing;
        let _ = if everywhere { sys::syscall(tid, signal) } else { sys::cont(tid, signal) };
    }

    /// Lets a thread run to the return of the call that it is in.
    pub fn run_to_return(&mut self, tid: Tid) {
        self.note_resumed(tid);
        // As above.
        let _ = sys::syscall(tid, 0);
    }

    fn note_resumed(&mut self, tid: Tid) {
        if let Some(thread) = self.table.threads.get_mut(&tid) {
            thread.resumed = boot_now();
        }
    }

    /// Adds to what `/proc` says of a process what it says of others.
    pub fn complete(&self, state: &mut State) {
        state.parent = self.table.identity(state.parent.pid);
        state.parent_pgrp.number = sys::pgid(state.parent.pid).unwrap_or(0);
        state.parent_session = Sid(sys::sid(state.parent.pid).unwrap_or(0));
        state.facts.parent_is_init &= self.around.initial_namespace;
    }

    /// Adds an event of now. Its number and time.
    pub fn emit(&mut self, actor: RawTask, comm: Comm, subject: Option<State>, kind: EventKind) -> (Seq, BootNs) {
        for stranger in self.table.not_shown() {
            if let Some(state) = procfs::read(stranger) {
                self.show(state);
            }
        }
        let at = boot_now();
        let event = Event { seq: Seq(0), at, cpu: 0, actor, actor_comm: comm, subject, kind };
        (self.queue.push(event), at)
    }

    /// Adds an event of a thread about its own process.
    pub fn emit_own(&mut self, pid: Pid, tid: Tid, kind: EventKind) -> Option<(Seq, BootNs)> {
        let state = self.table.state(self.around, pid, tid)?;
        let comm = state.comm.clone();
        Some(self.emit(state.id, comm, Some(state), kind))
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::capture::ptrace::table::{Process, Thread};

    /// A child of this thread that waits for nothing, traced by it.
    struct Child(Tid);

    impl Child {
        /// One in its first stop, and the word of that.
        fn stopped() -> Option<(Self, c_int)> {
            // SAFETY: the child makes a system call only.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                loop {
                    // SAFETY: waits.
                    unsafe { libc::pause() };
                }
            }
            let child = Self(Tid(pid as u32));
            if sys::seize(child.0).and_then(|()| sys::interrupt(child.0)).is_err() {
                eprintln!("SKIPPED: ptrace does not work here");
                return None;
            }
            let (tid, word) = sys::wait(false).unwrap()?;
            assert_eq!(tid, child.0);
            Some((child, word))
        }

        /// Kills it. When this returns it is in the stop before its exit, and nobody has fetched that.
        fn kill(&self) {
            let options = libc::WSTOPPED | libc::WNOWAIT | libc::__WALL;
            // SAFETY: no memory is written.
            unsafe {
                libc::kill(self.0.0 as i32, libc::SIGKILL);
                assert_eq!(libc::waitid(libc::P_PID, self.0.0, ptr::null_mut(), options), 0);
            }
        }

        fn state(&self) -> String {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
            stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned()
        }
    }

    impl Drop for Child {
        fn drop(&mut self) {
            // SAFETY: integers only.
            unsafe { libc::kill(self.0.0 as i32, libc::SIGKILL) };
            while let Ok(Some((tid, _))) = sys::wait(false) {
                let _ = sys::cont(tid, 0);
            }
        }
    }

    /// One that knows `child`.
    fn tracer(child: Option<Tid>) -> Tracer {
        let options = Options { seccomp: true, running: false, capture_arguments: false, tty_io: false };
        let around = Surroundings { initial_namespace: false, namespace: 0 };
        let queue = Arc::new(Queue::new().unwrap());
        let mut tracer = Tracer::new(options, around, queue, Arc::default(), Arc::default());
        if let Some(child) = child {
            tracer.table.threads.insert(child, Thread::new(Pid(child.0)));
            tracer.table.insert(Process::new(Pid(child.0)));
        }
        tracer
    }

    #[test]
    fn whoever_waits_for_its_birth_to_be_told_runs_on_when_the_capture_ends() {
        let Some((child, word)) = Child::stopped() else { return };
        let mut tracer = tracer(None);
        tracer.handle(child.0, word);
        assert_eq!(child.state(), "t", "its maker is to say so first");
        tracer.obey(Request::Stop, &mut false).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while child.state() == "t" {
            assert!(Instant::now() < deadline, "still stopped");
            thread::yield_now();
        }
    }

    /// Whether the second stop is fetched together with the first, or after that was handled.
    #[test]
    fn a_stop_that_was_overtaken_by_a_kill_tells_nothing() {
        for together in [true, false] {
            let Some((child, _)) = Child::stopped() else { return };
            child.kill();
            let mut tracer = tracer(Some(child.0));
            let forked = (libc::PTRACE_EVENT_FORK << 16) | (libc::SIGTRAP << 8) | 0x7f;
            if together {
                tracer.handle_batch((child.0, forked));
            } else {
                tracer.handle(child.0, forked);
            }
            while let Ok(Some((tid, word))) = sys::wait(false) {
                tracer.handle(tid, word);
            }
            let told = tracer.queue.take().into_iter().map(|event| (event.kind, event.subject));
            // Its parent is met, and nobody is left to wait for it.
            let other = |kind: &EventKind| matches!(kind, EventKind::Snapshot { .. } | EventKind::Freed { .. });
            let told: Vec<_> = told.filter(|(kind, _)| !other(kind)).collect();
            let [(EventKind::Exit { group_dead: true }, Some(exit)), (EventKind::Dead, Some(dead))] = &told[..] else {
                panic!("{told:?}")
            };
            assert_eq!((exit.wait_status(), dead.wait_status()), (libc::SIGKILL, libc::SIGKILL));
        }
    }
}
