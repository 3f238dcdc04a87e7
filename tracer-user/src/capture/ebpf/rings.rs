//! The two ring buffers.
//!
//! Must not: wait, or understand what is in them.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{MapData, RingBuf};
use tracer_model::ids::Seq;

/// Records taken from one ring at one call, where they are kept: a storm that writes faster than this reads must not hold the
/// reader for ever.
pub const AT_MOST: usize = 1 << 16;

/// Records taken from one ring at one call, where they are passed on: decoded they are many times larger.
pub const A_PART: usize = 1 << 12;

/// `CRITICAL` and `CHATTY`.
pub struct Rings {
    rings: [Ring; 2],
}

/// One of them.
struct Ring {
    records: RingBuf<MapData>,
    /// The number of the last record that was taken from it.
    last: Seq,
}

impl Rings {
    /// Takes over both.
    pub fn new(critical: RingBuf<MapData>, chatty: RingBuf<MapData>) -> Self {
        Self { rings: [critical, chatty].map(|records| Ring { records, last: Seq(0) }) }
    }

    /// Hands the records that are there to `take`, which says their numbers, up to `at_most` of each ring. If some are left: the
    /// number up to which they were taken from both.
    pub fn drain(&mut self, at_most: usize, mut take: impl FnMut(&[u8]) -> Option<Seq>) -> Option<Seq> {
        let mut until: Option<Seq> = None;
        for Ring { records, last } in &mut self.rings {
            let mut left = at_most;
            while left > 0
                && let Some(record) = records.next()
            {
                *last = take(&record).unwrap_or(*last);
                left -= 1;
            }
            if left == 0 {
                until = Some(until.map_or(*last, |other| other.min(*last)));
            }
        }
        until
    }

    /// Their descriptors: readable when the probes found them filling up.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        let [critical, chatty] = &self.rings;
        [critical.records.as_fd(), chatty.records.as_fd()]
    }
}
