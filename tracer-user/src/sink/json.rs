//! Events as JSON Lines: the same lines as in a recording, header and end record included, and a line for each finding after
//! the event that decided it.
//!
//! Must not: leave an event out.

use std::io::{self, Write};

use tracer_model::{delta::Delta, event::Event, findings::Finding, ids::BootNs, state::Model};

use super::{Sink, Style, findings::sentence};
use crate::{
    config::Suppression,
    trace_file::{Header, Summary, end_line, event_line, finding_line, header_line},
};

/// One object a line.
pub struct Json {
    out: Box<dyn Write>,
    base: BootNs,
    line: Vec<u8>,
}

impl Json {
    /// Writes to `out`, a line at a time.
    #[must_use]
    pub fn new(out: Box<dyn Write>) -> Self {
        Self { out, base: BootNs::default(), line: Vec::new() }
    }

    fn write_finding(&mut self, finding: &Finding, suppressed: Option<&str>) -> io::Result<()> {
        let base = self.base;
        finding_line(finding, (suppressed, None), base, |words| sentence(words, base, Style::PLAIN), &mut self.line)?;
        self.write_line()
    }

    fn write_line(&mut self) -> io::Result<()> {
        self.out.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

impl Sink for Json {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.base = header.boot_ns;
        header_line(header, &mut self.line)?;
        self.write_line()
    }

    fn event(&mut self, event: &Event, _: &Delta, _: &Model) -> io::Result<()> {
        event_line(event, self.base, &mut self.line)?;
        self.write_line()
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.write_finding(finding, None)
    }

    fn suppressed(&mut self, finding: &Finding, by: &Suppression) -> io::Result<()> {
        self.write_finding(finding, Some(&by.reason))
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        end_line(*summary, &mut self.line)?;
        self.write_line()?;
        self.out.flush()
    }
}
