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
//! state, is required of every recording, but for what its expectation names. Must not look at what sesstrace prints.

use tracer_model::{event::Event, ids::Pid, state::Model};

mod check;
mod facts;
pub mod finds;
mod names;
mod script;
mod state;

/// A recording, read.
#[derive(Debug)]
pub struct Recorded {
    /// Its events.
    pub events: Vec<Event>,
    /// They are those of a tracer, which sees a signal when its target takes it.
    pub by_tracer: bool,
    /// The process whose descendants are followed.
    pub followed: Option<Pid>,
}

impl Recorded {
    /// An empty model for these events.
    fn model(&self) -> Model {
        let mut model = Model::new();
        if self.by_tracer {
            model.seen_by_tracer();
        }
        if let Some(root) = self.followed {
            model.follow(root);
        }
        model
    }
}

pub use check::{Told, check, first, tell};
pub use names::Numbers;
pub use script::fits;
