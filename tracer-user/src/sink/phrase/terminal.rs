//! Sessions and their controlling terminals.
//!
//! Must not: tell a loss twice: of one event, one change tells it.

use std::fmt::Write as _;

use tracer_model::{
    delta::{Change, ForegroundGroup, TtyChange},
    event::{Call, EventKind, TtyRequest},
    ids::{PgrpKey, Pid, ProcKey, SessionKey, TtyKey},
};

use super::{Phrase, Scene, Tone, Who};

pub(super) fn session_born(scene: &Scene<'_>, session: SessionKey, leader: ProcKey) -> Phrase {
    let left = scene.delta.changes.iter().find_map(|change| {
        let Change::TtyLeft { process, tty } = change else { return None };
        (*process == leader).then(|| format!("leaves {}; ", tty.tty))
    });
    let mut phrase = Phrase::of(leader, format!("setsid: leads new session and group {}", session.number))
        .note(format!("{}no controlling terminal", left.unwrap_or_default()))
        .tone(Tone::Birth);
    if let Some(group) = scene.group_of(leader).filter(|group| group.number.0 == session.number.0) {
        phrase.opens = Some(group);
    }
    phrase
}

pub(super) fn session_ended(session: SessionKey) -> Phrase {
    Phrase::new(Who::Nobody, format!("session {} ends", session.number)).tone(Tone::End).clause()
}

/// The terminal is lost a moment later, and that is told then.
pub(super) fn session_leader_exited(scene: &Scene<'_>, session: SessionKey) -> Phrase {
    let leader = scene.model.session(session).and_then(|session| session.leader);
    let who = leader.map_or(Who::Nobody, Who::Process);
    Phrase::new(who, format!("session {} goes on without its leader", session.number)).tone(Tone::Terminal)
}

pub(super) fn gained(scene: &Scene<'_>, session: SessionKey, tty: TtyKey, how: Option<TtyChange>) -> Option<Phrase> {
    let by = match how? {
        TtyChange::Ioctl => "by TIOCSCTTY",
        TtyChange::Open => "by opening it without O_NOCTTY",
        TtyChange::Stolen => "by TIOCSCTTY with argument 1: taken from its session",
        TtyChange::LeaderExit | TtyChange::Hangup | TtyChange::GivenUp => "",
    };
    let foreground = scene.model.terminal(tty).and_then(|tty| tty.foreground);
    let foreground = foreground.map(|foreground| format!("; in the foreground: {}", foreground.number));
    let who = scene.delta.by.map_or(Who::Nobody, Who::Process);
    let text = format!("session {} gets controlling terminal {}", session.number, tty.tty);
    Some(Phrase::new(who, text).note(format!("{by}{}", foreground.unwrap_or_default())).tone(Tone::Terminal))
}

pub(super) fn lost(scene: &Scene<'_>, session: SessionKey, tty: TtyKey, how: Option<TtyChange>) -> Phrase {
    let why = match how {
        Some(TtyChange::Hangup) => "it was hung up",
        Some(TtyChange::LeaderExit) => "its leader exited",
        Some(TtyChange::Stolen) => "another session took it, and nobody is told",
        Some(TtyChange::GivenUp) => "its leader gave it up (TIOCNOTTY)",
        Some(TtyChange::Ioctl | TtyChange::Open) | None => "noticed now",
    };
    let who = scene.delta.by.map_or(Who::Terminal(tty), Who::Process);
    let text = format!("session {} loses its controlling terminal {}", session.number, tty.tty);
    Phrase::new(who, text).note(why).tone(Tone::Terminal)
}

pub(super) fn left(scene: &Scene<'_>, process: ProcKey, tty: TtyKey) -> Option<Phrase> {
    // The session's birth says it.
    if scene.delta.changes.iter().any(|c| matches!(c, Change::SessionBorn { leader, .. } if *leader == process)) {
        return None;
    }
    let given_up = matches!(&scene.event.kind, EventKind::Leave(leave)
        if matches!(leave.call, Call::TtyIoctl { request: TtyRequest::GiveUp, .. }));
    let note = if given_up { "TIOCNOTTY" } else { "" };
    let text = format!("has no controlling terminal any more; its session keeps {}", tty.tty);
    Some(Phrase::of(process, text).note(note).tone(Tone::Terminal))
}

pub(super) fn foreground(
    scene: &Scene<'_>,
    tty: TtyKey,
    by: Option<ProcKey>,
    (from, to): (Option<ForegroundGroup>, Option<ForegroundGroup>),
) -> Option<Phrase> {
    // The group of that number was born or has ended; who holds the terminal is the same.
    if from.map(|from| from.number) == to.map(|to| to.number) {
        return None;
    }
    let name =
        |group: Option<ForegroundGroup>| group.map_or_else(|| "none".to_owned(), |group| group.number.to_string());
    let mut note = format!("foreground {} {} {}", name(from), scene.style.arrow(), name(to));
    let Some(to) = to else { return without_foreground(scene, tty).map(|phrase| phrase.note(note)) };
    if to.empty {
        // Only a process of that number can be asked for, or a group.
        let yet = if scene.model.process_by_pid(Pid(to.number.0)).is_some() { " yet" } else { " any more" };
        let _ = write!(note, ": no such group{yet}");
    }
    let Some(caller) = by else {
        return noticed(scene, tty, to).map(|phrase| phrase.note(note));
    };
    let text = match to.group.filter(|group| scene.group_of(caller) == Some(*group)) {
        Some(own) if held_before(scene, own) => format!("takes {} back", tty.tty),
        Some(_) => format!("takes {}", tty.tty),
        None => format!("gives {} to group {}", tty.tty, to.number),
    };
    Some(Phrase::of(caller, text).note(note).tone(Tone::Terminal))
}

/// The group was in the foreground, and then was not.
fn held_before(scene: &Scene<'_>, group: PgrpKey) -> bool {
    let life = scene.lives.group_life(group);
    life.is_some_and(|life| life.foreground.iter().any(|interval| interval.until.is_some()))
}

/// A terminal that is lost has no foreground: the loss says it.
fn without_foreground(scene: &Scene<'_>, tty: TtyKey) -> Option<Phrase> {
    let lost = |c: &Change| matches!(c, Change::TtyLost { tty: of, .. } | Change::SessionLeaderExited { tty: Some(of), .. } if *of == tty);
    let told = scene.delta.changes.iter().any(lost);
    (!told).then(|| Phrase::new(Who::Terminal(tty), "has no foreground group any more").tone(Tone::Terminal))
}

/// The foreground group changed and this event only shows it. That of a terminal that was just gained is told there.
fn noticed(scene: &Scene<'_>, tty: TtyKey, to: ForegroundGroup) -> Option<Phrase> {
    let gained = |c: &Change| matches!(c, Change::TtyGained { tty: of, .. } if *of == tty);
    let told = scene.delta.changes.iter().any(gained);
    (!told).then(|| Phrase::new(Who::Terminal(tty), format!("has foreground group {}", to.number)).tone(Tone::Terminal))
}
