//! Runs a capture: opens the source, makes the header, drives the pipeline by timer until it is time to end.
//!
//! Runs in the capture process. Must not: know of verbs, or print.

use std::{
    future::poll_fn,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::PathBuf,
    task::Poll,
    time::Duration,
};

use nix::{sys::utsname::uname, unistd::gethostname};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};
use tracer_model::ids::{BootNs, Seq};

use super::exit::{ExpectedError, lines};
use crate::{
    capture::{Source, ebpf::EbpfSource},
    live::{Live, LiveError, boot_now, unix_now},
    pipeline::{Ended, Pipeline},
    sink::Sink,
    trace_file::{Header, Scope, Writer},
};

/// How often the rings are read while they fill slowly; the probes wake us when they fill fast.
const TICK: Duration = Duration::from_millis(20);

/// What a capture produces.
pub struct Outputs {
    /// Path of the recording.
    pub recording: Option<PathBuf>,
    /// Sinks.
    pub sinks: Vec<Box<dyn Sink>>,
}

/// A capture that runs.
pub struct Engine {
    live: Live<EbpfSource>,
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
    pub fn begin(source: EbpfSource, about: About, outputs: Outputs) -> Result<Self, ExpectedError> {
        let header = header(&source, about);
        let writer = outputs.recording.as_deref().map(|path| Writer::create(path, &header)).transpose()?;
        let pipeline = Pipeline::begin(&header, writer, outputs.sinks).map_err(LiveError::Sink)?;
        Ok(Self { live: Live::new(source, pipeline, &header) })
    }

    /// Reads and passes on. Returns whether everything up to `until` is through.
    pub fn pump(&mut self, until: Seq) -> Result<bool, LiveError> {
        self.live.pump(until)
    }

    /// The last number that the probes gave out.
    pub fn last_seq(&self) -> Seq {
        self.live.source().last_seq()
    }

    /// The capture under way.
    pub fn live(&self) -> &Live<EbpfSource> {
        &self.live
    }

    /// Goes on until everything that has happened so far is through: a missing number is given up after the reorder window,
    /// so this ends.
    pub async fn catch_up(&mut self, pacer: &mut Pacer) -> Result<(), LiveError> {
        let until = self.last_seq();
        while !self.pump(until)? {
            pacer.tick().await;
        }
        Ok(())
    }

    /// Ends the recording and the sinks. The source is given back: closing it takes seconds.
    pub fn finish(self, complete: bool) -> Result<(EbpfSource, Ended), LiveError> {
        self.live.finish(complete)
    }
}

/// What is wrong with the recording or what was to be shown, if anything, for the user.
pub fn complaint(ended: &Ended) -> Option<String> {
    let told = |error: &&io::Error| error.kind() != io::ErrorKind::BrokenPipe;
    let sink = || {
        ended.sink_error.as_ref().filter(told).map(|error| lines(&format!("cannot write the output: {error}"), None))
    };
    ended.recording_error.as_ref().map(|error| lines(&error.to_string(), error.hint().as_deref())).or_else(sink)
}

fn header(source: &EbpfSource, about: About) -> Header {
    let description = source.describe();
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
        tier_reason: description.reason.clone(),
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
}

impl EndSignals {
    /// Catches them from now on: to be called before the probes are loaded, which takes a while in which nobody's request to
    /// end is to be lost.
    pub fn catch(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Wakes the engine: by timer, by full rings, by whatever else is readable, or by a signal that asks it to end.
pub struct Pacer {
    tick: Interval,
    readable: Vec<AsyncFd<OwnedFd>>,
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
    /// Watches these descriptors beside the timer. To be called inside the runtime.
    pub fn new(readable: Vec<OwnedFd>, end: EndSignals) -> io::Result<Self> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // SAFETY: an `OwnedFd` keeps its descriptor open, the same one, until it is dropped with the registration.
        let watch = |fd: OwnedFd| unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self { tick, readable: readable.into_iter().map(watch).collect::<Result<_, _>>()?, end })
    }

    /// Waits for the timer only.
    pub async fn tick(&mut self) {
        self.tick.tick().await;
    }

    /// Waits for something to do.
    pub async fn wake(&mut self) -> Wake {
        let Self { tick, readable, end: EndSignals { terminate, interrupt } } = self;
        tokio::select! {
            _ = tick.tick() => Wake::Read,
            () = any_readable(readable) => Wake::Read,
            Some(()) = terminate.recv() => Wake::Terminated,
            Some(()) = interrupt.recv() => Wake::Interrupted,
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
