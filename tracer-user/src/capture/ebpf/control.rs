//! The mapped words of `CONTROL`: sequence counter, scope, loss counters. Read and written without a system call.
//!
//! Must not: use bpf(2) on the map (it makes tracepoint programs skip while it runs).

use std::{
    collections::BTreeMap,
    io,
    os::fd::BorrowedFd,
    sync::atomic::{AtomicU64, Ordering},
};

use tracer_common::{
    control::{
        ATTRIBUTES_LEFT_OUT, CONTROL_WORDS, LOSS_CALLS, LOSS_FOLLOWED, LOSS_PID_TABLE, LOSS_SLOTS, LOST, SCOPE,
        SEQUENCE, loss_slot,
    },
    record::{Attribute, Kind as _, Snapshot},
};
use tracer_model::{event::GapCause, ids::Seq};

use super::probes::probes;
use crate::capture::{Loss, sys::Words};

/// The words, and what the loss counters said when they were last read.
#[derive(Debug)]
pub struct Control {
    words: Words,
    /// By slot.
    seen: Vec<u64>,
    /// Slot to the name of what lost, and how it is known.
    names: BTreeMap<usize, (String, GapCause)>,
}

impl Control {
    /// Maps the words of the map behind this descriptor.
    pub fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let words = Words::map(fd, CONTROL_WORDS as usize)?;
        Ok(Self { words, seen: vec![0; LOSS_SLOTS as usize], names: names() })
    }

    /// The last number that was given out.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq(self.word(SEQUENCE).map_or(0, |word| word.load(Ordering::Acquire)))
    }

    /// Sets the scope, one of `SCOPE_*`.
    pub fn set_scope(&self, scope: u64) {
        if let Some(word) = self.word(SCOPE) {
            word.store(scope, Ordering::SeqCst);
        }
    }

    /// What was lost since the last call.
    pub fn lost(&mut self) -> Vec<Loss> {
        let start = LOST as usize;
        let now = self.words.words().get(start..).unwrap_or_default();
        let mut losses = Vec::new();
        for ((slot, word), seen) in now.iter().enumerate().zip(&mut self.seen) {
            let count = word.load(Ordering::Relaxed);
            let lost = count.wrapping_sub(std::mem::replace(seen, count));
            if lost != 0 {
                let unnamed = || (format!("loss counter {slot}"), GapCause::MissingSequence);
                let (probe, cause) = self.names.get(&slot).cloned().unwrap_or_else(unnamed);
                losses.push(Loss { probe, lost, cause });
            }
        }
        losses
    }

    /// Records of the task iterator that were lost so far.
    pub fn snapshots_lost(&self) -> u64 {
        self.word(LOST + loss_slot(Snapshot::KIND, None)).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Attributes that the bound on them left out so far.
    pub fn attributes_left_out(&self) -> u64 {
        self.word(ATTRIBUTES_LEFT_OUT).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// How often there was no room to remember a followed process or session.
    pub fn followed_lost(&self) -> u64 {
        self.word(LOST + LOSS_FOLLOWED).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn word(&self, index: u32) -> Option<&AtomicU64> {
        self.words.words().get(index as usize)
    }
}

/// Names of the loss counters.
fn names() -> BTreeMap<usize, (String, GapCause)> {
    let mut names = BTreeMap::new();
    for probe in probes() {
        for &kind in probe.kinds {
            let slot = loss_slot(kind, probe.hook.call()) as usize;
            names.insert(slot, (probe.name.clone(), GapCause::MissingSequence));
        }
    }
    // One counter for all of its calls.
    names.insert(loss_slot(Attribute::KIND, None) as usize, ("attributes".to_owned(), GapCause::MissingSequence));
    for (slot, what) in
        [(LOSS_PID_TABLE, "pid table"), (LOSS_FOLLOWED, "followed processes"), (LOSS_CALLS, "open calls")]
    {
        names.insert(slot as usize, (what.to_owned(), GapCause::MapFull));
    }
    names
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn every_loss_counter_has_its_own_name() {
        let names = names();
        // Twelve kinds, less ENTER and LEAVE which count by call, and three maps.
        assert_eq!(names.len(), 10 + 2 * tracer_common::record::Call::ALL.len() + 3);
        assert!(names.keys().all(|slot| *slot < LOSS_SLOTS as usize));
    }

    #[test]
    fn losses_are_those_since_the_last_call() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mut control = Control::map(File::as_fd(&file)).unwrap();
        let count = |slot: u32, value| control.words.words()[(LOST + slot) as usize].store(value, Ordering::Relaxed);
        count(loss_slot(9, Some(tracer_common::record::Call::Setpgid)), 3);
        count(LOSS_PID_TABLE, 1);
        let loss = |probe: &str, lost, cause| Loss { probe: probe.to_owned(), lost, cause };
        let setpgid = |lost| loss("enter_setpgid", lost, GapCause::MissingSequence);
        assert_eq!(control.lost(), [setpgid(3), loss("pid table", 1, GapCause::MapFull)]);
        assert_eq!(control.lost(), []);
        control.words.words()[(LOST + loss_slot(9, Some(tracer_common::record::Call::Setpgid))) as usize]
            .store(5, Ordering::Relaxed);
        assert_eq!(control.lost(), [setpgid(2)]);
        control.words.words()[SEQUENCE as usize].store(77, Ordering::Relaxed);
        assert_eq!(control.last_seq(), Seq(77));
    }
}
