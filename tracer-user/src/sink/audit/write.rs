//! An audit in each format.

use std::io::{self, Write};

use serde_json::{Value, json};
use tracer_model::{
    audit::Thing,
    findings::{Finding, Races},
    ids::BootNs,
};

use super::{Format, Row, Style, text};
use crate::{
    sink::findings::{self, sentence},
    trace_file::{Header, finding_line},
};

/// Writes the rows.
pub(super) fn write(
    rows: &[Row],
    header: &Header,
    format: Format,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let base = header.boot_ns;
    let all = || rows.iter().flat_map(|row| row.findings.iter().cloned()).collect::<Vec<Finding>>();
    match format {
        Format::Text => text::write(rows, base, style, out),
        Format::Markdown => markdown(rows, base, out),
        Format::Json => json_lines(rows, base, out),
        Format::Sarif => findings::sarif(&all(), &[], &Races::default(), header, out),
        Format::Junit => findings::junit(&all(), &[], &Races::default(), header, out),
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
        .map(|step| json!({"at": step.at.0.wrapping_sub(base.0).cast_signed(), "pid": step.process.number.0, "step": step.kind.name()}))
        .collect();
    let unseen: Vec<_> =
        row.judgement.unseen.iter().map(|(what, errno)| json!({"what": what, "errno": errno})).collect();
    let things = |things: &[Thing]| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = things.iter().map(|it| json!({"what": it.what, "was": text(&it.was), "is": text(&it.is)}));
        all.collect::<Vec<_>>()
    };
    let relative = |at: BootNs| at.0.wrapping_sub(base.0).cast_signed();
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
        "name": String::from_utf8_lossy(&row.name),
        "uid": row.uid,
        "session": row.session.map(|session| session.number.0),
        "tty": row.tty,
        "launched_by": row.launched,
        "launch_seen": row.compared,
        "policy": row.chosen.policy.name,
        "policy_why": row.chosen.policy.why,
        "policy_line": row.chosen.line,
        "path": steps,
        "unseen": unseen,
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

fn markdown(rows: &[Row], base: BootNs, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# Audit\n\n| verdict | pid | daemon | policy | path | why | rules |\n|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let rules: Vec<&str> = row.findings.iter().map(|finding| finding.rule.id).collect();
        let name = findings::code(&Style::PLAIN.clean(&row.name));
        let path = text::path(&row.path, Style::PLAIN);
        let cells = [
            row.judgement.verdict.name(),
            &row.key.number.to_string(),
            &name,
            row.chosen.policy.name,
            &path,
            &row.judgement.reason,
            &rules.join(", "),
        ]
        .map(|cell| cell.replace('|', "\\|"));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    for row in rows {
        for finding in &row.findings {
            let say = |words| findings::code(&sentence(words, base, Style::PLAIN));
            let severity = finding.severity.name();
            writeln!(out, "\n{severity} {}: {}\n: {}", finding.rule.id, say(&finding.fact), say(&finding.fix))?;
        }
    }
    Ok(())
}
