//! `sesstrace audit`: each long-lived process with its verdict, its path, what it still shares, and what the rules find that
//! apply to it.
//!
//! Takes events as every sink does, from a capture, a snapshot or a recording. Must not: judge; `tracer_model::audit` does.

mod book;
mod document;
pub mod known;
mod observe;
#[cfg(test)]
mod tests;
mod text;
pub mod watch;
mod write;

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::{self, Write},
    rc::Rc,
};

use tracer_model::{
    audit::{Comparison, Judgement, Observed, Policy, Step, Verdict},
    delta::Delta,
    event::{Event, inspection::Moment},
    findings::{Finding, Severity, Subject},
    ids::{ProcKey, SessionKey},
    state::{Model, Phase, Process},
};

use self::book::Book;
use super::{Sink, Style, findings::Format};
use crate::trace_file::{Header, Summary};

/// The policy of a process, and where that is from.
pub struct Chosen {
    /// It.
    pub policy: &'static Policy,
    /// The rules that apply, where the policy file says other ones.
    pub rules: Option<Vec<String>>,
    /// The line of the policy file; `None`: it was recognised.
    pub line: Option<String>,
}

/// Chooses the policy of a process: of what was observed, and the path of its program.
pub type Choose = Box<dyn Fn(&Observed<'_>, &[u8]) -> Chosen>;

/// Who is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// What lives of the command and its descendants, and whatever has settled.
    Followed,
    /// These numbers.
    These(BTreeSet<u32>),
    /// Every process that nobody waits for or that leads a session.
    All,
}

/// One process that was judged.
pub(crate) struct Row {
    pub key: ProcKey,
    pub name: Vec<u8>,
    /// The file that it executes; empty where that is not known.
    pub program: Vec<u8>,
    /// Its cgroup; empty where that is not known.
    pub cgroup: Vec<u8>,
    pub start: u64,
    pub uid: Option<u32>,
    pub session: Option<SessionKey>,
    pub tty: Option<String>,
    /// Who started it, and the terminal there.
    pub launched: Option<String>,
    pub judgement: Judgement,
    pub chosen: Chosen,
    pub path: Vec<Step>,
    /// What it shares with who launched it, and what it changed.
    pub comparison: Option<Comparison>,
    /// What applies to it.
    pub findings: Vec<Finding>,
    /// Rules that found something and do not apply.
    pub excused: BTreeSet<&'static str>,
    /// Its launch was seen, so that what needs the comparison with it could be said.
    pub compared: bool,
    /// At most so many steps of its path were not recorded, for there were too many of everybody at once.
    pub steps_left_out: u64,
    /// It was looked at when it had settled, or when somebody asked: what the rules say of such a one could be said.
    pub settled: bool,
}

impl Row {
    pub(crate) fn applies(&self, rule: &str) -> bool {
        match &self.chosen.rules {
            Some(rules) => rules.iter().any(|it| it == rule),
            None => self.chosen.policy.applies(rule),
        }
    }

    /// It is not detached, and its policy does not say that this is meant: that counts as a warning does.
    pub(crate) fn is_amiss(&self) -> bool {
        matches!(self.judgement.verdict, Verdict::Attached | Verdict::Partial) && !self.chosen.policy.has_terminal()
    }

    /// How much the verdict weighs by itself.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.is_amiss().then_some(Severity::Warning)
    }
}

/// How an audit went, for the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The greatest severity of a finding that applies, and of a verdict.
    pub worst: Option<Severity>,
    /// Somebody could not be judged.
    pub unknown: bool,
    /// How many were judged.
    pub judged: usize,
}

/// The sink.
pub struct Audit {
    out: Box<dyn Write>,
    style: Style,
    format: Format,
    whom: Whom,
    header: Option<Header>,
    book: Book,
    findings: Vec<Finding>,
    outcome: Rc<Cell<Outcome>>,
}

impl Audit {
    /// Writes to `out` when it ends. Also returns where the outcome is to be found then.
    #[must_use]
    pub fn new(
        out: Box<dyn Write>,
        style: Style,
        format: Format,
        whom: Whom,
        choose: Choose,
    ) -> (Self, Rc<Cell<Outcome>>) {
        let outcome = Rc::<Cell<Outcome>>::default();
        let (book, findings) = (Book::new(choose, style), Vec::new());
        let audit = Self { out, style, format, whom, header: None, book, findings, outcome: outcome.clone() };
        (audit, outcome)
    }

    fn is_judged(&self, process: &Process, model: &Model) -> bool {
        if process.phase != Phase::Alive || process.kernel_thread || process.key.number.0 == 0 {
            return false;
        }
        let settled = || self.book.inspection(process.key).is_some_and(|it| it.moment == Moment::Settled);
        match &self.whom {
            Whom::These(numbers) => numbers.contains(&process.key.number.0),
            Whom::Followed => process.followed && model.followed_root().is_some() || settled(),
            Whom::All => self.book.is_long_lived(process, model),
        }
    }

    fn row(&self, process: &Process, model: &Model) -> Row {
        let about =
            |finding: &&Finding| matches!(&finding.subject, Subject::Process(subject, _) if *subject == process.key);
        self.book.row(process, model, self.book.first_launch(process.key), self.findings.iter().filter(about))
    }
}

impl Sink for Audit {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        self.book.observe(event, delta, model);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings.push(finding.clone());
        Ok(())
    }

    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        let judged = model.processes().filter(|process| self.is_judged(process, model));
        let mut rows: Vec<Row> = judged.map(|it| self.row(it, model)).collect();
        // The worst first.
        rows.sort_by_key(|row| (std::cmp::Reverse(row.judgement.verdict), row.key));
        self.outcome.set(Outcome {
            worst: rows
                .iter()
                .flat_map(|row| row.findings.iter().map(|finding| finding.severity).chain(row.severity()))
                .max(),
            unknown: rows.iter().any(|row| row.judgement.verdict == Verdict::Unknown) || summary.lost > 0,
            judged: rows.len(),
        });
        let missing = write::Missing { lost: summary.lost, ..write::Missing::default() };
        write::write((&rows, missing), &header, self.format, self.style, &mut *self.out)?;
        self.out.flush()
    }
}
