//! Whether the next stop is asked for again and again before the thread sleeps until it comes.
//!
//! To be put to sleep and woken costs more than most threads run between two stops, on a virtual machine most of all. Whoever asks
//! meanwhile wants a processor of its own, though: where the traced threads have to share it, every asking keeps them from
//! the stop that it waits for. So it is tried, less and less often while it is in vain, as KVM does before it halts
//! (Documentation/virt/kvm/halt-polling.rst).
//! Must not: wait, or know what a stop is.

use std::time::Duration;

/// For so long it is asked: about what it costs to be put to sleep and woken.
pub(super) const LONGEST: Duration = Duration::from_micros(20);

/// Waits of which one at least is tried, however often it was in vain.
const RAREST: u32 = 1024;

/// What came of it so far.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// Waits after the next try in vain, until the one after it.
    pause: u32,
    /// Waits until the next try.
    left: u32,
}

impl Polling {
    /// A wait begins. Whether it is worth a try.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }

    /// A try has ended.
    pub fn tried(&mut self, in_vain: bool) {
        (self.left, self.pause) = if in_vain { (self.pause, (self.pause * 2 + 1).min(RAREST - 1)) } else { (0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries among so many waits.
    fn tries(polling: &mut Polling, waits: u32, in_vain: bool) -> u32 {
        let mut tries = 0;
        for _ in 0..waits {
            if polling.is_due() {
                tries += 1;
                polling.tried(in_vain);
            }
        }
        tries
    }

    #[test]
    fn what_is_in_vain_is_tried_ever_less_often_and_never_given_up() {
        let mut polling = Polling::default();
        assert_eq!(tries(&mut polling, 100, false), 100, "what helps is done each time");
        let in_vain = tries(&mut polling, 10 * RAREST, true);
        assert!((10..=30).contains(&in_vain), "{in_vain} tries");
        assert!(tries(&mut polling, RAREST, false) > 0, "never given up");
        assert_eq!(tries(&mut polling, 100, false), 100, "what helps again is done each time again");
    }
}
