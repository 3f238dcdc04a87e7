//! A form of output that is told only of what a filter lets through.
//!
//! Must not: change what passes.

use std::io;

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races},
    state::Model,
};

use super::Sink;
use crate::{
    config::Suppression,
    filter::Filter,
    trace_file::{Header, Summary},
};

/// The form, and the filter before it.
pub struct Filtered {
    sink: Box<dyn Sink>,
    filter: Filter,
    /// Counts what passed.
    passed: Summary,
}

impl Filtered {
    /// Puts the filter before the form.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>, filter: Filter) -> Self {
        Self { sink, filter, passed: Summary::default() }
    }
}

impl Sink for Filtered {
    fn takes_findings(&self) -> bool {
        self.sink.takes_findings()
    }

    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.filter.begin(header);
        self.sink.begin(header)
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        self.filter.follow(event);
        if !self.filter.holds(event, delta, model) {
            return Ok(());
        }
        self.passed.count(event);
        self.sink.event(event, delta, model)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if self.filter.holds_of_finding(finding) { self.sink.finding(finding) } else { Ok(()) }
    }

    fn suppressed(&mut self, finding: &Finding, by: &Suppression) -> io::Result<()> {
        if self.filter.holds_of_finding(finding) { self.sink.suppressed(finding, by) } else { Ok(()) }
    }

    fn closing(&mut self) {
        self.sink.closing();
    }

    fn races(&mut self, races: &Races) {
        self.sink.races(races);
    }

    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()> {
        // What was lost was lost, whatever the filter.
        let Summary { events, .. } = self.passed;
        self.sink.end(model, &Summary { events, ..*summary })
    }
}
