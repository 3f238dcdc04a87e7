//! What comes out: every form in which events are shown.
//!
//! A sink is a deterministic function of the header, the events and its [`Style`]: `replay` prints byte for byte what `run`
//! printed. Must not: read clocks, environment or terminals, know whether it is live, or let a byte from outside pass
//! [`crate::text`].

pub mod attribute;
pub mod audit;
mod filtered;
pub mod findings;
mod headline;
mod json;
mod lanes;
mod layout;
mod live;
mod phrase;
pub mod ps;
mod report;
mod row;
mod story;
mod style;
mod suppressing;
#[cfg(test)]
mod tests;
pub mod time;
mod timeline;
pub mod tree;

use std::{
    io::{self, Write},
    time::Duration,
};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races},
    ids::{BootNs, Seq},
    state::Model,
};

pub use filtered::Filtered;
pub use json::Json;
pub use live::Live;
pub use style::{Style, Tone};
pub use suppressing::Suppressing;
pub use timeline::Timeline;

use crate::{
    capture::{Item, Observation},
    config::Suppression,
    trace_file::{Header, Summary},
};

/// One form of output. Errors are those of its writer; a closed pipe is one of them, and is handled in `main`.
pub trait Sink {
    /// Before the first event.
    fn begin(&mut self, header: &Header) -> io::Result<()>;
    /// The state before the first event, where that is not the start of the recording.
    fn begin_with(&mut self, _: &Model) {}
    /// An event, what it changed, and the model after it.
    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()>;
    /// Whether it does anything with what the rules decide. Where nobody does, nothing is judged.
    fn takes_findings(&self) -> bool {
        true
    }
    /// What a rule has decided, after the event that decided it.
    fn finding(&mut self, _: &Finding) -> io::Result<()> {
        Ok(())
    }
    /// The same of one that the configuration accepts.
    fn suppressed(&mut self, _: &Finding, _: &Suppression) -> io::Result<()> {
        Ok(())
    }
    /// The capture has ended: what is still decided belongs to what is written at the end.
    fn closing(&mut self) {}
    /// The races of the whole recording with their margins, before [`Self::end`].
    fn races(&mut self, _: &Races) {}
    /// After the last event.
    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()>;
    /// What compares the model with the kernel, if this does.
    fn check(&mut self) -> Option<&mut dyn Check> {
        None
    }
}

/// A comparison of the model with the kernel while a capture goes on.
pub trait Check {
    /// Passes on what was read, as it is: or without something, for a check of the check.
    fn pass(&mut self, item: Item) -> Item;
    /// How often the source is to look at every process, at least.
    fn every(&self) -> Duration;
    /// Whether the source is to look at every process now.
    fn is_due(&mut self, now: BootNs) -> bool;
    /// What the source saw, after it had given out the number `since`. Whatever ended meanwhile has a number up to `until`.
    fn observed(&mut self, since: Seq, until: Seq, observations: Vec<Observation>);
    /// Everything that has a number before `seq` has been applied.
    fn reached(&mut self, seq: Seq, model: &Model);
    /// The end is wanted: whether the capture is to go on all the same, for the comparison to come to rest.
    fn is_to_go_on(&mut self, now: BootNs) -> bool;
}

/// A row of [`SINKS`].
pub struct Form {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Makes one that writes to `out`.
    pub make: fn(out: Box<dyn Write>, style: Style) -> Box<dyn Sink>,
}

/// Every form of output.
pub const SINKS: &[Form] = &[
    Form {
        name: "timeline",
        about: "what happened, line by line, then groups, sessions and what was left behind",
        make: |out, style| Box::new(Timeline::new(out, style)),
    },
    Form {
        name: "live",
        about: "a line for each event that deserves one, as it comes",
        make: |out, style| Box::new(Live::new(out, style)),
    },
    Form { name: "json", about: "every event as one JSON object a line", make: |out, _| Box::new(Json::new(out)) },
];
