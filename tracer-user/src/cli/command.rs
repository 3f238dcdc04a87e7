//! A capture around a command: what the capture process does beside the waiter.
//!
//! Must not: know which verb it serves.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use tokio::runtime::Runtime;

use super::{
    backend::Choice,
    engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, explain, runtime},
    exit::{BEFORE_COMMAND, ExpectedError, before_command, lines},
    signals::Signals,
    store,
    target::{CaptureArgs, CommandArgs, absolute},
};
use crate::{
    capture::ebpf::Mode,
    live::LiveError,
    placement::{CaptureSide, CommandStatus, Control, Root, launch},
    sink::Sink,
    trace_file::{self, Rotation, Scope, Unwritten},
};

/// Where the report goes.
pub enum Destination {
    /// Nowhere: `record`.
    Nowhere,
    /// The standard error that the program was started with.
    Stderr,
    /// A file.
    File(PathBuf),
}

/// Where the recording goes.
pub enum Recording {
    /// Nowhere: `live`.
    None,
    /// To this file.
    Named(PathBuf),
    /// Among the last ten, if there is a place for them.
    Unnamed,
    /// In files that are named after this one.
    Segments(PathBuf, Rotation),
}

/// Makes the sinks that write to a destination.
pub type MakeSinks = Box<dyn FnOnce(Box<dyn Write>) -> Vec<Box<dyn Sink>>>;

/// Runs a command under capture. Returns its status, passed on.
pub fn trace(
    command: &[OsString],
    capture: &CaptureArgs,
    command_args: &CommandArgs,
    recording: &Recording,
    destination: &Destination,
    make_sinks: MakeSinks,
) -> anyhow::Result<ExitCode> {
    Ok(observe(command, capture, command_args, recording, destination, make_sinks)?.pass_on())
}

/// Runs a command under capture. Returns its status, to be passed on later.
pub fn observe(
    command: &[OsString],
    capture: &CaptureArgs,
    command_args: &CommandArgs,
    recording: &Recording,
    destination: &Destination,
    make_sinks: MakeSinks,
) -> anyhow::Result<CommandStatus> {
    let choice = capture.choice(Mode::Follow, true)?;
    let to_launch = command_args.launch(command, choice.filter())?;
    to_launch.check().map_err(ExpectedError::from)?;
    // What the command line names is judged before anything is loaded.
    let outputs = Prepared::open(recording, destination).map_err(before_command)?;
    let about = Target {
        command: command.iter().map(|word| word.as_bytes().to_vec()).collect(),
        user: command_args.user.clone(),
    };
    let status = launch(&to_launch, move |mut side| {
        let prepared = runtime().and_then(|runtime| Ok((EndSignals::catch(&runtime)?, runtime)));
        let (end, runtime) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return side.failed(&message(&LiveError::Waiting(error).into()), BEFORE_COMMAND),
        };
        match begin(&mut side, &choice, about, outputs, make_sinks) {
            Ok(Some(session)) => session.run(side, &runtime, end),
            // The waiter is gone and the command with it: there is nobody to tell.
            Ok(None) => {}
            Err(error) => side.failed(&message(&error), BEFORE_COMMAND),
        }
    })
    .map_err(ExpectedError::from)?;
    Ok(status)
}

/// Error and remedy in one text, as the waiter prints it after `sesstrace: `.
fn message(error: &ExpectedError) -> String {
    let text = lines(&error.what, error.fix.as_deref());
    text.strip_prefix("sesstrace: ").unwrap_or(&text).to_owned()
}

/// Files that are open before anything is started.
struct Prepared {
    recording: Option<Unwritten>,
    /// Why there is none, if there is to be one.
    notice: Option<String>,
    report: Report,
}

enum Report {
    Nowhere,
    Stderr,
    File(File, PathBuf),
}

impl Prepared {
    fn open(recording: &Recording, destination: &Destination) -> Result<Self, ExpectedError> {
        let report = match destination {
            Destination::Nowhere => Report::Nowhere,
            Destination::Stderr => Report::Stderr,
            Destination::File(path) => Report::File(create(path)?, path.clone()),
        };
        let (recording, notice) = match recording {
            Recording::None => (None, None),
            Recording::Named(path) => (Some(Unwritten::open(&absolute(path)?)?), None),
            Recording::Segments(base, rotation) => (Some(Unwritten::open_segment(&absolute(base)?, *rotation)?), None),
            Recording::Unnamed => match store::unnamed() {
                Ok(recording) => (Some(recording), None),
                Err(why) => (None, Some(format!("sesstrace: this recording is not kept: {why}"))),
            },
        };
        Ok(Self { recording, notice, report })
    }
}

fn create(path: &Path) -> Result<File, ExpectedError> {
    File::create(path).map_err(|error| ExpectedError {
        what: format!("cannot write the report to {}: {}", path.display(), trace_file::cause(&error)),
        fix: Some(trace_file::how_to_create(path, &error)),
        code: BEFORE_COMMAND,
        cause: None,
    })
}

/// What the header says of the command.
struct Target {
    command: Vec<Vec<u8>>,
    user: Option<String>,
}

/// A capture with its command.
struct Session {
    engine: Engine,
    signals: Signals,
    messages: Option<Box<dyn Write>>,
}

/// Opens the source, learns who becomes the command, follows it, and lets it run. `None`: the waiter is gone.
fn begin(
    side: &mut CaptureSide,
    choice: &Choice,
    target: Target,
    prepared: Prepared,
    make_sinks: MakeSinks,
) -> Result<Option<Session>, ExpectedError> {
    let Prepared { recording, notice, report } = prepared;
    let following = choice.open().and_then(|mut opened| {
        opened.follow_starter(side.waiter())?;
        // Before the waiter forks, so that no time in the report is negative.
        let begun = Clocks::now();
        let Ok(Root { pid: root, .. }) = side.ready(notice.as_deref(), opened.preparation()) else { return Ok(None) };
        let sight = opened.watch_waiter(side.waiter(), side.placement());
        Ok(Some((opened.follow_command(root)?, root, sight, begun)))
    });
    let (capturing, root, sight, begun) = match following {
        Ok(Some(following)) => following,
        not_following => {
            recording.into_iter().for_each(Unwritten::discard);
            return not_following.map(|_| None);
        }
    };
    let waiting = |error: io::Error| ExpectedError::from(LiveError::Waiting(error));
    let stderr = side.report_writer().map_err(waiting)?;
    let messages: Option<Box<dyn Write>> = side.report_writer().map_err(waiting)?.map(|writer| Box::new(writer) as _);
    let (mut sinks, place) = match report {
        Report::Nowhere => (Vec::new(), String::new()),
        Report::File(file, path) => {
            (make_sinks(Box::new(io::BufWriter::new(file))), format!("the report to {}", path.display()))
        }
        // In place there is no standard error that would not be the command's.
        Report::Stderr => (
            stderr.map(|writer| make_sinks(Box::new(io::LineWriter::new(writer)))).unwrap_or_default(),
            "to standard error".to_owned(),
        ),
    };
    let signals = Signals::new(side.waiter(), root, sight);
    sinks.push(Box::new(signals.clone()));
    let Target { command, user } = target;
    let name = command.first().cloned().unwrap_or_default();
    let about = About { scope: Scope::Tree { root, name }, command, user, begun };
    let mut engine = Engine::begin(capturing, about, Outputs { recording, sinks, place })?;
    engine.inspect_launch(root);
    Ok(side.release().is_ok().then_some(Session { engine, signals, messages }))
}

impl Session {
    /// Until the command ended and everything is written; then lets go of the source, which takes time that nobody waits for.
    fn run(mut self, mut side: CaptureSide, runtime: &Runtime, end: EndSignals) {
        let captured = runtime.block_on(self.capture(&mut side, end));
        let complete = matches!(captured, Ok(true));
        let Self { engine, mut messages, .. } = self;
        let place = engine.place().to_owned();
        let (source, finished) = engine.finish(complete);
        let trouble = match (captured, finished) {
            (Err(error), _) | (_, Err(error)) if !is_broken_pipe(&error) => {
                let error = explain(&place, error);
                Some(lines(&format!("the capture ended early: {}", error.what), error.fix.as_deref()))
            }
            (_, Ok(ended)) => complaint(&place, ended),
            _ => None,
        };
        if let (Some(trouble), Some(messages)) = (trouble, &mut messages) {
            // The last thing that could be told; when it cannot be, nothing is left to do.
            let _ = writeln!(messages, "{trouble}");
        }
        side.done();
        source.retire();
    }

    /// Captures until the command ended (true), or somebody ended the capture process (false).
    async fn capture(&mut self, side: &mut CaptureSide, end: EndSignals) -> Result<bool, LiveError> {
        let control = side.as_fd().try_clone_to_owned().map_err(LiveError::Waiting)?;
        let mut pacer = Pacer::new(&self.engine, Some(control), end)?.resting(self.signals.are_told());
        loop {
            let wake = pacer.wake(&self.engine).await;
            self.engine.pump(self.engine.last_seq())?;
            self.signals.tell(side, self.engine.live().model());
            let control = side.next_control();
            // Somebody ends the capture process itself: the command goes on alone.
            if control.is_some() || wake == Wake::Terminated {
                self.engine.catch_up(&mut pacer).await?;
                if matches!(control, Some(Control::CommandEnded(_))) {
                    self.engine.outlive(&mut pacer).await?;
                    self.engine.come_to_rest(&mut pacer).await?;
                }
                return Ok(control.is_some());
            }
        }
    }
}

fn is_broken_pipe(error: &LiveError) -> bool {
    matches!(error, LiveError::Sink(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
