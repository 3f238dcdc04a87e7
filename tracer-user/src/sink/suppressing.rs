//! A form of output before which the accepted findings of the configuration are taken aside. What is suppressed is told to the
//! form as such, never left out unseen.
//!
//! Must not: know what a form makes of it.

use std::{cell::Cell, io, rc::Rc};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races, Severity},
    state::Model,
};

use super::{Check, Sink};
use crate::{
    config::Config,
    trace_file::{Header, Summary},
};

/// The form, and the configuration before it.
pub struct Suppressing {
    sink: Box<dyn Sink>,
    config: Rc<Config>,
    worst: Rc<Cell<Option<Severity>>>,
}

impl Suppressing {
    /// Puts the configuration before the form.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>, config: Rc<Config>) -> Self {
        Self { sink, config, worst: Rc::default() }
    }

    /// The greatest severity of a finding that is not suppressed, once the form has ended.
    #[must_use]
    pub fn worst(&self) -> Rc<Cell<Option<Severity>>> {
        Rc::clone(&self.worst)
    }
}

impl Sink for Suppressing {
    fn takes_findings(&self) -> bool {
        self.sink.takes_findings()
    }

    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.sink.begin(header)
    }

    fn begin_with(&mut self, model: &Model) {
        self.sink.begin_with(model);
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        self.sink.event(event, delta, model)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if let Some(by) = self.config.suppresses(finding) {
            return self.sink.suppressed(finding, by);
        }
        self.worst.set(self.worst.get().max(Some(finding.severity)));
        self.sink.finding(finding)
    }

    fn closing(&mut self) {
        self.sink.closing();
    }

    fn races(&mut self, races: &Races) {
        self.sink.races(races);
    }

    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()> {
        self.sink.end(model, summary)
    }

    fn check(&mut self) -> Option<&mut dyn Check> {
        self.sink.check()
    }
}
