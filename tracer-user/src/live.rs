//! A capture under way: a source, the reorder buffer and the pipeline, driven by a timer.
//!
//! Must not: print, or know which source it is.

use std::io;

use nix::time::{ClockId, clock_gettime};
use tracer_model::{
    event::{Comm, Event, EventKind, GapCause, RawTask},
    ids::{BootNs, Seq},
    order::{Reorder, WINDOW_NS, gap},
    state::Model,
};

use crate::{
    capture::{CaptureError, Item, Loss, Source},
    pipeline::{Ended, Pipeline},
    trace_file::Header,
};

/// Wall time may move by this much against the boot clock (slewing by NTP) before a new anchor is recorded.
const CLOCK_STEP_NS: i64 = 10_000_000;

/// Why a capture ended badly.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The source failed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A sink could not write: a full disk, a closed pipe.
    #[error("cannot write the output: {0}")]
    Sink(#[source] io::Error),
}

/// A capture under way.
pub struct Live<S: Source> {
    source: S,
    reorder: Reorder,
    pipeline: Pipeline,
    /// Wall clock minus boot clock, as last recorded.
    clock_offset: i64,
    items: Vec<Item>,
    events: Vec<Event>,
    /// Losses that the counters show and no gap has named yet.
    unnamed: Vec<Loss>,
}

impl<S: Source> Live<S> {
    /// Takes over a source that is capturing.
    pub fn new(source: S, pipeline: Pipeline, header: &Header) -> Self {
        Self {
            source,
            reorder: Reorder::new(Seq(1), WINDOW_NS),
            pipeline,
            clock_offset: header.unix_ns - header.boot_ns.0 as i64,
            items: Vec::new(),
            events: Vec::new(),
            unnamed: Vec::new(),
        }
    }

    /// The source: for its descriptors.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The state after the last event.
    pub fn model(&self) -> &Model {
        self.pipeline.model()
    }

    /// Feeds items that the source yielded before.
    pub fn feed(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
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
        self.read()?;
        let now = boot_now();
        self.note_clock_step(now);
        self.reorder.release(now, self.source.last_seq(), &mut self.events);
        self.pass_on()?;
        Ok(self.reorder.next() > until)
    }

    /// Ends: what is still missing is lost.
    pub fn finish(mut self, complete: bool) -> Result<(S, Ended), LiveError> {
        self.read()?;
        self.reorder.finish(boot_now(), self.source.last_seq(), &mut self.events);
        self.pass_on()?;
        let ended = self.pipeline.end(complete).map_err(LiveError::Sink)?;
        Ok((self.source, ended))
    }

    fn read(&mut self) -> Result<(), LiveError> {
        let mut items = std::mem::take(&mut self.items);
        let read = self.source.poll(&mut items);
        self.feed(items.drain(..));
        self.items = items;
        Ok(read?)
    }

    fn pass_on(&mut self) -> Result<(), LiveError> {
        self.unnamed.extend(self.source.lost());
        let mut events = std::mem::take(&mut self.events);
        events.extend(self.numberless_gaps());
        let mut lost = false;
        for event in &mut events {
            if let EventKind::Gap(gap) = &mut event.kind {
                lost = true;
                gap.probes.extend(self.names_for(gap.cause, gap.lost));
            }
            self.pipeline.event(event).map_err(LiveError::Sink)?;
        }
        events.clear();
        self.events = events;
        self.pipeline.flush();
        if lost {
            let mut items = std::mem::take(&mut self.items);
            let snapshot = self.source.resynchronise(&mut items);
            self.feed(items.drain(..));
            self.items = items;
            snapshot?;
        }
        Ok(())
    }

    /// Losses of which no sequence number is missing (a skipped probe, a full map) become gaps here.
    fn numberless_gaps(&mut self) -> Vec<Event> {
        let (now, seq) = (boot_now(), self.reorder.next());
        let from = self.reorder.last_at();
        let (holes, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unnamed).into_iter().partition(|loss| loss.cause == GapCause::MissingSequence);
        self.unnamed = holes;
        let name = |loss: Loss| {
            let mut event = gap(seq, from, now.max(from), loss.lost, loss.cause);
            if let EventKind::Gap(gap) = &mut event.kind {
                gap.probes.push((loss.probe, loss.lost));
            }
            event
        };
        others.into_iter().map(name).collect()
    }

    /// Which probes lost the `lost` records of a hole. The counters do not say which hole a loss made, so the names are
    /// given only when everything that they count fits into this hole.
    fn names_for(&mut self, cause: GapCause, lost: u64) -> Vec<(String, u64)> {
        let counted: u64 = self.unnamed.iter().map(|loss| loss.lost).sum();
        if cause != GapCause::MissingSequence || counted > lost {
            return Vec::new();
        }
        std::mem::take(&mut self.unnamed).into_iter().map(|loss| (loss.probe, loss.lost)).collect()
    }

    fn note_clock_step(&mut self, now: BootNs) {
        let unix_ns = unix_now();
        let offset = unix_ns - now.0 as i64;
        if (offset - self.clock_offset).abs() > CLOCK_STEP_NS {
            self.clock_offset = offset;
            self.reorder.push_unnumbered(Event {
                seq: self.reorder.next(),
                at: now,
                cpu: 0,
                actor: RawTask::default(),
                actor_comm: Comm::default(),
                subject: None,
                kind: EventKind::ClockAnchor { unix_ns },
            });
        }
    }
}

/// `CLOCK_BOOTTIME` now.
#[must_use]
pub fn boot_now() -> BootNs {
    BootNs(read(ClockId::CLOCK_BOOTTIME) as u64)
}

/// `CLOCK_REALTIME` now, ns since 1970.
#[must_use]
pub fn unix_now() -> i64 {
    read(ClockId::CLOCK_REALTIME)
}

/// Both clocks exist on every kernel that the probes need; a failure would be 0 and shows as 1970.
fn read(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}
