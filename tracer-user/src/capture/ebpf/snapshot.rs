//! The task iterator: every process as the kernel holds it, numbered from the same counter as the events.
//!
//! Must not: judge scope.

use std::{
    collections::BTreeSet,
    io::{self, Read as _},
};

use aya::{Ebpf, programs::Iter};
use tracer_common::{Wire as _, record::Snapshot};
use tracer_model::{
    event::{Comm, Coverage, Event, EventKind, RawTask, State},
    ids::{Pid, Seq},
};

use super::{
    Mode,
    source::{EbpfSource, Read, read_one},
};
use crate::capture::{CaptureError, Observation, boot_now, procfs};

/// Bytes asked for at a time. At 32 KiB or more the kernel's own buffer (8 pages) could fill up within one read, and it
/// would then run the program a second time for the task that found no room, with a new number.
const CHUNK: usize = 16 << 10;

impl EbpfSource {
    /// Runs the task iterator and moves what it says to `pending`, with the end of the run.
    pub(super) fn run_snapshot(&mut self) -> Result<(), CaptureError> {
        let from = Seq(self.control.last_seq().0 + 1);
        let lost_before = self.control.snapshots_lost();
        let (mut last, mut whole) = (from, true);
        let (mut shown, mut parents) = (BTreeSet::new(), BTreeSet::new());
        let Self { loaded, decoder, pending, .. } = self;
        iterate(&mut loaded.ebpf, |bytes| {
            let read = read_one(decoder, bytes);
            match &read {
                Some(Read::Event { event, .. }) => {
                    last = last.max(event.seq);
                    whole &= matches!(event.kind, EventKind::Snapshot { .. });
                    if let Some(state) = &event.subject {
                        shown.insert(state.id.pid);
                        parents.insert(state.parent);
                    }
                }
                Some(Read::Skip(seq)) => last = last.max(*seq),
                Some(Read::Unnumbered(_)) | None => whole = false,
            }
            pending.extend(read);
        })?;
        // The iterator walks the pid namespace of its reader (kernel/bpf/task_iter.c, `init_seq_pidns`).
        whole &= self.control.snapshots_lost() == lost_before && self.proc_has_our_numbers;
        // A followed process for which the probes' map had no room is not known to be followed.
        let coverage = match self.options.mode {
            Mode::All if whole => Coverage::All,
            Mode::Follow if whole && self.control.followed_lost() == 0 => Coverage::Followed,
            Mode::All | Mode::Follow => Coverage::Some,
        };
        let end = EventKind::SnapshotEnd { from, coverage };
        let hidden = parents.into_iter().filter(|parent| parent.pid != Pid(0) && !shown.contains(&parent.pid));
        let hidden: Vec<State> = hidden.filter_map(|parent| self.hidden(parent)).collect();
        let kinds = hidden.into_iter().map(|state| (Some(state), EventKind::Snapshot { args: Vec::new() }));
        for (subject, kind) in kinds.chain([(None, end)]) {
            self.pending.push_back(Read::Unnumbered(Event {
                seq: Seq(last.0 + 1),
                at: boot_now(),
                cpu: 0,
                actor: RawTask::default(),
                actor_comm: Comm::default(),
                subject: subject.map(Box::new),
                kind,
            }));
        }
        Ok(())
    }

    /// Runs the task iterator for a comparison: its records are numbered like any other, and are nobody's event.
    pub(super) fn run_oracle(&mut self) -> Result<Vec<Observation>, CaptureError> {
        let mut observations = Vec::new();
        let Self { loaded, decoder, pending, .. } = self;
        iterate(&mut loaded.ebpf, |bytes| match read_one(decoder, bytes) {
            Some(Read::Event { event: Event { seq, at, subject: Some(state), .. }, .. }) => {
                observations.push(Observation { since: seq, seq, at, state: *state, stop_known: true });
                pending.push_back(Read::Skip(seq));
            }
            Some(Read::Skip(seq)) => pending.push_back(Read::Skip(seq)),
            Some(Read::Event { .. } | Read::Unnumbered(_)) | None => {}
        })?;
        Ok(observations)
    }

    /// A parent that the iterator did not show, as `/proc` has it: there are kernels that keep a process from iterators.
    fn hidden(&self, parent: RawTask) -> Option<State> {
        let mut state = self.proc_has_our_numbers.then(|| procfs::read(parent.pid)).flatten()?;
        // The bundle of the child has the exact start.
        let is_same = procfs::same_tick(state.id.start, parent.start);
        state.id.start = parent.start;
        is_same.then_some(state)
    }
}

/// Runs the iterator and hands each record's bytes to `take`.
pub(super) fn iterate(ebpf: &mut Ebpf, mut take: impl FnMut(&[u8])) -> Result<(), CaptureError> {
    let failed = |error: &dyn std::error::Error| CaptureError::Probe {
        what: "run the task iterator".to_owned(),
        message: error.to_string(),
    };
    let missing = || CaptureError::Object("it has no program snapshot".to_owned());
    let program: &mut Iter =
        ebpf.program_mut("snapshot").ok_or_else(missing)?.try_into().map_err(|error| failed(&error))?;
    let link = program.attach().and_then(|id| program.take_link(id)).map_err(|error| failed(&error))?;
    let mut file = link.into_file().map_err(|error| failed(&error))?;
    let mut buffer = vec![0; CHUNK];
    let mut held: Vec<u8> = Vec::new();
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(&error)),
        };
        // A read ends where it ends, not at a record.
        held.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let (records, rest) = held.as_chunks::<{ Snapshot::SIZE }>();
        for record in records {
            take(record);
        }
        held = rest.to_vec();
    }
    // Half a record at the end is still one that was numbered.
    if !held.is_empty() {
        take(&held);
    }
    Ok(())
}
