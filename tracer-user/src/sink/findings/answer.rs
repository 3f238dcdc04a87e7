//! An answer about one process, in a few lines.
//!
//! Must not: word anything; the model has.

use std::io::{self, Write};

use tracer_model::{findings::Answer, ids::BootNs};

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
