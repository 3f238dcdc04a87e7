//! Findings: one line of fact, one of cause, one of fix, and the events that they rest on. The same words in every format.
//!
//! Must not: word anything of a rule's; the rules have.

pub mod answer;
mod folded;
mod junit;
mod markdown;
mod races;
mod report;
mod sarif;
mod suppressed;

use std::io::{self, Write};

use tracer_model::{
    findings::{Finding, Races, Severity, Undecided, Words, words::Word},
    ids::BootNs,
};

pub use folded::Again;
pub(super) use folded::Folded;
pub(super) use junit::{body, escape};
pub(super) use markdown::code;
pub use markdown::manual;
pub use races::RaceReport;
pub use report::{Format, Report};
pub(super) use sarif::{document, result};

use super::{Style, Tone, layout::wrap, phrase, time};

/// Columns before the text of a line below the first.
const INDENT: usize = 9;
/// Columns behind the head of a finding in which its fact begins on the same line.
const HEADED_LEAST: usize = 42;
/// A sentence as text. Times are ms since `base`.
pub(crate) fn sentence(words: &Words, base: BootNs, style: Style) -> String {
    words.0.iter().map(|word| piece(word, base, style)).collect()
}

fn piece(word: &Word, base: BootNs, style: Style) -> String {
    match word {
        Word::Text(text) if style.ascii => text.replace('→', "->"),
        Word::Text(text) => text.clone().into_owned(),
        Word::Process(pid, comm) => format!("{pid} {}", style.clean(&comm.0)).trim_end().to_owned(),
        Word::Bytes(bytes) => style.clean(bytes).into_owned(),
        Word::Call(call) => phrase::call(call),
        Word::Errno(errno) => phrase::errno_name(*errno),
        Word::Time(at) => format!("{} ms", time::ms(*at, base)),
        Word::Span(ns) => time::span(*ns, style),
    }
}

/// A finding in one line, as it is told when it is decided.
pub(crate) fn line(finding: &Finding, base: BootNs, style: Style) -> String {
    let head = format!("{} {}", finding.severity.name(), finding.rule.id);
    let undecided = if finding.undecided.is_some() { "undecided: " } else { "" };
    let (fact, cause) = (sentence(&finding.fact, base, style), sentence(&finding.cause, base, style));
    let at = time::ms(happened(finding), base);
    format!("{}  {at} ms  {undecided}{fact}: {cause}", style.paint(tone(finding.severity), &head))
}

/// When it came about: at the last event that it rests on. When it was decided is later, where a rule waits for what comes.
fn happened(finding: &Finding) -> BootNs {
    finding.evidence.iter().map(|it| it.at).max().unwrap_or(finding.at)
}

/// Writes a finding in several lines. `races`: how often what it tells of went well.
pub fn write(
    finding: &Finding,
    (again, races): (&Again, &Races),
    base: BootNs,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Finding { rule, severity, undecided, fact, cause, fix, evidence, .. } = finding;
    let say = |words: &Words| sentence(words, base, style);
    let head = format!("{} {} {}", severity.name(), rule.id, rule.name);
    if style.width.is_some_and(|wide| wide < head.len() + HEADED_LEAST) {
        writeln!(out, "{}", style.paint(tone(*severity), &head))?;
        Block::below("  fact", say(fact)).write(Tone::Plain, style, out)?;
    } else {
        let first = Block { label: &head, text: say(fact), indent: head.len() + 2 };
        first.write(tone(*severity), style, out)?;
    }
    if let Some(undecided) = undecided {
        Block::below("  open", open(*undecided, base)).write(Tone::Trouble, style, out)?;
    }
    Block::below("  why", say(cause)).write(Tone::Plain, style, out)?;
    Block::below("  fix", say(fix)).write(Tone::Plain, style, out)?;
    let times: Vec<String> = evidence.iter().map(|it| time::ms(it.at, base)).collect();
    let wide = times.iter().map(String::len).max().unwrap_or(0);
    for (index, (at, it)) in times.iter().zip(evidence).enumerate() {
        let label = if index == 0 { "  seen" } else { "" };
        let text = format!("{at:>wide$} ms  {}", say(&it.text()));
        Block { label, text, indent: INDENT }.write(Tone::Plain, style, out)?;
    }
    if let Some(tally) = races.tally(rule.id) {
        Block::below("  often", say(&tally)).write(Tone::Plain, style, out)?;
    }
    if again.count > 0 {
        let shown: Vec<_> = again.first.iter().map(|at| format!("{} ms", time::ms(*at, base))).collect();
        let more = again.count - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("{} more of this kind: at {}{more}", again.count, shown.join(", "));
        Block::below("  again", text).write(Tone::Plain, style, out)?;
    }
    Ok(())
}

/// Why a finding is undecided.
fn open(undecided: Undecided, base: BootNs) -> String {
    let time = |at: BootNs| format!("{} ms", time::ms(at, base));
    match undecided {
        Undecided::Lost(gap) => {
            let (after, until) = (time(gap.after), time(gap.until));
            format!("records were lost between {after} and {until}: they may have shown otherwise")
        }
        Undecided::Ended(gap) => {
            let (end, until) = (time(gap.after), time(gap.until));
            format!("the recording ends at {end}, and until {until} it could have become otherwise")
        }
    }
}

/// A label and its text, wrapped behind it.
struct Block<'a> {
    label: &'a str,
    text: String,
    indent: usize,
}

impl<'a> Block<'a> {
    fn below(label: &'a str, text: String) -> Self {
        Self { label, text, indent: INDENT }
    }

    fn write(&self, tone: Tone, style: Style, out: &mut dyn Write) -> io::Result<()> {
        const ROOM_LEAST: usize = 30;
        let Self { label, text, indent } = self;
        let lines = style
            .width
            .map_or_else(|| vec![text.clone()], |wide| wrap(text, wide.saturating_sub(*indent).max(ROOM_LEAST)));
        let pad = indent.saturating_sub(label.len());
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                writeln!(out, "{}{:pad$}{line}", style.paint(tone, label), "")?;
            } else {
                writeln!(out, "{:indent$}{line}", "")?;
            }
        }
        Ok(())
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Trouble,
        Severity::Warning => Tone::Signal,
        Severity::Info => Tone::Heading,
    }
}
