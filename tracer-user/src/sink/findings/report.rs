//! `sesstrace report`: the findings of a recording and nothing else, in one of several formats.
//!
//! Must not: word anything of a rule's; the rules have.

use std::io::{self, Write};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Severity},
    ids::BootNs,
    state::Model,
};

use super::{counts, folded, junit, markdown, sarif, sentence, write};
use crate::{
    sink::{Sink, Style, Tone, headline::headline, report::losses, story::Losses, time},
    trace_file::{Header, Summary, finding_line},
};

/// A format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// Markdown.
    Markdown,
    /// JSON Lines, as in `--json`.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// `JUnit` XML, for CI servers: a test case for each rule.
    Junit,
}

/// The findings of a recording.
pub struct Report {
    out: Box<dyn Write>,
    style: Style,
    format: Format,
    header: Option<Header>,
    losses: Losses,
    findings: Vec<Finding>,
}

impl Report {
    /// Writes to `out` when it ends.
    #[must_use]
    pub fn new(out: Box<dyn Write>, style: Style, format: Format) -> Self {
        Self { out, style, format, header: None, losses: Losses::default(), findings: Vec::new() }
    }

    fn text(&mut self, header: &Header, summary: Summary) -> io::Result<()> {
        let Self { out, style, findings, losses: lost, .. } = self;
        let (style, base) = (*style, header.boot_ns);
        writeln!(out, "{}\n", headline(header, style))?;
        for (finding, again) in folded(findings, Severity::Warning) {
            write(finding, &again, base, style, &mut **out)?;
            writeln!(out)?;
        }
        let notes = folded(findings, Severity::Info);
        for (finding, again) in notes.iter().filter(|(finding, _)| finding.severity == Severity::Info) {
            let head = format!("{} {}", finding.severity.name(), finding.rule.id);
            let undecided = if finding.undecided.is_some() { "undecided: " } else { "" };
            let fact = sentence(&finding.fact, base, style);
            let cause = sentence(&finding.cause, base, style);
            let at = time::ms(finding.at, base);
            let more = if again.is_empty() { String::new() } else { format!(" ({} more of this kind)", again.len()) };
            writeln!(out, "{}  {at} ms  {undecided}{fact}: {cause}{more}", style.paint(Tone::Heading, &head))?;
        }
        writeln!(out, "findings  {}", counts(findings).join(", "))?;
        writeln!(out, "{}", losses(lost, summary, base, style))
    }

    fn json(&mut self, base: BootNs) -> io::Result<()> {
        let mut line = Vec::new();
        for finding in &self.findings {
            finding_line(finding, base, |words| sentence(words, base, Style::PLAIN), &mut line)?;
        }
        self.out.write_all(&line)
    }
}

impl Sink for Report {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn event(&mut self, event: &Event, _: &Delta, _: &Model) -> io::Result<()> {
        self.losses.observe(event);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings.push(finding.clone());
        Ok(())
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        match self.format {
            Format::Text => self.text(&header, *summary)?,
            Format::Markdown => markdown::write(&self.findings, &header, &mut *self.out)?,
            Format::Json => self.json(header.boot_ns)?,
            Format::Sarif => sarif::write(&self.findings, &header, &mut *self.out)?,
            Format::Junit => junit::write(&self.findings, &header, &mut *self.out)?,
        }
        self.out.flush()
    }
}
