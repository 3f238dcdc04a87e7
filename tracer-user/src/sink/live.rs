//! The timeline as it comes: a line for each event that deserves one, as soon as it is known.
//!
//! Must not: hold a line back, or remember what no later line needs: it may run for weeks.

use std::io::{self, Write};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races, Severity},
    state::Model,
};

use super::{Sink, Style, Tone, findings, headline::headline, lanes::Lanes, layout::Columns, report, story::Story};
use crate::trace_file::{Header, Summary};

/// Events as they come.
pub struct Live {
    out: Box<dyn Write>,
    style: Style,
    begun: Option<(Columns, Story)>,
    lanes: Lanes,
}

impl Live {
    /// Writes to `out` line by line.
    #[must_use]
    pub fn new(out: Box<dyn Write>, style: Style) -> Self {
        Self { out, style, begun: None, lanes: Lanes::default() }
    }
}

impl Sink for Live {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let columns = Columns::streaming(header.boot_ns, self.style);
        writeln!(self.out, "{}", headline(header, self.style))?;
        writeln!(self.out, "{}", self.style.paint(Tone::Heading, &columns.heading()))?;
        self.begun = Some((columns, Story::new(header, self.style, false)));
        self.out.flush()
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        let Some((columns, story)) = &mut self.begun else { return Ok(()) };
        story.tell(event, delta, model);
        let rows = story.take_rows();
        for row in &rows {
            let marks = self.lanes.line(row.group, &row.opens, &row.closes);
            columns.write(row, &marks, &mut *self.out)?;
        }
        if rows.is_empty() { Ok(()) } else { self.out.flush() }
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let Some((_, story)) = &self.begun else { return Ok(()) };
        if finding.severity > Severity::Info {
            findings::write(
                finding,
                (&findings::Again::default(), &Races::default()),
                story.base,
                self.style,
                &mut *self.out,
            )?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let Some((_, story)) = self.begun.take() else { return Ok(()) };
        writeln!(self.out, "{}", report::losses(&story.losses, *summary, story.base, self.style))?;
        self.out.flush()
    }
}
