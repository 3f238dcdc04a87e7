//! What stands below the timeline: groups, sessions, what was left behind, races, findings, and in the last line the losses.
//!
//! Must not: count or judge anything that the model, its lifetimes or the story have not.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use tracer_model::{
    delta::{GroupBirth, GroupEnd, LeaderState, RaceWinner, TtyChange},
    findings::Races,
    ids::{BootNs, PgrpKey, ProcKey},
    state::{Model, Phase, Process},
    timeline::{GroupLife, Lives, SessionLife},
};

use super::{
    Style, Tone,
    findings::{self, Folded},
    layout::wrap,
    phrase::{cause, count, has_living_members},
    story::{Losses, Story, Tally, WINNERS},
    time,
};
use crate::{text::width, trace_file::Summary};

/// Columns that a table has at least, even if lines are then longer than the terminal is wide.
const CELLS_LEAST: usize = 40;
/// Names of a group's members that are listed.
const NAMES: usize = 4;

/// Writes everything below the timeline.
pub(super) fn write(
    story: Story,
    model: &Model,
    (found, suppressed, margins): (&Folded, usize, &Races),
    summary: Summary,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Story { style, base, serialised, root, lives, races, losses: lost, orphaned, forgotten, .. } = story;
    let report = Report { style, base, serialised, model, orphaned };
    let lives = lives.finish(model);
    report.section("groups", &with_forgotten(report.groups(&lives), forgotten.0), out)?;
    report.section("sessions", &with_forgotten(report.sessions(&lives), forgotten.1), out)?;
    if root.is_some() {
        report.section("left behind", &report.left_behind(&lives), out)?;
    }
    report.section("races", &report.races(&races), out)?;
    let mut counts = found.counts();
    if suppressed > 0 {
        counts.push(format!("{suppressed} suppressed"));
    }
    report.section("findings", &[counts], out)?;
    for (finding, again) in found.rows() {
        findings::write(finding, (again, margins), base, style, out)?;
    }
    writeln!(out, "{}", losses(&lost, summary, base, style))
}

/// The table, and how many rows it has no more.
fn with_forgotten(mut table: Vec<Vec<String>>, forgotten: usize) -> Vec<Vec<String>> {
    if forgotten > 0 {
        table.insert(0, vec![format!("{forgotten} that ended are told above alone")]);
    }
    table
}

/// The cells of a row side by side, in as many lines as it takes.
fn lines_of(row: &[String], widths: &[usize], room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for (cell, wide) in row.iter().zip(widths) {
        if used > 0 && used + width(cell) > room {
            lines.push(String::new());
            used = 2;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
        }
        used += wide + 2;
    }
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

struct Report<'a> {
    style: Style,
    base: BootNs,
    serialised: bool,
    model: &'a Model,
    orphaned: BTreeMap<PgrpKey, BootNs>,
}

impl Report<'_> {
    /// A heading and its table.
    fn section(&self, name: &str, table: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
        const LABEL: usize = 13;
        let columns = table.iter().map(Vec::len).max().unwrap_or(0);
        let wide =
            |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        if table.is_empty() {
            writeln!(out, "{}{:2$}none", self.style.paint(Tone::Heading, name), "", LABEL - name.len())?;
        }
        let room = self.style.width.map_or(usize::MAX, |wide| wide.saturating_sub(LABEL).max(CELLS_LEAST));
        for (index, row) in table.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            write!(out, "{}{:2$}", self.style.paint(Tone::Heading, name), "", LABEL - name.len())?;
            let lines = lines_of(row, &widths, room);
            writeln!(out, "{}", lines.join(&format!("\n{:1$}", "", LABEL + 2)))?;
        }
        Ok(())
    }

    fn ms(&self, at: BootNs) -> String {
        time::ms(at, self.base)
    }

    /// `3.902–305.902 ms`, `3.902 ms, lives on`, `was there–305.902 ms`, `was there, lives on`.
    fn interval(&self, born: Option<BootNs>, until: Option<BootNs>) -> String {
        match (born, until) {
            (Some(born), Some(until)) => format!("{}{}{} ms", self.ms(born), self.style.dash(), self.ms(until)),
            (Some(born), None) => format!("{} ms, lives on", self.ms(born)),
            (None, Some(until)) => format!("was there{}{} ms", self.style.dash(), self.ms(until)),
            (None, None) => "was there, lives on".to_owned(),
        }
    }

    fn groups(&self, lives: &Lives) -> Vec<Vec<String>> {
        // Groups of others that only were there say nothing about what happened.
        let told = |life: &&GroupLife| {
            life.followed || life.birth != GroupBirth::Found || self.orphaned.contains_key(&life.key)
        };
        let has_terminal = |life: &GroupLife| {
            lives.sessions.iter().any(|session| session.key == life.session && !session.terminals.is_empty())
        };
        lives.groups.iter().filter(told).map(|life| self.group(life, has_terminal(life))).collect()
    }

    fn group(&self, life: &GroupLife, has_terminal: bool) -> Vec<String> {
        let born = (life.birth != GroupBirth::Found).then_some(life.from);
        let ground = match (life.foreground.is_empty(), has_terminal) {
            (false, _) => "foreground",
            (true, true) => "background",
            (true, false) => "no terminal",
        };
        let mut members: Vec<ProcKey> = life.members.iter().map(|member| member.process).collect();
        members.sort_unstable();
        members.dedup();
        let least = if life.partial { "at least " } else { "" };
        let mut end: Vec<String> = match life.end {
            Some((_, GroupEnd::LastReaped { .. })) => vec!["last member reaped".to_owned()],
            Some((_, GroupEnd::LastMoved { .. })) => vec!["last member moved away".to_owned()],
            Some((_, GroupEnd::NotSeen)) => vec!["ended unseen".to_owned()],
            None => self.state(life.key).into_iter().collect(),
        };
        end.extend(self.orphaned.get(&life.key).map(|at| format!("orphaned at {} ms", self.ms(*at))));
        vec![
            life.key.number.to_string(),
            self.names(life),
            self.interval(born, life.end.map(|(bounds, _)| bounds.until)),
            ground.to_owned(),
            format!("{least}{}", count(members.len() + life.forgotten, "process", "processes")),
            end.join("; "),
        ]
    }

    /// What is worth saying of a group that lives on.
    fn state(&self, key: PgrpKey) -> Option<String> {
        if !has_living_members(self.model, key) {
            let group = self.model.group(key)?;
            let zombie = |process: &Process| process.phase == Phase::Zombie;
            let held = group.members.iter().filter_map(|member| self.model.process(*member)).any(zombie);
            return Some(if held { "held by zombies alone" } else { "its last member is released" }.to_owned());
        }
        match self.model.leader_state(self.model.group(key)?) {
            LeaderState::Zombie => Some("its leader is a zombie".to_owned()),
            LeaderState::Reaped => Some("its leader is reaped".to_owned()),
            LeaderState::MovedAway => Some("its leader is in another group".to_owned()),
            LeaderState::Alive | LeaderState::Unknown => None,
        }
    }

    /// The last names of the members: `sleep, cat`, `cc1 ×12`.
    fn names(&self, life: &GroupLife) -> String {
        // A process that came back has another stay, under its last name.
        let last: BTreeMap<ProcKey, &[u8]> =
            life.members.iter().map(|member| (member.process, &*member.name.0)).collect();
        let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
        for name in last.values() {
            *counts.entry(name).or_default() += 1;
        }
        // In the order in which they came.
        let mut names: Vec<(&[u8], usize)> = Vec::new();
        for name in life.members.iter().filter_map(|member| last.get(&member.process)) {
            names.extend(counts.remove(name).map(|count| (*name, count)));
        }
        let times = if self.style.ascii { "x" } else { "×" };
        let shown = names.iter().take(NAMES).map(|(name, count)| {
            let name = self.style.clean(name);
            if *count > 1 { format!("{name} {times}{count}") } else { name.into_owned() }
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        if names.len() > NAMES { format!("{shown} and {} more", names.len() - NAMES) } else { shown }
    }

    fn sessions(&self, lives: &Lives) -> Vec<Vec<String>> {
        lives.sessions.iter().filter(|life| life.followed || life.born).map(|life| self.session(life)).collect()
    }

    fn session(&self, life: &SessionLife) -> Vec<String> {
        let mut terminals: Vec<String> = Vec::new();
        for (interval, how) in &life.terminals {
            let lost = match how {
                None => "",
                Some(TtyChange::Hangup) => " (hung up)",
                Some(TtyChange::Stolen) => " (taken away)",
                Some(TtyChange::GivenUp) => " (given up)",
                Some(TtyChange::LeaderExit | TtyChange::Ioctl | TtyChange::Open) => " (lost)",
            };
            terminals.push(format!("{}{lost}", interval.what.tty));
        }
        let terminals = if terminals.is_empty() { "no terminal".to_owned() } else { terminals.join(", ") };
        let leader = life.leader_exited.map(|at| format!("its leader exited at {} ms", self.ms(at)));
        let name = self.style.clean(&life.name.0).into_owned();
        let born = life.born.then_some(life.from);
        vec![life.key.number.to_string(), name, self.interval(born, life.until), terminals, leader.unwrap_or_default()]
    }

    fn left_behind(&self, lives: &Lives) -> Vec<Vec<String>> {
        let table: Vec<_> = lives.left_behind.iter().filter_map(|(key, depth)| self.survivor(*key, *depth)).collect();
        if table.is_empty() { vec![vec!["nothing".to_owned()]] } else { table }
    }

    fn survivor(&self, key: ProcKey, depth: usize) -> Option<Vec<String>> {
        let process = self.model.process(key)?;
        let state = match (process.phase, process.stopped) {
            (Phase::Alive, None) => "running".to_owned(),
            (Phase::Alive, Some(stop)) if stop.signal.0 == 0 => "stopped".to_owned(),
            (Phase::Alive, Some(stop)) => format!("stopped by {}", stop.signal),
            (Phase::Exiting, _) => "exiting".to_owned(),
            (Phase::Zombie, _) => "zombie".to_owned(),
            // The kernel has released it: it is gone, even if nobody was seen to reap it.
            (Phase::Released | Phase::Reaped, _) => return None,
        };
        let parent = process.parent.and_then(|parent| self.model.process(parent));
        let parent = parent.map_or_else(
            || if process.parent_exited { "its parent exited" } else { "parent unknown" }.to_owned(),
            |parent| {
                let name = format!("{} {}", parent.key.number, self.style.clean(&parent.comm.0));
                let name = name.trim_end();
                if parent.phase == Phase::Alive {
                    format!("child of {name}")
                } else {
                    format!("its parent {name} exited")
                }
            },
        );
        let number = |number: Option<u32>| number.map_or_else(|| "unknown".to_owned(), |number| number.to_string());
        let terminal = process.tty.map_or_else(|| "no terminal".to_owned(), |tty| tty.tty.to_string());
        Some(vec![
            format!("{:1$}{2} {3}", "", depth * 2, key.number, self.style.clean(&process.comm.0)),
            format!("group {}", number(process.group.map(|group| group.number.0))),
            format!("session {}", number(process.session.map(|session| session.number.0))),
            terminal,
            state,
            parent,
        ])
    }

    fn races(&self, races: &[Tally]) -> Vec<Vec<String>> {
        let who = |winner: RaceWinner| match winner {
            RaceWinner::Child => "child first",
            RaceWinner::Parent => "parent first",
            RaceWinner::Undecided => "both at once",
        };
        let mut table = Vec::new();
        for (winner, these) in WINNERS.into_iter().zip(races).filter(|(_, these)| these.races > 0) {
            let mut cells = vec![who(winner).to_owned(), count(these.races, "time", "times")];
            if self.serialised {
                cells.push("serialised by the tracer".to_owned());
            } else if let Some(closest) = these.closest {
                cells.push(format!("closest {}", time::span(closest, self.style)));
            }
            if these.refused > 0 {
                cells.push(format!("{} refused", these.refused));
            }
            table.push(cells);
        }
        table
    }
}

/// `64 events, none lost`; or what was lost, and what that means.
pub(super) fn losses(losses: &Losses, summary: Summary, base: BootNs, style: Style) -> String {
    let events = usize::try_from(summary.events).unwrap_or(usize::MAX);
    let mut parts = vec![count(events, "event", "events")];
    if summary.lost > 0 {
        let lost = usize::try_from(summary.lost).unwrap_or(usize::MAX);
        let within = losses
            .within
            .map(|(from, until)| format!(" between {} and {} ms", time::ms(from, base), time::ms(until, base)));
        let causes = losses.causes.iter().map(|(why, lost)| format!("{} {lost}", cause(*why)));
        let causes = causes.collect::<Vec<_>>().join(", ");
        let causes = if causes.is_empty() { causes } else { format!(" ({causes})") };
        parts.push(format!("{} lost{}{causes}", count(lost, "record", "records"), within.unwrap_or_default()));
    } else {
        parts.push("none lost".to_owned());
    }
    if !summary.complete {
        parts.push("incomplete: the capture was cut off".to_owned());
    }
    let tone = if summary.lost > 0 || !summary.complete { Tone::Trouble } else { Tone::Plain };
    let line = style.width.map_or_else(|| parts.join(", "), |wide| wrap(&parts.join(", "), wide).join("\n"));
    style.paint(tone, &line).to_string()
}
