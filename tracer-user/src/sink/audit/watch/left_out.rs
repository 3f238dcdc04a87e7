//! Steps that were not recorded because there were too many at once: how many there can be of one process.

use std::collections::VecDeque;

use tracer_model::ids::BootNs;

/// Moments that are kept. Of who was launched before the first of them, everything may be.
const MOMENTS: usize = 1024;

/// How many there were by when, of all processes together: nobody counts them by process.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    total: u64,
    /// When so many were known, in order; those of before.
    moments: VecDeque<(BootNs, u64)>,
}

impl LeftOut {
    /// At `at`, or earlier, there were `total` since the capture began.
    pub fn count(&mut self, total: u64, at: BootNs) {
        if total == self.total && self.moments.back().is_some_and(|last| last.1 == total) {
            return;
        }
        self.total = total;
        self.moments.push_back((at, total));
        if self.moments.len() > MOMENTS {
            self.moments.pop_front();
        }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// At most so many are of a process that was launched then.
    pub fn since(&self, launch: BootNs) -> u64 {
        let before = self.moments.partition_point(|(at, _)| *at <= launch);
        let known = before.checked_sub(1).and_then(|last| self.moments.get(last));
        self.total.saturating_sub(known.map_or(0, |moment| moment.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_what_was_left_out_since_its_launch_is_its_own() {
        let mut left_out = LeftOut::default();
        for (total, at) in [(0, 10), (0, 20), (7, 30), (7, 40), (9, 50)] {
            left_out.count(total, BootNs(at));
        }
        let since = [5, 10, 29, 30, 49, 50].map(|launch| left_out.since(BootNs(launch)));
        assert_eq!((since, left_out.total()), ([9, 9, 9, 2, 2, 0], 9));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_forgotten_counts() {
        let mut left_out = LeftOut::default();
        for total in 1..=5000 {
            left_out.count(total, BootNs(total));
        }
        assert_eq!(left_out.moments.len(), MOMENTS);
        assert_eq!((left_out.since(BootNs(4998)), left_out.since(BootNs(9))), (2, 5000));
    }
}
