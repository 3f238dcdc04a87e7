//! Holding an expectation against the events of a recording.

use anyhow::Result;
use tracer_model::{event::Event, ids::Seq, state::Model};

use super::{
    Recorded, facts,
    names::Names,
    script::{Line, fits, parse},
    state,
};

/// What no recording of a scenario may say, but for what its expectation names.
const NEVER: [&str; 4] = ["gap of *", "anomaly *", "unseen change of *", "* unexplained"];

/// A fact, and the event that it is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub seq: Seq,
    /// The fact.
    pub fact: String,
}

/// Everything that the events say, in order.
#[must_use]
pub fn tell(recorded: &Recorded) -> Vec<Told> {
    let names = Names::learn(recorded);
    let mut model = recorded.model();
    let facts = |event: &Event| {
        let delta = model.apply(event);
        let facts = facts::of(event, &delta, &names);
        facts.into_iter().map(|fact| Told { seq: event.seq, fact }).collect::<Vec<_>>()
    };
    recorded.events.iter().flat_map(facts).collect()
}

/// The event that the first fact fitting `pattern` is told of.
#[must_use]
pub fn first(told: &[Told], pattern: &str) -> Option<Seq> {
    told.iter().find(|told| fits(pattern, &told.fact)).map(|told| told.seq)
}

/// Checks the events against an expectation; each string is one thing that is not as it must be.
pub fn check(expectation: &str, recorded: &Recorded) -> Result<Vec<String>> {
    let lines = parse(expectation)?;
    let mut failures = in_order(&lines, recorded);
    let told = tell(recorded);
    let count = |pattern: &str| told.iter().filter(|told| fits(pattern, &told.fact)).count();
    for line in &lines {
        match *line {
            Line::Some(pattern) if count(pattern) == 0 => failures.push(format!("nowhere: {pattern}")),
            Line::Once(pattern) if count(pattern) != 1 => {
                failures.push(format!("not once but {} times: {pattern}", count(pattern)));
            }
            Line::Never(pattern) => failures.extend(forbidden(pattern, &told)),
            Line::Some(_) | Line::Once(_) | Line::Then(_) | Line::With(..) => {}
        }
    }
    failures.extend(NEVER.iter().filter_map(|pattern| {
        let is_named = |fact: &str| {
            let names = |line: &Line<'_>| matches!(line, Line::Then(it) | Line::Some(it) | Line::Once(it) if fits(pattern, it) && fits(it, fact));
            lines.iter().any(names)
        };
        let unnamed: Vec<Told> = told.iter().filter(|told| !is_named(&told.fact)).cloned().collect();
        forbidden(pattern, &unnamed)
    }));
    Ok(failures)
}

fn forbidden(pattern: &str, told: &[Told]) -> Option<String> {
    let bad = told.iter().find(|told| fits(pattern, &told.fact))?;
    Some(format!("must never be: {} (#{})", bad.fact, bad.seq.0))
}

/// The `then` lines in their order, each with the `with` lines below it.
fn in_order(lines: &[Line<'_>], recorded: &Recorded) -> Vec<String> {
    let names = Names::learn(recorded);
    let mut model = recorded.model();
    let mut failures = Vec::new();
    let mut left = lines.iter().copied().filter(|line| matches!(line, Line::Then(_) | Line::With(..))).peekable();
    for event in &recorded.events {
        let delta = model.apply(event);
        for fact in facts::of(event, &delta, &names) {
            let Some(Line::Then(_)) = left.next_if(|line| matches!(line, Line::Then(pattern) if fits(pattern, &fact)))
            else {
                continue;
            };
            while let Some(Line::With(process, items)) = left.next_if(|line| matches!(line, Line::With(..))) {
                failures.extend(holds(process, items, &fact, &model, &names));
            }
        }
    }
    if let Some(Line::Then(pattern)) = left.next() {
        failures.push(format!("not in this order: {pattern}"));
    }
    failures
}

fn holds(process: &str, items: &str, fact: &str, model: &Model, names: &Names) -> Option<String> {
    let Some(key) = names.find(process) else {
        return Some(format!("no process is named {process}; there are {}", names.list()));
    };
    let have = state::of(key, model, names);
    let missing: Vec<&str> = items.split(", ").filter(|item| !have.iter().any(|have| fits(item, have))).collect();
    let have = have.join(", ");
    (!missing.is_empty()).then(|| format!("after `{fact}`: {process} is not {}, but {have}", missing.join(", ")))
}
