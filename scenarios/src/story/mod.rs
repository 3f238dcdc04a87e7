//! What must be said of a recording: a small language of facts and states, in which processes have the names that they gave
//! themselves, and never numbers.
//!
//! ```text
//! then FACT            in this order, each after the one before
//! with PROCESS: ITEM, …  the state directly after the `then` above
//! some FACT            anywhere
//! once FACT            exactly once
//! never FACT           nowhere
//! ```
//!
//! `*` stands for any text. [`facts`] has the facts, [`state`] the items. That nothing was lost, and nothing contradicts the
//! state, is required of every recording. Must not look at what sesstrace prints.

mod check;
mod facts;
pub mod finds;
mod names;
mod script;
mod state;

pub use check::{Told, check, first, tell};
pub use names::Numbers;
pub use script::fits;
