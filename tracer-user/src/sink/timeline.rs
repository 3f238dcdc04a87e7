//! The report of `run` and `replay`: a line for each event that deserves one, with brackets for the process groups; then
//! groups, sessions, what was left behind, races, findings, losses.
//!
//! Written at the end, when all widths are known and every reason has found its line. Must not: word or arrange anything itself.

use std::io::{self, Write};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races, Severity},
    state::Model,
};

use super::{
    Sink, Style, Tone, findings,
    headline::headline,
    layout::{Columns, brackets},
    report,
    story::Story,
};
use crate::{
    config::Suppression,
    trace_file::{Header, Summary},
};

/// The report of `run` and `replay`.
pub struct Timeline {
    out: Box<dyn Write>,
    style: Style,
    begun: Option<(String, Story)>,
    findings: Vec<Finding>,
    races: Races,
    /// Findings that the configuration accepts.
    suppressed: usize,
    /// Errors and warnings are told in a line when they are decided.
    announces: bool,
}

impl Timeline {
    /// Writes to `out` when it ends.
    #[must_use]
    pub fn new(out: Box<dyn Write>, style: Style) -> Self {
        Self { out, style, begun: None, findings: Vec::new(), races: Races::default(), suppressed: 0, announces: false }
    }
}

impl Timeline {
    /// Tells errors and warnings in a line when they are decided, too: whoever waits for a command that hangs has no report.
    #[must_use]
    pub fn announcing(self) -> Self {
        Self { announces: true, ..self }
    }
}

impl Sink for Timeline {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.begun = Some((headline(header, self.style), Story::new(header, self.style, true)));
        Ok(())
    }

    fn begin_with(&mut self, model: &Model) {
        if let Some((_, story)) = &mut self.begun {
            story.begin_with(model);
        }
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        if let Some((_, story)) = &mut self.begun {
            story.tell(event, delta, model);
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings.push(finding.clone());
        let begun = self.begun.as_ref().filter(|_| self.announces && finding.severity > Severity::Info);
        let Some((_, story)) = begun else { return Ok(()) };
        writeln!(self.out, "{}", findings::line(finding, story.base, self.style))?;
        self.out.flush()
    }

    fn suppressed(&mut self, _: &Finding, _: &Suppression) -> io::Result<()> {
        self.suppressed += 1;
        Ok(())
    }

    fn closing(&mut self) {
        self.announces = false;
    }

    fn races(&mut self, races: &Races) {
        self.races = races.clone();
    }

    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()> {
        let Some((headline, mut story)) = self.begun.take() else { return Ok(()) };
        let out = &mut *self.out;
        writeln!(out, "{headline}")?;
        let rows = story.take_rows();
        if !rows.is_empty() {
            let marks = brackets(&rows);
            let columns = Columns::fitting(&rows, &marks, story.base, self.style);
            writeln!(out, "\n{}", self.style.paint(Tone::Heading, &columns.heading()))?;
            for (row, marks) in rows.iter().zip(&marks) {
                columns.write(row, marks, out)?;
            }
        }
        writeln!(out)?;
        report::write(story, model, (&self.findings, self.suppressed, &self.races), *summary, out)?;
        out.flush()
    }
}
