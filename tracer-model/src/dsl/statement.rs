//! One line of a history: who, what, and the braces.
//!
//! Must not know what a statement does to the state (`world`).
#![expect(clippy::wildcard_enum_match_arm, reason = "a test language: what has no effect needs no row")]

mod attribute;
mod calls;
mod inspection;
mod kinds;

pub(super) use self::calls::status_text;

use super::{
    fields::{self, number},
    world::World,
};
use crate::{
    event::{Call, Comm, Event, EventKind, RawTask},
    ids::{BootNs, Pid, Seq, Tid},
};

/// Start time of a task whose text leaves it out: what is carried.
pub(super) const START_CARRIED: BootNs = BootNs(u64::MAX);

/// The ENTER of a LEAVE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entered {
    /// That of this history, if there is one.
    Carried,
    /// This one, and whether it was emitted.
    Said(Option<(Seq, BootNs)>, bool),
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub seq: Option<u64>,
    pub at: Option<u64>,
    pub cpu: u16,
    pub actor: String,
    pub comm: Option<Comm>,
    pub kind: EventKind,
    /// Process and thread of the subject.
    pub subject: Option<(Pid, Tid)>,
    /// The subject was not there before.
    pub fresh: bool,
    pub entered: Entered,
    /// Facts in braces.
    pub fields: Vec<String>,
}

/// What a verb says.
struct Said {
    kind: EventKind,
    /// The subject, where it is not the actor.
    subject: Option<(Pid, Tid)>,
    /// Facts that the verb implies.
    fields: Vec<String>,
}

impl Said {
    fn of(kind: EventKind) -> Self {
        Self { kind, subject: None, fields: Vec::new() }
    }
}

impl Statement {
    /// Parses a line: a call without `>` or `<` is two events.
    pub fn parse(line: &str) -> Result<Vec<Self>, String> {
        let (line, braces) = match line.split_once('{') {
            Some((line, braces)) => (line.trim(), braces.trim_end().strip_suffix('}').ok_or("a brace is not closed")?),
            None => (line, ""),
        };
        let (mut seq, mut at, mut cpu) = (None, None, 0);
        let mut words = line;
        while let Some(rest) = words.strip_prefix(['#', '@', '%']) {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let value = number(word)?;
            match words.chars().next() {
                Some('#') => seq = Some(value as u64),
                Some('@') => at = Some(value as u64),
                _ => cpu = value as u16,
            }
            words = after.trim_start();
        }
        let (actor, verb) = match words.split_once(": ") {
            Some((actor, verb)) if actor.starts_with(|c: char| c.is_ascii_digit()) => (actor, verb.trim()),
            _ => ("0", words),
        };
        let (actor, comm) = match actor.split_once('(') {
            Some((actor, comm)) => (actor, Some(fields::comm(comm.trim_end_matches(')'))?)),
            None => (actor, None),
        };
        let task = fields::task(actor, |_| START_CARRIED.0)?;
        let mut statements = Vec::new();
        for said in kinds::parse(verb, task)? {
            let enter = matches!(said.kind, EventKind::Enter { .. });
            let mut statement = Self {
                seq: seq.take(),
                at: at.take(),
                cpu,
                actor: actor.into(),
                comm: comm.clone(),
                subject: said.subject.or_else(|| default_subject(&said.kind, task)),
                kind: said.kind,
                fresh: false,
                entered: Entered::Carried,
                fields: said.fields,
            };
            // Of a whole call, the braces are about the state after it.
            if !enter || verb.starts_with('>') {
                statement.take_braces(braces)?;
            }
            statements.push(statement);
        }
        Ok(statements)
    }

    /// Sorts the braces: facts, and what is said of the event itself.
    fn take_braces(&mut self, braces: &str) -> Result<(), String> {
        for token in braces.split_whitespace() {
            match token.split_once('=') {
                Some(("on", task)) => {
                    let task = fields::task(task, |_| 0)?;
                    self.subject = Some((task.pid, task.tid));
                }
                Some(("entered" | "hidden", "-")) => {
                    self.entered = Entered::Said(None, token.starts_with("entered"));
                }
                Some(("entered" | "hidden", place)) => {
                    let (seq, at) = place.split_once('@').ok_or("entered=SEQ@NS")?;
                    let entered = (Seq(number(seq)? as u64), BootNs(number(at)? as u64));
                    self.entered = Entered::Said(Some(entered), token.starts_with("entered"));
                }
                None if token == "fresh" => self.fresh = true,
                None if token == "nobody" => self.subject = None,
                _ => self.fields.push(token.into()),
            }
        }
        Ok(())
    }
}

/// Whom an event is about when the text does not say: the target of setpgid, else who acts.
fn default_subject(kind: &EventKind, actor: RawTask) -> Option<(Pid, Tid)> {
    let acting = Some((actor.pid, actor.tid));
    match kind {
        EventKind::Enter { call, target_unknown: false } => Some(target(call, actor)),
        EventKind::Leave(leave) if !leave.target_unknown => Some(target(&leave.call, actor)),
        EventKind::Enter { .. }
        | EventKind::Leave(_)
        | EventKind::Exec { .. }
        | EventKind::Exit { .. }
        | EventKind::Dead
        | EventKind::Stopped { .. }
        | EventKind::Continued
        | EventKind::SignalDelivered { .. } => acting,
        EventKind::NewTask { .. }
        | EventKind::Freed { .. }
        | EventKind::SignalGenerated(_)
        | EventKind::Snapshot { .. }
        | EventKind::SnapshotEnd { .. }
        | EventKind::ClockAnchor { .. }
        | EventKind::Gap(_)
        | EventKind::Attribute(_)
        | EventKind::Inspected(_) => None,
    }
}

fn target(call: &Call, actor: RawTask) -> (Pid, Tid) {
    match *call {
        Call::Setpgid { pid, .. } if pid != 0 => (Pid(pid as u32), Tid(pid as u32)),
        Call::Setpgid { .. } => (actor.pid, Tid(actor.pid.0)),
        _ => (actor.pid, actor.tid),
    }
}

/// Writes an event as one line, and lets the world go on.
pub(super) fn write(event: &Event, world: &mut World) -> String {
    let actor = world.task_text(event.actor);
    let (verb, named) = kinds::text(event, world);
    let subject = event.subject.as_ref().map(|state| (state.id.pid, state.id.tid));
    let mut statement = Statement {
        seq: Some(event.seq.0),
        at: Some(event.at.0),
        cpu: event.cpu,
        actor: actor.clone(),
        comm: None,
        kind: event.kind.clone(),
        subject,
        fresh: false,
        entered: Entered::Carried,
        fields: Vec::new(),
    };
    let expected = named.or_else(|| default_subject(&event.kind, event.actor));
    let mut braces = Vec::new();
    match subject {
        Some((pid, tid)) if subject != expected => braces.push(format!("on={pid}/{tid}")),
        None if expected.is_some() => braces.push("nobody".into()),
        Some(_) | None => {}
    }
    let mut predicted = world.predict(&statement);
    if predicted.is_err() {
        statement.fresh = true;
        braces.push("fresh".into());
        predicted = world.predict(&statement);
    }
    if let Ok(predicted) = &predicted {
        if let (EventKind::Leave(said), EventKind::Leave(leave)) = (&predicted.kind, &event.kind)
            && (said.entered, said.enter_emitted) != (leave.entered, leave.enter_emitted)
        {
            braces.push(entered_text(leave.entered, leave.enter_emitted));
        }
        if let (Some(said), Some(state)) = (&predicted.subject, &event.subject) {
            braces.extend(fields::difference(said, state, world));
        }
        if predicted.actor_comm != event.actor_comm {
            statement.comm = Some(event.actor_comm.clone());
        }
    }
    world.carry(event);
    let comm = statement.comm.map(|comm| format!("({})", fields::comm_text(&comm))).unwrap_or_default();
    let cpu = if event.cpu == 0 { String::new() } else { format!("%{} ", event.cpu) };
    let braces = if braces.is_empty() { String::new() } else { format!(" {{{}}}", braces.join(" ")) };
    format!("#{} @{} {cpu}{actor}{comm}: {verb}{braces}", event.seq.0, event.at.0)
}

fn entered_text(entered: Option<(Seq, BootNs)>, emitted: bool) -> String {
    let name = if emitted { "entered" } else { "hidden" };
    match entered {
        Some((seq, at)) => format!("{name}={}@{}", seq.0, at.0),
        None => format!("{name}=-"),
    }
}
