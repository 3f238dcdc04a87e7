//! Puts events into the order of the global counter, and turns what is missing into gaps.
//!
//! Probes on several CPUs take their number and then write, so records arrive out of order by a little
//! (a displacement of 40 and 166 µs were seen; one CPU that is taken away by a hypervisor stretches it). A missing number
//! means "not yet" until it has been missing for the whole window, and "lost" from then on. An event that comes later than
//! that is counted and reported, never applied.
//!
//! Must not: read a clock (the caller passes `now`), or hold more than the window.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    event::{Comm, Event, EventKind, Gap, GapCause, RawTask},
    ids::{BootNs, Seq},
};

/// How long a number may be missing before it counts as lost: generous beside what was measured, and short enough for a
/// person who watches.
pub const WINDOW_NS: u64 = 100_000_000;

/// The last number that can come: each needs one after it.
const LAST: Seq = Seq(u64::MAX - 1);

/// The reorder buffer.
#[derive(Debug)]
pub struct Reorder {
    window: u64,
    /// The number that must come next.
    next: u64,
    /// What came early. `None` stands for a record that was read but is no event (out of scope).
    waiting: BTreeMap<u64, Option<Event>>,
    /// Events without a number of their own, by that of the record that they go before.
    unnumbered: BTreeMap<u64, Vec<Event>>,
    /// The last number that had been given out at an instant, for instants in order: what is missing has been missing since
    /// the first of them at which it had been given out.
    given_out: VecDeque<(u64, BootNs)>,
    /// Time of the last event that was released: where a gap begins.
    last_at: BootNs,
}

impl Reorder {
    /// A buffer that expects `first` next, not before `begin`, and gives up on a missing number after `window` ns.
    #[must_use]
    pub fn new(first: Seq, window: u64, begin: BootNs) -> Self {
        Self {
            window,
            next: first.0,
            waiting: BTreeMap::new(),
            unnumbered: BTreeMap::new(),
            given_out: VecDeque::new(),
            last_at: begin,
        }
    }

    /// Takes what the source read at `seq`: an event, or nothing that concerns us. An event whose number was given up
    /// already comes back as a gap of cause [`GapCause::Late`], and so does one with the number that has none after it.
    pub fn push(&mut self, seq: Seq, event: Option<Event>) -> Option<Event> {
        if (self.next..u64::MAX).contains(&seq.0) {
            self.waiting.insert(seq.0, event);
            return None;
        }
        event.map(|late| gap(late.seq, late.at, self.last_at.max(late.at), 1, GapCause::Late))
    }

    /// Takes an event without a number of its own (a gap that a record showed, the end of a snapshot, a clock anchor). It
    /// bears the number of the record that it goes before.
    pub fn push_unnumbered(&mut self, event: Event) {
        self.unnumbered.entry(event.seq.0).or_default().push(event);
    }

    /// The number that must come next: everything before it was released.
    #[must_use]
    pub fn next(&self) -> Seq {
        Seq(self.next)
    }

    /// Time of the last event that was released.
    #[must_use]
    pub fn last_at(&self) -> BootNs {
        self.last_at
    }

    /// Releases into `out` everything that is in order at `now`. `last` is the last number that the probes gave out, or, while more
    /// is there to be read, the one up to which it was read: what comes after it is not missing.
    pub fn release(&mut self, now: BootNs, last: Seq, out: &mut Vec<Event>) {
        let last = last.min(LAST).0;
        if self.given_out.back().is_none_or(|(before, _)| *before < last) {
            self.given_out.push_back((last, now));
        }
        loop {
            self.release_contiguous(out);
            while self.given_out.front().is_some_and(|(given, _)| *given < self.next) {
                self.given_out.pop_front();
            }
            let Some((_, since)) = self.given_out.front() else { return };
            if last < self.next || now.since(*since) < self.window {
                return;
            }
            self.give_up(now, Seq(last), out);
        }
    }

    /// Releases everything: what is missing up to `last` is lost.
    pub fn finish(&mut self, now: BootNs, last: Seq, out: &mut Vec<Event>) {
        let came = self.waiting.keys().next_back().copied().unwrap_or_default();
        let last = Seq(last.min(LAST).0.max(came));
        self.release_contiguous(out);
        while last.0 >= self.next {
            self.give_up(now, last, out);
            self.release_contiguous(out);
        }
        out.extend(std::mem::take(&mut self.unnumbered).into_values().flatten());
    }

    /// Releases into `out` what is in order, and gives up on nothing: more can be read at once.
    pub fn release_contiguous(&mut self, out: &mut Vec<Event>) {
        self.release_unnumbered(out);
        while let Some(slot) = self.waiting.remove(&self.next) {
            self.next += 1;
            if let Some(event) = slot {
                self.last_at = self.last_at.max(event.at);
                out.push(event);
            }
            self.release_unnumbered(out);
        }
    }

    /// Declares the numbers from `next` up to the first one that came, and no further than `last`, lost.
    fn give_up(&mut self, now: BootNs, last: Seq, out: &mut Vec<Event>) {
        let after = last.0.saturating_add(1);
        let end = self.waiting.keys().next().map_or(after, |came| after.min(*came));
        let until = self.waiting.values().flatten().next().map_or(now, |event| event.at);
        let lost = end.saturating_sub(self.next);
        out.push(gap(Seq(self.next), self.last_at, until.max(self.last_at), lost, GapCause::MissingSequence));
        self.next = end;
    }

    /// Releases the events without a number that belong before `next`.
    fn release_unnumbered(&mut self, out: &mut Vec<Event>) {
        if self.unnumbered.is_empty() {
            return;
        }
        let later = self.unnumbered.split_off(&self.next.saturating_add(1));
        out.extend(std::mem::replace(&mut self.unnumbered, later).into_values().flatten());
    }
}

/// A gap as an event: it takes the first missing number.
#[must_use]
pub fn gap(seq: Seq, from: BootNs, until: BootNs, lost: u64, cause: GapCause) -> Event {
    Event {
        seq,
        at: until,
        cpu: 0,
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind: EventKind::Gap(Gap { from, until, lost, cause, probes: Vec::new() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Of a hostile or broken source.
    #[test]
    fn the_greatest_numbers_end_it_and_no_more() {
        let mut buffer = Reorder::new(Seq(u64::MAX - 3), 100 * MS, BootNs(0));
        let mut out = Vec::new();
        for seq in [u64::MAX - 3, u64::MAX - 1] {
            assert_eq!(buffer.push(Seq(seq), Some(event(seq, 5))), None);
        }
        assert!(buffer.push(Seq(u64::MAX), Some(event(u64::MAX, 5))).is_some(), "it comes back");
        buffer.release(BootNs(200 * MS), Seq(u64::MAX), &mut out);
        buffer.release(BootNs(400 * MS), Seq(u64::MAX), &mut out);
        buffer.finish(BootNs(500 * MS), Seq(u64::MAX), &mut out);
        let seqs: Vec<u64> = out.iter().map(|event| event.seq.0).collect();
        assert_eq!((seqs, buffer.next()), (vec![u64::MAX - 3, u64::MAX - 2, u64::MAX - 1], Seq(u64::MAX)));
    }

    fn event(seq: u64, at: u64) -> Event {
        Event { kind: EventKind::Dead, ..gap(Seq(seq), BootNs(0), BootNs(at), 0, GapCause::Late) }
    }

    fn buffer() -> Reorder {
        Reorder::new(Seq(1), 100 * MS, BootNs(0))
    }

    /// What was released: `seq`, or `seq!lost` for a gap.
    fn shown(events: &[Event]) -> String {
        let show = |event: &Event| {
            if let EventKind::Gap(gap) = &event.kind {
                format!("{}!{}", event.seq.0, gap.lost)
            } else {
                event.seq.0.to_string()
            }
        };
        events.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn events_come_out_in_the_order_of_the_counter() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        for seq in [3, 1, 2] {
            assert_eq!(reorder.push(Seq(seq), Some(event(seq, seq * MS))), None);
        }
        reorder.release(BootNs(4 * MS), Seq(3), &mut out);
        assert_eq!(shown(&out), "1 2 3");
    }

    #[test]
    fn what_is_out_of_scope_fills_its_number() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(2), Some(event(2, MS)));
        reorder.push(Seq(1), None);
        reorder.release(BootNs(MS), Seq(2), &mut out);
        assert_eq!(shown(&out), "2");
    }

    #[test]
    fn a_missing_number_is_waited_for_and_then_lost() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(1), Some(event(1, 10 * MS)));
        reorder.push(Seq(4), Some(event(4, 12 * MS)));
        reorder.release(BootNs(12 * MS), Seq(4), &mut out);
        reorder.release(BootNs(100 * MS), Seq(4), &mut out);
        assert_eq!(shown(&out), "1", "inside the window nothing is given up");
        reorder.release(BootNs(112 * MS), Seq(4), &mut out);
        assert_eq!(shown(&out), "1 2!2 4");
        let EventKind::Gap(gap) = &out[1].kind else { panic!("a gap") };
        assert_eq!(
            (gap.from, gap.until),
            (BootNs(10 * MS), BootNs(12 * MS)),
            "bracketed by the events around the hole"
        );
    }

    #[test]
    fn a_number_that_comes_inside_the_window_is_no_loss() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(2), Some(event(2, 2 * MS)));
        reorder.release(BootNs(2 * MS), Seq(2), &mut out);
        reorder.push(Seq(1), Some(event(1, MS)));
        reorder.release(BootNs(99 * MS), Seq(2), &mut out);
        assert_eq!(shown(&out), "1 2");
    }

    #[test]
    fn many_holes_are_waited_for_together() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        for seq in (2..=2000).step_by(2) {
            reorder.push(Seq(seq), Some(event(seq, seq)));
        }
        reorder.release(BootNs(MS), Seq(2000), &mut out);
        assert_eq!(shown(&out), "");
        reorder.push(Seq(2002), Some(event(2002, 2002)));
        reorder.release(BootNs(50 * MS), Seq(2002), &mut out);
        reorder.release(BootNs(101 * MS), Seq(2002), &mut out);
        assert_eq!(out.len(), 2000, "those that were missing all the time");
        reorder.release(BootNs(150 * MS), Seq(2002), &mut out);
        assert_eq!(out.len(), 2002, "and the one that was missing later");
    }

    /// Of two rings one has been read further than the other, and that takes longer than the window.
    #[test]
    fn what_is_not_read_yet_is_not_missing() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        for seq in [1, 3, 8, 9] {
            reorder.push(Seq(seq), Some(event(seq, seq)));
        }
        for at in [1, 200, 400] {
            reorder.release(BootNs(at * MS), Seq(3), &mut out);
        }
        assert_eq!(shown(&out), "1 2!1 3", "what is read up to 3 is missing before, and nothing after");
        for seq in [4, 5, 7] {
            reorder.push(Seq(seq), Some(event(seq, seq)));
        }
        reorder.release(BootNs(600 * MS), Seq(9), &mut out);
        assert_eq!(shown(&out), "1 2!1 3 4 5");
        reorder.release(BootNs(700 * MS), Seq(9), &mut out);
        assert_eq!(shown(&out), "1 2!1 3 4 5 6!1 7 8 9");
    }

    #[test]
    fn a_loss_at_the_end_is_seen_although_nothing_follows_it() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(1), Some(event(1, MS)));
        reorder.release(BootNs(MS), Seq(3), &mut out);
        reorder.release(BootNs(101 * MS), Seq(3), &mut out);
        assert_eq!(shown(&out), "1 2!2");
    }

    #[test]
    fn finishing_accounts_for_every_number() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        for seq in [2, 5] {
            reorder.push(Seq(seq), Some(event(seq, seq)));
        }
        reorder.finish(BootNs(9), Seq(7), &mut out);
        assert_eq!(shown(&out), "1!1 2 3!2 5 6!2");
    }

    #[test]
    fn a_gap_without_a_number_goes_before_the_record_that_showed_it() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(2), Some(event(2, 2)));
        reorder.push_unnumbered(gap(Seq(2), BootNs(1), BootNs(2), 1, GapCause::UnpairedCall));
        reorder.push(Seq(1), Some(event(1, 1)));
        reorder.release(BootNs(2), Seq(2), &mut out);
        assert_eq!(shown(&out), "1 2!1 2");
    }

    #[test]
    fn a_late_event_is_reported_and_not_applied() {
        let (mut reorder, mut out) = (buffer(), Vec::new());
        reorder.push(Seq(2), Some(event(2, 2)));
        reorder.finish(BootNs(9), Seq(2), &mut out);
        let late = reorder.push(Seq(1), Some(event(1, 1))).expect("reported");
        assert!(matches!(late.kind, EventKind::Gap(Gap { cause: GapCause::Late, lost: 1, .. })));
        assert_eq!(reorder.push(Seq(1), None), None, "what is out of scope is nobody's loss");
    }
}
