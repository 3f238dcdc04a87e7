//! A capture without a command: of the whole machine, or of a process that runs already. This process captures itself.
//!
//! Must not: know which verb it serves.

use std::{
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::Path,
    process::ExitCode,
};

use nix::sys::signal::{SigHandler, Signal, signal};
use tracer_model::{ids::Pid, state::Phase};

use super::{
    engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, runtime},
    exit::{ExpectedError, INCOMPLETE, lines},
    target::CaptureArgs,
};
use crate::{
    capture::{
        CaptureError, Source as _,
        ebpf::{EbpfSource, Mode},
    },
    live::LiveError,
    trace_file::Scope,
};

/// 128 + SIGTERM: the end was asked for.
const TERMINATED: u8 = 143;

/// Captures until SIGINT (the ordinary end), SIGTERM, or the end of the last process that is followed.
pub fn trace(pid: Option<Pid>, capture: &CaptureArgs, outputs: Outputs) -> anyhow::Result<ExitCode> {
    if let Some(pid) = pid.filter(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
        return Err(ExpectedError::from(CaptureError::NoSuchProcess(pid.0)).into());
    }
    let runtime = runtime().map_err(LiveError::Sink).map_err(explained)?;
    let end = EndSignals::catch(&runtime).map_err(LiveError::Sink).map_err(explained)?;
    if outputs.recording.is_some() {
        // A recording outlives the terminal that it was begun on.
        // SAFETY: ignoring a signal runs no code.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }
            .map_err(|errno| anyhow::anyhow!("cannot ignore SIGHUP: {errno}"))?;
    }
    let mode = if pid.is_some() { Mode::Follow } else { Mode::All };
    let mut source = EbpfSource::open(capture.options(mode)?).map_err(ExpectedError::from)?;
    let scope = match pid {
        None => Scope::All,
        Some(root) => {
            let name = std::fs::read(format!("/proc/{root}/comm")).unwrap_or_default();
            source.follow(&[root]).map_err(ExpectedError::from)?;
            Scope::Tree { root, name: name.trim_ascii_end().to_vec() }
        }
    };
    let mut engine =
        Engine::begin(source, About { scope, command: Vec::new(), user: None, begun: Clocks::now() }, outputs)?;
    let captured = runtime.block_on(capture_until_end(&mut engine, pid, end));
    drop(runtime);
    let (source, ended) = engine.finish(captured.is_ok()).map_err(explained)?;
    source.detach_in_background();
    let wake = captured.map_err(explained)?;
    if let Some(trouble) = complaint(&ended) {
        let _ = writeln!(io::stderr(), "{trouble}");
        return Ok(ExitCode::from(INCOMPLETE));
    }
    let lost = ended.summary.lost;
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

async fn capture_until_end(engine: &mut Engine, pid: Option<Pid>, end: EndSignals) -> Result<Wake, LiveError> {
    let mut fds: Vec<OwnedFd> = Vec::new();
    for fd in engine.live().source().fds() {
        fds.push(fd.try_clone_to_owned().map_err(LiveError::Sink)?);
    }
    let mut pacer = Pacer::new(fds, end).map_err(LiveError::Sink)?;
    loop {
        let wake = pacer.wake().await;
        engine.pump(engine.last_seq())?;
        if wake != Wake::Read || pid.is_some_and(|root| nobody_left(engine, root)) {
            engine.catch_up(&mut pacer).await?;
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

/// A failure of the source with its remedy; that of a sink as it is, for a closed pipe is recognised by it.
fn explained(error: LiveError) -> anyhow::Error {
    match error {
        LiveError::Capture(error) => ExpectedError::from(error).into(),
        LiveError::Sink(_) => error.into(),
    }
}
