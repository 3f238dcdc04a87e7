//! Parsing an expectation, and matching text with `*`.

use anyhow::{Context as _, Result, bail};

/// One line of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The next fact in order.
    Then(&'a str),
    /// The state of a process after it.
    With(&'a str, &'a str),
    /// A fact anywhere.
    Some(&'a str),
    /// A fact exactly once.
    Once(&'a str),
    /// No such fact.
    Never(&'a str),
}

/// Parses an expectation.
pub fn parse(text: &str) -> Result<Vec<Line<'_>>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line).with_context(|| format!("`{line}`"))).collect()
}

fn parse_line(line: &str) -> Result<Line<'_>> {
    let (word, rest) = line.split_once(' ').context("a word alone")?;
    Ok(match word {
        "then" => Line::Then(rest),
        "some" => Line::Some(rest),
        "once" => Line::Once(rest),
        "never" => Line::Never(rest),
        "with" => {
            let (process, items) = rest.split_once(": ").context("no colon after the process")?;
            Line::With(process, items)
        }
        _ => bail!("no such word: {word}"),
    })
}

/// Whether `text` fits `pattern`, in which `*` stands for any text.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, wanted) in [
            ("a is b", "a is b", true),
            ("a is b", "a is bc", false),
            ("a is *", "a is b", true),
            ("* is b", "a is b", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("job gets SIGCONT*", "job gets SIGCONT, ignored", true),
            ("*ab", "ab", true),
            ("ab*ab", "ab", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} and {text}");
        }
    }

    #[test]
    fn every_expectation_can_be_read() {
        for scenario in crate::cases::all() {
            parse(scenario.expect).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("than x happens").is_err());
        assert!(parse("with x group y").is_err());
        assert_eq!(parse("then a b\n\n with c: d, e").unwrap(), [Line::Then("a b"), Line::With("c", "d, e")]);
    }
}
