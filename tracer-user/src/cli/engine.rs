//! Runs a capture: opens the source, makes the header, drives the pipeline by timer until it is time to end.
//!
//! Runs in the capture process. Must not: know of verbs, or print.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    task::Poll,
    time::{Duration, Instant},
};

use nix::{sys::utsname::uname, unistd::gethostname};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tracer_model::{
    findings::TO_END,
    ids::{BootNs, Pid, ProcKey, Seq},
};

use super::{
    backend::{Capturing, Pace},
    exit::{ExpectedError, lines, unwritable},
    inspector::Inspector,
    place_left::PlaceLeft,
};
use crate::{
    capture::{Source, boot_now},
    live::{Live, LiveError, unix_now},
    pipeline::{Ended, Pipeline},
    sink::Sink,
    trace_file::{Header, Scope, Unwritten},
};

/// How often the source is looked at when everything that happened is to be through soon.
const SOON: Duration = Duration::from_millis(20);

/// So long after something happened it is looked at that often: a reap that nobody shows is asked for then.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// What a capture produces.
pub struct Outputs {
    /// The recording.
    pub recording: Option<Unwritten>,
    /// Sinks.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Where the sinks write, for messages: `to standard output`.
    pub place: String,
}

/// A capture that runs.
pub struct Engine {
    live: Live,
    inspector: Inspector,
    place_left: PlaceLeft,
    place: String,
    pace: Pace,
    /// The model is compared with the kernel, whether anything happens or not.
    is_checked: bool,
}

/// What the header says of the target.
pub struct About {
    /// What is followed.
    pub scope: Scope,
    /// The command; empty for a process that was there, or everything.
    pub command: Vec<Vec<u8>>,
    /// `-u`.
    pub user: Option<String>,
    /// Time 0 of the report.
    pub begun: Clocks,
}

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    boot_ns: BootNs,
    unix_ns: i64,
}

impl Clocks {
    /// Now.
    pub fn now() -> Self {
        Self { boot_ns: boot_now(), unix_ns: unix_now() }
    }
}

impl Engine {
    /// Begins the outputs.
    pub fn begin(capturing: Capturing, about: About, outputs: Outputs) -> Result<Self, ExpectedError> {
        let Outputs { recording, mut sinks, place } = outputs;
        let (inspector, place_left) = (Inspector::default(), PlaceLeft::default());
        sinks.push(Box::new(inspector.clone()));
        sinks.push(Box::new(place_left.clone()));
        let header = header(&capturing, about);
        let writer = recording.map(|recording| recording.begin(&header)).transpose()?;
        let mut pipeline = Pipeline::begin(&header, writer, sinks).map_err(|error| unwritable(&place, error))?;
        let mut pace = capturing.pace;
        let every = pipeline.check().map(|check| check.every());
        pace.tick = every.map_or(pace.tick, |every| every.min(pace.tick));
        let live = Live::new(capturing.source, pipeline, &header).without(capturing.redaction);
        Ok(Self { live, inspector, place_left, place, pace, is_checked: every.is_some() })
    }

    /// Reads and passes on. Returns whether everything up to `until` is through.
    pub fn pump(&mut self, until: Seq) -> Result<bool, LiveError> {
        let passed_on = self.live.pump(until)?;
        self.inspect();
        Ok(passed_on)
    }

    /// Inspects the process that is about to become the command.
    pub fn inspect_launch(&mut self, root: Pid) {
        let launch = self.inspector.launch(root, self.last_seq());
        self.live.feed([launch]);
    }

    /// The consumer is about to wait for long. Whether nothing is to be done before the source says that something happened.
    fn rest(&self) -> bool {
        self.live.source().rest() && !self.is_checked && self.inspector.is_quiet()
    }

    /// Whether everything that is followed has settled.
    pub fn is_quiet(&self) -> bool {
        self.inspector.is_quiet()
    }

    /// Inspects everything that is followed and was not yet.
    pub fn inspect_followed(&mut self) {
        let asked = self.inspector.ask(self.live.model(), || self.last_seq());
        self.live.feed(asked);
    }

    /// From now on the whole machine is watched: whoever may be a daemon is inspected when it has settled.
    pub fn watch(&self) {
        self.inspector.watch();
    }

    /// These are to be inspected soon.
    pub fn inspect_soon(&self, processes: impl IntoIterator<Item = ProcKey>) {
        self.inspector.queue(processes);
    }

    /// Inspects these at once, settled or not.
    pub fn inspect_now(&mut self, processes: impl IntoIterator<Item = ProcKey>) -> Result<(), LiveError> {
        self.inspector.hurry(processes, boot_now());
        while self.inspector.is_due(boot_now()) {
            self.pump(self.last_seq())?;
        }
        Ok(())
    }

    /// Who was to be inspected, and is not yet: also whoever is about to settle.
    pub fn to_inspect(&self) -> BTreeSet<ProcKey> {
        self.inspector.waiting()
    }

    fn inspect(&mut self) {
        let due = self.inspector.due(self.live.model(), || self.last_seq());
        self.live.feed(due);
    }

    /// Attributes that the bound on them left out so far.
    pub fn attributes_left_out(&self) -> u64 {
        self.live.source().attributes_left_out()
    }

    /// The last number that the probes gave out.
    pub fn last_seq(&self) -> Seq {
        self.live.source().last_seq()
    }

    /// The capture under way.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Goes on until everything that has happened so far is through: a missing number is given up after the reorder window,
    /// so this ends.
    pub async fn catch_up(&mut self, pacer: &mut Pacer) -> Result<(), LiveError> {
        let until = self.last_seq();
        while !self.pump(until)? {
            pacer.soon().await;
        }
        Ok(())
    }

    /// Gives what the command left behind where it stood the time to end, as the rules have it. For what has gone to a session of
    /// its own nobody waits.
    pub async fn outlive(&mut self, pacer: &mut Pacer) -> Result<(), LiveError> {
        let until = Instant::now() + Duration::from_nanos(TO_END);
        while self.place_left.is_held(self.live.model()) {
            // Who rests is woken by nothing when nothing happens.
            let wake = tokio::select! {
                wake = pacer.wake(self) => wake,
                () = sleep(until.saturating_duration_since(Instant::now())) => break,
            };
            if wake != Wake::Read || Instant::now() >= until {
                break;
            }
            self.pump(self.last_seq())?;
        }
        Ok(())
    }

    /// Where the model is compared with the kernel, goes on until that has come to rest, or the end is asked for again.
    pub async fn come_to_rest(&mut self, pacer: &mut Pacer) -> Result<(), LiveError> {
        while self.live.is_to_go_on() && pacer.wake(self).await == Wake::Read {
            self.pump(self.last_seq())?;
        }
        Ok(())
    }

    /// Ends the recording and the sinks. The source is given back: letting go of it takes time.
    pub fn finish(self, complete: bool) -> (Box<dyn Source>, Result<Ended, LiveError>) {
        self.live.finish(complete)
    }

    /// Where the sinks write, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// A failure of a capture whose sinks write to `place`.
pub fn explain(place: &str, error: LiveError) -> ExpectedError {
    match error {
        LiveError::Sink(error) => unwritable(place, error),
        LiveError::Capture(_) | LiveError::Waiting(_) => error.into(),
    }
}

/// What is wrong with the recording or with what was to be shown at `place`, if anything, for the user.
pub fn complaint(place: &str, ended: Ended) -> Option<String> {
    let recording = ended.recording_error.map(|error| lines(&error.to_string(), error.hint().as_deref()));
    let told = |error: &io::Error| error.kind() != io::ErrorKind::BrokenPipe;
    recording.or_else(|| {
        let error = unwritable(place, ended.sink_error.filter(told)?);
        Some(lines(&error.what, error.fix.as_deref()))
    })
}

fn header(capturing: &Capturing, mut about: About) -> Header {
    capturing.redaction.arguments(&mut about.command);
    let description = capturing.source.describe();
    let kernel = uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default();
    let host = gethostname().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Header {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        host,
        kernel,
        boot_id: boot_id.trim().to_owned(),
        backend: description.backend.to_owned(),
        tier: description.tier.to_owned(),
        tier_reason: capturing.reason.clone(),
        pid_namespace: description.pid_namespace,
        boot_ns: about.begun.boot_ns,
        unix_ns: about.begun.unix_ns,
        command: about.command,
        scope: about.scope,
        user: about.user,
    }
}

/// The signals that ask a capture to end.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
    /// Held for being caught: a limit on the size of files is then an error of the write (EFBIG), and not the end of the capture.
    _too_large: Signal,
}

impl EndSignals {
    /// Catches them from now on: to be called before the probes are loaded, which takes a while in which nobody's request to
    /// end is to be lost.
    pub fn catch(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }
}

/// Wakes the engine: by timer, by what the source has, by whatever else is readable, or by a signal that asks it to end.
pub struct Pacer {
    tick: Duration,
    /// When the source last said that something happened.
    news: Instant,
    gather: Duration,
    /// Nobody wants to look at anything that no descriptor tells of.
    rests: bool,
    source: Vec<AsyncFd<OwnedFd>>,
    other: Vec<AsyncFd<OwnedFd>>,
    end: EndSignals,
}

/// Why the engine woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// To read.
    Read,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Pacer {
    /// Watches the source's descriptors, and one more, beside the timer. To be called inside the runtime.
    pub fn new(engine: &Engine, other: Option<OwnedFd>, end: EndSignals) -> Result<Self, LiveError> {
        let Pace { tick, gather } = engine.pace;
        let source = engine.live().source().fds().into_iter().map(|fd| watch(fd.try_clone_to_owned()?)).collect();
        let other = other.into_iter().map(watch).collect();
        let (source, other) =
            (io::Result::map_err(source, LiveError::Waiting)?, io::Result::map_err(other, LiveError::Waiting)?);
        Ok(Self { tick, news: Instant::now(), gather, rests: false, source, other, end })
    }

    /// Wakes for the source and for rules only, where the source tells of everything: for who looks at nothing else by himself, and
    /// has no time limit. Otherwise by timer, too.
    #[must_use]
    pub fn resting(self, rests: bool) -> Self {
        Self { rests, ..self }
    }

    /// Waits for a moment, or until there is something to read.
    pub async fn soon(&mut self) {
        tokio::select! {
            () = sleep(SOON) => {}
            () = any_readable(&self.source) => {}
        }
    }

    /// Waits for something to do; no longer than until a rule decides what it waits for.
    pub async fn wake(&mut self, engine: &Engine) -> Wake {
        // A decision is told within a second: what is due is not left until the next tick.
        const LEAST: Duration = Duration::from_millis(1);
        const NEVER: Duration = Duration::MAX;
        let Self { tick, news, gather, rests, source, other, end: EndSignals { terminate, interrupt, .. } } = self;
        let tick = match news.elapsed() < AFTERWARDS {
            true => SOON.min(*tick),
            false if engine.rest() && *rests => NEVER,
            false => *tick,
        };
        let tick = engine.live.due().map_or(tick, |due| tick.min(due.max(LEAST)));
        let tick = if engine.inspector.is_due(boot_now()) { LEAST } else { tick };
        tokio::select! {
            () = sleep(tick) => Wake::Read,
            () = gathered(source, *gather) => {
                *news = Instant::now();
                Wake::Read
            }
            () = any_readable(other) => Wake::Read,
            Some(()) = terminate.recv() => Wake::Terminated,
            Some(()) = interrupt.recv() => Wake::Interrupted,
        }
    }
}

fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps its descriptor open, the same one, until it is dropped with the registration.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// Resolves a while after one of them became readable, or when one does so again.
async fn gathered(fds: &[AsyncFd<OwnedFd>], long: Duration) {
    any_readable(fds).await;
    if !long.is_zero() {
        tokio::select! {
            () = sleep(long) => {}
            () = any_readable(fds) => {}
        }
    }
}

/// Resolves when one of them is readable; that it was is forgotten, so that the next call waits for news.
async fn any_readable(fds: &[AsyncFd<OwnedFd>]) {
    poll_fn(|context| {
        let mut news = Poll::Pending;
        for fd in fds {
            if let Poll::Ready(Ok(mut guard)) = fd.poll_read_ready(context) {
                guard.clear_ready();
                news = Poll::Ready(());
            }
        }
        news
    })
    .await;
}

/// The runtime of a capture process: one thread, because the process forks and the source is not shared.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}
