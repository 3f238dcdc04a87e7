//! The state of one process as items, each true of it now.
//!
//! `group G`, `session S`, `parent P`; `alive`, `stopped`, `zombie`, `reaped`; `leader alive` and so on (of its group);
//! `orphaned`, `not orphaned` (its group); `leads its session`, `leads no session`; `terminal`, `no terminal`,
//! `foreground G` (of its terminal).

use tracer_model::{
    delta::ForegroundGroup,
    ids::ProcKey,
    state::{Model, Orphaned, Phase},
};

use super::{facts, names::Names};

/// The items that are true of a process.
pub fn of(key: ProcKey, model: &Model, names: &Names) -> Vec<String> {
    let Some(process) = model.process(key).filter(|process| process.phase != Phase::Reaped) else {
        return vec!["reaped".to_owned()];
    };
    let mut items = Vec::new();
    let life = match process.phase {
        Phase::Alive if process.stopped.is_some() => "stopped",
        Phase::Alive => "alive",
        Phase::Exiting => "exiting",
        Phase::Zombie => "zombie",
        Phase::Released | Phase::Reaped => "released",
    };
    items.push(life.to_owned());
    items.push(format!("parent {}", names.maybe(process.parent)));
    items.push(if process.facts.session_leader { "leads its session" } else { "leads no session" }.to_owned());
    items.extend(process.session.map(|session| format!("session {}", names.session(session))));
    if let Some(group) = process.group.and_then(|key| model.group(key)) {
        items.push(format!("group {}", names.group(group.key)));
        items.push(facts::leader(model.leader_state(group)).to_owned());
        let orphaned = match group.orphaned {
            Orphaned::Yes => "orphaned",
            Orphaned::No => "not orphaned",
            Orphaned::Unknown => "perhaps orphaned",
        };
        items.push(orphaned.to_owned());
    }
    match process.tty.and_then(|key| model.terminal(key)) {
        None => items.push("no terminal".to_owned()),
        Some(terminal) => {
            let group: Option<ForegroundGroup> = terminal.foreground;
            items.push("terminal".to_owned());
            items.push(format!("foreground {}", facts::foreground(group, names)));
        }
    }
    items
}
