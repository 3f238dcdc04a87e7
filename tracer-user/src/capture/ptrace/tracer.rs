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

/// Stops that are fetched before the first of them is handled. Without this, whoever stops again at once would keep all
/// others waiting.
const BATCH: usize = 64;

/// How often those are asked after whose reap no wait will show, while there is something else to do.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Between two looks while somebody is held.
const HELD_PAUSE: Duration = Duration::from_micros(200);

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
                Err(_) => self.requests.wait(),
            }
            self.ask_after_zombies(waited.is_err());
            while let Some(request) = self.requests.next() {
                let reply = self.obey(request, &mut retiring);
                self.requests.reply(reply);
            }
        }
    }

    /// The next state change. `None` soon when there is none and somebody is held.
    fn wait(&mut self) -> Result<Option<(Tid, c_int)>, Errno> {
        let waited = sys::wait(!self.held.is_empty())?;
        if waited.is_none() {
            thread::sleep(HELD_PAUSE);
            self.release_held(false);
        }
        Ok(waited)
    }

    fn obey(&mut self, request: Request, retiring: &mut bool) -> Result<(), CaptureError> {
        match request {
            Request::Follow(roots) => return self.follow(&roots),
            Request::Stop => {
                self.ask_after_zombies(true);
                self.release_held(true);
                self.queue.close();
                self.mode = Mode::Serving;
                self.table = Table::default();
            }
            Request::LetGo => {
                *retiring = true;
                self.mode = Mode::LettingGo;
                for &tid in &self.attached {
                    // One that is stopped already will be let go of when that is handled; one that is gone needs nothing.
                    let _ = sys::interrupt(tid);
                }
            }
            Request::ServeToTheEnd => *retiring = true,
        }
        Ok(())
    }

    fn handle_batch(&mut self, first: (Tid, c_int)) {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(Some(next)) = sys::wait(true)
        {
            batch.push(next);
        }
        self.table.asked.clear();
        for (tid, word) in batch {
            self.handle(tid, word);
        }
        self.release_held(false);
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
