//! What was seen of a run: for each topic, names and values. Two runs are compared by the rows of the difference table that
//! what differs falls under.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Names and values; what has no name in the difference table must never differ.
pub type Facts = BTreeMap<String, String>;

/// The facts of each topic.
pub type Observation = BTreeMap<&'static str, Facts>;

/// The row that a fact falls under: its name without what it is said of, as in `ps 2, the command: stat`.
fn row(fact: &str) -> &str {
    fact.rsplit_once(": ").map_or(fact, |(_, row)| row)
}

/// The rows under which two sets of facts differ.
pub fn rows(facts: &Facts, untraced: &Facts) -> BTreeSet<String> {
    differing(facts, untraced).into_iter().map(|name| row(name).to_owned()).collect()
}

fn differing<'a>(one: &'a Facts, other: &'a Facts) -> BTreeSet<&'a str> {
    let names = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name));
    names.map(String::as_str).collect()
}

/// What differs, for whoever reads of a failed test.
pub fn explain(facts: &Facts, untraced: &Facts) -> String {
    let mut text = String::new();
    for name in differing(facts, untraced) {
        let nothing = "(nothing)".to_owned();
        let [before, after] = [untraced, facts].map(|facts| facts.get(name).unwrap_or(&nothing));
        writeln!(text, "{name}\n{}", lines(before, after)).unwrap();
    }
    text
}

/// The lines of two texts: what is only in the first with `-`, only in the second with `+`.
fn lines(before: &str, after: &str) -> String {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let (left, right) = (&before[same..], &after[same..]);
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(one, other)| one == other).count();
    let marked =
        |mark: &str, lines: &[&str]| lines.iter().flat_map(|line| ["  ", mark, " ", line, "\n"]).collect::<String>();
    [
        marked(" ", &before[..same]),
        marked("-", &left[..left.len() - tail]),
        marked("+", &right[..right.len() - tail]),
        marked(" ", &left[left.len() - tail..]),
    ]
    .concat()
}
