//! What the rules must find in a recording, by hand:
//!
//! ```text
//! error JC202 thief      a finding of this severity and rule about this process, at least once
//! info JC105 joiner      the same
//! never JC102            no finding of this rule, of whatever severity
//! ```
//!
//! Every error and every warning of a recording must be said here; what is for information need not be. A process group is
//! `group NAME`, a session `session NAME`, a terminal `terminal`. Must not look at what sesstrace prints.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use tracer_model::{
    event::Comm,
    findings::{Answer, Finding, Findings, Rule, Severity, Subject, Words, words::Word},
    ids::Pid,
    state::Model,
};

use super::{Recorded, names::Names};

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Severity, rule, subject.
    Finds(&'a str, &'a str, &'a str),
    /// A rule.
    Never(&'a str),
}

/// Parses an expectation.
pub fn parse(text: &str) -> Result<Vec<Line<'_>>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line).with_context(|| format!("`{line}`"))).collect()
}

fn parse_line(line: &str) -> Result<Line<'_>> {
    let (word, rest) = line.split_once(' ').context("a word alone")?;
    let parsed = match (word, rest.split_once(' ')) {
        ("never", None) => Line::Never(rest),
        ("error" | "warning" | "info", Some((rule, subject))) => Line::Finds(word, rule, subject),
        _ => bail!("neither `never RULE` nor `SEVERITY RULE SUBJECT`"),
    };
    let (Line::Never(rule) | Line::Finds(_, rule, _)) = parsed;
    Rule::find(rule).with_context(|| format!("no rule {rule}"))?;
    Ok(parsed)
}

/// Everything that is found.
#[must_use]
pub fn find(recorded: &Recorded) -> Vec<Finding> {
    replayed(recorded).1.take()
}

/// The state at the end, and what the rules know by then.
fn replayed(recorded: &Recorded) -> (Model, Findings) {
    let (mut model, mut rules) = (recorded.model(), Findings::new());
    for event in &recorded.events {
        rules.reach(event, &model);
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
    }
    rules.end(&model);
    (model, rules)
}

/// What `who-killed` answers of each process that died: fact and sender, with names instead of numbers.
#[must_use]
pub fn killers(recorded: &Recorded) -> Vec<String> {
    let (model, rules) = replayed(recorded);
    let died: BTreeSet<Pid> = recorded.events.iter().filter_map(|event| Some(event.subject.as_ref()?.id.pid)).collect();
    let answers = died.into_iter().filter_map(|pid| rules.who_killed(&model, pid));
    let by = |answer: Answer| {
        let (_, by) = answer.rows.iter().find(|(label, _)| *label == "by")?;
        Some(format!("{}: {}", named(&answer.fact), named(by)))
    };
    answers.filter_map(by).collect()
}

/// Everything that is found, as expectations write it.
#[must_use]
pub fn tell(recorded: &Recorded) -> Vec<String> {
    told(recorded).into_iter().map(|(_, _, line)| line).collect()
}

fn told(recorded: &Recorded) -> Vec<(Severity, &'static str, String)> {
    let names = Names::learn(recorded);
    let line = |finding: &Finding| {
        let line = format!("{} {} {}", finding.severity.name(), finding.rule.id, subject(finding, &names));
        (finding.severity, finding.rule.id, line)
    };
    find(recorded).iter().map(line).collect()
}

/// Checks a recording; each string is one thing that is not as it must be.
pub fn check(expectation: &str, recorded: &Recorded) -> Result<Vec<String>> {
    let lines = parse(expectation)?;
    let found = told(recorded);
    let mut failures = Vec::new();
    for line in &lines {
        match *line {
            Line::Finds(severity, rule, subject) => {
                let wanted = format!("{severity} {rule} {subject}");
                if !found.iter().any(|(_, _, line)| *line == wanted) {
                    failures.push(format!("not found: {wanted}"));
                }
            }
            Line::Never(rule) => {
                failures.extend(
                    found
                        .iter()
                        .find(|(_, id, _)| *id == rule)
                        .map(|(_, _, line)| format!("must not be found: {line}")),
                );
            }
        }
    }
    for (severity, _, line) in &found {
        let said = |it: &Line<'_>| matches!(it, Line::Finds(severity, rule, subject) if format!("{severity} {rule} {subject}") == *line);
        if *severity > Severity::Info && !lines.iter().any(said) {
            failures.push(format!("found, and not expected: {line}"));
        }
    }
    failures.dedup();
    Ok(failures)
}

/// What the findings of a rule say: fact and cause, with names instead of numbers.
#[must_use]
pub fn said(rule: &str, recorded: &Recorded) -> Vec<String> {
    let found = find(recorded);
    let of_it = found.iter().filter(|finding| finding.rule.id == rule);
    of_it.map(sentence).collect()
}

/// What a finding says: fact and cause, with names instead of numbers.
#[must_use]
pub fn sentence(finding: &Finding) -> String {
    format!("{}: {}", named(&finding.fact), named(&finding.cause))
}

fn named(words: &Words) -> String {
    let word = |word: &Word| match word {
        Word::Text(text) => text.to_string(),
        Word::Process(_, Comm(name)) => String::from_utf8_lossy(name).into_owned(),
        Word::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Word::Call(call) => format!("{call:?}"),
        Word::Errno(errno) => format!("errno {errno}"),
        Word::Time(_) => "then".to_owned(),
        Word::Span(_) => "a while".to_owned(),
    };
    words.0.iter().map(word).collect()
}

fn subject(finding: &Finding, names: &Names) -> String {
    match &finding.subject {
        Subject::Process(key, _) => names.process(*key).to_owned(),
        Subject::Group(key) => format!("group {}", names.group(*key)),
        Subject::Session(key) => format!("session {}", names.session(*key)),
        Subject::Terminal(_) => "terminal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expectation_can_be_read() {
        for scenario in crate::cases::all() {
            parse(scenario.finds).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["error JC202", "never JC202 thief", "fatal JC202 thief", "error JC999 thief", "error"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
