//! An audit in each format.

use std::io::{self, Write};

use serde_json::{Value, json};
use tracer_model::{audit::Thing, ids::BootNs};

use super::{Format, Row, Style, document, text};
use crate::{
    sink::findings::{self, sentence},
    trace_file::{FileBytes, Header, attribute_value, finding_line},
};

/// What a document is without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Processes that were to be judged, and were not.
    pub unjudged: usize,
    /// Judgements that it has no place for.
    pub left_out: usize,
    /// Records that were lost.
    pub lost: u64,
}

impl Missing {
    /// In words; nothing is empty.
    pub fn say(self) -> Vec<String> {
        let Self { unjudged, left_out, lost } = self;
        let all = [
            (lost, "records were lost: whoever came and went meanwhile was not seen"),
            (unjudged as u64, "processes were left unjudged at the end"),
            (left_out as u64, "more judgements have no place here: --format json has all"),
        ];
        all.into_iter().filter(|(many, _)| *many > 0).map(|(many, what)| format!("{many} {what}")).collect()
    }
}

/// Writes the rows.
pub(super) fn write(
    (rows, missing): (&[Row], Missing),
    header: &Header,
    format: Format,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let base = header.boot_ns;
    match format {
        Format::Text => text::write(rows, base, style, out),
        Format::Markdown => markdown(rows, missing, base, out),
        Format::Json => json_lines(rows, base, out),
        Format::Sarif => document::sarif(rows, missing, header, out),
        Format::Junit => document::junit(rows, missing, header, out),
    }
}

fn json_lines(rows: &[Row], base: BootNs, out: &mut dyn Write) -> io::Result<()> {
    rows.iter().try_for_each(|row| object(row, base, json!({}), out))
}

/// A row as JSON, with a few fields `more`, and a line for each of its findings.
pub(super) fn object(row: &Row, base: BootNs, more: Value, out: &mut dyn Write) -> io::Result<()> {
    let steps: Vec<_> = row
        .path
        .iter()
        .map(|step| {
            let at = step.at.0.wrapping_sub(base.0).cast_signed();
            let mut object = json!({"at": at, "pid": step.process.number.0, "step": step.kind.name()});
            if let (Value::Object(object), Some(attribute)) = (&mut object, step.kind.attribute()) {
                object.insert("attribute".to_owned(), attribute_value(attribute));
            }
            object
        })
        .collect();
    let unseen: Vec<_> =
        row.judgement.unseen.iter().map(|(what, errno)| json!({"what": what, "errno": errno})).collect();
    let relative = |at: BootNs| at.0.wrapping_sub(base.0).cast_signed();
    let things = |things: &[Thing]| {
        let all = things.iter().map(|it| {
            let by = it.by.map(|(at, by)| json!({"at": relative(at), "pid": by.number.0}));
            json!({"what": it.what, "was": FileBytes::from(&it.was), "is": FileBytes::from(&it.is), "by": by})
        });
        all.collect::<Vec<_>>()
    };
    let compared = row.comparison.as_ref().map(|it| {
        let between = it.between.map(|between| [relative(between.after), relative(between.until)]);
        json!({"shares": things(&it.shares), "changed": things(&it.changed), "between": between})
    });
    let mut object = json!({
        "kind": "audit",
        "compared": compared,
        "verdict": row.judgement.verdict.name(),
        "reason": row.judgement.reason,
        "pid": row.key.number.0,
        "start": row.start.to_string(),
        "name": FileBytes::from(&row.name),
        "program": (!row.program.is_empty()).then(|| FileBytes::from(&row.program)),
        "uid": row.uid,
        "session": row.session.map(|session| session.number.0),
        "tty": row.tty,
        "launched_by": row.launched,
        "launch_seen": row.compared,
        "settled": row.settled,
        "policy": row.chosen.policy.name,
        "policy_why": row.chosen.policy.why,
        "policy_line": row.chosen.line,
        "path": steps,
        "unseen": unseen,
        "steps_left_out": row.steps_left_out,
        "rules": row.findings.iter().map(|finding| finding.rule.id).collect::<Vec<_>>(),
        "left_out": row.excused,
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    writeln!(out, "{object}")?;
    let mut lines = Vec::new();
    for finding in &row.findings {
        finding_line(finding, (None, None), base, |words| sentence(words, base, Style::PLAIN), &mut lines)?;
    }
    out.write_all(&lines)
}

fn markdown(rows: &[Row], missing: Missing, base: BootNs, out: &mut dyn Write) -> io::Result<()> {
    let missing: String = missing.say().into_iter().flat_map(|what| [what, "\n\n".to_owned()]).collect();
    writeln!(
        out,
        "# Audit\n\n{missing}| verdict | pid | daemon | policy | path | why | rules |\n|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let rules: Vec<&str> = row.findings.iter().map(|finding| finding.rule.id).collect();
        let name = findings::code(&Style::PLAIN.clean(&row.name));
        let path = text::path(&row.path, Style::PLAIN);
        let steps = match row.steps_left_out {
            0 => String::new(),
            many => format!("; at most {many} steps were not recorded"),
        };
        let cells = [
            row.judgement.verdict.name(),
            &row.key.number.to_string(),
            &name,
            row.chosen.policy.name,
            &path,
            &format!("{}{steps}", row.judgement.reason),
            &rules.join(", "),
        ]
        .map(|cell| cell.replace('|', "\\|"));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    for row in rows {
        for finding in &row.findings {
            let say = |words| findings::code(&sentence(words, base, Style::PLAIN));
            let severity = finding.severity.name();
            let (fact, why, fix) = (say(&finding.fact), say(&finding.cause), say(&finding.fix));
            writeln!(out, "\n{severity} {}: {fact}\n\n- why: {why}\n- fix: {fix}", finding.rule.id)?;
        }
    }
    Ok(())
}
