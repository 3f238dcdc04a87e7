//! Findings as SARIF 2.1.0, which code hosts and editors read.
//!
//! Must not: leave out a rule: a reader tells a rule that found nothing from one that does not exist.

use std::io::{self, Write};

use serde_json::{Value, json};
use tracer_model::{
    findings::{Finding, RULES, Races, Severity},
    ids::BootNs,
};

use super::{sentence, suppressed::Suppressed};
use crate::{sink::Style, text::sanitize, trace_file::Header};

/// Writes the report.
pub(in crate::sink) fn write(
    findings: &[Finding],
    suppressed: &[Suppressed],
    races: &Races,
    header: &Header,
    out: &mut dyn Write,
) -> io::Result<()> {
    let base = header.boot_ns;
    let accepted = suppressed.iter().map(|(finding, by)| {
        let mut accepted = result(finding, base, races);
        if let Some(fields) = accepted.as_object_mut() {
            fields.insert(
                "suppressions".to_owned(),
                json!([{ "kind": "external", "justification": sanitize(by.reason.as_bytes()) }]),
            );
        }
        accepted
    });
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, base, races)).chain(accepted).collect();
    document(Vec::new(), &results, out)
}

/// Writes a document with these results, of our rules and of `more`.
pub(in crate::sink) fn document(more: Vec<Value>, results: &[Value], out: &mut dyn Write) -> io::Result<()> {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "name": rule.name,
                "shortDescription": { "text": rule.summary() },
                "help": { "text": rule.page(), "markdown": rule.page() },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .chain(more)
        .collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "sesstrace",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

/// A finding as a result.
pub(in crate::sink) fn result(finding: &Finding, base: BootNs, races: &Races) -> Value {
    let say = |words: &_| sentence(words, base, Style::PLAIN);
    let evidence = finding.evidence.iter().map(|it| {
        let text = it.text();
        json!({ "event": it.seq.0, "at_ns": it.at.0.wrapping_sub(base.0).cast_signed(), "text": say(&text) })
    });
    let often = races.tally(finding.rule.id).map(|often| say(&often));
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.iter().position(|rule| rule == finding.rule),
        "level": level(finding.severity),
        "message": { "text": format!("{}: {}. Fix: {}", say(&finding.fact), say(&finding.cause), say(&finding.fix)) },
        "properties": { "undecided": finding.undecided.is_some(), "often": often, "evidence": evidence.collect::<Vec<_>>() },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}
