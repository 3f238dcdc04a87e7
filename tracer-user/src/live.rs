//! A capture under way: a source, the reorder buffer and the pipeline, driven by a timer.
//!
//! Must not: print, or know which source it is.

mod unattended;

use std::{io, time::Duration};

use nix::time::{ClockId, clock_gettime};
use tracer_model::{
    event::{Comm, Event, EventKind, GapCause, RawTask},
    ids::{BootNs, Seq},
    order::{Reorder, WINDOW_NS, gap},
    state::Model,
};

use crate::{
    capture::{CaptureError, Item, Loss, Source, boot_now},
    pipeline::{Ended, Pipeline},
    redaction::Redaction,
    trace_file::{Header, cause, how_to_write},
};

use self::unattended::Unattended;

/// Wall time may move by this much against the boot clock (slewing by NTP) before a new anchor is recorded.
const CLOCK_STEP_NS: i64 = 10_000_000;

/// How often the source is asked for losses that leave no hole: that is a system call for each program.
const COUNT_EVERY_NS: u64 = 1_000_000_000;

/// Least time between two snapshots that heal losses.
const HEAL_EVERY_NS: u64 = 500_000_000;

/// Parts of a backlog that are taken at once: as many records as a ring can hold.
const PARTS: usize = 16;

/// Why a capture ended badly.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The source failed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A sink could not write: a full disk, a closed pipe.
    #[error("cannot write the output: {}", cause(.0))]
    Sink(#[source] io::Error),
    /// This process lacks what it needs for waiting: descriptors, as a rule.
    #[error("cannot wait for events: {}", cause(.0))]
    Waiting(#[source] io::Error),
}

impl LiveError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Capture(error) => error.hint(),
            Self::Sink(error) => how_to_write(error),
            Self::Waiting(error) => {
                let limit = matches!(error.raw_os_error(), Some(libc::EMFILE));
                limit.then(|| "ulimit -n 1024".to_owned())
            }
        }
    }
}

/// A capture under way.
pub struct Live {
    source: Box<dyn Source>,
    reorder: Reorder,
    pipeline: Pipeline,
    redaction: Redaction,
    /// Wall clock minus boot clock, as last recorded.
    clock_offset: i64,
    items: Vec<Item>,
    events: Vec<Event>,
    /// Losses that the counters show and no gap has named yet.
    unnamed: Vec<Loss>,
    /// Records were lost since the source last showed every process.
    loss_unhealed: bool,
    healed_at: BootNs,
    /// When the source was last asked for its losses.
    counted_at: BootNs,
    unattended: Unattended,
}

impl Live {
    /// Takes over a source that is capturing.
    #[must_use]
    pub fn new(source: Box<dyn Source>, pipeline: Pipeline, header: &Header) -> Self {
        Self {
            source,
            reorder: Reorder::new(Seq(1), WINDOW_NS, boot_now()),
            pipeline,
            redaction: Redaction::Nothing,
            clock_offset: header.unix_ns - header.boot_ns.0 as i64,
            items: Vec::new(),
            events: Vec::new(),
            unnamed: Vec::new(),
            loss_unhealed: false,
            healed_at: BootNs(0),
            counted_at: BootNs(0),
            unattended: Unattended::default(),
        }
    }

    /// Keeps these arguments from everything downstream.
    #[must_use]
    pub fn without(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// The source: for its descriptors.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// The state after the last event.
    #[must_use]
    pub fn model(&self) -> &Model {
        self.pipeline.model()
    }

    /// How long until a rule decides what it waits for, if nothing happens.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let next = BootNs(self.pipeline.next()?.0.saturating_add(WINDOW_NS));
        Some(Duration::from_nanos(next.since(boot_now())))
    }

    /// Feeds items that the source yielded before.
    pub fn feed(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            let item = match self.pipeline.check() {
                Some(check) => check.pass(item),
                None => item,
            };
            match item {
                Item::Event(event) => {
                    if let Some(late) = self.reorder.push(event.seq, Some(event)) {
                        self.reorder.push_unnumbered(late);
                    }
                }
                Item::Skip { seq } => {
                    self.reorder.push(seq, None);
                }
                Item::Unnumbered(event) => self.reorder.push_unnumbered(event),
            }
        }
    }

    /// Takes what the source has and passes on what is in order. Returns whether everything up to `until` was passed on.
    pub fn pump(&mut self, until: Seq) -> Result<bool, LiveError> {
        // What is not read yet is not missing. A storm that is faster than this must not keep it from what else there is to do.
        for _ in 1..PARTS {
            if !self.read()? {
                break;
            }
            self.reorder.release_contiguous(&mut self.events);
            self.pass_on(false)?;
        }
        let now = boot_now();
        self.note_clock_step(now);
        self.reorder.release(now, self.source.read_until(), &mut self.events);
        self.pass_on(false)?;
        self.heal()?;
        self.observe(now)?;
        self.unattended.ask_sometimes(now, &*self.source, self.pipeline.model());
        Ok(self.reorder.next() > until)
    }

    /// Whether a comparison with the kernel is to go on although the end is wanted.
    pub fn is_to_go_on(&mut self) -> bool {
        self.pipeline.check().is_some_and(|check| check.is_to_go_on(boot_now()))
    }

    /// Lets the source look at every process when there is a check that wants it.
    fn observe(&mut self, now: BootNs) -> Result<(), LiveError> {
        if !self.pipeline.check().is_some_and(|check| check.is_due(now)) {
            return Ok(());
        }
        // Who is asked after before a look is no more in the model when what is seen is compared with it.
        self.unattended.ask(now, &*self.source, self.pipeline.model());
        let (since, mut items) = (self.source.last_seq(), std::mem::take(&mut self.items));
        let mut observed = self.source.observe(&mut items);
        let caught_up = self.source.catch_up();
        if let (Some(check), Ok(observations)) = (self.pipeline.check(), &mut observed) {
            check.observed(since, self.source.last_seq(), std::mem::take(observations));
        }
        self.feed(items.drain(..));
        self.items = items;
        Ok(observed.map(drop).and(caught_up)?)
    }

    /// Ends: what is still missing is lost. The source is given back however it went.
    pub fn finish(mut self, complete: bool) -> (Box<dyn Source>, Result<Ended, LiveError>) {
        let drained = self.drain();
        let Self { source, pipeline, .. } = self;
        (source, drained.and_then(|()| pipeline.end(complete).map_err(LiveError::Sink)))
    }

    fn drain(&mut self) -> Result<(), LiveError> {
        self.source.stop()?;
        // No more records are made, so that this ends.
        while self.read()? {
            self.reorder.release(boot_now(), self.source.read_until(), &mut self.events);
            self.pass_on(false)?;
        }
        self.reorder.finish(boot_now(), self.source.last_seq(), &mut self.events);
        self.pass_on(true)
    }

    /// Takes what the source has. Says whether it may have more.
    fn read(&mut self) -> Result<bool, LiveError> {
        let mut items = std::mem::take(&mut self.items);
        let read = self.source.poll(&mut items);
        self.feed(items.drain(..));
        self.items = items;
        Ok(read?)
    }

    /// Passes on what is in order. `last`: nothing will follow.
    fn pass_on(&mut self, last: bool) -> Result<(), LiveError> {
        let mut events = std::mem::take(&mut self.events);
        let (now, is_hole) = (boot_now(), |event: &Event| matches!(event.kind, EventKind::Gap(_)));
        let mut others = Vec::new();
        if last || now.since(self.counted_at) > COUNT_EVERY_NS || events.iter().any(is_hole) {
            self.counted_at = now;
            let losses = self.source.lost().into_iter();
            let (holes, unnumbered): (Vec<_>, Vec<_>) =
                losses.partition(|loss| loss.cause == GapCause::MissingSequence);
            self.unnamed.extend(holes);
            others = unnumbered;
        }
        self.name_holes(&mut events);
        events.extend(others.into_iter().map(|loss| self.numberless_gap(loss)));
        if last {
            // Until then nothing else has happened: what a rule waits for is decided in a replay as it is here.
            events.push(self.anchor(now, unix_now()));
        }
        for event in &mut events {
            self.tell_released(event.seq)?;
            self.unattended.note(event);
            self.redaction.event(event);
            self.loss_unhealed |= matches!(event.kind, EventKind::Gap(_));
            self.pipeline.event(event).map_err(LiveError::Sink)?;
        }
        events.clear();
        self.events = events;
        self.tell_released(self.reorder.next())?;
        // Everything that was numbered is through: nothing older than the reorder window will come.
        if !last && self.reorder.next() > self.source.last_seq() {
            self.pipeline.advance(BootNs(now.0.saturating_sub(WINDOW_NS)));
        }
        self.pipeline.reached(self.reorder.next());
        self.pipeline.flush();
        Ok(())
    }

    /// Passes on the reaps of which nothing tells, all events before `next` being known.
    fn tell_released(&mut self, next: Seq) -> Result<(), LiveError> {
        while let Some(event) = self.unattended.released(next, self.pipeline.model()) {
            self.pipeline.event(&event).map_err(LiveError::Sink)?;
        }
        Ok(())
    }

    /// Which probes lost the records of a hole. The counters do not say which hole a loss made: the last of these gaps gets
    /// what they counted since a gap was last named.
    fn name_holes(&mut self, events: &mut [Event]) {
        if let Some(probes) = events.iter_mut().filter_map(names_of_hole).next_back() {
            for loss in self.unnamed.drain(..) {
                match probes.iter_mut().find(|(name, _)| *name == loss.probe) {
                    Some((_, lost)) => *lost += loss.lost,
                    None => probes.push((loss.probe, loss.lost)),
                }
            }
        }
    }

    /// A loss of which no sequence number is missing: a skipped probe, a full map.
    fn numberless_gap(&self, loss: Loss) -> Event {
        let (now, from) = (boot_now(), self.reorder.last_at());
        let mut event = gap(self.reorder.next(), from, now.max(from), loss.lost, loss.cause);
        if let EventKind::Gap(gap) = &mut event.kind {
            gap.probes.push((loss.probe, loss.lost));
        }
        event
    }

    /// After a loss the source is asked to show every process again; not too often, or healing would be what fills the rings.
    fn heal(&mut self) -> Result<(), LiveError> {
        let now = boot_now();
        if !self.loss_unhealed || now.since(self.healed_at) < HEAL_EVERY_NS {
            return Ok(());
        }
        (self.loss_unhealed, self.healed_at) = (false, now);
        let mut items = std::mem::take(&mut self.items);
        let healed = self.source.resynchronise(&mut items);
        self.feed(items.drain(..));
        self.items = items;
        Ok(healed?)
    }

    fn note_clock_step(&mut self, now: BootNs) {
        let unix_ns = unix_now();
        let offset = unix_ns - now.0 as i64;
        if (offset - self.clock_offset).abs() > CLOCK_STEP_NS {
            self.clock_offset = offset;
            self.reorder.push_unnumbered(self.anchor(now, unix_ns));
        }
    }

    fn anchor(&self, at: BootNs, unix_ns: i64) -> Event {
        Event {
            seq: self.reorder.next(),
            at,
            cpu: 0,
            actor: RawTask::default(),
            actor_comm: Comm::default(),
            subject: None,
            kind: EventKind::ClockAnchor { unix_ns },
        }
    }
}

/// The names in a gap that missing numbers made.
fn names_of_hole(event: &mut Event) -> Option<&mut Vec<(String, u64)>> {
    if let EventKind::Gap(gap) = &mut event.kind
        && gap.cause == GapCause::MissingSequence
    {
        return Some(&mut gap.probes);
    }
    None
}

/// `CLOCK_REALTIME` now, ns since 1970. The clock exists on every kernel; a failure would be 0 and shows as 1970.
#[must_use]
pub fn unix_now() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}
