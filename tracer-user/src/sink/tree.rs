//! Sessions, their process groups, and the processes in them, as a tree.
//!
//! Must not: select sessions, or know where the state came from.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use tracer_model::{
    delta::LeaderState,
    ids::{ProcKey, TtyKey},
    query::{GroupView, PsRow, SessionView},
    state::{Model, Orphaned, Phase},
};

use super::{Style, Tone, ps::command};
use crate::text::fit;

/// Writes these sessions. `rows`: their processes.
pub fn write(
    sessions: &[SessionView],
    rows: &[PsRow],
    model: &Model,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tree = Tree { rows: rows.iter().map(|row| (row.key, row)).collect(), model, style };
    for session in sessions {
        tree.line("", &[(Tone::Heading, session_line(session))], out)?;
        let last_group = session.groups.len().saturating_sub(1);
        for (index, group) in session.groups.iter().enumerate() {
            let (branch, below) = tree.branch(index == last_group);
            tree.line(branch, &group_line(group, session), out)?;
            tree.processes(group, below, out)?;
        }
    }
    Ok(())
}

struct Tree<'a> {
    rows: BTreeMap<ProcKey, &'a PsRow>,
    model: &'a Model,
    style: Style,
}

impl Tree<'_> {
    /// What leads to an entry, and what stands below that.
    fn branch(&self, last: bool) -> (&'static str, &'static str) {
        match (last, self.style.ascii) {
            (false, false) => ("├─ ", "│  "),
            (true, false) => ("└─ ", "   "),
            (false, true) => ("|- ", "|  "),
            (true, true) => ("`- ", "   "),
        }
    }

    fn line(&self, before: &str, parts: &[(Tone, String)], out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{before}")?;
        let mut room = self.style.width.map(|wide| wide.saturating_sub(crate::text::width(before)));
        for (tone, part) in parts {
            let shown = room.map_or_else(|| part.as_str().into(), |room| fit(part, room, self.style.ellipsis()));
            room = room.map(|room| room - crate::text::width(&shown));
            write!(out, "{}", self.style.paint(*tone, &shown))?;
        }
        writeln!(out)
    }

    fn processes(&self, group: &GroupView, before: &str, out: &mut dyn Write) -> io::Result<()> {
        for (index, (key, depth)) in group.processes.iter().enumerate() {
            // The last child of its parent, or the last root of the group: nothing at its depth follows before a lesser one.
            let rest = group.processes.get(index + 1..).unwrap_or_default();
            let last =
                |depth: usize| !rest.iter().take_while(|(_, other)| *other >= depth).any(|(_, other)| *other == depth);
            let mut lead = before.to_owned();
            (0..*depth).for_each(|above| lead.push_str(self.branch(last(above)).1));
            lead.push_str(self.branch(last(*depth)).0);
            self.line(&lead, &[(Tone::Plain, self.process(*key))], out)?;
        }
        Ok(())
    }

    fn process(&self, key: ProcKey) -> String {
        let Some(row) = self.rows.get(&key) else { return key.number.to_string() };
        let stop = self.model.process(key).and_then(|process| process.stopped);
        let state = match (row.state.phase, stop) {
            (Phase::Alive, Some(stop)) if stop.signal.0 != 0 => format!("  (stopped by {})", stop.signal),
            (Phase::Alive, Some(_)) => "  (stopped)".to_owned(),
            (Phase::Exiting, _) => "  (exiting)".to_owned(),
            _ => String::new(),
        };
        format!("{} {}{state}", row.pid, command(row, self.style))
    }
}

fn session_line(session: &SessionView) -> String {
    if session.key.number.0 == 0 {
        return "session 0, the kernel's: no session".to_owned();
    }
    let terminal = session.tty.map_or_else(
        || "no controlling terminal".to_owned(),
        |tty| {
            let foreground = session
                .foreground
                .map_or_else(|| "no foreground group".to_owned(), |group| format!("foreground group {}", group.number));
            format!("controlling terminal {}, {foreground}", tty.tty)
        },
    );
    format!("session {}{}, {terminal}", session.key.number, leader(session.leader))
}

fn group_line(group: &GroupView, session: &SessionView) -> Vec<(Tone, String)> {
    // That of the kernel's threads and of an init that never called setsid (kernel/fork.c, `init_struct_pid`).
    if group.key.number.0 == 0 {
        return vec![(Tone::Plain, "group 0, the kernel's: no group".to_owned())];
    }
    let mut parts = vec![(Tone::Plain, format!("group {}{}", group.key.number, leader(group.leader)))];
    let mut state = |tone, text: String| parts.push((tone, format!(", {text}")));
    match group.foreground_of {
        Some(tty) if Some(tty) == session.tty => state(Tone::Terminal, "foreground".to_owned()),
        Some(tty) => state(Tone::Trouble, elsewhere(tty)),
        None if session.tty.is_some() => state(Tone::Plain, "background".to_owned()),
        None => {}
    }
    match group.orphaned {
        Orphaned::Yes => state(Tone::Plain, "orphaned".to_owned()),
        Orphaned::No | Orphaned::Unknown => {}
    }
    parts
}

/// What is worth saying of a leader.
fn leader(state: LeaderState) -> &'static str {
    match state {
        LeaderState::Alive | LeaderState::Unknown => "",
        LeaderState::Zombie => ", its leader a zombie",
        LeaderState::Reaped => ", its leader reaped",
        LeaderState::MovedAway => ", its leader in another group",
    }
}

fn elsewhere(tty: TtyKey) -> String {
    format!("foreground of {}, the terminal of another session", tty.tty)
}
