//! The report of `run` and `replay`: a line for each event that deserves one, with brackets for the process groups; then
//! groups, sessions, what was left behind, races, findings, losses.
//!
//! Written at the end, when all widths are known and every reason has found its line; of very many lines, as soon as there are so
//! many, for a recording can be larger than memory. Must not: word or arrange anything itself.

use std::io::{self, Write};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races, Severity},
    ids::BootNs,
    state::Model,
};

use super::{
    Sink, Style, Tone,
    findings::{self, Folded},
    headline::headline,
    lanes::Lanes,
    layout::{Columns, brackets},
    report,
    row::Row,
    story::Story,
};
use crate::{
    config::Suppression,
    trace_file::{Header, Summary},
};

/// Lines that are kept: some tens of megabytes.
const MOST: usize = 65_536;

/// The report of `run` and `replay`.
pub struct Timeline {
    out: Box<dyn Write>,
    style: Style,
    begun: Option<(String, Story)>,
    /// Lines that are kept.
    most: usize,
    /// How the lines are laid out that were written so far, once there are some.
    written: Option<Columns>,
    lanes: Lanes,
    findings: Folded,
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
        Self::keeping(MOST, out, style)
    }

    /// The same, with another number of lines that are kept.
    pub(super) fn keeping(most: usize, out: Box<dyn Write>, style: Style) -> Self {
        Self {
            out,
            style,
            begun: None,
            most,
            written: None,
            lanes: Lanes::default(),
            findings: Folded::from(Severity::Warning),
            races: Races::default(),
            suppressed: 0,
            announces: false,
        }
    }

    /// Writes lines, the first of them below the headline. `all`: there will be no more.
    fn write(&mut self, headline: &str, base: BootNs, rows: &[Row], all: bool) -> io::Result<()> {
        let marks = brackets(rows, &mut self.lanes);
        let out = &mut *self.out;
        if self.written.is_none() {
            writeln!(out, "{headline}")?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        if self.written.is_none() {
            let columns = Columns::fitting(rows, &marks, base, self.style);
            let columns = if all { columns } else { columns.for_more() };
            writeln!(out, "\n{}", self.style.paint(Tone::Heading, &columns.heading()))?;
            self.written = Some(columns);
        }
        let columns = self.written.iter().flat_map(|columns| rows.iter().zip(&marks).map(move |it| (columns, it)));
        for (columns, (row, marks)) in columns {
            columns.write(row, marks, out)?;
        }
        Ok(())
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
        let Some((headline, story)) = &mut self.begun else { return Ok(()) };
        story.tell(event, delta, model);
        let Some(rows) = story.surplus(self.most) else { return Ok(()) };
        let (headline, base) = (headline.clone(), story.base);
        self.write(&headline, base, &rows, false)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings.add(finding);
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
        let rows = story.take_rows();
        self.write(&headline, story.base, &rows, true)?;
        let out = &mut *self.out;
        writeln!(out)?;
        report::write(story, model, (&self.findings, self.suppressed, &self.races), *summary, out)?;
        out.flush()
    }
}
