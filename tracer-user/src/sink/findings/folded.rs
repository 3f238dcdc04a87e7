//! Findings that repeat each other, told as one: the first of each kind in full, and of the others how many there are.
//!
//! What is kept grows with the kinds and not with the findings. Must not: write.

use std::collections::BTreeMap;

use tracer_model::{
    findings::{Finding, Severity, Subject, words::Word},
    ids::BootNs,
};

use super::happened;
use crate::sink::phrase;

/// Times of the others that are kept.
const TIMES: usize = 3;

/// The findings that repeat one.
#[derive(Debug, Default)]
pub struct Again {
    /// How many.
    pub count: usize,
    /// When the first of them happened.
    pub first: Vec<BootNs>,
}

/// Findings by kind, in the order in which the first of each came.
#[derive(Debug)]
pub(in crate::sink) struct Folded {
    least: Severity,
    rows: Vec<(Finding, Again)>,
    seen: BTreeMap<Kind, usize>,
    counts: BTreeMap<Severity, usize>,
}

/// Rule, severity, subject and sentences.
type Kind = (&'static str, Severity, Vec<u8>, String);

impl Folded {
    /// Those of at least this severity; of the others nothing but how many there are.
    pub fn from(least: Severity) -> Self {
        Self { least, rows: Vec::new(), seen: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Takes the next one.
    pub fn add(&mut self, finding: &Finding) {
        *self.counts.entry(finding.severity).or_default() += 1;
        if finding.severity < self.least {
            return;
        }
        let kind = (finding.rule.id, finding.severity, named(&finding.subject), frame(finding));
        if let Some((_, again)) = self.seen.get(&kind).and_then(|row| self.rows.get_mut(*row)) {
            again.count += 1;
            if again.first.len() < TIMES {
                again.first.push(happened(finding));
            }
        } else {
            self.seen.insert(kind, self.rows.len());
            self.rows.push((finding.clone(), Again::default()));
        }
    }

    /// The first of each kind.
    pub fn rows(&self) -> impl Iterator<Item = &(Finding, Again)> {
        self.rows.iter()
    }

    /// `1 error`, `2 warnings`, `5 for information`; or `none`.
    pub fn counts(&self) -> Vec<String> {
        let of = |severity: Severity| self.counts.get(&severity).copied().unwrap_or(0);
        let mut parts = Vec::new();
        for (severity, one, many) in [(Severity::Error, "error", "errors"), (Severity::Warning, "warning", "warnings")]
        {
            if of(severity) > 0 {
                parts.push(phrase::count(of(severity), one, many));
            }
        }
        if parts.is_empty() {
            parts.push("none".to_owned());
        }
        if of(Severity::Info) > 0 {
            parts.push(format!("{} for information", of(Severity::Info)));
        }
        parts
    }
}

/// The sentences without what differs from time to time: numbers, names, times.
fn frame(finding: &Finding) -> String {
    let frame = |word: &Word| match word {
        Word::Text(text) => text.chars().filter(|c| !c.is_ascii_digit()).collect(),
        Word::Errno(errno) => phrase::errno_name(*errno),
        Word::Process(..) | Word::Bytes(_) | Word::Call(_) | Word::Time(_) | Word::Span(_) => String::new(),
    };
    finding.fact.0.iter().chain(&finding.cause.0).map(frame).collect()
}

/// What makes two findings of a rule of one kind: the name of the process, or which group, session or terminal it is.
fn named(subject: &Subject) -> Vec<u8> {
    match subject {
        Subject::Process(_, comm) => comm.0.to_vec(),
        Subject::Group(group) => format!("group {}", group.number).into_bytes(),
        Subject::Session(session) => format!("session {}", session.number).into_bytes(),
        Subject::Terminal(tty) => tty.tty.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use tracer_model::{
        event::Comm,
        findings::{RULES, Words},
        ids::{Life, Pid, ProcKey},
    };

    use super::*;

    fn finding(number: u32, severity: Severity) -> Finding {
        let key = ProcKey { number: Pid(number), life: Life(number) };
        Finding {
            rule: &RULES[0],
            severity,
            subject: Subject::Process(key, Comm("make".into())),
            at: BootNs(u64::from(number)),
            undecided: None,
            fact: Words(vec![
                Word::Process(key.number, Comm("make".into())),
                Word::Text(format!(" of {number}").into()),
            ]),
            cause: Words::default(),
            fix: Words::default(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_grows_with_the_kinds_alone() {
        let mut folded = Folded::from(Severity::Warning);
        for number in 0..10_000 {
            folded.add(&finding(number, Severity::Warning));
            folded.add(&finding(number, Severity::Info));
        }
        let [(first, again)] = folded.rows.as_slice() else { panic!("{:?}", folded.rows) };
        assert_eq!((first, again.count), (&finding(0, Severity::Warning), 9_999));
        assert_eq!(again.first, [1, 2, 3].map(BootNs));
        assert_eq!(folded.counts(), ["10000 warnings", "10000 for information"]);
    }
}
