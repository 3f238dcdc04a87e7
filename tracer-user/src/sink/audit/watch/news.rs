//! What watching says: that it watches, what is news, that records were lost, and how it went.
//!
//! Must not: decide what is news.

use std::io::{self, Write};

use serde_json::json;
use tracer_model::{event::Gap, ids::BootNs};

use super::{Occasion, Watched};
use crate::{
    sink::{
        Style, Tone,
        audit::{Row, known::MOST, text, write},
        findings::Format,
        headline::headline,
        phrase, time,
    },
    trace_file::{Header, Summary},
};

/// Rows that are kept for a document at the end.
const ROWS: usize = MOST;

/// The output of a watch.
pub(super) struct News {
    out: Box<dyn Write>,
    style: Style,
    format: Format,
    header: Option<Header>,
    /// Wall clock minus boot clock.
    clock_offset: i64,
    /// Something was written that is to be seen now.
    told: bool,
    /// Records that were lost and that nobody was told of.
    lost: u64,
    /// Losses from before it was said that it watches; `None`: it was.
    early: Option<Vec<Gap>>,
    /// For a document at the end, and how many it has no place for.
    rows: Vec<Row>,
    left_out: usize,
}

impl News {
    pub fn new(out: Box<dyn Write>, style: Style, format: Format) -> Self {
        Self {
            out,
            style,
            format,
            header: None,
            clock_offset: 0,
            told: false,
            lost: 0,
            early: Some(Vec::new()),
            rows: Vec::new(),
            left_out: 0,
        }
    }

    pub fn begin(&mut self, header: &Header) {
        self.clock(header.boot_ns, header.unix_ns);
        self.header = Some(header.clone());
    }

    /// It was this time at `at`.
    pub fn clock(&mut self, at: BootNs, unix_ns: i64) {
        self.clock_offset = unix_ns.saturating_sub(at.0.cast_signed());
    }

    /// ns since 1970.
    pub fn unix(&self, at: BootNs) -> i64 {
        self.clock_offset.saturating_add(at.0.cast_signed())
    }

    fn base(&self) -> BootNs {
        self.header.as_ref().map_or(BootNs(0), |header| header.boot_ns)
    }

    /// Has what was said be seen.
    pub fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.told) { self.out.flush() } else { Ok(()) }
    }

    /// Rows that a document has no place for.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    pub fn head(&mut self, there: usize, known: usize) -> io::Result<()> {
        let Some(header) = &self.header else { return Ok(()) };
        match self.format {
            Format::Text => writeln!(
                self.out,
                "{}\nwatching {there} processes; {known} judgements are known",
                headline(header, self.style)
            )?,
            Format::Json => writeln!(
                self.out,
                "{}",
                json!({"kind": "watching", "processes": there, "known": known, "backend": header.backend})
            )?,
            Format::Markdown | Format::Sarif | Format::Junit => {}
        }
        let early = self.early.take().unwrap_or_default();
        early.iter().try_for_each(|gap| self.gap(gap))?;
        self.out.flush()
    }

    pub fn tell(&mut self, row: Row, occasion: Occasion, now: BootNs) -> io::Result<()> {
        self.told = true;
        let (base, wall) = (self.base(), time::wall(self.unix(now)));
        match self.format {
            Format::Text => {
                let tone = text::tone(row.judgement.verdict);
                let name = self.style.clean(&row.name).into_owned();
                let by = row.launched.as_ref().map(|by| format!(", launched by {by}")).unwrap_or_default();
                let verdict = row.judgement.verdict.name();
                let line = format!(
                    "{wall}  {verdict:8}  {} {name}{by}: {} ({})",
                    row.key.number,
                    row.judgement.reason,
                    occasion.name()
                );
                writeln!(self.out, "{}", self.style.paint(tone, &line))?;
                text::details(&row, base, self.style, &mut *self.out)
            }
            Format::Json => {
                write::object(&row, base, json!({"occasion": occasion.name(), "time": wall}), &mut *self.out)
            }
            Format::Markdown | Format::Sarif | Format::Junit => {
                if self.rows.len() < ROWS {
                    self.rows.push(row);
                } else {
                    self.left_out += 1;
                }
                Ok(())
            }
        }
    }

    /// Records were lost. In a document that has no place for it before its end, whoever runs this tells it.
    pub fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        if let Some(early) = &mut self.early {
            early.push(gap.clone());
            return Ok(());
        }
        self.told = true;
        let Gap { from, until, lost, cause, .. } = gap;
        let [from, until] = [from, until].map(|at| time::wall(self.unix(*at)));
        match self.format {
            Format::Text => {
                let why = phrase::cause(*cause);
                let line = format!(
                    "{until}  lost      {lost} records since {from} ({why}): whoever came and went meanwhile was not seen"
                );
                writeln!(self.out, "{}", self.style.paint(Tone::Trouble, &line))
            }
            Format::Json => {
                writeln!(self.out, "{}", json!({"kind": "gap", "lost": lost, "from": from, "until": until}))
            }
            Format::Markdown | Format::Sarif | Format::Junit => {
                self.lost = self.lost.saturating_add(*lost);
                Ok(())
            }
        }
    }

    pub fn foot(&mut self, watched: Watched, summary: &Summary) -> io::Result<()> {
        let Watched { outcome, told, unjudged, steps_left_out, .. } = watched;
        let (judged, lost) = (outcome.judged, summary.lost);
        let incomplete = if lost > 0 { format!("{lost} records lost") } else { "none lost".to_owned() };
        let unknown = if outcome.unknown { ", some of whom could not be looked at whole" } else { "" };
        let left = if unjudged > 0 { format!(", {unjudged} left unjudged") } else { String::new() };
        let steps =
            if steps_left_out > 0 { format!("; {steps_left_out} steps were not recorded") } else { String::new() };
        match self.format {
            Format::Text => {
                let line = format!(
                    "judged {judged} processes{unknown}{left}; {told} judgements were news; {} events, {incomplete}{steps}",
                    summary.events
                );
                writeln!(self.out, "{}", self.style.paint(Tone::Heading, &line))?;
            }
            Format::Json => writeln!(
                self.out,
                "{}",
                json!({"kind": "watched", "judged": judged, "unjudged": unjudged, "news": told, "unknown": outcome.unknown, "events": summary.events, "lost": lost, "steps_left_out": steps_left_out})
            )?,
            Format::Markdown | Format::Sarif | Format::Junit => {
                let Some(header) = &self.header else { return Ok(()) };
                let missing = write::Missing { unjudged, left_out: self.left_out, lost };
                write::write((&self.rows, missing), header, self.format, self.style, &mut *self.out)?;
            }
        }
        self.out.flush()
    }
}
