//! An audit that does not end: the whole machine from now on, by eBPF.
//!
//! Must not: know a rule, or keep privilege that it needs no more.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{AuditArgs, baseline::Baseline, policy_file};
use crate::{
    capture::{boot_now, ebpf::Mode, privilege},
    cli::{
        common::ColorChoice,
        engine::{About, Clocks, EndSignals, Engine, Outputs, Pacer, Wake, complaint, explain, runtime},
        exit::{ExpectedError, lines, say},
    },
    live::LiveError,
    sink::audit::{known::Known, watch::Watch},
    trace_file::Scope,
};

/// How often the probes' buffers are looked at when they are not full: whoever settles is told a second later anyway.
const TICK: Duration = Duration::from_millis(100);
/// How often the baseline is written, at most, when there is news.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Watches until SIGINT or SIGTERM, or for so long.
pub(super) fn run(args: &AuditArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let again_ns = AuditArgs::duration(args.again, "--again")?;
    let limit = args.limit.map(|limit| AuditArgs::duration(limit, "--for")).transpose()?.map(Duration::from_nanos);
    let choose = policy_file::choose(args.policy.as_deref())?;
    let choice = args.capture.choice(Mode::All, false)?;
    let waiting = |error| ExpectedError::from(LiveError::Waiting(error));
    let runtime = runtime().map_err(waiting)?;
    let end = EndSignals::catch(&runtime).map_err(waiting)?;
    let mut capturing = choice.open_for_all()?;
    // Everything that takes privilege is attached. What is opened below must be this user's to open.
    privilege::keep_only(&privilege::TO_LOOK)
        .map_err(|error| anyhow::anyhow!("cannot give up privilege that is not needed any more: {error}"))?;
    let (baseline, known) = match args.baseline.as_deref().map(Baseline::open).transpose()? {
        Some((baseline, known)) => (Some(baseline), known),
        None => (None, Known::default()),
    };
    let (out, style) = args.out(color)?;
    let watch = Watch::new((out, style, args.format()), choose, known, std::process::id(), again_ns);
    capturing.pace.tick = TICK;
    let about = About { scope: Scope::All, command: Vec::new(), user: None, begun: Clocks::now() };
    let outputs = Outputs { recording: None, sinks: vec![Box::new(watch.clone())], place: "the audit".to_owned() };
    let mut engine = Engine::begin(capturing, about, outputs)?;
    engine.watch();
    let place = engine.place().to_owned();
    let mut keeper = Keeper { baseline, kept: Instant::now(), pending: false };
    let watched = runtime.block_on(until_end(&mut engine, &watch, &mut keeper, end, limit));
    drop(runtime);
    let (source, finished) = engine.finish(watched.is_ok());
    source.retire();
    keeper.keep(&watch, true)?;
    let ended = finished.map_err(|error| explain(&place, error))?;
    watched.map_err(|error| explain(&place, error))?;
    let lost = ended.summary.lost;
    if let Some(trouble) = complaint(&place, ended) {
        return Err(anyhow::anyhow!(trouble));
    }
    if lost > 0 {
        let what = format!("{lost} records were lost: whoever came and went meanwhile was not seen");
        say(lines(&what, Some("--ring-bytes with a larger power of two")).trim_start_matches("sesstrace: "));
    }
    Ok(args.code(watch.watched().outcome, lost == 0))
}

async fn until_end(
    engine: &mut Engine,
    watch: &Watch,
    keeper: &mut Keeper,
    end: EndSignals,
    limit: Option<Duration>,
) -> Result<(), LiveError> {
    let begun = Instant::now();
    let mut pacer = Pacer::new(engine, None, end)?;
    engine.catch_up(&mut pacer).await?;
    watch.begin(engine.live().model()).map_err(LiveError::Sink)?;
    loop {
        engine.inspect_soon(watch.take_wanted());
        let wake = pacer.wake(engine).await;
        engine.pump(engine.last_seq())?;
        watch.tell(engine.live().model(), boot_now()).map_err(LiveError::Sink)?;
        if let Err(error) = keeper.keep(watch, false) {
            say(&error.what);
        }
        if wake != Wake::Read || limit.is_some_and(|limit| begun.elapsed() >= limit) {
            engine.catch_up(&mut pacer).await?;
            return watch.tell(engine.live().model(), boot_now()).map_err(LiveError::Sink);
        }
    }
}

/// Keeps the baseline.
struct Keeper {
    baseline: Option<Baseline>,
    kept: Instant,
    pending: bool,
}

impl Keeper {
    /// Writes the baseline when there is news, and at the end in any case: also how often something was seen is in it.
    fn keep(&mut self, watch: &Watch, last: bool) -> Result<(), ExpectedError> {
        let Some(baseline) = &self.baseline else { return Ok(()) };
        self.pending |= watch.take_changed();
        if !last && (!self.pending || self.kept.elapsed() < KEEP_EVERY) {
            return Ok(());
        }
        (self.pending, self.kept) = (false, Instant::now());
        baseline.write(&watch.known())
    }
}
