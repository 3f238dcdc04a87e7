//! The tracing thread: waits for stops, has each handled, and does what the consumer asks for in between.
//!
//! Must not: wait for anything but stops, requests, and room in the queue.

use std::{
    collections::BTreeSet,
    fs, hint,
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
    counts::Counts,
    polling::{self, Polling},
    refusal,
    requests::{Request, Requests},
    returns::Postponed,
    signals::Held,
    sys,
    table::Table,
    waiter::Waiter,
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
    pub counts: Arc<Counts>,
    pub zombies: Zombies,
    pub table: Table,
    pub waiter: Option<Waiter>,
    pub mode: Mode,
    pub held: Held,
    pub postponed: Postponed,
    polling: Polling,
    /// Every thread that is attached and can be let go of, whether or not its events matter any more.
    pub attached: BTreeSet<Tid>,
    /// When the state change was fetched that is being handled.
    pub now: BootNs,
    /// A security module has refused what the kernel allows, or may do so.
    pub modules_refuse: bool,
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
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            options,
            around,
            queue,
            requests,
            counts,
            zombies: Zombies::default(),
            table: Table::default(),
            waiter: None,
            mode: Mode::Capturing,
            held: Held::default(),
            postponed: Postponed::default(),
            polling: Polling::default(),
            attached: BTreeSet::new(),
            now: boot_now(),
            modules_refuse: modules_may_refuse(),
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
            self.now = boot_now();
            match waited {
                Ok(Some(first)) => self.handle_batch(Some(first), BATCH),
                Ok(None) | Err(Errno::EINTR) => {}
                Err(_) if retiring => return,
                // ECHILD: nobody is traced, so that only a request can change anything.
                Err(_) => {
                    self.take_in_orphans(true);
                    self.say_what_is_wanted();
                    self.requests.wait();
                    self.now = boot_now();
                }
            }
            self.look_for_returns();
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
        let soon = !self.held.is_empty()
            || !self.postponed.is_empty()
            || !self.table.early.is_empty()
            || self.letting_go.is_some();
        self.say_what_is_wanted();
        if !soon && let Some(stop) = self.poll()? {
            return Ok(Some(stop));
        }
        let waited = sys::wait(soon)?;
        if waited.is_none() {
            // Who is waited for by the postponed runs, or is about to.
            if self.postponed.is_empty() {
                thread::sleep(HELD_PAUSE);
            } else {
                thread::yield_now();
            }
            self.now = boot_now();
            self.release_held(false);
            self.take_in_orphans(false);
            self.look_for_returns();
            self.resume_postponed(false);
        }
        Ok(waited)
    }

    /// Asks for the next state change without sleeping, for a moment, where that has been worth it.
    fn poll(&mut self) -> Result<Option<(Tid, c_int)>, Errno> {
        if !self.polling.is_due() {
            return Ok(None);
        }
        let begun = Instant::now();
        let stop = loop {
            let stop = sys::wait(true)?;
            if stop.is_some() || begun.elapsed() > polling::LONGEST {
                break stop;
            }
            hint::spin_loop();
        };
        self.polling.tried(stop.is_none());
        Ok(stop)
    }

    /// What no stop shows is looked at when the consumer says so, which it does now and then once it knows that this is wanted.
    fn say_what_is_wanted(&self) {
        let wanted = !self.table.unseen.is_empty() || !self.zombies.is_empty();
        if self.requests.want_nudges(wanted) {
            self.queue.wake();
        }
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
            Request::WatchWaiter(waiter, is_stopped) => {
                return self.watch_waiter(waiter, is_stopped).map_err(|errno| refusal::of_process(waiter, errno));
            }
            // Nobody runs on before all are fetched, so that this ends.
            Request::CatchUp => {
                self.handle_batch(None, usize::MAX);
                self.ask_after_zombies(true);
            }
            Request::Stop => {
                // What has happened is told, also what was not fetched yet.
                self.handle_batch(None, usize::MAX);
                self.ask_after_zombies(true);
                self.release_held(true);
                self.resume_postponed(true);
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

    /// The first stop at once, and then all that there are by now, but no more than `most`.
    fn handle_batch(&mut self, first: Option<(Tid, c_int)>, most: usize) {
        self.table.asked.clear();
        if let Some((tid, word)) = first {
            self.handle(tid, word);
        }
        let mut batch = Vec::new();
        // Whoever is held waits for one of them.
        while (batch.len() < most || !self.held.is_empty())
            && let Ok(Some(next)) = sys::wait(true)
        {
            batch.push(next);
        }
        for (at, (tid, word)) in batch.iter().enumerate() {
            self.now = boot_now();
            if batch.iter().skip(at + 1).any(|(later, _)| later == tid) {
                self.overtaken(*tid, *word);
            } else {
                self.handle(*tid, *word);
            }
        }
        self.release_held(false);
        self.take_in_orphans(false);
        self.look_for_returns();
        self.resume_postponed(false);
    }

    /// One state change.
    pub fn handle(&mut self, tid: Tid, word: c_int) {
        if self.waiter_changed(tid, word) {
            return;
        }
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
            thread.resumed = self.now;
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
        // No two events are at one instant.
        let at = self.now;
        self.now = BootNs(at.0 + 1);
        let event = Event { seq: Seq(0), at, cpu: 0, actor, actor_comm: comm, subject: subject.map(Box::new), kind };
        (self.queue.push(event), at)
    }

    /// Adds an event of a thread about its own process.
    pub fn emit_own(&mut self, pid: Pid, tid: Tid, kind: EventKind) -> Option<(Seq, BootNs)> {
        let state = self.table.state(self.around, pid, tid)?;
        let comm = state.comm.clone();
        Some(self.emit(state.id, comm, Some(state), kind))
    }
}

/// Whether a module runs here that has a say in setpgid: `SELinux` or Smack, which have file systems of their own.
fn modules_may_refuse() -> bool {
    let known = fs::read_to_string("/proc/filesystems");
    known.map_or(true, |known| known.contains("selinuxfs") || known.contains("smackfs"))
}

#[cfg(test)]
pub(super) mod tests;
