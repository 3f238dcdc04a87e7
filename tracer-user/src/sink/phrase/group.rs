//! Birth, members, leaders, orphan status and end of process groups.
//!
//! Must not: decide who leads or what is orphaned; the model does.

use tracer_model::{
    delta::{Change, GroupBirth, GroupEnd, LeaderRace, LeaderState, OrphanCause, RaceWinner},
    ids::{PgrpKey, ProcKey},
    state::{Model, Process},
};

use super::{Phrase, Scene, Tone, Who, words};

/// Zombies hold every group for a moment, until they are reaped. Longer than this is worth a word.
const LONG_NS: u64 = 20_000_000;

pub(super) fn born(scene: &Scene<'_>, group: PgrpKey, leader: Option<ProcKey>, birth: GroupBirth) -> Option<Phrase> {
    let leader = leader?;
    let new = format!("new group {}", group.number);
    let mut phrase = match birth {
        GroupBirth::BySelf => Phrase::of(leader, format!("setpgid: leads {new}")),
        GroupBirth::ByParent { parent, on_zombie } => {
            let note = if on_zombie { "its leader had exited already" } else { "" };
            Phrase::of(parent, format!("setpgid: makes {} the leader of {new}", leader.number)).note(note)
        }
        // The session's birth says it.
        GroupBirth::BySetsid if is_told_by_session(scene, leader) => return None,
        GroupBirth::BySetsid => Phrase::of(leader, format!("setsid: leads {new}")),
        GroupBirth::Found => return None,
    };
    phrase.opens = Some(group);
    Some(phrase.tone(Tone::Birth))
}

fn is_told_by_session(scene: &Scene<'_>, leader: ProcKey) -> bool {
    scene.delta.changes.iter().any(|c| matches!(c, Change::SessionBorn { leader: of, .. } if *of == leader))
}

pub(super) fn joined(
    scene: &Scene<'_>,
    process: ProcKey,
    group: PgrpKey,
    from: PgrpKey,
    leader: LeaderState,
) -> Phrase {
    let phrase = match scene.delta.by {
        Some(by) if by != process => {
            Phrase::of(by, format!("setpgid: puts {} into group {}", process.number, group.number))
        }
        _ => Phrase::of(process, format!("setpgid: joins group {}", group.number)),
    };
    let parent = scene.model.process(process).and_then(|process| process.parent);
    // What becomes of the group that it leaves is told with it; the group of its parent is where every child begins.
    let told =
        |c: &Change| matches!(c, Change::GroupEnded { group, .. } | Change::Leaderless { group, .. } if *group == from);
    let told = scene.delta.changes.iter().any(told);
    let left = if told || parent.and_then(|parent| scene.group_of(parent)) == Some(from) {
        String::new()
    } else {
        format!("leaves group {}", from.number)
    };
    let leader = match leader {
        LeaderState::Alive | LeaderState::Unknown => "",
        LeaderState::Zombie => "its leader has exited, and is not reaped yet",
        LeaderState::Reaped => "its leader is reaped",
        LeaderState::MovedAway => "its leader is in another group",
    };
    let between = if left.is_empty() || leader.is_empty() { "" } else { "; " };
    phrase.note(format!("{left}{between}{leader}"))
}

pub(super) fn ended(scene: &Scene<'_>, group: PgrpKey, end: GroupEnd) -> Phrase {
    let facts = scene.lives.group_life(group).map(|life| {
        let lasted = scene.event.at.since(life.from);
        let mut members: Vec<_> = life.members.iter().map(|member| member.process).collect();
        members.sort_unstable();
        members.dedup();
        let members = words::count(members.len() + life.forgotten, "process", "processes");
        if life.partial {
            String::new()
        } else if life.birth == GroupBirth::Found {
            format!(" ({members})")
        } else {
            format!(" ({members}, {})", scene.span(lasted))
        }
    });
    let text = format!("group {} ends{}", group.number, facts.unwrap_or_default());
    let mut phrase = match end {
        GroupEnd::LastReaped { last } | GroupEnd::LastMoved { last } => Phrase::of(last, text),
        GroupEnd::NotSeen => Phrase::new(Who::Nobody, format!("{text}, unseen")),
    };
    phrase.closes = Some(group);
    let held = scene.zombies_since.get(&group).map(|since| scene.event.at.since(*since)).filter(|ns| *ns >= LONG_NS);
    let note = held.map(|ns| format!("zombies alone held it for {}", scene.span(ns)));
    phrase.note(note.unwrap_or_default()).tone(Tone::End).clause()
}

pub(super) fn leaderless(scene: &Scene<'_>, group: PgrpKey, leader: LeaderState) -> Option<Phrase> {
    let key = scene.model.group(group)?.leader?;
    let number = group.number;
    match leader {
        LeaderState::Reaped => Some(Phrase::of(key, format!("group {number} goes on, its leader reaped")).clause()),
        LeaderState::MovedAway => {
            Some(Phrase::of(key, format!("leaves group {number}, which goes on without its leader")).clause())
        }
        // A zombie leads its group still.
        LeaderState::Alive | LeaderState::Zombie | LeaderState::Unknown => None,
    }
}

pub(super) fn orphaned(
    scene: &Scene<'_>,
    group: PgrpKey,
    cause: OrphanCause,
    stopped_members: usize,
) -> Option<Phrase> {
    // A group of zombies is orphaned too, and nobody is left whom that concerns.
    if !has_living_members(scene.model, group) {
        return None;
    }
    let stopped = format!("{} stopped", words::count(stopped_members, "member is", "members are"));
    let (by, what, note) = match cause {
        OrphanCause::Exit(by) if stopped_members > 0 => {
            (by, "exit", format!("{stopped}: SIGHUP, then SIGCONT, to every member"))
        }
        OrphanCause::Exit(by) => (by, "exit", String::new()),
        OrphanCause::Setpgid(by) if stopped_members > 0 => {
            (by, "setpgid", format!("{stopped}, and no signal is sent: only an exit sends them"))
        }
        OrphanCause::Setpgid(by) => (by, "setpgid", String::new()),
        OrphanCause::Setsid(by) if stopped_members > 0 => {
            (by, "setsid", format!("{stopped}, and no signal is sent: only an exit sends them"))
        }
        OrphanCause::Setsid(by) => (by, "setsid", String::new()),
        OrphanCause::Found => return None,
    };
    let text = if scene.group_of(by) == Some(group) {
        format!("its {what} leaves group {} orphaned", group.number)
    } else {
        format!("its {what} orphans group {}", group.number)
    };
    let tone = if stopped_members > 0 { Tone::Trouble } else { Tone::Plain };
    Some(Phrase::of(by, text).note(note).tone(tone))
}

/// A member can still be signalled or stopped.
pub(in crate::sink) fn has_living_members(model: &Model, group: PgrpKey) -> bool {
    let members = model.group(group).into_iter().flat_map(|group| &group.members);
    members.filter_map(|member| model.process(*member)).any(Process::counts_for_orphan_rule)
}

pub(super) fn no_longer_orphaned(group: PgrpKey) -> Phrase {
    Phrase::new(Who::Nobody, format!("group {} is no longer orphaned", group.number))
}

/// Goes beside the birth: the second call changed nothing, or was refused and is told as that.
pub(super) fn leader_race(scene: &Scene<'_>, race: LeaderRace) -> Phrase {
    let by = match race.margin {
        _ if scene.serialised => ", serialised by the tracer".to_owned(),
        Some(ns) => format!(", by {}", scene.span(ns)),
        None => String::new(),
    };
    let (who, caller) = match race.winner {
        RaceWinner::Child => (format!("child first{by}"), race.parent),
        RaceWinner::Parent => (format!("parent first{by}"), race.child),
        RaceWinner::Undecided => ("parent and child at once".to_owned(), race.parent),
    };
    Phrase::of(caller, format!("setpgid: {} leads group {} already", race.child.number, race.group.number))
        .note(who)
        .at_birth_of(race.group)
}
