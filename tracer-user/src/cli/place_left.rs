//! Where the command stood when it ended, and whether something of it is still there: that may be about to end as well.
//!
//! Must not: wait.

use std::{cell::Cell, io, rc::Rc};

use tracer_model::{
    delta::{Change, Delta},
    event::Event,
    findings::Place,
    state::Model,
};

use crate::{
    sink::Sink,
    trace_file::{Header, Summary},
};

/// Notes the place when the command ends.
#[derive(Clone, Default)]
pub struct PlaceLeft(Rc<Cell<Option<Place>>>);

impl PlaceLeft {
    /// Whether the command has ended, and something that it started lives where it stood.
    pub fn is_held(&self, model: &Model) -> bool {
        self.0.get().is_some_and(|place| place.is_held(model))
    }
}

impl Sink for PlaceLeft {
    fn takes_findings(&self) -> bool {
        false
    }

    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, _: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        let Some(root) = model.followed_root() else { return Ok(()) };
        let ended = |change: &Change| matches!(*change, Change::Exited { process, .. } if process == root);
        if delta.changes.iter().any(ended) {
            self.0.set(model.process(root).map(Place::at));
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}
