//! How text may look: colour, width and characters, decided once by the command line and passed to every sink.
//!
//! Must not: look at the environment or at a terminal; the command line does.

use std::{borrow::Cow, fmt};

use anstyle::{AnsiColor, Effects};

use crate::text;

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colours. Colour never carries meaning alone.
    pub color: bool,
    /// Columns of the terminal; `None` when the output is not one: lines are then as long as they are.
    pub width: Option<usize>,
    /// Only ASCII: the locale is not UTF-8, or the user asked for it.
    pub ascii: bool,
}

impl Style {
    /// No colour, no limit, UTF-8: what a pipe or a file gets.
    pub const PLAIN: Self = Self { color: false, width: None, ascii: false };

    /// Bytes from outside, made safe for this output.
    #[must_use]
    pub fn clean(self, bytes: &[u8]) -> Cow<'_, str> {
        if self.ascii { text::sanitize_ascii(bytes) } else { text::sanitize(bytes) }
    }

    /// `text` in this tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> Painted<'_> {
        let style = if self.color { tone.style() } else { anstyle::Style::new() };
        Painted { style, text }
    }

    /// The sign of something cut off.
    #[must_use]
    pub fn ellipsis(self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    /// From one thing to another.
    #[must_use]
    pub fn arrow(self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }

    /// Between two times.
    #[must_use]
    pub fn dash(self) -> &'static str {
        if self.ascii { "-" } else { "–" }
    }

    /// Between two statements on a line.
    #[must_use]
    pub fn dot(self) -> &'static str {
        if self.ascii { "-" } else { "·" }
    }
}

/// What a piece of text is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing that has a colour.
    #[default]
    Plain,
    /// Something begins: a process, a group, a session.
    Birth,
    /// Something ends.
    End,
    /// A signal, a stop, a continuation.
    Signal,
    /// A terminal.
    Terminal,
    /// Trouble: a refusal, a loss, a contradiction.
    Trouble,
    /// A heading.
    Heading,
}

impl Tone {
    fn style(self) -> anstyle::Style {
        let style = anstyle::Style::new();
        match self {
            Self::Plain => style,
            Self::Birth => style.fg_color(Some(AnsiColor::Green.into())),
            Self::End => style.fg_color(Some(AnsiColor::Blue.into())),
            Self::Signal => style.fg_color(Some(AnsiColor::Yellow.into())),
            Self::Terminal => style.fg_color(Some(AnsiColor::Cyan.into())),
            Self::Trouble => style.fg_color(Some(AnsiColor::Red.into())).effects(Effects::BOLD),
            Self::Heading => style.effects(Effects::BOLD),
        }
    }
}

/// Text with its colour, to be displayed.
#[derive(Clone, Copy, Debug)]
pub struct Painted<'a> {
    style: anstyle::Style,
    text: &'a str,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}
