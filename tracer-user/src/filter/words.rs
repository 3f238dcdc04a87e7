//! The words that a value of a filter can be: one that none of them is would let nothing through, in silence.
//!
//! Must not: parse, or ask an event.

use tracer_model::{event::TtyRequest, findings::RULES, ids::Signal};

use super::test::{Glob, Word};
use crate::trace_file::{CALL_NAMES, KINDS};

/// What people call an event or a call otherwise than a recording does.
const OTHERWISE: [(&str, &str); 9] = [
    ("fork", "new_task"),
    ("vfork", "new_task"),
    ("clone", "new_task"),
    ("clone3", "new_task"),
    ("execve", "exec"),
    ("waitpid", "wait4"),
    ("killpg", "kill"),
    ("signal", "signal_generated"),
    ("tcsetpgrp", "TIOCSPGRP"),
];

/// The last signal of Linux on x86-64 and arm64 (signal(7)).
const LAST_SIGNAL: u32 = 64;

/// What is wrong with a value that none of its words is; `None`: one is.
pub(super) fn unknown(key: Word, value: &str) -> Option<String> {
    let (what, words) = match key {
        Word::Kind => ("no event, call or terminal request has this name", kinds()),
        Word::Signal => ("there is no such signal", signals()),
        Word::Rule => ("there is no such rule", rules()),
        Word::Name | Word::Executable | Word::Tty => return None,
    };
    let glob = Glob::new(value);
    if words.iter().any(|word| glob.matches(word.as_bytes())) {
        return None;
    }
    let number = value.parse().ok().filter(|number| key == Word::Signal && (1..=LAST_SIGNAL).contains(number));
    if let Some(number) = number {
        return Some(format!("a signal has a name here: {value} is {}", Signal(number)));
    }
    let otherwise = OTHERWISE.iter().find(|row| key == Word::Kind && row.0.eq_ignore_ascii_case(value));
    let nearest = otherwise.map(|row| row.1).or_else(|| nearest(value, words.iter().map(String::as_str)));
    Some(format!("{what}; the nearest is {}", nearest.unwrap_or_default()))
}

/// The word that is most alike: one that has the value in it, or else the one with the fewest differences from the start.
pub(super) fn nearest<'a>(value: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let value = value.replace('*', "").to_lowercase();
    let alike = |word: &str| {
        let word = word.to_lowercase();
        f64::from(word.contains(&value)) + strsim::jaro_winkler(&value, &word)
    };
    words.map(|word| (alike(word), word)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|it| it.1)
}

fn kinds() -> Vec<String> {
    let requests = TtyRequest::ALL.iter().map(|row| row.2);
    KINDS.into_iter().chain(CALL_NAMES).chain(requests).map(str::to_owned).collect()
}

fn signals() -> Vec<String> {
    let long = (1..=LAST_SIGNAL).map(|number| Signal(number).to_string());
    let short: Vec<String> = long.clone().filter_map(|name| name.strip_prefix("SIG").map(str::to_owned)).collect();
    long.chain(short).collect()
}

fn rules() -> Vec<String> {
    RULES.iter().flat_map(|rule| [rule.id, rule.name]).map(str::to_owned).collect()
}
