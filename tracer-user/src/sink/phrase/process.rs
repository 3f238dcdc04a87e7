//! Birth, programs, death and parents of processes.
//!
//! Must not: explain a signal or a group that has a phrase of its own.

use tracer_model::{
    delta::{Bounds, ReapEvidence},
    event::{Call, Leave, WaitStatus},
    ids::{ProcKey, Signal},
};

use super::{Fold, Phrase, Scene, Tone, Who, words};

pub(super) fn forked(scene: &Scene<'_>, child: ProcKey, parent: ProcKey) -> Phrase {
    if Some(child.number) == scene.root {
        return introduce(scene, child, "starts: ");
    }
    let by = scene.delta.by.unwrap_or(parent);
    let note = if by == parent { String::new() } else { format!("as a child of {}", scene.name(parent)) };
    Phrase::of(by, "forks ").folds(Fold::Forks(by), child.number.to_string()).note(note).tone(Tone::Birth)
}

/// Of the processes that are there before the capture only the followed one is introduced.
pub(super) fn found(scene: &Scene<'_>, process: ProcKey) -> Option<Phrase> {
    (Some(process.number) == scene.root).then(|| introduce(scene, process, ""))
}

/// Session, terminal, foreground or background.
fn introduce(scene: &Scene<'_>, process: ProcKey, head: &str) -> Phrase {
    let Some(state) = scene.model.process(process) else { return Phrase::of(process, "is there") };
    let session =
        state.session.map_or_else(|| "session unknown".to_owned(), |session| format!("session {}", session.number));
    let terminal = state.tty.and_then(|tty| scene.model.terminal(tty));
    let place = terminal.map_or_else(
        || "no controlling terminal".to_owned(),
        |terminal| {
            let foreground = terminal.foreground.and_then(|foreground| foreground.group);
            let ground = if foreground.is_some() && foreground == state.group { "foreground" } else { "background" };
            format!("terminal {}, in the {ground}", terminal.key.tty)
        },
    );
    Phrase::of(process, format!("{head}{session}, {place}"))
}

pub(super) fn executed(scene: &Scene<'_>, process: ProcKey) -> Option<Phrase> {
    let state = scene.model.process(process)?;
    let command = if state.args.is_empty() {
        scene.style.clean(&state.comm.0).into_owned()
    } else {
        words::command(&state.args, scene.style)
    };
    let more = if state.args_truncated { format!(" {}", scene.style.ellipsis()) } else { String::new() };
    let mut phrase = Phrase::of(process, format!("exec {command}{more}"));
    phrase.clip = true;
    Some(phrase)
}

pub(super) fn exited(process: ProcKey, status: WaitStatus) -> Phrase {
    Phrase::of(process, words::death(status)).tone(Tone::End)
}

pub(super) fn reaped(
    scene: &Scene<'_>,
    process: ProcKey,
    by: Option<ProcKey>,
    evidence: ReapEvidence,
    bounds: Bounds,
) -> Phrase {
    if let Some(by) = by {
        return Phrase::of(by, "reaps ").folds(Fold::Reaps(by), process.number.to_string()).tone(Tone::End);
    }
    let phrase = match evidence {
        ReapEvidence::AutoReap => {
            Phrase::of(process, "is reaped by the kernel").note(why_by_the_kernel(scene, process))
        }
        ReapEvidence::Wait | ReapEvidence::NumberReused | ReapEvidence::Freed | ReapEvidence::Snapshot => {
            let (from, until) = (scene.ms(bounds.after), scene.ms(bounds.until));
            let when = format!("between {from} and {until} ms");
            Phrase::of(process, "was reaped, by whom was not seen").note(when)
        }
    };
    phrase.tone(Tone::End)
}

/// Why nobody had to wait for a process (kernel/signal.c, `do_notify_parent`).
fn why_by_the_kernel(scene: &Scene<'_>, process: ProcKey) -> &'static str {
    let parent = scene.model.process(process).and_then(|process| process.parent);
    let parent = parent.and_then(|parent| scene.model.process(parent));
    if parent.is_some_and(|parent| parent.facts.auto_reaps_children) {
        "its parent ignores SIGCHLD, or has set SA_NOCLDWAIT"
    } else {
        "no wait for it was seen"
    }
}

pub(super) fn reparented(scene: &Scene<'_>, process: ProcKey, from: ProcKey, to: ProcKey) -> Phrase {
    Phrase::of(process, format!("is now a child of {}", scene.name(to)))
        .note(format!("its parent {} exited", scene.name(from)))
}

pub(super) fn wait_reported(scene: &Scene<'_>, child: ProcKey, status: WaitStatus) -> Option<Phrase> {
    let what = match status {
        WaitStatus::Stopped(signal) => format!("stopped ({signal})"),
        WaitStatus::Continued => "continued".to_owned(),
        WaitStatus::Exited(_) | WaitStatus::Killed { .. } | WaitStatus::Unknown { .. } => return None,
    };
    let who = scene.delta.by.map_or(Who::Nobody, Who::Process);
    Some(Phrase::new(who, format!("wait: {} has {what}", scene.name(child))))
}

/// Calls that change who adopts a process or what it hears of its parent's death.
pub(super) fn parenthood(scene: &Scene<'_>, leave: &Leave) -> Option<Phrase> {
    let by = scene.delta.by.filter(|_| leave.ret == 0)?;
    let text = if let Call::SetSubreaper { on } = leave.call {
        if on == 0 { "adopts descendants no more" } else { "adopts descendants whose parents exit" }.to_owned()
    } else if let Call::SetParentDeathSignal { signal: signal @ 1.. } = leave.call {
        format!("asks for {} when its parent exits", Signal(signal))
    } else {
        return None;
    };
    let note =
        if matches!(leave.call, Call::SetSubreaper { .. }) { "PR_SET_CHILD_SUBREAPER" } else { "PR_SET_PDEATHSIG" };
    Some(Phrase::of(by, text).note(note))
}
