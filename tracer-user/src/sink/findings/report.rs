//! `sesstrace report`: the findings of a recording and nothing else, in one of several formats.
//!
//! Must not: word anything of a rule's; the rules have.

use std::{
    io::{self, Write},
    rc::Rc,
};

use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Finding, Races, Severity, Words},
    ids::BootNs,
    state::Model,
};

use super::{
    Folded, happened, junit, line, markdown, sarif, sentence,
    suppressed::{self, Suppressed},
    write,
};
use crate::{
    config::{Config, Suppression},
    sink::{Sink, Style, headline::headline, report::losses, story::Losses},
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
    folded: Folded,
    /// Every one, where the format lists them.
    findings: Vec<Finding>,
    config: Rc<Config>,
    suppressed: Vec<Suppressed>,
    races: Races,
}

impl Report {
    /// Writes to `out` when it ends.
    #[must_use]
    pub fn new(out: Box<dyn Write>, style: Style, format: Format, config: Rc<Config>) -> Self {
        let (folded, findings, suppressed) = (Folded::from(Severity::Info), Vec::new(), Vec::new());
        let (losses, races) = (Losses::default(), Races::default());
        Self { out, style, format, header: None, losses, folded, findings, config, suppressed, races }
    }

    fn text(&mut self, header: &Header, summary: Summary) -> io::Result<()> {
        let Self { out, style, folded, losses: lost, config, suppressed, races, .. } = self;
        let (style, base) = (*style, header.boot_ns);
        writeln!(out, "{}\n", headline(header, style))?;
        let (mut notes, faults): (Vec<_>, Vec<_>) = folded.rows().partition(|row| row.0.severity == Severity::Info);
        for (finding, again) in faults {
            write(finding, (again, races), base, style, &mut **out)?;
            writeln!(out)?;
        }
        notes.sort_by_key(|(finding, _)| happened(finding));
        for (finding, again) in notes {
            let more = if again.count == 0 { String::new() } else { format!(" ({} more of this kind)", again.count) };
            writeln!(out, "{}{more}", line(finding, base, style))?;
        }
        writeln!(out, "findings  {}", folded.counts().join(", "))?;
        for (index, line) in suppressed::lines(config, suppressed).iter().enumerate() {
            writeln!(out, "{}{line}", if index == 0 { "suppressed  " } else { "            " })?;
        }
        writeln!(out, "{}", losses(lost, summary, base, style))
    }

    fn json(&mut self, base: BootNs) -> io::Result<()> {
        let mut lines = Vec::new();
        let say = |words: &Words| sentence(words, base, Style::PLAIN);
        for finding in &self.findings {
            finding_line(finding, (None, self.races.tally(finding.rule.id).as_ref()), base, say, &mut lines)?;
        }
        for (finding, by) in &self.suppressed {
            finding_line(finding, (Some(&by.reason), None), base, say, &mut lines)?;
        }
        self.out.write_all(&lines)
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
        match self.format {
            Format::Text | Format::Markdown => self.folded.add(finding),
            Format::Json | Format::Sarif | Format::Junit => self.findings.push(finding.clone()),
        }
        Ok(())
    }

    fn suppressed(&mut self, finding: &Finding, by: &Suppression) -> io::Result<()> {
        self.suppressed.push((finding.clone(), by.clone()));
        Ok(())
    }

    fn races(&mut self, races: &Races) {
        self.races = races.clone();
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        match self.format {
            Format::Text => self.text(&header, *summary)?,
            Format::Markdown => {
                markdown::write(&self.folded, &self.races, &header, &mut *self.out)?;
                markdown::suppressed(&suppressed::lines(&self.config, &self.suppressed), &mut *self.out)?;
            }
            Format::Json => self.json(header.boot_ns)?,
            Format::Sarif => {
                sarif::write(&self.findings, &self.suppressed, &self.races, &header, &mut *self.out)?;
            }
            Format::Junit => {
                let suppressed = suppressed::lines(&self.config, &self.suppressed);
                junit::write(&self.findings, &suppressed, &self.races, &header, &mut *self.out)?;
            }
        }
        self.out.flush()
    }
}
