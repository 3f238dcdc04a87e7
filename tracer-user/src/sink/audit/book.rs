//! What is known of processes that may be judged: who launched each, its path, what an inspection showed.
//!
//! Must not: decide who is judged, write, or keep what is known of a process longer than the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use tracer_model::{
    audit::{Aspect, Comparison, Grounds, Looks, Paths, Thing, compare, date, judge},
    delta::{Bounds, Change, Delta, LeaderState},
    event::{Coverage, Event, EventKind, Inspection, inspection::Moment},
    findings::{Finding, words::Word},
    ids::{BootNs, ProcKey, SessionKey},
    state::{Model, Process},
};

use super::{
    Choose, Row, Style,
    observe::{by_reaper, observe},
};

/// Launchers of a process that are remembered: the nearest, and the first that was seen.
const LAUNCHES: usize = 8;

/// Who forked a process, as they were then.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Launch {
    /// It.
    pub by: ProcKey,
    /// Its session.
    pub session: SessionKey,
    /// Its number, name and terminal; empty where nobody is to be named.
    pub label: String,
}

/// An inspection, and when it was made.
type Look = Rc<(BootNs, Inspection)>;

/// The book.
pub(super) struct Book {
    choose: Choose,
    style: Style,
    /// This process: it looks, and is nobody to judge.
    own: u32,
    /// A snapshot showed every process of the machine.
    everybody: bool,
    paths: Paths,
    /// Nearest first, passed on by forks.
    launches: BTreeMap<ProcKey, Vec<Rc<Launch>>>,
    /// The command before its exec: what its launcher handed on.
    handed_on: BTreeMap<ProcKey, Look>,
    inspections: BTreeMap<ProcKey, Look>,
    /// Who was inspected when it had settled, or when somebody asked.
    settled: BTreeSet<ProcKey>,
    /// What an inspection is compared with: also when that one has ended since.
    origins: BTreeMap<ProcKey, (ProcKey, Look)>,
}

impl Looks for Book {
    fn of(&self, process: ProcKey) -> Option<&Inspection> {
        self.inspection(process)
    }

    fn looks(&self, process: ProcKey) -> bool {
        process.number.0 == self.own
    }

    fn was_forked(&self, process: ProcKey) -> bool {
        self.launches.contains_key(&process)
    }

    fn shows_everybody(&self) -> bool {
        self.everybody
    }
}

impl Book {
    pub fn new(choose: Choose, style: Style) -> Self {
        Self {
            choose,
            style,
            own: std::process::id(),
            everybody: false,
            paths: Paths::default(),
            launches: BTreeMap::new(),
            handed_on: BTreeMap::new(),
            inspections: BTreeMap::new(),
            settled: BTreeSet::new(),
            origins: BTreeMap::new(),
        }
    }

    /// Takes an event, what it changed, and the model after it.
    pub fn observe(&mut self, event: &Event, delta: &Delta, model: &Model) {
        self.paths.observe(event, delta, model);
        self.everybody |= matches!(event.kind, EventKind::SnapshotEnd { coverage: Coverage::All, .. });
        for change in &delta.changes {
            self.launched(change, model);
        }
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject) {
            let launch = inspection.moment == Moment::Launch;
            if matches!(inspection.moment, Moment::Settled | Moment::Asked) {
                self.settled.insert(process);
            }
            let book = if launch { &mut self.handed_on } else { &mut self.inspections };
            book.insert(process, Rc::new((event.at, (**inspection).clone())));
            // That of the launcher that has ended is what there was; whoever is above that is farther away.
            let kept = self.origins.get(&process).is_some_and(|before| !self.inspections.contains_key(&before.0));
            if let Some(origin) = self.origin(process, model).filter(|_| !kept) {
                self.origins.insert(process, origin);
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the changes that say who started whom")]
    fn launched(&mut self, change: &Change, model: &Model) {
        let label = |parent: &Process| {
            let tty = parent.tty.map(|tty| format!(" {}", tty.tty)).unwrap_or_default();
            format!("{} {}{tty}", parent.key.number, self.style.clean(&parent.comm.0))
        };
        match *change {
            Change::Forked { child, parent } => {
                let mut chain = self.launches.get(&parent).cloned().unwrap_or_default();
                if let Some(parent) = model.process(parent)
                    && let Some(session) = parent.session
                {
                    chain.insert(0, Rc::new(Launch { by: parent.key, session, label: label(parent) }));
                }
                if chain.len() > LAUNCHES {
                    chain.remove(LAUNCHES - 1);
                }
                self.launches.insert(child, chain);
            }
            // The command was forked before the capture began.
            Change::Found { process, .. } if model.followed_root() == Some(process) => {
                let root = model.process(process);
                let parent = root.and_then(|root| model.process(root.parent?));
                if let Some(session) = root.and_then(|root| root.session) {
                    let by = parent.map_or(process, |parent| parent.key);
                    let label = parent.filter(|parent| parent.session.is_some()).map(label).unwrap_or_default();
                    self.launches.insert(process, vec![Rc::new(Launch { by, session, label })]);
                }
            }
            Change::Reaped { process, .. } => {
                self.launches.remove(&process);
                self.inspections.remove(&process);
                self.settled.remove(&process);
                self.origins.remove(&process);
                // The command's is what its descendants are compared with when it has ended.
                if model.followed_root() != Some(process) {
                    self.handed_on.remove(&process);
                }
            }
            _ => {}
        }
    }

    /// How many entries there are of processes.
    #[cfg(test)]
    pub fn entries(&self) -> usize {
        self.paths.count()
            + self.launches.len()
            + self.handed_on.len()
            + self.inspections.len()
            + self.origins.len()
            + self.settled.len()
    }

    /// The last inspection of a process.
    pub fn inspection(&self, process: ProcKey) -> Option<&Inspection> {
        Some(&self.inspections.get(&process)?.1)
    }

    /// The first launcher that was seen.
    pub fn first_launch(&self, process: ProcKey) -> Option<&Launch> {
        Some(self.launches.get(&process)?.last()?)
    }

    /// The nearest launcher that lives and adopts nobody; where there is none, the first that was seen.
    pub fn living_launch(&self, process: ProcKey, model: &Model) -> Option<&Launch> {
        let chain = self.launches.get(&process)?;
        let lives = |launch: &&Rc<Launch>| model.launches(launch.by);
        Some(chain.iter().find(lives).or(chain.last())?)
    }

    /// Where a process comes from, as far as that was inspected: the command as its launcher made it, or else the nearest
    /// launcher; of who was there before, the nearest living parent.
    fn origin(&self, process: ProcKey, model: &Model) -> Option<(ProcKey, Look)> {
        let chain = || self.launches.get(&process).into_iter().flatten().map(|launch| launch.by);
        let mut above = std::iter::once(process).chain(chain());
        if let Some(found) = above.find_map(|key| Some((key, self.handed_on.get(&key)?.clone()))) {
            return Some(found);
        }
        let parents = std::iter::successors(model.launching_parent(process), |key| model.launching_parent(*key));
        let seen = self.launches.contains_key(&process);
        let parents = parents.take(if seen { 0 } else { LAUNCHES });
        let living = |key| self.inspections.get(&key).filter(|look| look.1.is_of_the_living());
        chain().chain(parents).find_map(|key| Some((key, living(key)?.clone())))
    }

    /// It stands for itself: nobody waits for it, it leads a session, a supervisor watches it, or a pid namespace ends with it.
    pub fn is_long_lived(&self, process: &Process, model: &Model) -> bool {
        let adopted = by_reaper(process, model);
        let alone = adopted || process.facts.session_leader || process.tty.is_some() && process.facts.hup_ignored;
        // Who ended while everybody was looked at is nobody to judge.
        let there = self.inspection(process.key).filter(|it| it.is_of_the_living());
        let watched = || {
            let observed = observe(process, model, self);
            (self.choose)(&observed, program(there)).policy.is_watched(&observed)
        };
        process.key.number.0 > 1 && !self.looks(process.key) && there.is_some() && (alone || watched())
    }

    /// Judges a process. `launch`: by whom it is said to be started, and whose session must not be its own.
    pub fn row<'a>(
        &self,
        process: &Process,
        model: &Model,
        launch: Option<&Launch>,
        findings: impl Iterator<Item = &'a Finding>,
    ) -> Row {
        let key = process.key;
        let inspection = self.inspection(key);
        let program = program(inspection);
        let observed = observe(process, model, self);
        let chosen = (self.choose)(&observed, program);
        // What a launcher opened between the look at it and the fork was not seen then.
        let tells = |look: &Look| look.1.moment == Moment::Launch || look.0 >= process.start;
        let origin = self.origins.get(&key).filter(|(_, look)| tells(look));
        let launchers: Vec<ProcKey> = self.launches.get(&key).into_iter().flatten().map(|launch| launch.by).collect();
        let grounds = Grounds {
            own: inspection,
            launched_in: launch.map(|launch| launch.session),
            launcher: origin.map(|(launcher, look)| (*launcher, &look.1)),
            launchers: &launchers,
            supervised: chosen.policy.is_watched(&observed),
            looks: self,
        };
        let mut row = Row {
            key,
            name: process.comm.0.to_vec(),
            program: program.to_vec(),
            cgroup: observed.cgroup.to_vec(),
            start: process.start.0,
            uid: process.uid.map(|uid| uid.0),
            session: process.session,
            tty: process.tty.map(|tty| tty.tty.to_string()),
            launched: launch.map(|launch| launch.label.clone()).filter(|it| !it.is_empty()),
            judgement: judge(model, key, &grounds),
            chosen,
            path: self.paths.of(key).to_vec(),
            comparison: self.comparison(process, launch, model),
            findings: Vec::new(),
            excused: BTreeSet::new(),
            compared: launch.is_some(),
            steps_left_out: 0,
            settled: inspection.is_none() || self.settled.contains(&key),
        };
        for finding in findings.filter(|it| is_of_daemons(it) && holds(it, process, inspection, model)) {
            if row.applies(finding.rule.id) {
                take(&mut row.findings, finding);
            } else {
                row.excused.insert(finding.rule.id);
            }
        }
        row.findings.sort_by_key(|finding| finding.rule.id);
        row
    }

    /// What it shares with who launched it. `None`: there is nobody to compare with.
    fn comparison(&self, process: &Process, launch: Option<&Launch>, model: &Model) -> Option<Comparison> {
        let (at, own) = &**self.inspections.get(&process.key)?;
        let (then, launcher) = &*self.origins.get(&process.key)?.1;
        let mut comparison = compare(own, launcher);
        let mut shared = Vec::new();
        let mut shares = |what: &str, is: String| {
            let (was, is) = (is.clone().into_bytes(), is.into_bytes());
            shared.push(Thing { what: what.to_owned(), was, is, of: Aspect::Job, by: None });
        };
        if let (Some(launch), Some(session)) =
            (launch, process.session.filter(|own| launch.map(|it| it.session) == Some(*own)))
        {
            shares("session", session.number.to_string());
            let by = model.process(launch.by);
            if let Some(group) = process.group.filter(|own| by.and_then(|by| by.group) == Some(*own)) {
                shares("process group", group.number.to_string());
            }
            if let Some(tty) = process.tty {
                shares("controlling terminal", tty.tty.to_string());
            }
        }
        comparison.shares.splice(0..0, shared);
        comparison.between = Some(Bounds { after: *then, until: *at });
        date(&mut comparison, self.paths.of(process.key));
        Some(comparison)
    }
}

/// A rule about daemons.
pub(super) fn is_of_daemons(finding: &Finding) -> bool {
    finding.rule.id.starts_with("JC5") || finding.rule.id == "JC404"
}

/// Of what a rule said of one process, the latest of the worst; of terminals that were acquired, each.
pub(super) fn take(findings: &mut Vec<Finding>, finding: &Finding) {
    let each = finding.rule.id == "JC503";
    let alike = |it: &&mut Finding| it.rule.id == finding.rule.id && (!each || it.fact == finding.fact);
    match findings.iter_mut().find(alike) {
        Some(before) if before.severity > finding.severity => {}
        Some(before) => *before = finding.clone(),
        None => findings.push(finding.clone()),
    }
}

/// What was said of a state is so no longer when the state is over; what was said of an event stays so.
fn holds(finding: &Finding, process: &Process, last: Option<&Inspection>, model: &Model) -> bool {
    let leads = process.facts.session_leader;
    match finding.rule.id {
        "JC501" => {
            let session = process.session.and_then(|session| model.session(session));
            let led = session.is_some_and(|it| model.session_leader_state(it) == LeaderState::Alive);
            !leads && (process.tty.is_some() || led)
        }
        "JC502" => leads && process.tty.is_none(),
        // The look at who was left can fall between the fork and the redirection.
        "JC404" => last.is_none_or(|last| may_write(last, finding)),
        _ => true,
    }
}

/// Whether a process still writes to the pipe that a finding names, as far as that could be looked at.
fn may_write(last: &Inspection, finding: &Finding) -> bool {
    let mut paths =
        finding.fact.0.iter().filter_map(|word| if let Word::Bytes(path) = word { Some(path) } else { None });
    let (Some(path), Ok(own)) = (paths.next_back(), &last.descriptors) else { return true };
    own.unread.is_some() || !own.has_every_pipe() || own.open.iter().any(|it| it.writes() && it.path == *path)
}

/// The file that it executes; empty where that is not known.
fn program(inspection: Option<&Inspection>) -> &[u8] {
    inspection.and_then(|it| it.program.as_deref().ok()).unwrap_or_default()
}
