//! A capture around a command: what the capture process does beside the waiter.
//!
//! Must not: know which verb it serves.

use std::{
    cell::RefCell,
    ffi::OsString,
    io::{self, Write},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    process::ExitCode,
    rc::Rc,
};

use tokio::runtime::Runtime;
use tracer_model::{
    delta::{Change, Delta, SignalPath},
    event::{Event, EventKind},
    ids::{Pid, Signal},
    state::Model,
};

use super::{
    engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, runtime},
    exit::{BEFORE_COMMAND, ExpectedError, lines},
    target::{CaptureArgs, CommandArgs},
};
use crate::{
    capture::{
        Source as _,
        ebpf::{EbpfSource, Mode},
    },
    live::LiveError,
    placement::{CaptureSide, Reach, Root, launch},
    sink::Sink,
    trace_file::{Header, Scope, Summary},
};

/// Where the report goes.
pub enum Destination {
    /// Nowhere: `record`.
    Nowhere,
    /// The standard error that the program was started with.
    Stderr,
    /// A file that is open already.
    File(std::fs::File),
}

/// Makes the sinks that write to a destination.
pub type MakeSinks = Box<dyn FnOnce(Box<dyn Write>) -> Vec<Box<dyn Sink>>>;

/// Runs a command under capture. Returns its status, passed on.
pub fn trace(
    command: &[OsString],
    capture: &CaptureArgs,
    command_args: &CommandArgs,
    recording: Option<std::path::PathBuf>,
    destination: Destination,
    make_sinks: MakeSinks,
) -> anyhow::Result<ExitCode> {
    let before = |mut error: ExpectedError| {
        error.code = if error.code == super::exit::USAGE { error.code } else { BEFORE_COMMAND };
        error
    };
    let options = capture.options(Mode::Follow).map_err(before)?;
    let to_launch = command_args.launch(command)?;
    let user = command_args.user.clone();
    let words: Vec<Vec<u8>> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
    let status = launch(&to_launch, move |mut side| {
        let prepared = runtime().and_then(|runtime| Ok((EndSignals::catch(&runtime)?, runtime)));
        let (end, runtime) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return side.failed(&format!("cannot start the capture: {error}"), BEFORE_COMMAND),
        };
        let begun = begin(&mut side, options, words, user, recording, destination, make_sinks);
        match begun {
            Ok(Some(session)) => session.run(side, &runtime, end),
            // The waiter is gone and the command with it: there is nobody to tell.
            Ok(None) => {}
            Err(error) => side.failed(&message(&error), BEFORE_COMMAND),
        }
    })
    .map_err(ExpectedError::from)?;
    Ok(status.pass_on())
}

/// Error and remedy in one text, as the waiter prints it after `sesstrace: `.
fn message(error: &ExpectedError) -> String {
    let text = lines(&error.what, error.fix.as_deref());
    text.strip_prefix("sesstrace: ").unwrap_or(&text).to_owned()
}

/// A capture with its command.
struct Session {
    engine: Engine,
    signals: WaiterSignals,
    messages: Option<Box<dyn Write>>,
}

fn begin(
    side: &mut CaptureSide,
    options: crate::capture::ebpf::Options,
    command: Vec<Vec<u8>>,
    user: Option<String>,
    recording: Option<std::path::PathBuf>,
    destination: Destination,
    make_sinks: MakeSinks,
) -> Result<Option<Session>, ExpectedError> {
    let mut source = EbpfSource::open(options)?;
    source.follow(&[side.waiter()])?;
    // Before the waiter forks, so that no time in the report is negative.
    let begun = Clocks::now();
    let Ok(Root { pid: root, .. }) = side.ready(None) else { return Ok(None) };
    let unwritable = |error: io::Error| ExpectedError::from(LiveError::Sink(error));
    let stderr = side.report_writer().map_err(unwritable)?;
    let messages: Option<Box<dyn Write>> =
        side.report_writer().map_err(unwritable)?.map(|writer| Box::new(writer) as _);
    let mut sinks = match destination {
        Destination::Nowhere => Vec::new(),
        Destination::File(file) => make_sinks(Box::new(io::BufWriter::new(file))),
        // In place there is no standard error that would not be the command's.
        Destination::Stderr => {
            stderr.map(|writer| make_sinks(Box::new(io::LineWriter::new(writer)))).unwrap_or_default()
        }
    };
    let signals = WaiterSignals { waiter: side.waiter(), root, seen: Rc::default() };
    sinks.push(Box::new(signals.clone()));
    let name = command.first().cloned().unwrap_or_default();
    let about = About { scope: Scope::Tree { root, name }, command, user, begun };
    let engine = Engine::begin(source, about, Outputs { recording, sinks })?;
    Ok(side.release().is_ok().then_some(Session { engine, signals, messages }))
}

impl Session {
    /// Until the command ended and everything is written; then closes the probes, which takes seconds that nobody waits for.
    fn run(mut self, mut side: CaptureSide, runtime: &Runtime, end: EndSignals) {
        let captured = runtime.block_on(self.capture(&mut side, end));
        let complete = matches!(captured, Ok(true));
        let mut messages = self.messages.take();
        let finished = self.engine.finish(complete);
        let trouble = match (&captured, &finished) {
            (Err(error), _) | (_, Err(error)) if !is_broken_pipe(error) => {
                Some(lines(&format!("the capture ended early: {error}"), None))
            }
            (_, Ok((_, ended))) => complaint(ended),
            _ => None,
        };
        if let (Some(trouble), Some(messages)) = (trouble, &mut messages) {
            // The last thing that could be told; when it cannot be, nothing is left to do.
            let _ = writeln!(messages, "{trouble}");
        }
        side.done();
        drop(finished);
    }

    /// Captures until the command ended (true), or somebody ended the capture process (false).
    async fn capture(&mut self, side: &mut CaptureSide, end: EndSignals) -> Result<bool, LiveError> {
        let readable = |error| LiveError::Sink(error);
        let mut fds: Vec<OwnedFd> = vec![side.as_fd().try_clone_to_owned().map_err(readable)?];
        for fd in self.engine.live().source().fds() {
            fds.push(fd.try_clone_to_owned().map_err(readable)?);
        }
        let mut pacer = Pacer::new(fds, end).map_err(readable)?;
        loop {
            let wake = pacer.wake().await;
            self.engine.pump(self.engine.last_seq())?;
            self.signals.tell(side);
            let ended = side.next_control().is_some();
            // Somebody ends the capture process itself: the command goes on alone.
            if ended || wake == Wake::Terminated {
                self.engine.catch_up(&mut pacer).await?;
                return Ok(ended);
            }
        }
    }
}

fn is_broken_pipe(error: &LiveError) -> bool {
    matches!(error, LiveError::Sink(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// Notes the signals that the waiter gets, and whether the command got them too.
#[derive(Clone)]
struct WaiterSignals {
    waiter: Pid,
    root: Pid,
    seen: Rc<RefCell<Vec<(Signal, Pid, Reach)>>>,
}

impl WaiterSignals {
    fn tell(&self, side: &mut CaptureSide) {
        for (signal, sender, reach) in self.seen.borrow_mut().drain(..) {
            side.waiter_was_signalled(signal, sender, reach);
        }
    }

    /// A group's signal reaches the command as long as it is in the waiter's group, a process's signal never does.
    fn reach(&self, path: SignalPath, model: &Model) -> Reach {
        let to_one = matches!(
            path,
            SignalPath::KillProcess { .. } | SignalPath::KillUnseen { .. } | SignalPath::ParentDeath { .. }
        );
        let group = |pid| model.process_by_pid(pid).and_then(|process| process.group);
        if to_one || group(self.waiter) != group(self.root) { Reach::WaiterAlone } else { Reach::CommandToo }
    }
}

impl Sink for WaiterSignals {
    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        if !matches!(event.kind, EventKind::SignalGenerated(_)) {
            return Ok(());
        }
        for change in &delta.changes {
            if let Change::SignalSent { target, signal, path, .. } = change
                && target.number == self.waiter
                && signal.signal != Signal::CHLD
            {
                self.seen.borrow_mut().push((signal.signal, event.actor.pid, self.reach(*path, model)));
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}
