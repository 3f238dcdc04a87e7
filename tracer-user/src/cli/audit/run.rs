//! An audit of a command: it leads its own group, as an interactive shell would have it, and is watched until it and what it
//! leaves behind have settled. Then it is left alone.
//!
//! Must not: know a rule.

use std::{
    os::unix::ffi::OsStrExt as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use tracer_model::ids::Pid;

use super::AuditArgs;
use crate::{
    capture::{ebpf::Mode, privilege},
    cli::{
        common::ColorChoice,
        engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, explain, runtime},
        exit::{ExpectedError, INTERNAL, before_command, say},
    },
    live::LiveError,
    placement::{Held, Launch},
    sink::audit::Whom,
    trace_file::Scope,
};

/// Audits a command.
pub(super) fn command(args: &AuditArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let within = Duration::from_nanos(AuditArgs::duration(args.within, "--within")?);
    let launch = Launch { command: args.command.clone(), ..Launch::default() };
    launch.check().map_err(ExpectedError::from)?;
    let choice = args.capture.choice(Mode::Follow, false).map_err(before_command)?.with_attributes(0);
    let (audit, outcome) = args.sink(Whom::Followed, color).map_err(before_command)?;
    // Forked before anything is loaded, while there is one thread; what it was given is what this process was.
    let mut held = Held::fork(&launch).map_err(ExpectedError::from)?;
    let waiting = |error| ExpectedError::from(LiveError::Waiting(error));
    let runtime = runtime().map_err(waiting)?;
    let end = EndSignals::catch(&runtime).map_err(waiting)?;
    let root = Pid(held.pid.as_raw().cast_unsigned());
    let capturing = choice.open().and_then(|opened| opened.follow_process(root)).map_err(before_command)?;
    // Everything that takes privilege is attached. A tracer goes on attaching with what it has.
    if capturing.source.describe().backend == "ebpf" {
        privilege::keep_only(&privilege::TO_LOOK).map_err(|error| {
            let what = format!("cannot give up privilege that is not needed any more: {error}");
            before_command(ExpectedError { what, fix: None, code: INTERNAL, cause: None })
        })?;
    }
    let words: Vec<Vec<u8>> = args.command.iter().map(|word| word.as_bytes().to_vec()).collect();
    let name = words.first().cloned().unwrap_or_default();
    let about = About { scope: Scope::Tree { root, name }, command: words, user: None, begun: Clocks::now() };
    let outputs = Outputs { recording: None, sinks: vec![Box::new(audit)], place: "the audit".to_owned() };
    let mut engine = Engine::begin(capturing, about, outputs)?;
    engine.inspect_launch(root);
    let place = engine.place().to_owned();
    let captured = runtime.block_on(watch(&mut engine, &mut held, end, within));
    held.take_terminal();
    drop(runtime);
    let whole = matches!(captured, Ok(Ok(_)));
    let (source, finished) = engine.finish(whole);
    source.retire();
    let started = captured.map_err(|error| explain(&place, error))?;
    let settled = started.map_err(ExpectedError::from)?;
    let ended = finished.map_err(|error| explain(&place, error))?;
    let lost = ended.summary.lost;
    if let Some(trouble) = complaint(&place, ended) {
        return Err(anyhow::anyhow!(trouble));
    }
    if !settled {
        say(&format!("it had not settled after {} s: --within with a longer time waits for it", within.as_secs()));
    }
    Ok(args.code(outcome.get(), settled && lost == 0))
}

/// Lets the command run and captures until everything has settled, or the time is over, or somebody ends this. Says whether it
/// has settled.
async fn watch(
    engine: &mut Engine,
    held: &mut Held,
    end: EndSignals,
    within: Duration,
) -> Result<Result<bool, crate::placement::LaunchError>, LiveError> {
    let mut pacer = Pacer::new(engine, None, end)?;
    engine.catch_up(&mut pacer).await?;
    if let Err(error) = held.release() {
        return Ok(Err(error));
    }
    let (begun, mut ended) = (Instant::now(), false);
    let settled = loop {
        let wake = pacer.wake(engine).await;
        engine.pump(engine.last_seq())?;
        if !ended && held.ended() {
            ended = true;
            held.take_terminal();
            engine.catch_up(&mut pacer).await?;
        }
        // What has not ended may still be about to daemonise.
        if ended && engine.is_quiet() {
            break true;
        }
        if wake != Wake::Read || begun.elapsed() > within {
            break !ended && wake == Wake::Read;
        }
    };
    engine.catch_up(&mut pacer).await?;
    engine.inspect_followed();
    engine.catch_up(&mut pacer).await?;
    Ok(Ok(settled))
}
