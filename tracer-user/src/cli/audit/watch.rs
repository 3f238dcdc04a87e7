//! An audit that does not end: the whole machine from now on, by eBPF.
//!
//! Must not: know a rule, or keep privilege that it needs no more.

use std::{
    collections::BTreeSet,
    process::ExitCode,
    time::{Duration, Instant},
};

use tracer_model::{
    ids::{Pid, ProcKey},
    state::Phase,
};

use super::{AuditArgs, baseline::Baseline, policy_file, snapshot::HIDES};
use crate::{
    capture::{boot_now, ebpf::Mode, memory, privilege, procfs},
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
/// So long, at the end, whoever is about to settle may do that. Who is still changing then is judged as it is.
const DRAIN: Duration = Duration::from_secs(3);
/// Attributes in a tenth of a second, of everybody: a build makes some tens of thousands in a second.
const ATTRIBUTE_RATE: u32 = 200;
/// How often the baseline is looked at, and written when there is news: there may be thousands of entries.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Watches until SIGINT or SIGTERM, or for so long.
pub(super) fn run(args: &AuditArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let again_ns = AuditArgs::duration(args.again, "--again")?;
    let limit = args.limit.map(|limit| AuditArgs::duration(limit, "--for")).transpose()?.map(Duration::from_nanos);
    let choose = policy_file::choose(args.policy.as_deref())?;
    let choice = args.capture.choice(Mode::All, false)?.with_attributes(ATTRIBUTE_RATE);
    let waiting = |error| ExpectedError::from(LiveError::Waiting(error));
    let runtime = runtime().map_err(waiting)?;
    let end = EndSignals::catch(&runtime).map_err(waiting)?;
    let mut capturing = choice.open_for_all()?;
    // Everything that takes privilege is attached. What is opened below must be this user's to open.
    privilege::keep_only(&privilege::TO_LOOK)
        .map_err(|error| anyhow::anyhow!("cannot give up privilege that is not needed any more: {error}"))?;
    memory::give_back();
    // Who is not shown cannot be looked at, whatever the probes see of it.
    let hides = procfs::read_stat(Pid(1)).is_none();
    if hides {
        say(HIDES);
    }
    let (baseline, known) = match args.baseline.as_deref().map(Baseline::open).transpose()? {
        Some((baseline, known)) => (Some(baseline), known),
        None => (None, Known::default()),
    };
    let (out, style) = args.out(color)?;
    let watch = Watch::new((out, style, args.format()), choose, known, (std::process::id(), again_ns, args.repeat));
    capturing.pace.tick = TICK;
    let about = About { scope: Scope::All, command: Vec::new(), user: None, begun: Clocks::now() };
    let outputs = Outputs { recording: None, sinks: vec![Box::new(watch.clone())], place: "the audit".to_owned() };
    let mut engine = Engine::begin(capturing, about, outputs)?;
    engine.watch();
    let place = engine.place().to_owned();
    let mut keeper = Keeper { baseline, kept: Instant::now(), pending: false, trouble: None };
    let watched = runtime.block_on(until_end(&mut engine, &watch, &mut keeper, end, limit));
    drop(runtime);
    let (source, finished) = engine.finish(watched.is_ok());
    source.retire();
    keeper.keep(&watch, true)?;
    let ended = finished.map_err(|error| explain(&place, error))?;
    watched.map_err(|error| explain(&place, error))?;
    let (lost, watched) = (ended.summary.lost, watch.watched());
    if let Some(trouble) = complaint(&place, ended) {
        return Err(anyhow::anyhow!(trouble));
    }
    if lost > 0 {
        let what = format!("{lost} records were lost: whoever came and went meanwhile was not seen");
        say(lines(&what, Some("--ring-bytes with a larger power of two")).trim_start_matches("sesstrace: "));
    }
    if watched.unjudged > 0 {
        say(&format!("{} processes were left unjudged: it was ended before they had settled", watched.unjudged));
    }
    let whole = !hides && lost == 0 && watched.unjudged == 0 && watched.left_out == 0;
    Ok(args.code(watched.outcome, whole))
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
        let wake = step(engine, watch, keeper, &mut pacer).await?;
        if wake != Wake::Read || limit.is_some_and(|limit| begun.elapsed() >= limit) {
            engine.catch_up(&mut pacer).await?;
            return drain(engine, watch, keeper, &mut pacer).await;
        }
    }
}

/// Reads once, and tells what is known then.
async fn step(engine: &mut Engine, watch: &Watch, keeper: &mut Keeper, pacer: &mut Pacer) -> Result<Wake, LiveError> {
    engine.inspect_soon(watch.take_wanted());
    let wake = pacer.wake(engine).await;
    engine.pump(engine.last_seq())?;
    tell(engine, watch)?;
    let lost = watch.take_lost();
    if lost > 0 {
        say(&format!("{lost} records were lost just now: whoever came and went meanwhile was not seen"));
    }
    if let Err(error) = keeper.keep(watch, false) {
        keeper.complain(error.what);
    }
    Ok(wake)
}

/// Tells what is known by now.
fn tell(engine: &Engine, watch: &Watch) -> Result<(), LiveError> {
    // Read before the time: what comes in between is then of who is launched later as well.
    let left_out = engine.attributes_left_out();
    watch.left_out(left_out, boot_now());
    watch.tell(engine.live().model(), boot_now()).map_err(LiveError::Sink)
}

/// Whoever has begun to settle by now is judged still, however long the looks take. Who cannot wait for that asks once more;
/// then it is told how many were not.
async fn drain(engine: &mut Engine, watch: &Watch, keeper: &mut Keeper, pacer: &mut Pacer) -> Result<(), LiveError> {
    let (begun, from) = (Instant::now(), boot_now());
    let waiting = |engine: &Engine, left: &mut BTreeSet<ProcKey>| {
        let waiting = &engine.to_inspect() | &watch.waiting();
        left.retain(|process| waiting.contains(process) && !watch.was_judged_since(*process, from));
    };
    watch.ending();
    let mut left = &engine.to_inspect() | &watch.waiting();
    let mut hurried = false;
    while !left.is_empty() && !hurried && begun.elapsed() < DRAIN {
        hurried = step(engine, watch, keeper, pacer).await? != Wake::Read;
        waiting(engine, &mut left);
    }
    if !hurried {
        engine.inspect_now(left.iter().copied())?;
        engine.catch_up(pacer).await?;
    }
    tell(engine, watch)?;
    waiting(engine, &mut left);
    // Who has ended meanwhile is nobody to judge.
    let model = engine.live().model();
    let lives = |key: &&ProcKey| model.process(**key).is_some_and(|process| process.phase == Phase::Alive);
    watch.left_unjudged(left.iter().filter(lives).count());
    Ok(())
}

/// Keeps the baseline.
struct Keeper {
    baseline: Option<Baseline>,
    kept: Instant,
    pending: bool,
    /// What is wrong with it, as it was told.
    trouble: Option<String>,
}

impl Keeper {
    /// Tells what is wrong, once.
    fn complain(&mut self, what: String) {
        if self.trouble.as_ref() != Some(&what) {
            say(&what);
            self.trouble = Some(what);
        }
    }

    /// Writes the baseline when there is news, and at the end in any case: also how often something was seen is in it. What
    /// somebody changed in it meanwhile stays changed, whether or not there is news.
    fn keep(&mut self, watch: &Watch, last: bool) -> Result<(), ExpectedError> {
        let Some(baseline) = &mut self.baseline else { return Ok(()) };
        self.pending |= watch.take_changed();
        if !last && (self.kept.elapsed() < KEEP_EVERY || baseline.is_busy()) {
            return Ok(());
        }
        self.kept = Instant::now();
        let before = baseline.finish();
        // What could not be written is to be written still.
        self.pending |= before.is_err();
        if !last {
            // At the end it is written once more, which may go better.
            before?;
        }
        if let Some((before, now)) = baseline.changed()? {
            watch.edited(&before, &now);
            self.pending = true;
        }
        if !last && !self.pending {
            return Ok(());
        }
        self.pending = false;
        watch.with_known(|known| baseline.begin(known));
        if last { baseline.finish() } else { Ok(()) }
    }
}
