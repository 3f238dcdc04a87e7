//! The table for a terminal.

use std::io::{self, Write};

use tracer_model::{
    audit::{Comparison, Step, Thing, Verdict},
    findings::Severity,
    ids::BootNs,
};
use unicode_width::UnicodeWidthStr as _;

use super::{Row, Style};
use crate::sink::{Tone, attribute, findings::sentence, time};

const HEADING: [&str; 6] = ["verdict", "pid", "daemon", "launched by", "path", "reason"];

/// Writes the table: a row for each process, and below it its policy and its findings.
pub(super) fn write(rows: &[Row], base: BootNs, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "nobody is left to be judged");
    }
    let cells: Vec<[String; 6]> = rows.iter().map(|row| cells(row, style)).collect();
    let width = |column: usize| {
        let all = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        all.chain(HEADING.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADING.len()).map(width).collect();
    writeln!(out, "{}", style.paint(Tone::Heading, line(&HEADING.map(str::to_owned), &widths).trim_end()))?;
    for (row, cells) in rows.iter().zip(&cells) {
        writeln!(out, "{}", style.paint(tone(row.judgement.verdict), line(cells, &widths).trim_end()))?;
        details(row, base, style, out)?;
    }
    let count = |verdict| rows.iter().filter(|row| row.judgement.verdict == verdict).count();
    let counts = [Verdict::Attached, Verdict::Partial, Verdict::Detached, Verdict::Unknown].map(|verdict| {
        let count = count(verdict);
        (count > 0).then(|| format!("{count} {}", verdict.name()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    writeln!(out, "\n{}", counts.join(", "))
}

fn cells(row: &Row, style: Style) -> [String; 6] {
    [
        row.judgement.verdict.name().to_owned(),
        row.key.number.to_string(),
        style.clean(&row.name).into_owned(),
        row.launched.clone().unwrap_or_else(|| "not seen".to_owned()),
        path(&row.path, style),
        row.judgement.reason.clone(),
    ]
}

/// `fork setsid fork`: the steps of job control; a dash where none was seen.
pub(super) fn path(steps: &[Step], style: Style) -> String {
    let names = steps.iter().filter(|step| step.kind.attribute().is_none()).map(|step| step.kind.name());
    let names: Vec<&str> = names.collect();
    if names.is_empty() { style.dash().to_owned() } else { names.join(" ") }
}

fn line(cells: &[String; 6], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, wide) in cells.iter().zip(widths) {
        line += cell;
        line.extend(std::iter::repeat_n(' ', wide.saturating_sub(cell.width()) + 2));
    }
    line
}

/// What stands below a row.
pub(super) fn details(row: &Row, base: BootNs, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let from = row.chosen.line.as_ref().map(|line| format!(" (policy file: {line})")).unwrap_or_default();
    let excused: Vec<&str> = row.excused.iter().copied().collect();
    let excused = if excused.is_empty() { String::new() } else { format!("; {} left out", excused.join(", ")) };
    writeln!(out, "  policy {}{from}: {}{excused}", row.chosen.policy.name, row.chosen.policy.why)?;
    if !row.path.is_empty() {
        let steps: Vec<String> = row
            .path
            .iter()
            .map(|step| {
                let attribute = step.kind.attribute().map(|it| attribute::words(&it, style));
                let what = attribute.unwrap_or_else(|| step.kind.name().to_owned());
                format!("{} {what} {} ms", step.process.number, time::ms(step.at, base))
            })
            .collect();
        writeln!(out, "  path   {}", steps.join(", "))?;
    }
    if let Some(comparison) = &row.comparison {
        compared(comparison, base, style, out)?;
    }
    for finding in &row.findings {
        let head = format!("  {} {:<7}", finding.rule.id, finding.severity.name());
        let head =
            style.paint(if finding.severity > Severity::Info { Tone::Trouble } else { Tone::Plain }, &head).to_string();
        let [fact, why, fix] = [&finding.fact, &finding.cause, &finding.fix].map(|words| sentence(words, base, style));
        writeln!(out, "{head} {fact}\n    why  {why}\n    fix  {fix}")?;
    }
    for (what, errno) in &row.judgement.unseen {
        writeln!(out, "  unseen {what}: {}", crate::sink::phrase::errno_name(*errno))?;
    }
    if row.steps_left_out > 0 {
        writeln!(
            out,
            "  unseen steps: at most {} were not recorded: there were too many of everybody at once since its launch",
            row.steps_left_out
        )?;
    }
    if !row.settled {
        writeln!(
            out,
            "  unseen how it settled: it was looked at when the command ended; JC504, JC505 and JC506 are of who was looked at later"
        )?;
    }
    if !row.compared {
        writeln!(
            out,
            "  unseen its launch: the verdict rests on what that cannot change; what only a comparison with its launcher shows is left out where nobody above it was inspected"
        )?;
    }
    Ok(())
}

/// What is as its launcher had it, and what is not: with the time of the step that changed it, or the two moments that it lies
/// between.
fn compared(comparison: &Comparison, base: BootNs, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let shares: Vec<String> =
        comparison.shares.iter().map(|it| format!("{} {}", it.what, style.clean(&it.is))).collect();
    if !shares.is_empty() {
        writeln!(out, "  shares {}", shares.join(", "))?;
    }
    let text = |bytes: &[u8]| if bytes.is_empty() { style.dash().to_owned() } else { style.clean(bytes).into_owned() };
    let change = |it: &Thing| format!("{} {} {} {}", it.what, text(&it.was), style.arrow(), text(&it.is));
    let (dated, undated): (Vec<&Thing>, Vec<&Thing>) = comparison.changed.iter().partition(|it| it.by.is_some());
    let dated: Vec<String> = dated
        .iter()
        .filter_map(|it| it.by.map(|(at, by)| format!("{} ({} {} ms)", change(it), by.number, time::ms(at, base))))
        .collect();
    if !dated.is_empty() {
        writeln!(out, "  changed {}", dated.join(", "))?;
    }
    let changed: Vec<String> = undated.into_iter().map(change).collect();
    match comparison.between {
        Some(between) if !changed.is_empty() => writeln!(
            out,
            "  changed {}; some time from {} to {} ms: no event shows these steps",
            changed.join(", "),
            time::ms(between.after, base),
            time::ms(between.until, base)
        ),
        _ => Ok(()),
    }
}

/// In which tone a verdict is told.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Detached => Tone::Plain,
        Verdict::Partial | Verdict::Attached | Verdict::Unknown => Tone::Trouble,
    }
}
