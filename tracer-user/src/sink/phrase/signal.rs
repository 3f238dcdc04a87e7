//! Signals, stops and continuations.
//!
//! Must not: guess a sender; the model has classified the path.

use tracer_model::{
    delta::{Change, Dropped, HangupKind, SignalPath},
    event::{Call, Disposition, SignalGenerated, SignalOutcome, TtyRequest},
    ids::{PgrpKey, Pid, ProcKey, Signal},
    state::Phase,
};

use super::{Fold, Phrase, Scene, Tone, Who};

pub(super) fn sent(
    scene: &Scene<'_>,
    target: ProcKey,
    generated: SignalGenerated,
    path: SignalPath,
    dropped: Option<Dropped>,
) -> Option<Phrase> {
    let signal = generated.signal;
    let (who, head, mut note) = origin(scene, target, signal, path)?;
    if generated.at_delivery && matches!(path, SignalPath::KillUnseen { .. }) {
        "it is not known by which call".clone_into(&mut note);
    }
    let object = format!("{}{}", scene.name(target), fate(scene, target, generated, dropped));
    Some(Phrase::new(who, head).folds(Fold::Signal(signal, path), object).note(note).tone(Tone::Signal))
}

/// Who sends it, by what, and the remark. The target's name follows.
fn origin(scene: &Scene<'_>, target: ProcKey, signal: Signal, path: SignalPath) -> Option<(Who, String, String)> {
    let actor = scene.delta.by.map_or(Who::Nobody, Who::Process);
    let group = group_number(scene.group_of(target));
    let none = String::new();
    Some(match path {
        SignalPath::KillProcess { sender, .. } if sender == target => {
            (Who::Process(sender), format!("kill {signal}: to itself, "), none)
        }
        SignalPath::KillProcess { sender, .. } => {
            let note = if is_alone(scene, target) { none } else { format!("to the process, not to its {group}") };
            (Who::Process(sender), format!("kill {signal}: to "), note)
        }
        SignalPath::KillUnseen { sender } => {
            let note = "by a call that was not seen: of a 32-bit program, or lost".to_owned();
            (Who::Process(sender), format!("{signal} to "), note)
        }
        SignalPath::KillGroup { sender, group, .. } => {
            (Who::Process(sender), format!("kill {signal} to {}: ", group_number(group)), none)
        }
        SignalPath::KillAll { sender, .. } => (Who::Process(sender), format!("kill(-1, {signal}): to "), none),
        SignalPath::TerminalCharacter { tty } => {
            let who = tty.map_or(Who::Nobody, Who::Terminal);
            (who, format!("{}{signal} to foreground {group}: ", key(signal)), none)
        }
        SignalPath::BackgroundAccess { by: None } => {
            let access = if signal == Signal::TTIN { "a read" } else { "a write or a change" };
            (
                Who::Process(target),
                format!("{access} from the background: {signal} to {group}: "),
                foreground(scene, target),
            )
        }
        SignalPath::BackgroundAccess { by: Some(by) } => {
            let (access, note) = (access(scene, by, signal), foreground(scene, by));
            (Who::Process(by), format!("{access} from the background: {signal} to {group}: "), note)
        }
        SignalPath::TerminalIoctl { by } => {
            let cause = if signal == Signal::WINCH { "resizes the terminal" } else { "ioctl" };
            (Who::Process(by), format!("{cause}: {signal} to foreground {group}: "), none)
        }
        SignalPath::Hangup { by, kind } => {
            let to = if kind == HangupKind::Terminal { "the session leader".to_owned() } else { group };
            let why = hangup(scene, target, by, kind);
            (by.map_or(actor, Who::Process), format!("{signal} to {to}: "), why)
        }
        SignalPath::OrphanRule { exiting } => (
            Who::Process(exiting),
            format!("{signal} to {group}: "),
            "newly orphaned, with a stopped member".to_owned(),
        ),
        // A child's state is told where it changes.
        SignalPath::ChildStatus { .. } => return None,
        SignalPath::ParentDeath { parent } => {
            (Who::Process(parent), format!("{signal} to "), "asked for by PR_SET_PDEATHSIG".to_owned())
        }
        SignalPath::NamespaceEnd { init } => {
            (Who::Process(init), format!("{signal} to "), "the first process of their pid namespace ends".to_owned())
        }
        SignalPath::CgroupKill { by } => (Who::Process(by), format!("{signal} to "), "by cgroup.kill".to_owned()),
        SignalPath::Timer => (Who::Process(target), format!("{signal} of a timer of its own: to "), none),
        SignalPath::Fault => (Who::Process(target), format!("{signal} for what it did: to "), none),
        SignalPath::Kernel => (Who::Process(target), format!("{signal} from the kernel: to "), none),
        SignalPath::Unknown => (actor, format!("{signal} to "), "sender unknown".to_owned()),
    })
}

fn group_number(group: Option<PgrpKey>) -> String {
    group.map_or_else(|| "group unknown".to_owned(), |group| format!("group {}", group.number))
}

/// The only member of its group.
fn is_alone(scene: &Scene<'_>, process: ProcKey) -> bool {
    let group = scene.group_of(process).and_then(|group| scene.model.group(group));
    group.is_none_or(|group| group.members.len() < 2)
}

/// What the signal meets, where that is not its default action.
fn fate(scene: &Scene<'_>, target: ProcKey, generated: SignalGenerated, dropped: Option<Dropped>) -> String {
    let continues = |c: &Change| matches!(c, Change::Continued { process, .. } if *process == target);
    let zombie = scene.model.process(target).is_some_and(|process| process.phase > Phase::Exiting);
    let mut facts = Vec::new();
    match generated.outcome {
        _ if zombie => facts.push("a zombie"),
        SignalOutcome::Overflow => facts.push("refused: its queue is full"),
        SignalOutcome::AlreadyPending => facts.push("pending already"),
        _ if dropped == Some(Dropped::Exiting) => facts.push("exiting"),
        _ if dropped == Some(Dropped::Init) => facts.push("an init without a handler"),
        SignalOutcome::Delivered | SignalOutcome::Ignored | SignalOutcome::InfoLost => {
            match generated.disposition {
                Disposition::Handler => facts.push("handler"),
                Disposition::Ignored => facts.push("ignored"),
                Disposition::Default => {}
            }
            if generated.blocked {
                facts.push("blocked");
            }
        }
    }
    if scene.delta.changes.iter().any(continues) {
        facts.push("continues");
    }
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) }
}

/// The key that usually makes a terminal send this signal.
fn key(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "^C: ",
        Signal::QUIT => "^\\: ",
        Signal::TSTP => "^Z: ",
        _ => "",
    }
}

/// What a background process does to be stopped.
fn access(scene: &Scene<'_>, process: ProcKey, signal: Signal) -> String {
    let tty = scene.model.process(process).and_then(|process| process.tty);
    let tty = tty.map_or_else(|| "its terminal".to_owned(), |tty| tty.tty.to_string());
    match scene.inside {
        Some(Call::TtyIoctl { request: TtyRequest::SetForeground, .. }) => format!("calls tcsetpgrp on {tty}"),
        Some(Call::Write { .. }) => format!("writes to {tty}"),
        _ if signal == Signal::TTIN => format!("reads {tty}"),
        _ => format!("writes to {tty} or changes it"),
    }
}

/// What took the terminal away. Its foreground group can be in another session than its leader.
fn hangup(scene: &Scene<'_>, target: ProcKey, by: Option<ProcKey>, kind: HangupKind) -> String {
    let session = |key: ProcKey| scene.model.process(key).and_then(|process| process.session);
    let leader = match by.and_then(session) {
        Some(other) if Some(other) != session(target) => format!("the leader of session {}", other.number),
        _ => "its session leader".to_owned(),
    };
    match kind {
        HangupKind::Terminal => "the terminal is hung up".to_owned(),
        HangupKind::LeaderExit => format!("{leader} exits"),
        HangupKind::LeaderExitAfterHangup => format!("{leader} exits; it was in the foreground at the hangup"),
        HangupKind::GivenUp => format!("{leader} gives up the terminal (TIOCNOTTY)"),
    }
}

/// A stop signal that reaches a member of an orphaned group does nothing (kernel/signal.c, `get_signal`).
pub(super) fn discarded(scene: &Scene<'_>, signal: Signal, disposition: Disposition) -> Option<Phrase> {
    let process = scene.delta.by?;
    let group = scene.model.group(scene.group_of(process)?)?;
    let discards = signal.stops() && signal != Signal::STOP && disposition == Disposition::Default;
    let text = format!("{signal} is discarded");
    let note = format!("group {} is orphaned: nobody could continue it", group.key.number);
    (discards && group.is_orphaned()).then(|| Phrase::of(process, text).note(note).tone(Tone::Signal))
}

/// Who has the terminal instead.
fn foreground(scene: &Scene<'_>, process: ProcKey) -> String {
    let terminal = scene.model.process(process).and_then(|process| process.tty);
    let foreground = terminal.and_then(|tty| scene.model.terminal(tty)).and_then(|terminal| terminal.foreground);
    let Some(foreground) = foreground else { return String::new() };
    let leader = scene.model.process_by_pid(Pid(foreground.number.0)).filter(|_| foreground.group.is_some());
    let name = leader.map_or_else(|| foreground.number.to_string(), |leader| scene.name(leader.key));
    format!("in the foreground: {name}")
}

pub(super) fn stopped(process: ProcKey, signal: Signal) -> Phrase {
    let text = if signal.0 == 0 { "stops".to_owned() } else { format!("stops: {signal}") };
    Phrase::of(process, text).tone(Tone::Signal)
}

pub(super) fn continued(scene: &Scene<'_>, process: ProcKey) -> Option<Phrase> {
    // The signal that continued it says so.
    let told = |c: &Change| matches!(c, Change::SignalSent { target, signal, .. } if *target == process && signal.signal == Signal::CONT);
    let told = scene.delta.changes.iter().any(told);
    (!told).then(|| Phrase::of(process, "continues").tone(Tone::Signal))
}
