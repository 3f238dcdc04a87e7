//! An audit as SARIF 2.1.0 and as `JUnit` XML: every process that was judged with its verdict, also the unknown ones, and what
//! the rules found.
//!
//! Must not: leave out a process.

use std::io::{self, Write};

use serde_json::{Value, json};
use tracer_model::{
    audit::Verdict,
    findings::{Finding, Races, Severity},
};

use super::{Row, Style, text, write::Missing};
use crate::{
    sink::findings::{self, body, escape},
    trace_file::Header,
};

/// `9120 redis-server`.
fn name(row: &Row) -> String {
    format!("{} {}", row.key.number, Style::PLAIN.clean(&row.name))
}

/// A result of the rule `verdict` for each process, and one for each finding of it.
pub(super) fn sarif(rows: &[Row], missing: Missing, header: &Header, out: &mut dyn Write) -> io::Result<()> {
    let rule = json!({
        "id": "verdict",
        "name": "verdict",
        "shortDescription": { "text": "Whether a long-lived process is detached from its terminal and from who launched it" },
        "defaultConfiguration": { "level": "note" },
    });
    let none = Races::default();
    let mut results = Vec::new();
    for row in rows {
        results.push(verdict(row));
        let found = row.findings.iter().map(|finding| {
            let mut result = findings::result(finding, header.boot_ns, &none);
            if let Some(properties) = result.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert("pid".to_owned(), json!(row.key.number.0));
            }
            result
        });
        results.extend(found);
    }
    let open =
        |what: String| json!({ "ruleId": "verdict", "kind": "open", "level": "none", "message": { "text": what } });
    results.extend(missing.say().into_iter().map(open));
    findings::document(vec![rule], &results, out)
}

/// SARIF tells a check that passed from one that could not be decided (`kind`, section 3.27.9).
fn verdict(row: &Row) -> Value {
    let (kind, level) = match row.judgement.verdict {
        Verdict::Detached => ("pass", "none"),
        Verdict::Partial | Verdict::Attached if row.is_amiss() => ("fail", "warning"),
        Verdict::Partial | Verdict::Attached => ("fail", "note"),
        Verdict::Unknown => ("open", "none"),
    };
    let verdict = row.judgement.verdict.name();
    let unseen = row.judgement.unseen.iter().map(|(what, errno)| json!({ "what": what, "errno": errno }));
    json!({
        "ruleId": "verdict",
        "kind": kind,
        "level": level,
        "message": { "text": format!("{}: {verdict}: {}", name(row), row.judgement.reason) },
        "properties": {
            "verdict": verdict,
            "pid": row.key.number.0,
            "policy": row.chosen.policy.name,
            "launched_by": row.launched,
            "launch_seen": row.compared,
            "settled": row.settled,
            "unseen": unseen.collect::<Vec<_>>(),
            "steps_left_out": row.steps_left_out,
        },
    })
}

/// A test case for each process: it fails with its errors and warnings, and when it is not detached without being meant so, and is an error where it could not be judged.
pub(super) fn junit(rows: &[Row], missing: Missing, header: &Header, out: &mut dyn Write) -> io::Result<()> {
    let missing = missing.say();
    let failures = rows.iter().filter(|row| worst(row).is_some() && !is_unknown(row)).count();
    let errors = rows.iter().filter(|row| is_unknown(row)).count() + missing.len();
    let tests = rows.len() + missing.len();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites>\n<testsuite name=\"sesstrace audit\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
    )?;
    for row in rows {
        case(row, header, out)?;
    }
    for what in missing {
        let what = escape(&what);
        writeln!(
            out,
            "<testcase classname=\"sesstrace audit\" name=\"observation\">\n<error type=\"incomplete\" message=\"{what}\"/>\n</testcase>"
        )?;
    }
    writeln!(out, "</testsuite>\n</testsuites>")
}

fn case(row: &Row, header: &Header, out: &mut dyn Write) -> io::Result<()> {
    let (verdict, reason) = (row.judgement.verdict.name(), escape(&row.judgement.reason));
    let policy = row.chosen.policy.name;
    writeln!(out, "<testcase classname=\"sesstrace audit {policy}\" name=\"{}\">", escape(&name(row)))?;
    writeln!(out, "<properties><property name=\"verdict\" value=\"{verdict}\"/></properties>")?;
    let found: String = failed(row).map(|finding| escape(&body(finding, header))).collect();
    if is_unknown(row) {
        writeln!(out, "<error type=\"unknown\" message=\"{reason}\">{found}</error>")?;
    } else if let Some(worst) = worst(row) {
        writeln!(out, "<failure type=\"{}\" message=\"{verdict}: {reason}\">\n{found}</failure>", worst.name())?;
    }
    let mut details = format!("{verdict}: {}\n", row.judgement.reason).into_bytes();
    text::details(row, header.boot_ns, Style::PLAIN, &mut details)?;
    writeln!(out, "<system-out>{}</system-out>\n</testcase>", escape(&String::from_utf8_lossy(&details)))
}

fn is_unknown(row: &Row) -> bool {
    row.judgement.verdict == Verdict::Unknown
}

/// What it fails with, if it does.
fn worst(row: &Row) -> Option<Severity> {
    failed(row).map(|finding| finding.severity).chain(row.severity()).max()
}

fn failed(row: &Row) -> impl Iterator<Item = &Finding> {
    row.findings.iter().filter(|finding| finding.severity > Severity::Info)
}
