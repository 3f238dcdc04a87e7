//! Findings as Markdown, for an issue or a pull request; and the manual of all rules.
//!
//! Must not: let text of a traced process be markup: it stands in code.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use tracer_model::findings::{Finding, RULES, Races};

use super::{Folded, sentence};
use crate::{
    sink::{Style, time},
    trace_file::Header,
};

/// Writes the report.
pub(super) fn write(findings: &Folded, races: &Races, header: &Header, out: &mut dyn Write) -> io::Result<()> {
    let (base, style) = (header.boot_ns, Style::PLAIN);
    writeln!(out, "## Findings: {}\n", findings.counts().join(", "))?;
    for (finding, again) in findings.rows() {
        let say = |words: &_| code(&sentence(words, base, style));
        let Finding { rule, severity, undecided, fact, cause, fix, evidence, .. } = finding;
        writeln!(out, "### {} {} {}\n", severity.name(), rule.id, rule.name)?;
        writeln!(out, "{}\n", say(fact))?;
        if let Some(undecided) = undecided {
            writeln!(out, "- undecided: {}", super::open(*undecided, base))?;
        }
        writeln!(out, "- why: {}\n- fix: {}", say(cause), say(fix))?;
        for it in evidence {
            let text = it.text();
            writeln!(out, "- {} ms: {}", time::ms(it.at, base), say(&text))?;
        }
        if let Some(often) = races.tally(rule.id) {
            writeln!(out, "- often: {}", say(&often))?;
        }
        if again.count > 0 {
            writeln!(out, "- {} more of this kind", again.count)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes what was suppressed.
pub(super) fn suppressed(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let Some((first, rest)) = lines.split_first() else { return Ok(()) };
    writeln!(out, "### Suppressed: {}\n", code(first))?;
    rest.iter().try_for_each(|line| writeln!(out, "- {}", code(line)))
}

/// Text as a code span that no text inside can end.
pub(in crate::sink) fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("`{text}`") } else { format!("{fence} {text} {fence}") }
}

/// `docs/FINDINGS.md`.
#[must_use]
pub fn manual() -> String {
    let mut text = String::from(
        "# Findings\n\nWhat sesstrace says of what went wrong, rule by rule. This text is made from the rules; \
         `sesstrace explain ID` prints a part of it.\n\nA finding has one line of fact, one of cause, one of fix, and the \
         events that it rests on. A rule judges by the state after a call and not by the errno alone. Where records were lost \
         that could have shown otherwise, or the recording ended before a time had passed that a rule gives, a finding is *undecided* and for information only.\n\n| id | name | at most | in a \
         sentence |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let _ = writeln!(
            text,
            "| [{}](#{}-{}) | {} | {} | {} |",
            rule.id,
            rule.id.to_lowercase(),
            rule.name,
            rule.name,
            rule.severity.name(),
            rule.summary()
        );
    }
    for rule in RULES {
        let _ = write!(text, "\n## {} {}\n\n{}\n", rule.id, rule.name, rule.page());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_code_span() {
        assert_eq!(code("11 cat"), "`11 cat`");
        assert_eq!(code("11 `cat`"), "`` 11 `cat` ``");
        assert_eq!(code("``"), "``` `` ```");
    }

    #[test]
    fn the_manual_in_the_repository_is_that_of_the_rules() {
        expect_test::expect_file!["../../../../docs/FINDINGS.md"].assert_eq(&manual());
    }
}
