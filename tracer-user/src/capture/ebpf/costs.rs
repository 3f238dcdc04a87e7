//! What the probes cost a system call: measured with and without them, on this machine, now.
//!
//! Must not: print. A benchmark that compares with other tracers is another program.

use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use tracer_common::control::{SCOPE_ALL, SCOPE_FOLLOWED};

use super::{
    Mode, Options, load,
    source::{self, control_of},
};
use crate::{capture::CaptureError, prebuilt};

/// Calls in one repetition.
const CALLS: u32 = 10_000;
/// Calls in one repetition when each writes two records, which the rings have room for.
const RECORDED_CALLS: u32 = 2_000;
/// Repetitions; the fastest one counts.
const REPETITIONS: u32 = 40;

/// Time of one call, ns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Without probes.
    pub without: f64,
    /// With them.
    pub with: f64,
}

/// Costs by what the probes have to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// A call that is not watched (getppid).
    pub unwatched: Cost,
    /// A watched call (kill) of a process that is not followed.
    pub watched: Cost,
    /// A watched call that is recorded.
    pub recorded: Cost,
}

/// Times without probes. To be taken before any are attached: detaching takes seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    unwatched: f64,
    watched: f64,
}

fn unwatched() {
    nix::unistd::getppid();
}

fn watched() {
    // Signal 0 is sent to nobody.
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), None);
}

impl Baseline {
    /// Measures the calls as they are now.
    #[must_use]
    pub fn take() -> Self {
        Self { unwatched: fastest(CALLS, unwatched, || {}), watched: fastest(CALLS, watched, || {}) }
    }

    /// Measures them again with probes. Nothing is followed meanwhile, and the probes are let go in the background.
    pub fn compare(self) -> Result<Costs, CaptureError> {
        let (_, layout) = source::layout()?;
        let mut loaded = load::load(prebuilt::OBJECT, &layout, &Options::new(Mode::Follow).load)?;
        loaded.require()?;
        let control = control_of(&loaded)?;
        let mut rings = [source::ring(&mut loaded, "CRITICAL")?, source::ring(&mut loaded, "CHATTY")?];
        control.set_scope(SCOPE_FOLLOWED);
        let with = Self::take();
        control.set_scope(SCOPE_ALL);
        let recorded = fastest(RECORDED_CALLS, watched, || rings.iter_mut().for_each(empty));
        drop(rings);
        loaded.detach_in_background();
        Ok(Costs {
            unwatched: Cost { without: self.unwatched, with: with.unwatched },
            watched: Cost { without: self.watched, with: with.watched },
            recorded: Cost { without: self.watched, with: recorded },
        })
    }
}

fn empty(ring: &mut RingBuf<MapData>) {
    while ring.next().is_some() {}
}

/// ns of one call in the fastest of many repetitions. `between` runs untimed after each.
fn fastest(calls: u32, call: fn(), mut between: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..REPETITIONS {
        let begin = Instant::now();
        for _ in 0..calls {
            call();
        }
        best = best.min(begin.elapsed());
        between();
    }
    best.as_nanos() as f64 / f64::from(calls)
}
