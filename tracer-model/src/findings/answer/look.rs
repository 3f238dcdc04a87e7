//! What a look at a living process tells beside its bundle: no event carries it.
//!
//! Must not: word anything but what it holds.

use super::super::words::{Word, Words, say};
use crate::ids::Signal;

/// What was looked at. The default is no look: a recording is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// There was a look: what came before it is not known.
    pub live: bool,
    /// The stop signal of which its parent has not been told yet (`signal->group_exit_code`), or that it has been told;
    /// `None` where that may not be read.
    pub stop_told: Option<bool>,
    /// Signals that wait to be taken.
    pub pending: Vec<Signal>,
    /// Signals that it blocks.
    pub blocked: Vec<Signal>,
    /// Signals that it ignores.
    pub ignored: Vec<Signal>,
    /// Signals that it handles.
    pub handled: Vec<Signal>,
    /// Its tracer (ptrace).
    pub tracer: Option<Word>,
    /// The system call that its first thread is in.
    pub doing: Option<Doing>,
    /// What could not be looked at, and what that takes.
    pub unseen: Vec<&'static str>,
}

/// A system call, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// Its name.
    pub name: &'static str,
    /// The descriptor that it is about, and what that is open on.
    pub on: Option<(i32, Vec<u8>)>,
    /// What it asks of a terminal: `TCSETSW`.
    pub request: Option<&'static str>,
    /// The descriptor is on a terminal.
    pub on_terminal: bool,
}

impl Doing {
    /// `read(0), which is /dev/pts/3`.
    pub(super) fn words(&self) -> Words {
        let request = self.request.map(|request| say![", ", request]);
        match &self.on {
            Some((fd, path)) if !path.is_empty() => {
                say![self.name, "(", *fd, request, ") on ", Word::Bytes(path.clone())]
            }
            Some((fd, _)) => say![self.name, "(", *fd, request, ")"],
            None => say![self.name],
        }
    }
}

impl Look {
    /// What it does with signals that people send: `ignores SIGINT; handles SIGTERM; blocks SIGHUP`.
    pub(super) fn signals(&self) -> Words {
        const SENT: [Signal; 8] = [
            Signal::HUP,
            Signal::INT,
            Signal::QUIT,
            Signal::TERM,
            Signal::TSTP,
            Signal::TTIN,
            Signal::TTOU,
            Signal::CONT,
        ];
        let of = |verb: &'static str, signals: &[Signal], all: bool| {
            let wanted = signals.iter().filter(|signal| all || SENT.contains(signal));
            let names: Vec<String> = wanted.map(ToString::to_string).collect();
            (!names.is_empty()).then(|| format!("{verb} {}", names.join(" ")))
        };
        let parts = [
            of("pending:", &self.pending, true),
            of("blocks", &self.blocked, false),
            of("ignores", &self.ignored, false),
            of("handles", &self.handled, false),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        say![parts.join("; ")]
    }
}
