//! The ptrace backend: the same events without privilege. `docs/PTRACE.md` has the design, and what ptrace cannot know.
//!
//! [`PtraceSource::open`] starts one thread that makes every ptrace call, for only the thread that attached may. The order for
//! a command: open; the command's process says [`allow_tracer`] and waits; [`PtraceSource::follow`] seizes it; it is
//! released, installs the [`Filter`] (unless [`Options::seccomp`] is off) and executes the command.
//!
//! Must not: know of placements or verbs, or guess what ptrace does not show.

mod abi;
mod attach;
mod attributes;
mod bundle;
mod calls;
mod continues;
mod counts;
mod decode;
mod filter;
mod lifecycle;
mod polling;
mod process;
mod queue;
mod refusal;
mod requests;
mod returns;
mod signals;
mod stops;
mod sys;
mod table;
mod tracer;
mod waiter;
mod zombies;

pub use filter::Filter;
pub use refusal::{filters_work, works};

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

use tracer_model::{
    event::{Attributes, Event},
    ids::{Pid, Seq},
};

use self::{
    bundle::Surroundings,
    counts::Counts,
    queue::Queue,
    requests::{Request, Requests},
    tracer::Tracer,
};
use super::{CaptureError, Description, Item, Loss, Source, facts, procfs};

/// What to capture, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is chosen by itself")]
pub struct Options {
    /// The processes have a [`Filter`] that stops them at the watched calls. Otherwise they stop at every call: slower, but
    /// set-user-ID programs keep their privilege, and the processes can be let go of. Must be off for processes that run
    /// already.
    pub seccomp: bool,
    /// The processes run already.
    pub running: bool,
    /// Command lines of executed programs.
    pub capture_arguments: bool,
    /// Reads and writes of the controlling terminal that are refused or restarted.
    pub tty_io: bool,
    /// Calls that change these attributes of their process.
    pub attributes: Option<Attributes>,
}

impl Options {
    /// What the command's process is to install. `None` without [`Options::seccomp`].
    #[must_use]
    pub fn filter(&self) -> Option<Filter> {
        self.seccomp.then(|| Filter::new(self.tty_io, self.attributes))
    }
}

/// A capture through ptrace.
#[derive(Debug)]
pub struct PtraceSource {
    options: Options,
    description: Description,
    queue: Arc<Queue>,
    requests: Arc<Requests>,
    counts: Arc<Counts>,
    taken: Vec<Event>,
    thread: JoinHandle<()>,
}

impl PtraceSource {
    /// Starts the thread that traces. Nothing is traced yet.
    pub fn open(options: Options) -> Result<Self, CaptureError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |errno| CaptureError::System { what, errno }
        };
        refusal::foresee(options)?;
        requests::prepare().map_err(failed("handle SIGURG"))?;
        allow_many_files();
        let namespace = procfs::pid_namespace(Pid(std::process::id())).unwrap_or_default();
        let around = Surroundings { initial_namespace: namespace == facts::INITIAL_PID_NAMESPACE, namespace };
        let (queue, requests, counts) = (Arc::new(Queue::new()?), Arc::<Requests>::default(), Arc::<Counts>::default());
        let tracer = Tracer::new(options, around, Arc::clone(&queue), Arc::clone(&requests), Arc::clone(&counts));
        let thread = thread::Builder::new()
            .name("tracer".to_owned())
            .spawn(move || tracer.run())
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
            .map_err(failed("start a thread"))?;
        let reason = if options.seccomp { "a seccomp filter stops the watched calls" } else { "every call stops" };
        let description =
            Description { backend: "ptrace", tier: "ptrace", reason: reason.to_owned(), pid_namespace: namespace };
        Ok(Self { options, description, queue, requests, counts, taken: Vec::new(), thread })
    }

    /// Seizes every thread of these processes and of all their descendants, and those to come. Their ancestors in the same
    /// session are shown once, as they are. When this returns they are seized; numbers are those of this process's pid
    /// namespace.
    pub fn follow(&mut self, roots: &[Pid]) -> Result<(), CaptureError> {
        self.ask(Request::Follow(roots.to_vec()))
    }

    /// Traces the waiter for its stops alone: the descriptor becomes readable at each. Whether it is stopped; `None` where it may not
    /// be traced (somebody else traces it).
    pub fn watch_waiter(&mut self, waiter: Pid) -> Option<Arc<AtomicBool>> {
        let is_stopped = Arc::<AtomicBool>::default();
        self.ask(Request::WatchWaiter(waiter, Arc::clone(&is_stopped))).ok().map(|()| is_stopped)
    }

    /// How often traced threads were stopped so far, by kind.
    #[must_use]
    pub fn stops(&self) -> Vec<(&'static str, u64)> {
        self.counts.all()
    }

    fn ask(&self, request: Request) -> Result<(), CaptureError> {
        // Who waits for the answer takes nothing from the queue meanwhile.
        self.queue.set_unbounded(true);
        let reply = self.requests.ask(request, || !self.thread.is_finished());
        self.queue.set_unbounded(false);
        reply
    }
}

impl Source for PtraceSource {
    fn describe(&self) -> &Description {
        &self.description
    }

    fn poll(&mut self, out: &mut Vec<Item>) -> Result<bool, CaptureError> {
        self.queue.take(&mut self.taken);
        out.extend(self.taken.drain(..).map(Item::Event));
        self.requests.nudge();
        Ok(false)
    }

    fn lost(&mut self) -> Vec<Loss> {
        Vec::new()
    }

    fn last_seq(&self) -> Seq {
        self.queue.last()
    }

    /// Nothing is ever lost, so that nothing need be looked at again.
    fn resynchronise(&mut self, _: &mut Vec<Item>) -> Result<(), CaptureError> {
        Ok(())
    }

    /// Most ends have no stop that would come before them: the tracing thread hears of them after everybody else, and of the reaps
    /// that no wait shows when it asks.
    fn catch_up(&mut self) -> Result<(), CaptureError> {
        self.ask(Request::CatchUp)
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        self.ask(Request::Stop)
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.queue.as_fd()]
    }

    /// All but the reaps that no wait shows: those are asked for when [`Source::poll`] is called. That there may be one makes the
    /// descriptor readable, for who rests.
    fn rest(&self) -> bool {
        self.requests.rest()
    }

    /// With [`Options::seccomp`] this returns when the last traced process has ended: a process that has the filter and no
    /// tracer would fail in every watched call. Otherwise at once, and the processes go on untraced.
    fn retire(self: Box<Self>) {
        let request = if self.options.seccomp { Request::ServeToTheEnd } else { Request::LetGo };
        self.queue.close();
        // Neither can be refused.
        let _ = self.ask(request);
        // A panic of the thread has been reported, and nothing is left to do about it.
        let _ = self.thread.join();
    }
}

/// Each process with a terminal, and each zombie that is asked after, takes a descriptor. The command has its own limits: it is
/// forked before this.
fn allow_many_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it fewer are kept open.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Lets `tracer`, and all threads of it, trace this process although it is no ancestor (Yama, ptrace scope 1). To be called in
/// the command's process before [`PtraceSource::follow`]; a fork does not inherit it, an exec does not end it. Does nothing
/// without Yama. Async-signal-safe.
pub fn allow_tracer(tracer: Pid) {
    // Where there is no Yama the option is unknown, and not needed.
    // SAFETY: integers only.
    let _ = unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::from(tracer.0), 0, 0, 0) };
}
