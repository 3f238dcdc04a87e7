//! The two ring buffers.
//!
//! Must not: wait, or understand what is in them.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{MapData, RingBuf};

/// Records taken from one ring at one call, where they are kept: a storm that writes faster than this reads must not hold the
/// reader for ever.
pub const AT_MOST: usize = 1 << 16;

/// Records taken from one ring at one call, where they are passed on: decoded they are many times larger.
pub const A_PART: usize = 1 << 12;

/// `CRITICAL` and `CHATTY`.
pub struct Rings {
    rings: [RingBuf<MapData>; 2],
}

impl Rings {
    /// Takes over both.
    pub fn new(critical: RingBuf<MapData>, chatty: RingBuf<MapData>) -> Self {
        Self { rings: [critical, chatty] }
    }

    /// Hands the records that are there to `take`, up to `at_most` of each ring. Says whether some may be left.
    pub fn drain(&mut self, at_most: usize, mut take: impl FnMut(&[u8])) -> bool {
        let mut more = false;
        for ring in &mut self.rings {
            let mut left = at_most;
            while left > 0
                && let Some(record) = ring.next()
            {
                take(&record);
                left -= 1;
            }
            more |= left == 0;
        }
        more
    }

    /// Their descriptors: readable when the probes found them filling up.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        let [critical, chatty] = &self.rings;
        [critical.as_fd(), chatty.as_fd()]
    }
}
