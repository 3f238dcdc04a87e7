//! The only wiring: events go to the recording, then to the model, then to the sinks. Live and in replay alike.
//!
//! Must not: know where events come from, or what a sink does with them.

use std::io;

use tracer_model::{event::Event, state::Model};

use crate::{
    sink::Sink,
    trace_file::{Header, Scope, Summary, WriteError, Writer},
};

/// Recording, model and sinks.
pub struct Pipeline {
    recording: Option<Writer>,
    recording_error: Option<WriteError>,
    model: Model,
    sinks: Vec<Box<dyn Sink>>,
    summary: Summary,
}

impl Pipeline {
    /// Begins: the sinks see the header. A recording has it already.
    pub fn begin(header: &Header, recording: Option<Writer>, mut sinks: Vec<Box<dyn Sink>>) -> io::Result<Self> {
        for sink in &mut sinks {
            sink.begin(header)?;
        }
        let mut model = Model::new();
        if let Scope::Tree { root, .. } = header.scope {
            model.follow(root);
        }
        Ok(Self { recording, recording_error: None, model, sinks, summary: Summary::default() })
    }

    /// Takes the next event in order. A recording that fails ends there, and the rest goes on: what went wrong is reported
    /// by [`Self::end`].
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.write(event)
        {
            self.recording_error.get_or_insert(error);
        }
        self.summary.count(event);
        let delta = self.model.apply(event);
        for sink in &mut self.sinks {
            sink.event(event, &delta, &self.model)?;
        }
        Ok(())
    }

    /// Hands what was recorded so far to the kernel.
    pub fn flush(&mut self) {
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.flush()
        {
            self.recording_error.get_or_insert(error);
        }
    }

    /// The state after the last event.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Ends the recording and the sinks. `complete`: the capture came to its own end.
    pub fn end(mut self, complete: bool) -> io::Result<Ended> {
        if let Some(recording) = self.recording.take()
            && let Err(error) = recording.finish(complete)
        {
            self.recording_error.get_or_insert(error);
        }
        self.summary.complete = complete;
        for sink in &mut self.sinks {
            sink.end(&self.model, &self.summary)?;
        }
        Ok(Ended { summary: self.summary, recording_error: self.recording_error })
    }
}

/// How it went.
#[derive(Debug)]
pub struct Ended {
    /// Events, losses, completeness.
    pub summary: Summary,
    /// Why the recording stops short, when it does.
    pub recording_error: Option<WriteError>,
}
