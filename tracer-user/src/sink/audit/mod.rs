//! `sesstrace audit`: each long-lived process with its verdict, its path, what it still shares, and what the rules find that
//! apply to it.
//!
//! Takes events as every sink does, from a capture, a snapshot or a recording. Must not: judge; `tracer_model::audit` does.

mod text;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use tracer_model::{
    audit::{Judgement, Observed, Paths, Policy, Step, Verdict, judge},
    delta::{Change, Delta},
    event::{
        Event, EventKind, Inspection,
        inspection::{Moment, Target, Unread},
    },
    findings::{Finding, Severity, Subject},
    ids::{ProcKey, SessionKey},
    state::{Model, Phase, Process},
};

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
    pub start: u64,
    pub uid: Option<u32>,
    pub session: Option<SessionKey>,
    pub tty: Option<String>,
    /// Who started it, and the terminal there.
    pub launched: Option<String>,
    pub judgement: Judgement,
    pub chosen: Chosen,
    pub path: Vec<Step>,
    /// What applies to it.
    pub findings: Vec<Finding>,
    /// Rules that found something and do not apply.
    pub excused: BTreeSet<&'static str>,
    /// Its launch was seen, so that what needs the comparison with it could be said.
    pub compared: bool,
}

impl Row {
    pub(crate) fn applies(&self, rule: &str) -> bool {
        match &self.chosen.rules {
            Some(rules) => rules.iter().any(|it| it == rule),
            None => self.chosen.policy.applies(rule),
        }
    }
}

/// How an audit went, for the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The greatest severity of a finding that applies.
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
    choose: Choose,
    header: Option<Header>,
    paths: Paths,
    /// Who started a process and in which session, passed on by forks.
    launches: BTreeMap<ProcKey, (SessionKey, String)>,
    inspections: BTreeMap<ProcKey, Inspection>,
    findings: Vec<Finding>,
    outcome: std::rc::Rc<std::cell::Cell<Outcome>>,
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
    ) -> (Self, std::rc::Rc<std::cell::Cell<Outcome>>) {
        let outcome = std::rc::Rc::<std::cell::Cell<Outcome>>::default();
        let audit = Self {
            out,
            style,
            format,
            whom,
            choose,
            header: None,
            paths: Paths::default(),
            launches: BTreeMap::new(),
            inspections: BTreeMap::new(),
            findings: Vec::new(),
            outcome: outcome.clone(),
        };
        (audit, outcome)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that say who started whom")]
    fn launched(&mut self, change: &Change, model: &Model) {
        let started = |parent: &Process| {
            let tty = parent.tty.map(|tty| format!(" {}", tty.tty)).unwrap_or_default();
            Some((parent.session?, format!("{} {}{tty}", parent.key.number, self.style.clean(&parent.comm.0))))
        };
        match *change {
            Change::Forked { child, parent } => {
                let above = self.launches.get(&parent).cloned();
                let launch = above.or_else(|| model.process(parent).and_then(started));
                self.launches.extend(launch.map(|launch| (child, launch)));
            }
            // The command was forked before the capture began.
            Change::Found { process, .. } if model.followed_root() == Some(process) => {
                let root = model.process(process);
                let parent = root.and_then(|root| model.process(root.parent?)).and_then(started);
                let own =
                    root.and_then(|root| Some((root.session?, parent.map(|parent| parent.1).unwrap_or_default())));
                self.launches.extend(own.map(|launch| (process, launch)));
            }
            Change::Reaped { process, .. } => {
                self.launches.remove(&process);
                self.inspections.remove(&process);
            }
            _ => {}
        }
    }

    fn is_judged(&self, process: &Process, model: &Model) -> bool {
        if process.phase != Phase::Alive || process.kernel_thread || process.key.number.0 == 0 {
            return false;
        }
        match &self.whom {
            Whom::These(numbers) => numbers.contains(&process.key.number.0),
            Whom::Followed => {
                process.followed && model.followed_root().is_some()
                    || self.inspections.get(&process.key).is_some_and(|it| it.moment == Moment::Settled)
            }
            Whom::All => {
                let parent = process.parent.and_then(|parent| model.process(parent));
                let adopted = parent.is_none_or(|parent| parent.key.number.0 <= 1 || parent.facts.subreaper);
                let alone =
                    adopted || process.facts.session_leader || process.tty.is_some() && process.facts.hup_ignored;
                // Who ended while everybody was looked at is nobody to judge.
                let there = self.inspections.get(&process.key).filter(|it| it.status != Err(Unread(libc::ESRCH)));
                let watched = || Policy::recognise(&observed(process, model, there)).name == "supervised";
                process.key.number.0 > 1 && there.is_some() && (alone || watched())
            }
        }
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        model.processes().filter(|process| self.is_judged(process, model)).map(|it| self.row(it, model)).collect()
    }

    fn row(&self, process: &Process, model: &Model) -> Row {
        let key = process.key;
        let inspection = self.inspections.get(&key);
        let program = inspection.and_then(|it| it.program.as_deref().ok()).unwrap_or_default();
        let chosen = (self.choose)(&observed(process, model, inspection), program);
        let launch = self.launches.get(&key);
        let mut row = Row {
            key,
            name: process.comm.0.to_vec(),
            start: process.start.0,
            uid: process.uid.map(|uid| uid.0),
            session: process.session,
            tty: process.tty.map(|tty| tty.tty.to_string()),
            launched: launch.map(|launch| launch.1.clone()).filter(|it| !it.is_empty()),
            judgement: Judgement { verdict: Verdict::Unknown, reason: String::new(), unseen: Vec::new() },
            chosen,
            path: self.paths.of(key).to_vec(),
            findings: Vec::new(),
            excused: BTreeSet::new(),
            compared: launch.is_some(),
        };
        let about = |finding: &&Finding| matches!(&finding.subject, Subject::Process(subject, _) if *subject == key);
        let mut told = BTreeSet::new();
        for finding in
            self.findings.iter().filter(about).filter(|it| it.rule.id.starts_with("JC5") || it.rule.id == "JC404")
        {
            if !row.applies(finding.rule.id) {
                row.excused.insert(finding.rule.id);
            } else if told.insert(finding.rule.id) {
                row.findings.push(finding.clone());
            }
        }
        row.findings.sort_by_key(|finding| finding.rule.id);
        let holds =
            row.findings.iter().any(|it| matches!(it.rule.id, "JC404" | "JC504") && it.severity > Severity::Info);
        row.judgement = judge(model, key, inspection, launch.map(|launch| launch.0), holds);
        row
    }
}

/// What a policy is recognised by.
fn observed<'a>(process: &'a Process, model: &'a Model, inspection: Option<&'a Inspection>) -> Observed<'a> {
    let above = std::iter::successors(process.parent.and_then(|it| model.process(it)), |it| model.process(it.parent?));
    let names = above.take(8).map(|it| &*it.comm.0).collect();
    let parent = process.parent.and_then(|parent| model.process(parent));
    let output = inspection.and_then(|it| it.descriptor(1));
    Observed {
        name: &process.comm.0,
        above: names,
        cgroup: inspection.and_then(|it| it.cgroup.as_deref().ok()).unwrap_or_default(),
        marks: inspection
            .and_then(|it| it.marks.as_ref().ok())
            .map(|it| it.iter().map(Vec::as_slice).collect())
            .unwrap_or_default(),
        tty: process.tty,
        first_in_namespace: inspection.is_some_and(|it| it.status.is_ok_and(|status| status.inner_pid == 1)),
        adopted: process.parent_exited
            || parent.is_none_or(|parent| parent.key.number.0 <= 1 || parent.facts.subreaper),
        leads_session: process.facts.session_leader,
        ignores_hangup: inspection.is_some_and(|it| it.status.is_ok_and(|status| status.ignored & 1 != 0)),
        output_is_socket: output.is_some_and(|it| it.target == Target::Socket),
    }
}

impl Sink for Audit {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn event(&mut self, event: &Event, delta: &Delta, model: &Model) -> io::Result<()> {
        self.paths.observe(event.at, delta, model);
        for change in &delta.changes {
            self.launched(change, model);
        }
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject)
            && inspection.moment > Moment::Launch
        {
            self.inspections.insert(process, (**inspection).clone());
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings.push(finding.clone());
        Ok(())
    }

    fn end(&mut self, model: &Model, summary: &Summary) -> io::Result<()> {
        let Some(header) = self.header.take() else { return Ok(()) };
        let mut rows = self.rows(model);
        // The worst first.
        rows.sort_by_key(|row| (std::cmp::Reverse(row.judgement.verdict), row.key));
        self.outcome.set(Outcome {
            worst: rows.iter().flat_map(|row| &row.findings).map(|finding| finding.severity).max(),
            unknown: rows.iter().any(|row| row.judgement.verdict == Verdict::Unknown) || summary.lost > 0,
            judged: rows.len(),
        });
        write::write(&rows, &header, self.format, self.style, &mut *self.out)?;
        self.out.flush()
    }
}
