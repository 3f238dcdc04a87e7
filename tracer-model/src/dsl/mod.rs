//! A small language for histories, for tests: text to events, events to text, and what the model said of them as text.
//!
//! ```text
//! snapshot 1 init {pp=0 +leader}               # there at the start
//! snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
//! snapshot-end
//! 10: fork 11
//! 11: setpgid(0,0) = 0                         # ENTER and LEAVE; `>` and `<` before a call are one of the two
//! 10: < setpgid(11,11) = -13
//! 10: SIGHUP -> 11 kernel {pp=1}               # braces: what the subject's bundle shows, beyond what follows
//! 11: dead
//! ```
//!
//! Bundles are carried from event to event by a small kernel ([`world`]) that knows what a successful call does; braces
//! override it. Every fact of an event can be written, so text and events convert both ways without loss. Must not be used
//! to judge the model by itself: the property tests have a kernel of their own.

mod fields;
mod render;
mod statement;
mod world;

pub use self::render::Names;
use self::{statement::Statement, world::World};
use crate::event::Event;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What.
    pub what: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ParseError {}

/// Reads a history. Events are numbered from 1 and come 1 µs apart, unless a line says `#seq` or `@ns`.
pub fn parse(text: &str) -> Result<Vec<Event>, ParseError> {
    let mut world = World::default();
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split(" # ").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let error = |what| ParseError { line: index + 1, what };
        for statement in Statement::parse(line).map_err(error)? {
            events.push(world.event(&statement).map_err(error)?);
        }
    }
    Ok(events)
}

/// Writes a history, a line per event: [`parse`] gives the same events back.
#[must_use]
pub fn write(events: &[Event]) -> String {
    let mut world = World::default();
    let mut text = String::new();
    for event in events {
        text.push_str(&statement::write(event, &mut world));
        text.push('\n');
    }
    text
}
