//! What the model is compared with: a kernel in small, histories of it and what becomes of their records, events that no
//! kernel would write, and what holds of the model whatever it was given.
//!
//! For tests, fuzzers and the small-world check; built only for them (feature `reference`). Shares no code with the model
//! but the events.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "code of tests: it panics where it is wrong, and its fields are those of the events"
)]

pub mod agree;
pub mod garbage;
pub mod history;
pub mod invariants;
pub mod kernel;
