//! What watching has seen before: verdicts without the numbers and times of one run, and the rules that found something with
//! each, so that the same program that does the same again is not news. This is what a baseline file holds.
//!
//! Bounded: when there are too many, the one that was seen longest ago is forgotten, and is news again. Must not: do I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tracer_model::findings::Finding;

use super::Row;

/// Verdicts that are remembered.
pub const MOST: usize = 4096;

/// What makes two judgements the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// The file that is executed, bytes outside of printable ASCII as `\xNN`; empty where it is not known.
    pub program: String,
    /// The name of the process, likewise, with every number in it as `#`.
    pub name: String,
    /// Its unit of systemd, likewise; empty: none.
    pub unit: String,
    /// Its real user.
    pub uid: Option<u32>,
    /// The policy.
    pub policy: String,
    /// The verdict.
    pub verdict: String,
}

/// When it was seen, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// First, seconds since 1970.
    pub first: i64,
    /// Last, seconds since 1970.
    pub last: i64,
    /// How often.
    pub times: u64,
    /// Rules that found something, of all times, each with the severity: `JC504 warning`.
    pub rules: BTreeSet<String>,
}

/// A line of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line<E, S> {
    #[serde(flatten)]
    entry: E,
    #[serde(flatten)]
    seen: S,
}

/// The first line of a baseline.
#[derive(Serialize, Deserialize)]
struct Head {
    sesstrace: String,
    version: u32,
}

const KIND: &str = "baseline";
const VERSION: u32 = 2;
/// Rules stand there without severities: what one found is accepted with any.
const BEFORE_SEVERITIES: u32 = 1;

/// Everything that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    entries: BTreeMap<Entry, Seen>,
    /// It is not what it was when this was last asked.
    changed: bool,
}

impl Entry {
    pub(super) fn of(row: &Row) -> Self {
        Self {
            program: row.program.escape_ascii().to_string(),
            name: without_numbers(&row.name),
            unit: unit(&row.cgroup).escape_ascii().to_string(),
            uid: row.uid,
            policy: row.chosen.policy.name.to_owned(),
            verdict: row.judgement.verdict.name().to_owned(),
        }
    }
}

/// What a finding is remembered as: another severity is news.
pub(super) fn rule(finding: &Finding) -> String {
    format!("{} {}", finding.rule.id, finding.severity.name())
}

/// `worker-17` and `worker-18` are one.
fn without_numbers(name: &[u8]) -> String {
    let mut out = String::new();
    for chunk in name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        match chunk.first() {
            Some(digit) if digit.is_ascii_digit() => out.push('#'),
            _ => out.extend(chunk.escape_ascii().map(char::from)),
        }
    }
    out
}

/// The last part of a cgroup's path that is a unit of systemd.
fn unit(cgroup: &[u8]) -> &[u8] {
    let units = cgroup.split(|byte| *byte == b'/').rev();
    let mut units = units.filter(|part| part.ends_with(b".service") || part.ends_with(b".scope"));
    units.next().unwrap_or_default()
}

impl Known {
    /// Notes a judgement at a time in seconds since 1970. Returns what is news: the rules that found something, and were not
    /// known to with this verdict; all of them, where the verdict is new. `None`: nothing is. A rule that found nothing this time
    /// is no news: what it compares with may not have been seen.
    pub fn note(&mut self, entry: Entry, rules: BTreeSet<String>, now: i64) -> Option<BTreeSet<String>> {
        if let Some(seen) = self.entries.get_mut(&entry) {
            (seen.last, seen.times) = (now, seen.times.saturating_add(1));
            let news: BTreeSet<String> = rules.difference(&seen.rules).cloned().collect();
            seen.rules.extend(rules);
            self.changed |= !news.is_empty();
            return (!news.is_empty()).then_some(news);
        }
        self.shrink_to(MOST - 1);
        self.entries.insert(entry, Seen { first: now, last: now, times: 1, rules: rules.clone() });
        self.changed = true;
        Some(rules)
    }

    /// Whether a judgement like this was seen.
    #[must_use]
    pub fn has(&self, entry: &Entry) -> bool {
        self.entries.contains_key(entry)
    }

    /// Takes over what somebody changed in the file since it had `before`: what is there no more is news again, and what was put
    /// there is none.
    pub fn edited(&mut self, before: &Self, file: &Self) {
        for entry in before.entries.keys().filter(|entry| !file.entries.contains_key(entry)) {
            self.entries.remove(entry);
        }
        for (entry, seen) in &file.entries {
            match (before.entries.get(entry), self.entries.get_mut(entry)) {
                (Some(written), Some(own)) => {
                    own.rules.retain(|rule| seen.rules.contains(rule) || !written.rules.contains(rule));
                }
                (None, Some(own)) => own.rules.extend(seen.rules.iter().cloned()),
                (Some(_), None) => {}
                (None, None) => drop(self.entries.insert(entry.clone(), seen.clone())),
            }
        }
        self.shrink_to(MOST);
    }

    /// Forgets what was seen longest ago, down to so many.
    fn shrink_to(&mut self, most: usize) {
        let over = self.entries.len().saturating_sub(most);
        if over == 0 {
            return;
        }
        let mut ages: Vec<(i64, &Entry)> = self.entries.iter().map(|(entry, seen)| (seen.last, entry)).collect();
        let (oldest, ..) = ages.select_nth_unstable_by_key(over, |it| it.0);
        let oldest: Vec<Entry> = oldest.iter().map(|(_, entry)| (*entry).clone()).collect();
        for entry in oldest {
            self.entries.remove(&entry);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is news since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// As JSON Lines, the first of which says what this is.
    #[must_use]
    pub fn text(&self) -> String {
        let head = serde_json::to_string(&Head { sesstrace: KIND.to_owned(), version: VERSION });
        let lines = self.entries.iter().map(|(entry, seen)| {
            // No field of it can fail to be written.
            serde_json::to_string(&Line { entry, seen }).unwrap_or_default()
        });
        [head.unwrap_or_default()].into_iter().chain(lines).map(|line| line + "\n").collect()
    }

    /// What [`Self::text`] wrote. The error is the number of a line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        if text.is_empty() {
            return Err((1, "it is empty: delete it to begin with nothing known".to_owned()));
        }
        let mut lines = (1..).zip(text.lines());
        let head = lines.next().and_then(|(_, line)| serde_json::from_str::<Head>(line).ok());
        let version = match head {
            Some(head) if head.sesstrace == KIND && (BEFORE_SEVERITIES..=VERSION).contains(&head.version) => {
                head.version
            }
            Some(head) if head.sesstrace == KIND => {
                return Err((1, format!("version {} is not known, only those up to {VERSION}", head.version)));
            }
            _ => return Err((1, "this is no baseline of sesstrace".to_owned())),
        };
        let mut known = Self::default();
        for (number, line) in lines {
            let torn = number == text.lines().count() && !text.ends_with('\n');
            let Line::<Entry, Seen> { entry, mut seen } = serde_json::from_str(line).map_err(|error| {
                let torn = if torn { "it is cut off: delete this line".to_owned() } else { error.to_string() };
                (number, torn)
            })?;
            if version == BEFORE_SEVERITIES {
                let each = |id: &String| ["info", "warning", "error"].map(|severity| format!("{id} {severity}"));
                seen.rules = seen.rules.iter().flat_map(each).collect();
            }
            known.entries.insert(entry, seen);
            if known.entries.len() > MOST {
                return Err((number, format!("there are more than {MOST} lines")));
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            program: "/usr/bin/x".to_owned(),
            name: without_numbers(name.as_bytes()),
            unit: String::new(),
            uid: Some(0),
            policy: "sysv".to_owned(),
            verdict: "partial".to_owned(),
        }
    }

    fn rules<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
        ids.map(str::to_owned).into()
    }

    #[test]
    fn the_same_again_is_no_news_and_a_baseline_reads_back() {
        let mut known = Known::default();
        assert_eq!(known.note(entry("worker-1"), rules(["JC504 warning"]), 10), Some(rules(["JC504 warning"])));
        assert!(known.take_changed());
        assert_eq!(known.note(entry("worker-22"), rules([]), 20), None);
        assert!(!known.take_changed() && known.len() == 1);
        let more = known.note(entry("worker-3"), rules(["JC504 warning", "JC505 warning"]), 25);
        assert_eq!(more, Some(rules(["JC505 warning"])), "another rule is, and only that");
        let worse = known.note(entry("worker-3"), rules(["JC504 error"]), 26);
        assert_eq!(worse, Some(rules(["JC504 error"])), "so is another severity");
        assert_eq!(known.note(entry("other\u{1b}"), rules([]), 30), Some(rules([])));
        known.take_changed();
        let again = Known::parse(&known.text()).unwrap();
        assert_eq!(again, known);
        assert!(
            known.text().contains(r#""name":"worker-#""#)
                && known.text().contains(r#""times":4,"rules":["JC504 error","JC504 warning","JC505 warning"]"#)
        );
    }

    #[test]
    fn it_stays_bounded_and_forgets_what_was_seen_longest_ago() {
        let mut known = Known::default();
        let name = |number: usize| "x".repeat(number % 64) + &"y".repeat(number / 64);
        let mut note = |name: &str, at| known.note(entry(name), rules([]), at).is_some();
        for number in 0..MOST {
            assert!(note(&name(number), number as i64 + 10));
        }
        assert!(!note(&name(0), 1 << 20), "it was seen again, so that another is the oldest");
        assert!(note("new", 1 << 21));
        assert!(!note(&name(0), 1 << 21) && note(&name(1), 1 << 21));
        assert_eq!(known.len(), MOST);
    }

    #[test]
    fn what_is_no_baseline_is_told_with_its_line() {
        assert_eq!(Known::parse("").unwrap_err(), (1, "it is empty: delete it to begin with nothing known".to_owned()));
        let head = r#"{"sesstrace":"baseline","version":2}"#;
        assert_eq!(Known::parse(&format!("{head}\nx\n")).unwrap_err().0, 2);
        assert_eq!(
            Known::parse(&head.replace('2', "9")).unwrap_err(),
            (1, "version 9 is not known, only those up to 2".to_owned())
        );
        assert_eq!(Known::parse(&format!("{head}\n")).unwrap(), Known::default());
        let mut known = Known::default();
        known.note(entry("a"), rules([]), 1);
        let text = known.text();
        let torn = text.get(..text.len() - 9).unwrap();
        assert_eq!(Known::parse(torn).unwrap_err(), (2, "it is cut off: delete this line".to_owned()));
    }

    #[test]
    fn what_was_accepted_before_severities_were_known_is_with_each() {
        let mut old = Known::default();
        old.note(entry("a"), rules(["JC504"]), 1);
        let text = old.text().replace("\"version\":2", "\"version\":1");
        let mut known = Known::parse(&text).unwrap();
        assert_eq!(known.note(entry("a"), rules(["JC504 error", "JC504 info"]), 2), None);
    }

    #[test]
    fn what_somebody_takes_out_of_the_file_is_news_again() {
        let mut known = Known::default();
        for name in ["a", "b"] {
            known.note(entry(name), rules(["JC504 warning", "JC505 warning"]), 1);
        }
        let written = known.clone();
        known.note(entry("meanwhile"), rules([]), 2);
        let mut file = written.clone();
        file.entries.remove(&entry("a"));
        file.entries.get_mut(&entry("b")).unwrap().rules.remove("JC504 warning");
        file.note(entry("accepted"), rules([]), 2);
        known.edited(&written, &file);
        assert!(known.note(entry("a"), rules([]), 3).is_some());
        let again = known.note(entry("b"), rules(["JC504 warning", "JC505 warning"]), 3);
        assert_eq!(again, Some(rules(["JC504 warning"])));
        assert_eq!(known.note(entry("meanwhile"), rules([]), 3), None, "what was seen since then stays");
        assert_eq!(known.note(entry("accepted"), rules([]), 3), None);
    }

    #[test]
    fn a_file_that_is_edited_all_day_leaves_no_more_than_there_may_be() {
        let mut known = Known::default();
        let (mut time, mut name) = (0, String::new());
        for round in 0..3 {
            // Each time everything that the file has is other than what is known.
            let (written, mut file) = (known.clone(), Known::default());
            for number in 0..MOST {
                let letter = |place: u32| char::from(b'a' + (number / 26_usize.pow(place) % 26) as u8);
                name = (0..3).map(letter).chain(std::iter::repeat_n('z', round)).collect();
                time += 1;
                file.note(entry(&name), rules([]), time);
            }
            known.edited(&written, &file);
            known.edited(&Known::default(), &written);
            assert_eq!(known.len(), MOST);
        }
        assert_eq!(Known::parse(&known.text()).unwrap().len(), MOST, "what is written can be read");
        assert_eq!(known.note(entry(&name), rules([]), time), None, "what was seen last is there");
        assert_eq!(known.note(entry("another"), rules([]), time), Some(rules([])));
        assert_eq!(known.note(entry("another"), rules([]), time), None);
        assert_eq!(known.len(), MOST);
    }

    #[test]
    fn a_unit_is_the_innermost() {
        assert_eq!(unit(b"/user.slice/user-0.slice/user@0.service/app.slice/x.service"), b"x.service");
        assert_eq!(unit(b"/system.slice/ssh.service"), b"ssh.service");
        assert_eq!(unit(b"/"), b"");
    }
}
