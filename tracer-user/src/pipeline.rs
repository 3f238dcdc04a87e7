//! The only wiring: events go to the recording, then to the model, then to the rules and the sinks. Live and in replay alike.
//!
//! Must not: know where events come from, or what a sink does with them.

use std::io;

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::Findings,
    ids::{BootNs, Seq},
    state::Model,
};

use crate::{
    sink::{Check, Sink},
    trace_file::{Header, Summary, WriteError, Writer},
};

/// Recording, model and sinks.
pub struct Pipeline {
    recording: Option<Writer>,
    recording_error: Option<WriteError>,
    model: Model,
    /// What the last event changed.
    delta: Delta,
    /// The next event is the first that is shown, and not the first of the recording.
    begins_within: bool,
    /// The rules, where a sink takes what they decide.
    findings: Option<Findings>,
    sinks: Vec<Box<dyn Sink>>,
    sink_error: Option<io::Error>,
    summary: Summary,
}

impl Pipeline {
    /// Begins: the sinks see the header. A recording has it already.
    pub fn begin(header: &Header, recording: Option<Writer>, mut sinks: Vec<Box<dyn Sink>>) -> io::Result<Self> {
        for sink in &mut sinks {
            sink.begin(header)?;
        }
        let findings = sinks.iter().any(|sink| sink.takes_findings()).then(Findings::new);
        Ok(Self {
            recording,
            recording_error: None,
            model: header.model(),
            delta: Delta::default(),
            begins_within: false,
            findings,
            sinks,
            sink_error: None,
            summary: Summary::default(),
        })
    }

    /// What is shown begins after this state, and after what is passed over.
    pub fn begin_with(&mut self, model: Model) {
        self.model = model;
        self.begins_within = true;
    }

    /// Takes an event from before what is to be shown: only the state knows of it.
    pub fn pass_over(&mut self, event: &Event) {
        self.model.apply_into(event, &mut self.delta);
        self.begins_within = true;
    }

    /// Takes the next event in order. A recording or a sink that fails ends there, and the rest goes on: what went wrong is
    /// reported by [`Self::end`]. Without a recording the failure of a sink is an error at once: there is nothing to go on for.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.write(event)
        {
            self.recording_error.get_or_insert(error);
        }
        if std::mem::take(&mut self.begins_within) {
            self.sinks.iter_mut().for_each(|sink| sink.begin_with(&self.model));
        }
        self.summary.count(event);
        self.reached(event.seq);
        if let Some(findings) = &mut self.findings {
            findings.reach(event, &self.model);
        }
        self.tell_findings();
        self.model.apply_into(event, &mut self.delta);
        if let Some(findings) = &mut self.findings {
            findings.observe(event, &self.delta, &self.model);
        }
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.note_state(&self.model)
        {
            self.recording_error.get_or_insert(error);
        }
        let Self { sinks, sink_error, model, delta, .. } = self;
        tell(sinks, sink_error, |sink| sink.event(event, delta, model));
        self.tell_findings();
        if self.recording.is_none()
            && let Some(error) = self.sink_error.take()
        {
            return Err(error);
        }
        Ok(())
    }

    /// Says that no event will come that is older than `at`: what was waited for until then has not happened.
    pub fn advance(&mut self, at: BootNs) {
        if let Some(findings) = &mut self.findings {
            findings.advance(at, &self.model);
            self.tell_findings();
        }
    }

    /// When [`Self::advance`] is news.
    #[must_use]
    pub fn next(&self) -> Option<BootNs> {
        self.findings.as_ref().and_then(Findings::next)
    }

    fn tell_findings(&mut self) {
        let Some(findings) = self.findings.as_mut().filter(|findings| !findings.is_empty()) else { return };
        for finding in findings.take() {
            tell(&mut self.sinks, &mut self.sink_error, |sink| sink.finding(&finding));
        }
    }

    /// Everything that has a number before `seq` has been applied.
    pub fn reached(&mut self, seq: Seq) {
        let Self { sinks, model, .. } = self;
        if let Some(check) = sinks.iter_mut().find_map(|sink| sink.check()) {
            check.reached(seq, model);
        }
    }

    /// The sink that compares the model with the kernel.
    pub fn check(&mut self) -> Option<&mut dyn Check> {
        self.sinks.iter_mut().find_map(|sink| sink.check())
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
            sink.closing();
        }
        if let Some(findings) = &mut self.findings {
            findings.end(&self.model);
        }
        self.tell_findings();
        for sink in &mut self.sinks {
            if let Some(findings) = &self.findings {
                sink.races(findings.races());
            }
            sink.end(&self.model, &self.summary)?;
        }
        Ok(Ended { summary: self.summary, recording_error: self.recording_error, sink_error: self.sink_error })
    }
}

/// Tells every sink something. One that fails is told no more.
fn tell(
    sinks: &mut Vec<Box<dyn Sink>>,
    failed: &mut Option<io::Error>,
    mut say: impl FnMut(&mut dyn Sink) -> io::Result<()>,
) {
    sinks.retain_mut(|sink| match say(&mut **sink) {
        Ok(()) => true,
        Err(error) => {
            failed.get_or_insert(error);
            false
        }
    });
}

/// How it went.
#[derive(Debug)]
pub struct Ended {
    /// Events, losses, completeness.
    pub summary: Summary,
    /// Why the recording stops short, when it does.
    pub recording_error: Option<WriteError>,
    /// Why what was to be shown stops short, when it does.
    pub sink_error: Option<io::Error>,
}
