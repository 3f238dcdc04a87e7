//! `sesstrace report --races`: for each kind of race how often it was lost, how close it was, and a histogram of the margins.
//!
//! Must not: word what the model has worded, or judge.

use std::io::{self, Write};

use serde::Serialize;
use tracer_model::{
    delta::Delta,
    event::Event,
    findings::{Closest, Margins, Outcomes, RACES, RaceKind, Races, Words, words::Word},
    ids::BootNs,
    state::Model,
};

use super::{Format, code, sentence};
use crate::{
    sink::{Sink, Style, Tone, headline::headline, layout::wrap, phrase::count, report::losses, story::Losses, time},
    trace_file::{Header, PTRACE, Summary},
};

/// Columns of the longest bar.
const BAR: u64 = 40;
/// Where no text of ours is wrapped narrower.
const ROOM_LEAST: usize = 30;
/// Columns before the text of a row.
const INDENT: usize = 9;
/// With ptrace no two calls run at once.
const SERIALISED: &str =
    "the tracer lets one call go at a time: margins are those of this run, not of the programs alone";

/// One kind of race.
struct Row {
    kind: &'static RaceKind,
    outcomes: Outcomes,
    /// Not over at the end.
    open: usize,
    /// Forgotten before they were over.
    uncounted: u64,
}

/// The races of a recording.
pub struct RaceReport {
    out: Box<dyn Write>,
    style: Style,
    format: Format,
    header: Option<Header>,
    races: Races,
    losses: Losses,
}

impl RaceReport {
    /// Writes to `out` when it ends. SARIF and `JUnit` have no place for races: the command line refuses them.
    #[must_use]
    pub fn new(out: Box<dyn Write>, style: Style, format: Format) -> Self {
        Self { out, style, format, header: None, races: Races::default(), losses: Losses::default() }
    }

    /// The kinds of which one is over or open.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let races = &self.races;
        let rows = RACES.iter().map(|kind| Row {
            kind,
            outcomes: races.of(kind.race),
            open: races.open(kind.race),
            uncounted: races.uncounted(kind.race),
        });
        rows.filter(|row| row.outcomes.count() > 0 || row.open > 0)
    }

    fn text(&mut self, header: &Header, summary: Summary) -> io::Result<()> {
        let (style, base) = (self.style, header.boot_ns);
        let rows: Vec<_> = self.rows().collect();
        let out = &mut *self.out;
        writeln!(out, "{}\n", headline(header, style))?;
        if rows.is_empty() {
            writeln!(out, "races  none was seen\n")?;
        }
        for of @ Row { kind, outcomes, .. } in &rows {
            let heading = format!("{}: {} ({} tells of a loss)", kind.name, kind.order, kind.rule);
            writeln!(out, "{}", style.paint(Tone::Heading, &heading))?;
            for (label, words) in facts(of) {
                row(label, &sentence(&words, base, style), style, out)?;
            }
            histogram(outcomes, style, out)?;
            writeln!(out)?;
        }
        if header.backend == PTRACE && !rows.is_empty() {
            writeln!(out, "{SERIALISED}")?;
        }
        writeln!(out, "{}", losses(&self.losses, summary, base, style))
    }

    fn markdown(&mut self, header: &Header) -> io::Result<()> {
        let base = header.boot_ns;
        let rows: Vec<_> = self.rows().collect();
        let out = &mut *self.out;
        writeln!(out, "## Races\n")?;
        if rows.is_empty() {
            writeln!(out, "none was seen")?;
        }
        for of @ Row { kind, outcomes, .. } in &rows {
            writeln!(out, "### {}: {} ({} tells of a loss)\n", kind.name, kind.order, kind.rule)?;
            for (label, words) in facts(of) {
                writeln!(out, "- {label}: {}", code(&sentence(&words, base, Style::PLAIN)))?;
            }
            writeln!(out, "\n| margin at least | won | lost |\n|---|---|---|")?;
            for (power, won, lost) in powers(outcomes) {
                writeln!(out, "| {} | {won} | {lost} |", time::span(least(power), Style::PLAIN))?;
            }
            writeln!(out)?;
        }
        if header.backend == PTRACE && !rows.is_empty() {
            writeln!(out, "{SERIALISED}")?;
        }
        Ok(())
    }

    fn json(&mut self, header: &Header) -> io::Result<()> {
        let base = header.boot_ns;
        let rows: Vec<_> = self.rows().collect();
        for Row { kind, outcomes, open, uncounted } in rows {
            let side = |won: bool, margins: &Margins| Side {
                count: margins.count,
                closest: margins.closest.map(|closest| Near::new(kind, won, closest, base)),
                margins: margins
                    .by_power
                    .iter()
                    .map(|(power, count)| Bar { from_ns: least(*power), count: *count })
                    .collect(),
            };
            let line = Line {
                kind: "race",
                race: kind.name,
                rule: kind.rule,
                order: kind.order,
                unit: kind.unit.1,
                fact: sentence(&kind.tally(&outcomes), base, Style::PLAIN),
                lost: side(false, &outcomes.lost),
                won: side(true, &outcomes.won),
                open,
                uncounted,
                serialised: header.backend == PTRACE,
            };
            serde_json::to_writer(&mut *self.out, &line)?;
            writeln!(self.out)?;
        }
        Ok(())
    }
}

impl Sink for RaceReport {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn event(&mut self, event: &Event, _: &Delta, _: &Model) -> io::Result<()> {
        self.losses.observe(event);
        Ok(())
    }

    fn races(&mut self, races: &Races) {
        self.races = races.clone();
    }

    fn end(&mut self, _: &Model, summary: &Summary) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        match self.format {
            Format::Text | Format::Sarif | Format::Junit => self.text(&header, *summary)?,
            Format::Markdown => self.markdown(&header)?,
            Format::Json => self.json(&header)?,
        }
        self.out.flush()
    }
}

/// What is said of a kind above its histogram.
fn facts(row: &Row) -> Vec<(&'static str, Words)> {
    let Row { kind, outcomes, open, uncounted } = row;
    let (open, text) = (*open, |text: String| Words(vec![Word::Text(text.into())]));
    let mut facts = vec![("lost", kind.tally(outcomes))];
    let near = |won: bool, closest: Closest| {
        let mut words = kind.told(won, closest.margin);
        words.0.extend([Word::Text(", at ".into()), Word::Time(closest.at)]);
        words.0.push(Word::Text(format!(" (event #{})", closest.seq.0).into()));
        words
    };
    facts.extend(outcomes.lost.closest.map(|closest| ("by", near(false, closest))));
    facts.extend(outcomes.won.closest.map(|closest| ("closest", near(true, closest))));
    if open > 0 {
        let many = count(open, kind.unit.0, kind.unit.1);
        facts.push(("open", text(format!("{many} at the end of the recording, won so far"))));
    }
    if *uncounted > 0 {
        facts.push(("besides", text(format!("{uncounted} were not counted: too many were under way at once"))));
    }
    facts
}

/// The least margin of a row of the histogram, ns.
fn least(power: u32) -> u64 {
    if power == 0 { 0 } else { 1 << power.min(63) }
}

/// Rows of the histogram, without a hole between the smallest and the greatest margin: how often won, how often lost.
fn powers(outcomes: &Outcomes) -> Vec<(u32, u64, u64)> {
    let keys = || outcomes.won.by_power.keys().chain(outcomes.lost.by_power.keys()).copied();
    let (Some(first), Some(last)) = (keys().min(), keys().max()) else { return Vec::new() };
    let of = |margins: &Margins, power| margins.by_power.get(&power).copied().unwrap_or(0);
    (first..=last).map(|power| (power, of(&outcomes.won, power), of(&outcomes.lost, power))).collect()
}

/// A line for each power of two: margin, won, lost, and a bar in which `x` is a loss.
fn histogram(outcomes: &Outcomes, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let rows = powers(outcomes);
    let Some(most) = rows.iter().map(|(_, won, lost)| won + lost).max() else { return Ok(()) };
    writeln!(out, "  {:>15}  {:>6}  {:>6}", "margin at least", "won", "lost")?;
    for (power, won, lost) in rows {
        let bar = |count: u64, mark: &str| {
            let wide = (count.saturating_mul(BAR) / most).max(u64::from(count > 0));
            mark.repeat(usize::try_from(wide).unwrap_or(0))
        };
        let (won_bar, lost_bar) = (bar(won, "="), bar(lost, "x"));
        let line = format!("  {:>15}  {won:>6}  {lost:>6}  {won_bar}", time::span(least(power), style));
        writeln!(out, "{}", format!("{line}{}", style.paint(Tone::Trouble, &lost_bar)).trim_end())?;
    }
    Ok(())
}

fn row(label: &str, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let room = |wide: usize| wide.saturating_sub(INDENT + 2).max(ROOM_LEAST);
    let lines = style.width.map_or_else(|| vec![text.to_owned()], |wide| wrap(text, room(wide)));
    for (index, line) in lines.iter().enumerate() {
        writeln!(out, "  {:<INDENT$}{line}", if index == 0 { label } else { "" })?;
    }
    Ok(())
}

/// A kind of race as JSON. The order of the fields is the order in which a person reads them.
#[derive(Serialize)]
struct Line {
    kind: &'static str,
    race: &'static str,
    rule: &'static str,
    order: &'static str,
    unit: &'static str,
    fact: String,
    lost: Side,
    won: Side,
    open: usize,
    uncounted: u64,
    serialised: bool,
}

#[derive(Serialize)]
struct Side {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    closest: Option<Near>,
    margins: Vec<Bar>,
}

#[derive(Serialize)]
struct Near {
    margin_ns: u64,
    seq: u64,
    at: i64,
    text: String,
}

impl Near {
    fn new(kind: &RaceKind, won: bool, closest: Closest, base: BootNs) -> Self {
        Self {
            margin_ns: closest.margin,
            seq: closest.seq.0,
            at: closest.at.0.wrapping_sub(base.0).cast_signed(),
            text: sentence(&kind.told(won, closest.margin), base, Style::PLAIN),
        }
    }
}

#[derive(Serialize)]
struct Bar {
    from_ns: u64,
    count: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tracer_model::{findings::Race, ids::Seq};

    use super::*;

    /// So often at so many ns.
    fn margins(all: &[(u64, u64)]) -> Margins {
        let closest = all.iter().map(|(margin, _)| *margin).min();
        Margins {
            count: all.iter().map(|(_, count)| count).sum(),
            closest: closest.map(|margin| Closest { margin, seq: Seq(812), at: BootNs(1_204_310_000) }),
            by_power: all.iter().fold(BTreeMap::new(), |mut powers, (margin, count)| {
                *powers.entry(margin.ilog2()).or_default() += count;
                powers
            }),
        }
    }

    #[test]
    fn a_histogram_says_how_often_and_how_close() {
        let kind = RACES.iter().find(|kind| kind.race == Race::Join).expect("a kind");
        let outcomes = Outcomes { won: margins(&[(7_000, 9), (70_000, 800)]), lost: margins(&[(41_000, 3)]) };
        let mut out = b"join\n".to_vec();
        let row_of = Row { kind, outcomes, open: 2, uncounted: 5 };
        for (label, words) in facts(&row_of) {
            row(label, &sentence(&words, BootNs(0), Style::PLAIN), Style::PLAIN, &mut out).expect("a row");
        }
        histogram(&row_of.outcomes, Style::PLAIN, &mut out).expect("a histogram");
        expect_test::expect![[r"
            join
              lost     3 of 812 pipelines; closest success 7 µs
              by       the leader was reaped 41 µs before the join, at 1204.310 ms (event #812)
              closest  the last member joined 7 µs before the leader was reaped, at 1204.310 ms (event #812)
              open     2 pipelines at the end of the recording, won so far
              besides  5 were not counted: too many were under way at once
              margin at least     won    lost
                         4 µs       9       0  =
                       8.1 µs       0       0
                        16 µs       0       0
                        32 µs       0       3  x
                        65 µs     800       0  ========================================
        "]]
        .assert_eq(std::str::from_utf8(&out).expect("UTF-8"));
    }
}
