//! What holds after every event, whatever the events were.

use std::collections::BTreeSet;

use crate::{
    ids::PgrpKey,
    state::{Model, Orphaned, Phase, Process},
};

/// Panics when something does not.
pub fn hold(model: &Model) {
    let ended = |group: &PgrpKey| model.groups[group].ended.is_some();
    for process in model.processes() {
        let key = process.key;
        assert_eq!(model.processes.key_of(key.number), Some(key), "one living process per number");
        let containing: Vec<_> = model.groups().filter(|group| group.members.contains(&key)).map(|it| it.key).collect();
        assert_eq!(containing, process.group.into_iter().collect::<Vec<_>>(), "a process is in its group and no other");
        let session = process.group.map(|group| model.groups[&group].session);
        assert_eq!(session, process.session, "the session of a process is that of its group");
        if let Some(tty) = process.tty {
            assert!(model.terminals[&tty].users.contains(&key));
        }
        if let Some(parent) = process.parent.and_then(|parent| model.processes.get(&parent)) {
            assert!(parent.children.contains(&key), "parent and child know each other");
        }
        for child in &process.children {
            assert_eq!(model.processes[child].parent, Some(key));
        }
    }
    for group in model.groups() {
        assert_eq!(model.groups.key_of(group.key.number), Some(group.key), "one living group per number");
        assert!(!group.members.is_empty(), "a group has members");
        assert!(group.members.iter().all(|member| model.processes[member].phase != Phase::Reaped));
        let session = &model.sessions[&group.session];
        assert!(
            session.groups.contains(&group.key) && session.ended.is_none(),
            "a group is in its session, which lives"
        );
        counts_hold(model, group.key);
    }
    for session in model.sessions() {
        assert_eq!(model.sessions.key_of(session.key.number), Some(session.key), "one living session per number");
        assert!(!session.groups.is_empty() && !session.groups.iter().any(ended), "a session has groups");
        if let Some(tty) = session.tty {
            assert_eq!(model.terminals[&tty].session, Some(session.key), "terminal and session know each other");
        }
    }
    for tty in model.terminals() {
        assert!(!tty.users.is_empty(), "somebody has it");
        assert!(tty.users.iter().all(|user| model.processes[user].tty == Some(tty.key)));
        if let Some(session) = tty.session {
            assert_eq!(model.sessions[&session].tty, Some(tty.key));
        }
        if let Some(group) = tty.foreground.and_then(|foreground| foreground.group) {
            assert!(!ended(&group), "an ended group is in nobody's foreground");
        }
    }
    let indexed: BTreeSet<_> = model.by_foreground.values().flatten().collect();
    let shown = model.terminals().filter(|tty| tty.foreground_id.number != 0).map(|tty| &tty.key).collect();
    assert_eq!(indexed, shown, "terminals are found by their foreground");
}

/// The incremental counters are what the rule gives, asked anew.
fn counts_hold(model: &Model, key: PgrpKey) {
    let group = &model.groups[&key];
    let members: Vec<&Process> = group.members.iter().map(|member| &model.processes[member]).collect();
    let counting: Vec<_> = members.iter().filter(|member| member.counts_for_orphan_rule()).collect();
    assert_eq!(group.living, counting.len());
    // No parent; a parent of which it is not known; whether it is in the same group, and whether a link to it counts.
    let parent = |member: &Process| -> Option<Option<(bool, bool)>> {
        member.parent.map(|parent| {
            let parent = model.processes.get(&parent).filter(|_| !member.parent_exited)?;
            if parent.book.is_global_init == Some(true) {
                return Some((false, false));
            }
            if parent.group.is_some() {
                let (group, session) = (parent.group == member.group, parent.session == member.session);
                return (group || !session || !parent.may_be_global_init()).then_some((group, session));
            }
            let job = member.book.parent_job?;
            let same = job.pgrp.number == key.number.0;
            Some((same, job.session == group.session.number))
        })
    };
    let linked = |member: &&&&Process| parent(member) == Some(Some((false, true)));
    let unknown = |member: &&&&Process| matches!(parent(member), Some(None));
    assert_eq!(group.qualifying, counting.iter().filter(linked).count(), "members that keep it from being orphaned");
    assert_eq!(group.undecided, counting.iter().filter(unknown).count());
    let expected = match (group.qualifying, group.undecided) {
        (0, 0) => Orphaned::Yes,
        (0, _) => Orphaned::Unknown,
        _ => Orphaned::No,
    };
    assert_eq!(group.orphaned, expected);
}
