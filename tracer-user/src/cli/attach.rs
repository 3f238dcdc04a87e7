//! A capture without a command: of the whole machine, or of a process that runs already. This process captures itself.
//!
//! Must not: know which verb it serves.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigHandler, Signal, signal};
use tracer_model::{
    ids::{Pid, Tid},
    state::Phase,
};

use super::{
    backend::Capturing,
    engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, explain, runtime},
    exit::{ExpectedError, INCOMPLETE, lines},
    target::CaptureArgs,
};
use crate::{
    capture::{CaptureError, ebpf::Mode, procfs},
    live::LiveError,
    trace_file::{Scope, Unwritten},
};

/// 128 + SIGTERM: the end was asked for.
const TERMINATED: u8 = 143;

/// Captures until SIGINT (the ordinary end), SIGTERM, the end of the last process that is followed, or for so long.
pub fn trace(
    pid: Option<Pid>,
    capture: &CaptureArgs,
    outputs: Outputs,
    limit: Option<Duration>,
) -> anyhow::Result<ExitCode> {
    // `/proc` has threads too, though it does not list them.
    let process = |pid: Pid| match procfs::process_of(Tid(pid.0)) {
        None => Err(CaptureError::NoSuchProcess(pid.0)),
        Some(process) if process != pid => Err(CaptureError::Thread { thread: pid.0, process: process.0 }),
        Some(_) => Ok(()),
    };
    if let Some(Err(error)) = pid.map(process) {
        return Err(ExpectedError::from(error).into());
    }
    let waiting = |error| ExpectedError::from(LiveError::Waiting(error));
    let runtime = runtime().map_err(waiting)?;
    let end = EndSignals::catch(&runtime).map_err(waiting)?;
    if outputs.recording.is_some() {
        // A recording outlives the terminal that it was begun on.
        ignore(Signal::SIGHUP)?;
    }
    let (capturing, scope) = match open(pid, capture) {
        Ok(opened) => opened,
        Err(error) => {
            outputs.recording.into_iter().for_each(Unwritten::discard);
            return Err(error.into());
        }
    };
    if capturing.stops_what_it_follows {
        // Stopped by the terminal, this process would hold up all that it traces.
        [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].into_iter().try_for_each(ignore)?;
    }
    let about = About { scope, command: Vec::new(), user: None, begun: Clocks::now() };
    let mut engine = Engine::begin(capturing, about, outputs)?;
    let place = engine.place().to_owned();
    let captured = runtime.block_on(capture_until_end(&mut engine, pid, end, limit));
    drop(runtime);
    let (source, finished) = engine.finish(captured.is_ok());
    source.retire();
    let ended = finished.map_err(|error| explain(&place, error))?;
    let wake = captured.map_err(|error| explain(&place, error))?;
    let lost = ended.summary.lost;
    if let Some(trouble) = complaint(&place, ended) {
        let _ = writeln!(io::stderr(), "{trouble}");
        return Ok(ExitCode::from(INCOMPLETE));
    }
    if lost > 0 {
        let fix = "--ring-bytes with a larger power of two";
        let _ = writeln!(
            io::stderr(),
            "{}",
            lines(&format!("{lost} records were lost; the recording says where"), Some(fix))
        );
    }
    Ok(ExitCode::from(match wake {
        Wake::Terminated => TERMINATED,
        Wake::Read | Wake::Interrupted if lost > 0 => INCOMPLETE,
        Wake::Read | Wake::Interrupted => 0,
    }))
}

fn open(pid: Option<Pid>, capture: &CaptureArgs) -> Result<(Capturing, Scope), ExpectedError> {
    let Some(root) = pid else {
        return Ok((capture.choice(Mode::All, false)?.open_for_all()?, Scope::All));
    };
    let name = std::fs::read(format!("/proc/{root}/comm")).unwrap_or_default();
    let capturing = capture.choice(Mode::Follow, false)?.open()?.follow_process(root)?;
    Ok((capturing, Scope::Tree { root, name: name.trim_ascii_end().to_vec() }))
}

fn ignore(number: Signal) -> anyhow::Result<()> {
    // SAFETY: ignoring a signal runs no code.
    unsafe { signal(number, SigHandler::SigIgn) }
        .map(drop)
        .map_err(|errno| anyhow::anyhow!("cannot ignore {number}: {errno}"))
}

async fn capture_until_end(
    engine: &mut Engine,
    pid: Option<Pid>,
    end: EndSignals,
    limit: Option<Duration>,
) -> Result<Wake, LiveError> {
    let begun = Instant::now();
    let mut pacer = Pacer::new(engine, None, end)?.resting(limit.is_none());
    loop {
        let wake = pacer.wake(engine).await;
        engine.pump(engine.last_seq())?;
        let over = limit.is_some_and(|limit| begun.elapsed() >= limit);
        if over || wake != Wake::Read || pid.is_some_and(|root| nobody_left(engine, root)) {
            engine.catch_up(&mut pacer).await?;
            engine.come_to_rest(&mut pacer).await?;
            return Ok(wake);
        }
    }
}

/// Every process that was followed has been reaped. One whose end was lost is asked for in `/proc`.
fn nobody_left(engine: &Engine, root: Pid) -> bool {
    let exists = |pid: Pid| Path::new(&format!("/proc/{pid}")).exists();
    let model = engine.live().model();
    !exists(root)
        && !model
            .processes()
            .any(|process| process.followed && process.phase != Phase::Reaped && exists(process.key.number))
}
