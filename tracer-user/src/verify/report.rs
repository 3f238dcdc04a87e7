//! The result of a check in words.
//!
//! Must not: write anywhere.

use std::fmt::Write as _;

use tracer_model::{dsl, event::Event};

use super::{Counts, Divergence, Excuse};

/// Differences in flight may be this part of what was compared, in thousandths.
const MOST_IN_FLIGHT: u64 = 10;

/// What was done and what was found, line by line.
#[must_use]
pub fn report(counts: &Counts, divergences: &[Divergence]) -> String {
    let mut text = String::new();
    for divergence in divergences {
        one(&mut text, divergence);
    }
    let in_flight: u64 = counts.in_flight.values().sum();
    let _ = writeln!(text, "checks        {}, {} of them at quiet points", counts.checks, counts.quiet);
    let _ = writeln!(text, "compared      {} entities, {} facts", counts.entities(), counts.facts);
    let Counts { processes, groups, sessions, terminals, .. } = counts;
    let _ = writeln!(
        text,
        "of these      {processes} processes, {groups} groups, {sessions} sessions, {terminals} terminals"
    );
    let _ = writeln!(text, "undecided     {} facts, by the model's own word", counts.undecided);
    let _ = writeln!(text, "in flight     {in_flight}{}", excuses(counts));
    if in_flight > 0 {
        let rest = if counts.unsettled > 0 { format!(", but {} at the end", counts.unsettled) } else { String::new() };
        let late = match counts.looked_late {
            0 => String::new(),
            late => format!("; {late} had by the next look, which was late"),
        };
        let _ = writeln!(text, "settled       after {} ms at most{rest}{late}", millis(counts.longest));
    }
    if counts.lost > 0 {
        let _ = writeln!(text, "lost          {} records", counts.lost);
    }
    let rest = if counts.at_rest { "a quiet point" } else { "no quiet point: something was under way all the while" };
    let _ = writeln!(text, "at the end    {rest}");
    let _ = writeln!(text, "divergences   {}", counts.divergences);
    if too_many_in_flight(counts) {
        let _ = writeln!(text, "too much is in flight: more than 1 % of what was compared");
    }
    text
}

/// More differences were in flight than a load explains.
#[must_use]
pub fn too_many_in_flight(counts: &Counts) -> bool {
    let in_flight: u64 = counts.in_flight.iter().filter(|(excuse, _)| **excuse != Excuse::Loss).map(|(_, n)| n).sum();
    in_flight.saturating_mul(1000) > counts.entities().saturating_mul(MOST_IN_FLIGHT)
}

fn excuses(counts: &Counts) -> String {
    let name = |excuse: &Excuse| match excuse {
        Excuse::Call => "in a call",
        Excuse::Exit => "in an exit",
        Excuse::Stop => "before a stop",
        Excuse::Record => "before its record",
        Excuse::Release => "after a reap, the reaper being hidden",
        Excuse::Loss => "after a loss",
    };
    let parts: Vec<String> =
        counts.in_flight.iter().map(|(excuse, count)| format!("{count} {}", name(excuse))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn one(text: &mut String, divergence: &Divergence) {
    let Divergence { whose, difference, seq, at, excused, quiet, events } = divergence;
    let place = if *quiet { ", at a quiet point" } else { "" };
    let _ = writeln!(
        text,
        "divergence    {whose}, {}, at #{} ({} ms after boot{place})",
        difference.fact,
        seq.0,
        millis(at.0)
    );
    let _ = writeln!(text, "  model       {}", difference.model);
    let _ = writeln!(text, "  kernel      {}", difference.kernel);
    if let Some((excuse, age)) = excused {
        let why = match excuse {
            Excuse::Call => "a call was open",
            Excuse::Exit => "an exit was not complete",
            Excuse::Stop => "a stop or its end was on its way",
            Excuse::Record => "its record was awaited",
            Excuse::Release => "its reaper is hidden",
            Excuse::Loss => "records had been lost",
        };
        let _ = writeln!(
            text,
            "  excuse      {why}, for {} ms; {} ms are allowed",
            millis(*age),
            excuse.limit() / 1_000_000
        );
    }
    for event in events {
        let _ = writeln!(text, "  event       {}", line(event));
    }
    text.push('\n');
}

/// An event as the model's tests write it.
fn line(event: &Event) -> String {
    let written = dsl::write(std::slice::from_ref(event));
    crate::text::sanitize(written.trim_end().as_bytes()).into_owned()
}

fn millis(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns / 1000 % 1000)
}
