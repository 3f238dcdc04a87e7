//! Sentences that a finding is made of: text, and things that each output writes in its own way.
//!
//! Names of processes are hostile bytes until a sink has cleaned them, and times are told from a base that only a sink knows;
//! so sentences stay in pieces here. Must not: format, or know what a sentence is about.

use std::borrow::Cow;

use crate::{
    delta::Bounds,
    event::{Call, Comm},
    ids::{BootNs, PgrpKey, Pid, SessionKey, Signal, TtyKey},
};

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Text of ours.
    Text(Cow<'static, str>),
    /// A process: its number, and its name as hostile bytes.
    Process(Pid, Comm),
    /// Bytes from a traced process.
    Bytes(Vec<u8>),
    /// A system call with its arguments.
    Call(Call),
    /// An errno, by its name.
    Errno(i32),
    /// An instant.
    Time(BootNs),
    /// A duration, ns.
    Span(u64),
}

/// A sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<Word>);

impl Words {
    /// Nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Several sentences as a list: `a, b and 3 more`.
    pub(crate) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(items, ", ")
    }

    /// The same of sentences that have commas of their own: `a, then b; c and 3 more`.
    pub(crate) fn sentences(items: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(items, "; ")
    }

    fn joined(items: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        const LISTED: usize = 6;
        let items: Vec<Self> = items.into_iter().collect();
        let more = items.len().saturating_sub(LISTED);
        let mut words = Self::default();
        for (index, item) in items.into_iter().take(LISTED).enumerate() {
            if index > 0 {
                between.say(&mut words.0);
            }
            item.say(&mut words.0);
        }
        if more > 0 {
            format!(" and {more} more").say(&mut words.0);
        }
        words
    }
}

/// What can be part of a sentence.
pub(crate) trait Say {
    /// Appends itself.
    fn say(self, words: &mut Vec<Word>);
}

/// A duration in ns, as part of a sentence.
pub(crate) struct Span(pub u64);
/// An errno, as part of a sentence.
pub(crate) struct Errno(pub i32);

impl Say for &'static str {
    fn say(self, words: &mut Vec<Word>) {
        if !self.is_empty() {
            words.push(Word::Text(self.into()));
        }
    }
}
impl Say for String {
    fn say(self, words: &mut Vec<Word>) {
        if !self.is_empty() {
            words.push(Word::Text(self.into()));
        }
    }
}
impl Say for Word {
    fn say(self, words: &mut Vec<Word>) {
        words.push(self);
    }
}
impl Say for Words {
    fn say(self, words: &mut Vec<Word>) {
        words.extend(self.0);
    }
}
impl<T: Say> Say for Option<T> {
    fn say(self, words: &mut Vec<Word>) {
        if let Some(it) = self {
            it.say(words);
        }
    }
}
impl Say for BootNs {
    fn say(self, words: &mut Vec<Word>) {
        words.push(Word::Time(self));
    }
}
impl Say for Span {
    fn say(self, words: &mut Vec<Word>) {
        words.push(Word::Span(self.0));
    }
}
impl Say for Errno {
    fn say(self, words: &mut Vec<Word>) {
        words.push(Word::Errno(self.0));
    }
}
impl Say for Call {
    fn say(self, words: &mut Vec<Word>) {
        words.push(Word::Call(self));
    }
}
impl Say for Bounds {
    fn say(self, words: &mut Vec<Word>) {
        self.until.say(words);
    }
}

macro_rules! said_by_display {
    ($($name:ty: $text:expr;)*) => {$(
        impl Say for $name {
            fn say(self, words: &mut Vec<Word>) {
                let text: fn($name) -> String = $text;
                text(self).say(words);
            }
        }
    )*};
}
said_by_display! {
    PgrpKey: |it| it.number.to_string();
    SessionKey: |it| it.number.to_string();
    TtyKey: |it| it.tty.to_string();
    Signal: |it| it.to_string();
    usize: |it| it.to_string();
    u32: |it| it.to_string();
    i32: |it| it.to_string();
}

/// A sentence of these pieces.
macro_rules! say {
    () => { $crate::findings::words::Words::default() };
    ($($piece:expr),+ $(,)?) => {{
        let mut words = Vec::new();
        $($crate::findings::words::Say::say($piece, &mut words);)+
        $crate::findings::words::Words(words)
    }};
}
pub(crate) use say;

/// `1 process`, `2 processes`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
