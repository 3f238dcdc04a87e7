//! Any bytes as what the probes write: records one after another, parsed, decoded, applied.

use tracer_common::record::RECORDS;
use tracer_model::{ids::BootNs, state::Model};
use tracer_user::capture::ebpf::decode::{Decoded, Decoder};

/// Bytes of a header before its kind.
const KIND: usize = 16;

/// Runs the target. Records follow each other as far as each kind is long; what is of no kind takes the rest.
pub fn run(bytes: &[u8]) {
    let mut decoder = Decoder::new(BootNs(0));
    let mut model = Model::new();
    for record in records(bytes) {
        match decoder.decode(record) {
            Decoded::Event { event, unpaired } => {
                assert_eq!(record.get(..8), Some(&event.seq.0.to_ne_bytes()[..]), "a record takes its own number");
                model.apply(&event);
                if let Some(gap) = unpaired {
                    model.apply(&gap);
                }
            }
            Decoded::Skip(seq) => {
                assert_eq!(tracer_common::parse(record).map(|record| record.header().seq), Ok(seq.0));
            }
            Decoded::Nothing => assert!(record.len() < 8, "a number was there"),
        }
    }
}

/// The records that these bytes are.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let (record, rest) = left.split_at(length(left).min(left.len()));
        left = rest;
        (!record.is_empty()).then_some(record)
    })
}

fn length(bytes: &[u8]) -> usize {
    let kind = bytes.get(KIND..).and_then(|rest| rest.first_chunk()).map(|kind| u16::from_ne_bytes(*kind));
    RECORDS.iter().find(|row| Some(row.0) == kind).map_or(bytes.len(), |row| row.2)
}
