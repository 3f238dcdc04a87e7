//! A place in a recording: what was before it, so that a reader can begin there.
//!
//! Must not: know of formats.

use tracer_model::{
    event::{Event, EventKind},
    ids::BootNs,
};

use super::Header;

/// What a reader that begins at a place must know of what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Events, gaps included.
    pub events: u64,
    /// Records that those gaps tell as lost.
    pub lost: u64,
    /// The largest number of an event.
    pub seq: u64,
    /// The latest time of an event. (Events are in the order of their numbers; times may go back by a little.)
    pub at: BootNs,
    /// The latest wall time of an event, ns since 1970.
    pub unix_ns: i64,
    /// Wall clock minus boot clock, as of the last anchor.
    pub clock_offset: i64,
    /// The snapshot at the start has ended.
    pub snapshot_over: bool,
}

impl Place {
    /// Before the first event.
    #[must_use]
    pub fn start(header: &Header) -> Self {
        let clock_offset = i128::from(header.unix_ns) - i128::from(header.boot_ns.0);
        Self {
            events: 0,
            lost: 0,
            seq: 0,
            at: BootNs(0),
            unix_ns: i64::MIN,
            clock_offset: narrow(clock_offset),
            snapshot_over: false,
        }
    }

    /// Goes past an event.
    pub fn pass(&mut self, event: &Event) {
        self.events += 1;
        #[expect(clippy::wildcard_enum_match_arm, reason = "most kinds say nothing of the recording")]
        match &event.kind {
            EventKind::Gap(gap) => self.lost = self.lost.saturating_add(gap.lost),
            EventKind::ClockAnchor { unix_ns } => {
                self.clock_offset = narrow(i128::from(*unix_ns) - i128::from(event.at.0));
            }
            EventKind::SnapshotEnd { .. } => self.snapshot_over = true,
            _ => {}
        }
        self.seq = self.seq.max(event.seq.0);
        self.at = self.at.max(event.at);
        let unix_ns = match i64::try_from(event.at.0) {
            Ok(at) => at.saturating_add(self.clock_offset),
            Err(_) => narrow(i128::from(event.at.0) + i128::from(self.clock_offset)),
        };
        self.unix_ns = self.unix_ns.max(unix_ns);
    }
}

/// Times that do not fit are those of no clock.
fn narrow(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
