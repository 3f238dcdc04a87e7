//! A finding as a line of `--json`. Recordings hold none: they are made from the events each time.
//!
//! Must not: change what a name means; fields are only added.

use serde::Serialize;
use tracer_model::{
    delta::Bounds,
    findings::{Finding, Subject, Undecided, Words},
    ids::BootNs,
};

use super::task::FileBytes;

/// The kind of these lines, which a reader of events passes over.
pub(super) const KIND: &str = "finding";

/// One line. The order of the fields is the order in which a person reads them.
#[derive(Serialize)]
pub(super) struct FileFinding {
    kind: &'static str,
    at: i64,
    rule: &'static str,
    name: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<FileUndecided>,
    subject: FileSubject,
    fact: String,
    cause: String,
    fix: String,
    /// How often what it tells of went well, in the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    often: Option<String>,
    /// The configuration accepts it, for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<String>,
    evidence: Vec<FileEvidence>,
}

/// When that was which was not seen, and why it was not.
#[derive(Serialize)]
struct FileUndecided {
    from: i64,
    until: i64,
    why: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum FileSubject {
    Process { pid: u32, comm: FileBytes },
    Group { pgid: u32 },
    Session { sid: u32 },
    Terminal { name: String },
}

#[derive(Serialize)]
struct FileEvidence {
    seq: u64,
    at: i64,
    text: String,
}

impl FileFinding {
    /// `words` makes text of a sentence.
    pub fn new(
        finding: &Finding,
        (suppressed, often): (Option<&str>, Option<&Words>),
        base: BootNs,
        words: impl Fn(&Words) -> String,
    ) -> Self {
        let since = |at: BootNs| at.0.wrapping_sub(base.0).cast_signed();
        let subject = match &finding.subject {
            Subject::Process(key, comm) => FileSubject::Process { pid: key.number.0, comm: FileBytes::from(&*comm.0) },
            Subject::Group(group) => FileSubject::Group { pgid: group.number.0 },
            Subject::Session(session) => FileSubject::Session { sid: session.number.0 },
            Subject::Terminal(tty) => FileSubject::Terminal { name: tty.tty.to_string() },
        };
        let evidence = |it: &tracer_model::findings::Evidence| FileEvidence {
            seq: it.seq.0,
            at: since(it.at),
            text: words(&it.text()),
        };
        Self {
            kind: KIND,
            at: since(finding.at),
            rule: finding.rule.id,
            name: finding.rule.name,
            severity: finding.severity.name(),
            undecided: finding.undecided.map(|undecided| {
                let (why, Bounds { after, until }) = match undecided {
                    Undecided::Lost(gap) => ("lost", gap),
                    Undecided::Ended(gap) => ("ended", gap),
                };
                FileUndecided { from: since(after), until: since(until), why }
            }),
            subject,
            fact: words(&finding.fact),
            cause: words(&finding.cause),
            fix: words(&finding.fix),
            often: often.map(&words),
            suppressed: suppressed.map(ToOwned::to_owned),
            evidence: finding.evidence.iter().map(evidence).collect(),
        }
    }
}
