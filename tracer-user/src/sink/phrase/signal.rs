//! Signals, stops and continuations.

use tracer_model::{
    delta::{Change, SignalPath},
    event::{Disposition, SignalGenerated, SignalOutcome},
    ids::{Pgid, ProcKey, Signal},
    state::Phase,
};

use super::{Fold, Phrase, Scene, Tone, Who};

pub(super) fn sent(scene: &Scene<'_>, target: ProcKey, generated: SignalGenerated, path: SignalPath) -> Option<Phrase> {
    let signal = generated.signal;
    let actor = scene.delta.by.map_or(Who::Nobody, Who::Process);
    let (who, head, note) = match path {
        SignalPath::KillProcess { sender, .. } if sender == target => {
            (Who::Process(sender), format!("{signal} to itself, "), "")
        }
        SignalPath::KillProcess { sender, .. } => {
            (Who::Process(sender), format!("kill {signal}: to "), "to the process, not to its group")
        }
        SignalPath::KillGroup { sender, group, .. } => {
            let group = group.map_or_else(|| "its group".to_owned(), |group| format!("group {}", group.number));
            (Who::Process(sender), format!("kill {signal} to {group}: "), "")
        }
        SignalPath::KillAll { sender, .. } => (Who::Process(sender), format!("kill(-1, {signal}): to "), ""),
        SignalPath::TerminalCharacter { tty } => {
            let who = tty.map_or(Who::Nobody, Who::Terminal);
            (who, format!("{}{signal} to the foreground group{}: ", key(signal), foreground_number(scene, target)), "")
        }
        SignalPath::BackgroundAccess { by } => {
            (Who::Process(by), format!("{}: {signal} to its group: ", access(signal)), "it is in the background")
        }
        SignalPath::TerminalIoctl { by } => {
            (Who::Process(by), format!("{}: {signal} to the foreground group: ", ioctl(signal)), "")
        }
        SignalPath::Hangup { by } => (by.map_or(actor, Who::Process), format!("{signal} to "), "the terminal is gone"),
        SignalPath::OrphanRule { exiting } => {
            (Who::Process(exiting), format!("{signal} to the orphaned group: "), "a member is stopped")
        }
        // A child's state is told where it changes.
        SignalPath::ChildStatus { .. } => return None,
        SignalPath::ParentDeath { parent } => (Who::Process(parent), format!("{signal} to "), "PR_SET_PDEATHSIG"),
        SignalPath::Kernel => (Who::Process(target), format!("{signal} from the kernel, to "), ""),
        SignalPath::Unknown => (actor, format!("{signal} to "), "its sender was not seen"),
    };
    let object = format!("{}{}", scene.name(target), fate(scene, target, generated));
    Some(Phrase::new(who, head).folds(Fold::Signal(signal, path), object).note(note).tone(Tone::Signal))
}

/// What the signal meets, where that is not its default action.
fn fate(scene: &Scene<'_>, target: ProcKey, generated: SignalGenerated) -> String {
    let continues = |c: &Change| matches!(c, Change::Continued { process, .. } if *process == target);
    let zombie = scene.model.process(target).is_some_and(|process| process.phase > Phase::Exiting);
    let mut facts = Vec::new();
    match generated.outcome {
        _ if zombie => facts.push("a zombie"),
        SignalOutcome::Overflow => facts.push("refused: its queue is full"),
        SignalOutcome::AlreadyPending => facts.push("pending already"),
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

fn foreground_number(scene: &Scene<'_>, target: ProcKey) -> String {
    scene.group_of(target).map(|group| format!(" {}", group.number)).unwrap_or_default()
}

/// What a background process does to be stopped.
fn access(signal: Signal) -> &'static str {
    if signal == Signal::TTIN { "reads the terminal" } else { "writes to the terminal or changes it" }
}

fn ioctl(signal: Signal) -> &'static str {
    if signal == Signal::WINCH { "the window changed" } else { "ioctl" }
}

pub(super) fn stopped(scene: &Scene<'_>, process: ProcKey, signal: Signal) -> Phrase {
    let terminal =
        scene.model.process(process).and_then(|process| process.tty).and_then(|tty| scene.model.terminal(tty));
    let foreground = terminal.and_then(|terminal| terminal.foreground);
    let note = match (foreground, terminal) {
        (Some(foreground), Some(terminal)) if matches!(signal, Signal::TTIN | Signal::TTOU) => {
            let owner = foreground.group.and_then(|_| scene.model.process_by_pid(leader_number(foreground.number)));
            let owner = owner.map_or_else(|| foreground.number.to_string(), |owner| scene.name(owner.key));
            format!("{} belongs to group {owner}", terminal.key.tty)
        }
        _ => String::new(),
    };
    let text = if signal.0 == 0 { "stops".to_owned() } else { format!("stops: {signal}") };
    Phrase::of(process, text).note(note).tone(Tone::Signal)
}

fn leader_number(group: Pgid) -> tracer_model::ids::Pid {
    tracer_model::ids::Pid(group.0)
}

pub(super) fn continued(process: ProcKey) -> Phrase {
    Phrase::of(process, "continues").tone(Tone::Signal)
}
