//! Fuzz targets: a function of any bytes that must return. Each is a file with `run`, a row of [`TARGETS`], a binary in
//! `fuzz_targets/` and a folder of seeds.
//!
//! ```text
//! cargo xtask fuzz wire --seconds 1800     one target, with coverage feedback
//! cargo test -p sesstrace-fuzz             the seeds, and cheap mutations of them, through every target
//! ```
#![allow(clippy::indexing_slicing, clippy::missing_panics_doc, reason = "a target panics when it has found something")]

pub mod btf;
pub mod compact;
pub mod filter;
pub mod model;
pub mod recording;
pub mod wire;

/// A target: it panics, overflows or does not come to an end when it has found something.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("wire", wire::run),
    ("recording", recording::run),
    ("compact", compact::run),
    ("model", model::run),
    ("btf", btf::run),
    ("filter", filter::run),
];
