//! The pure heart of sesstrace: events, and the state of processes, process groups, sessions and terminals.
//!
//! Deterministic: the same events give the same state and the same output. Total: nothing here panics or fails; what the
//! model cannot explain becomes a [`delta::Change::Anomaly`] and an inferred entity. No I/O, no clock, no environment.

mod apply;
pub mod audit;
pub mod compare;
pub mod delta;
pub mod dsl;
pub mod event;
pub mod few;
pub mod findings;
pub mod ids;
pub mod order;
mod orphan;
pub mod query;
mod race;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod refusal;
mod short;
mod snapshot;
pub mod state;
mod table;
pub mod timeline;

/// Which model this is, by its sources: only the same model understands and would make the state that one saved
/// ([`state::Model`] is serialisable for that alone).
pub const MODEL_ID: &str = env!("TRACER_MODEL_SOURCES");

#[cfg(test)]
mod tests;
