//! The way of the events from the tracing thread to the consumer: bounded, and never full for good. Who is too slow to take
//! them makes the tracing thread wait, and with it the traced processes; nothing is lost.
//!
//! Must not: drop an event before [`Queue::close`].

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::sys::eventfd::{EfdFlags, EventFd};

use tracer_model::{event::Event, ids::Seq};

use crate::capture::CaptureError;

/// Events that may wait for the consumer.
const CAPACITY: usize = 1 << 13;

/// Events that are worth waking the consumer for once more: it was woken for the first, and may be gathering others.
const WAKE_AT: usize = 1 << 10;

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    room: Condvar,
    /// The number of the last event, set by who holds the lock.
    last: AtomicU64,
    ready: EventFd,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    /// Takes as many as come: the consumer itself waits for the tracing thread.
    unbounded: bool,
    closed: bool,
}

impl Queue {
    pub fn new() -> Result<Self, CaptureError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let ready = EventFd::from_flags(flags)
            .map_err(|errno| CaptureError::System { what: "make an eventfd".to_owned(), errno })?;
        Ok(Self { inner: Mutex::default(), room: Condvar::new(), last: AtomicU64::new(0), ready })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an event and adds it; waits while there is no room. The number that it got.
    pub fn push(&self, mut event: Event) -> Seq {
        let mut inner = self.lock();
        while inner.events.len() >= CAPACITY && !inner.unbounded && !inner.closed {
            inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.closed {
            return self.last();
        }
        let seq = Seq(self.last().0 + 1);
        self.last.store(seq.0, Ordering::SeqCst);
        event.seq = seq;
        inner.events.push(event);
        if [1, WAKE_AT].contains(&inner.events.len()) {
            self.wake();
        }
        seq
    }

    /// Wakes the consumer for something else than an event.
    pub fn wake(&self) {
        // The counter cannot overflow by ones.
        let _ = self.ready.write(1);
    }

    /// Takes everything, in exchange for what is empty by now: the memory is used again.
    pub fn take(&self, taken: &mut Vec<Event>) {
        taken.clear();
        let mut inner = self.lock();
        std::mem::swap(&mut inner.events, taken);
        // Nothing to read is no failure: somebody else did, or there is nothing.
        let _ = self.ready.read();
        if !taken.is_empty() {
            self.room.notify_all();
        }
    }

    /// Whether there is room for everything that comes.
    pub fn set_unbounded(&self, unbounded: bool) {
        self.lock().unbounded = unbounded;
        self.room.notify_all();
    }

    /// The number of the last event.
    pub fn last(&self) -> Seq {
        Seq(self.last.load(Ordering::SeqCst))
    }

    /// Takes no more events.
    pub fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}
