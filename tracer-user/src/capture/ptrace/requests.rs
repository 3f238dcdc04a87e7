//! What the consumer asks of the tracing thread, which may be waiting for a stop: a signal interrupts it, again and again
//! until it has answered, for the first may come just before it begins to wait.
//!
//! Must not: be used by two consumers at once.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
};

use tracer_model::ids::{Pid, Tid};

use crate::capture::CaptureError;

/// What can be asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// To trace these, with their descendants.
    Follow(Vec<Pid>),
    /// To tell of the stops of the waiter, too.
    WatchWaiter(Pid, Arc<AtomicBool>),
    /// To handle every stop, end and reap that there is by now.
    CatchUp,
    /// No more events.
    Stop,
    /// To detach from everybody, then end.
    LetGo,
    /// To end when nobody is left.
    ServeToTheEnd,
}

/// How long the answer may take before the thread is interrupted once more.
const PATIENCE: Duration = Duration::from_millis(1);

/// One request at a time, and its answer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    inner: Mutex<Inner>,
    changed: Condvar,
    wants_nudges: AtomicBool,
    /// The consumer waits for long, and is to be told when that changes.
    rests: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    tracer: Option<Tid>,
    request: Option<Request>,
    nudged: bool,
    reply: Option<Result<(), CaptureError>>,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for the answer, as long as there is somebody to give one.
    pub fn ask(&self, request: Request, is_alive: impl Fn() -> bool) -> Result<(), CaptureError> {
        let mut inner = self.lock();
        inner.request = Some(request);
        self.changed.notify_all();
        loop {
            if let Some(reply) = inner.reply.take() {
                return reply;
            }
            if !is_alive() {
                return Err(CaptureError::System {
                    what: "ask the tracing thread: it has ended".to_owned(),
                    errno: Errno::ESRCH,
                });
            }
            interrupt(inner.tracer);
            inner = self.changed.wait_timeout(inner, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Interrupts the tracing thread, if there is something that no stop will show it.
    pub fn nudge(&self) {
        self.rests.store(false, Ordering::SeqCst);
        if self.wants_nudges.load(Ordering::SeqCst) {
            let mut inner = self.lock();
            inner.nudged = true;
            self.changed.notify_all();
            interrupt(inner.tracer);
        }
    }

    /// Whether the tracing thread is to be interrupted now and then, to look for itself. Says whether the consumer is to be told.
    pub fn want_nudges(&self, wanted: bool) -> bool {
        self.wants_nudges.store(wanted, Ordering::SeqCst);
        wanted && self.rests.swap(false, Ordering::SeqCst)
    }

    /// The consumer is about to wait for long. Whether nobody wants to be nudged meanwhile: of the two stores and the two loads one
    /// load is the last, and whoever makes it sees that the other is to be woken.
    pub fn rest(&self) -> bool {
        self.rests.store(true, Ordering::SeqCst);
        !self.wants_nudges.load(Ordering::SeqCst)
    }

    /// The tracing thread says who it is.
    pub fn announce(&self, tracer: Tid) {
        self.lock().tracer = Some(tracer);
    }

    /// The tracing thread waits for a request, or to be nudged.
    pub fn wait(&self) {
        let mut inner = self.lock();
        while inner.request.is_none() && !std::mem::take(&mut inner.nudged) {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn next(&self) -> Option<Request> {
        self.lock().request.take()
    }

    pub fn reply(&self, reply: Result<(), CaptureError>) {
        self.lock().reply = Some(reply);
        self.changed.notify_all();
    }
}

fn interrupt(tracer: Option<Tid>) {
    if let Some(tid) = tracer {
        // SAFETY: integers only.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid.0, libc::SIGURG) };
    }
}

/// Makes SIGURG interrupt a wait. Nobody else uses it, and it is ignored otherwise.
pub(super) fn prepare() -> Result<(), Errno> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGURG, &action) }.map(drop)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Instant};

    use super::*;

    /// Nobody is traced, so that no signal would interrupt anything.
    #[test]
    fn a_nudge_ends_the_wait_for_a_request_if_it_is_wanted() {
        let requests = Arc::<Requests>::default();
        let waits = thread::spawn({
            let requests = Arc::clone(&requests);
            move || requests.wait()
        });
        requests.nudge();
        assert!(!requests.lock().nudged, "nothing is to be looked at");
        assert!(!requests.want_nudges(true), "who does not rest looks soon");
        assert!(!requests.rest(), "somebody wants to look for himself");
        assert!(requests.want_nudges(true) && !requests.want_nudges(true), "who rests is told once");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !waits.is_finished() {
            assert!(Instant::now() < deadline, "it waits still");
            requests.nudge();
            thread::yield_now();
        }
        assert!(requests.next().is_none());
    }
}
