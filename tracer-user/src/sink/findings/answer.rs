//! An answer about one process or one signal, in a few lines or as a line of JSON.
//!
//! Must not: word anything; the model has.

use std::io::{self, Write};

use serde::Serialize;
use tracer_model::{
    findings::{Answer, Words, words::Word},
    ids::BootNs,
};

use super::sentence;
use crate::sink::{Style, Tone, layout::wrap, time};

/// Columns before the text of a row.
const INDENT: usize = 13;

/// Writes it.
pub fn write(answer: &Answer, base: BootNs, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let fact = sentence(&answer.fact, base, style);
    for line in style.width.map_or_else(|| vec![fact.clone()], |wide| wrap(&fact, wide)) {
        writeln!(out, "{}", style.paint(Tone::Heading, &line))?;
    }
    for (label, words) in &answer.rows {
        row(label, &sentence(words, base, style), style, out)?;
    }
    let times: Vec<String> = answer.evidence.iter().map(|it| time::ms(it.at, base)).collect();
    let wide = times.iter().map(String::len).max().unwrap_or(0);
    for (index, (at, it)) in times.iter().zip(&answer.evidence).enumerate() {
        let label = if index == 0 { "seen" } else { "" };
        row(label, &format!("{at:>wide$} ms  {}", sentence(&it.text(), base, style)), style, out)?;
    }
    Ok(())
}

/// An answer as JSON. The order of the fields is the order in which a person reads them.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    question: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    state: &'static str,
    fact: String,
    rows: Vec<Row>,
    seen: Vec<Seen>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    text: String,
    pids: Vec<u32>,
}

#[derive(Serialize)]
struct Seen {
    seq: u64,
    at: i64,
    text: String,
}

/// Writes it as one line of JSON. `question` is the verb.
pub fn json(question: &str, answer: &Answer, base: BootNs, out: &mut dyn Write) -> io::Result<()> {
    let say = |words: &Words| sentence(words, base, Style::PLAIN);
    let pids = |words| Answer::processes(words).iter().map(|pid| pid.0).collect();
    let rows = answer.rows.iter().map(|(name, words)| Row { name, text: say(words), pids: pids(words) });
    let seen = answer.evidence.iter().map(|it| Seen {
        seq: it.seq.0,
        at: it.at.0.wrapping_sub(base.0).cast_signed(),
        text: say(&it.text()),
    });
    let pid = match &answer.about {
        Some(Word::Process(pid, _)) => Some(pid.0),
        _ => None,
    };
    let (state, fact) = (answer.state, say(&answer.fact));
    let line = Line { kind: "answer", question, pid, state, fact, rows: rows.collect(), seen: seen.collect() };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

fn row(label: &str, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    const ROOM_LEAST: usize = 30;
    let lines = style
        .width
        .map_or_else(|| vec![text.to_owned()], |wide| wrap(text, wide.saturating_sub(INDENT).max(ROOM_LEAST)));
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(out, "  {label:<0$}{line}", INDENT - 2)?;
    }
    Ok(())
}
