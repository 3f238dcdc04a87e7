//! Findings as `JUnit` XML: each rule is a test case, which fails with its errors and warnings.
//!
//! Must not: write a character that XML 1.0 does not allow.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use tracer_model::findings::{Finding, RULES, Races, Severity};

use super::sentence;
use crate::{
    sink::{Style, time},
    trace_file::Header,
};

/// Writes the report.
pub(in crate::sink) fn write(
    findings: &[Finding],
    suppressed: &[String],
    races: &Races,
    header: &Header,
    out: &mut dyn Write,
) -> io::Result<()> {
    let of = |id: &'static str| {
        findings.iter().filter(move |finding| finding.rule.id == id && finding.severity > Severity::Info)
    };
    let failures = RULES.iter().filter(|rule| of(rule.id).next().is_some()).count();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites>\n<testsuite name=\"sesstrace\" tests=\"{}\" failures=\"{failures}\">", RULES.len())?;
    for rule in RULES {
        let name = format!("{} {}", rule.id, rule.name);
        let found: Vec<&Finding> = of(rule.id).collect();
        let Some(first) = found.first() else {
            writeln!(out, "<testcase classname=\"sesstrace\" name=\"{name}\"/>")?;
            continue;
        };
        let message = escape(&sentence(&first.fact, header.boot_ns, Style::PLAIN));
        writeln!(out, "<testcase classname=\"sesstrace\" name=\"{name}\">")?;
        writeln!(out, "<failure type=\"{}\" message=\"{message}\">", first.severity.name())?;
        for finding in found {
            writeln!(out, "{}", escape(&body(finding, header)))?;
        }
        if let Some(often) = races.tally(rule.id) {
            writeln!(out, "often  {}", escape(&sentence(&often, header.boot_ns, Style::PLAIN)))?;
        }
        writeln!(out, "</failure>\n</testcase>")?;
    }
    if let Some((first, rest)) = suppressed.split_first() {
        writeln!(out, "<system-out>suppressed: {}", escape(first))?;
        rest.iter().try_for_each(|line| writeln!(out, "{}", escape(line)))?;
        writeln!(out, "</system-out>")?;
    }
    writeln!(out, "</testsuite>\n</testsuites>")
}

/// A finding in several lines.
pub(in crate::sink) fn body(finding: &Finding, header: &Header) -> String {
    let say = |words: &_| sentence(words, header.boot_ns, Style::PLAIN);
    let mut text = format!("{}\n  why  {}\n  fix  {}\n", say(&finding.fact), say(&finding.cause), say(&finding.fix));
    for it in &finding.evidence {
        let seen = it.text();
        let _ = writeln!(text, "  seen {} ms  {}", time::ms(it.at, header.boot_ns), say(&seen));
    }
    text
}

/// Text for an element or a quoted attribute. Control characters are escaped already, as everywhere.
pub(in crate::sink) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no U+FFFE and U+FFFF.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_is_text() {
        assert_eq!(super::escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }
}
