//! Properties: the model against a kernel in small, under loss, and against garbage.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::{
    garbage, invariants,
    kernel::{Kernel, Op},
};
use crate::{
    delta::{Change, LeaderState, Refusal},
    dsl,
    event::{Comm, Event, EventKind, Gap, GapCause, RawTask},
    ids::{BootNs, Pgid, Pid},
    query,
    state::{Knowledge, Model, Orphaned, Phase},
    timeline::Lifetimes,
};

fn op() -> impl Strategy<Value = Op> {
    let who = 0_usize..12;
    prop_oneof![
        6 => (who.clone(), prop::bool::weighted(0.1)).prop_map(|(who, clone_parent)| Op::Fork { who, clone_parent }),
        6 => (who.clone(), who.clone(), who.clone()).prop_map(|(who, target, group)| Op::Setpgid { who, target, group }),
        3 => (who.clone(), who.clone()).prop_map(|(who, target)| Op::Setpgid { who, target, group: target }),
        2 => who.clone().prop_map(|who| Op::Setsid { who }),
        2 => who.clone().prop_map(|who| Op::Exec { who }),
        5 => (who.clone(), prop::bool::ANY).prop_map(|(who, quick)| Op::Exit { who, quick }),
        4 => who.clone().prop_map(|who| Op::Wait { who }),
        2 => (who.clone(), who.clone()).prop_map(|(who, target)| Op::Stop { who, target }),
        1 => (who.clone(), who.clone()).prop_map(|(who, target)| Op::Continue { who, target }),
        1 => who.clone().prop_map(|who| Op::Subreaper { who }),
        1 => who.clone().prop_map(|who| Op::IgnoreChildren { who }),
        2 => (who.clone(), 0_u32..3).prop_map(|(who, tty)| Op::AcquireTty { who, tty }),
        1 => who.clone().prop_map(|who| Op::GiveTtyUp { who }),
        3 => (who.clone(), who).prop_map(|(who, target)| Op::SetForeground { who, target }),
    ]
}

/// What both sides say of one process: parent, group, session, leader bit, stopped, zombie, terminal and its foreground.
type Facts = (u32, u32, u32, bool, bool, bool, Option<(u32, u32, bool)>);

fn kernel_processes(kernel: &Kernel) -> BTreeMap<u32, Facts> {
    let facts = |task: &super::kernel::Task| {
        let tty = task.tty.map(|index| {
            let foreground = kernel.ttys[&index].foreground;
            (index, foreground.number, foreground == task.pgrp)
        });
        (task.parent, task.pgrp.number, task.session.number, task.leader, task.stopped, task.zombie, tty)
    };
    kernel.tasks.iter().map(|(pid, task)| (*pid, facts(task))).collect()
}

fn model_processes(model: &Model) -> BTreeMap<u32, Facts> {
    let facts = |process: &crate::state::Process| {
        let tty = process.tty.map(|key| {
            let foreground = model.terminal(key).unwrap().foreground;
            let number = foreground.map_or(0, |foreground| foreground.number.0);
            (key.tty.minor, number, foreground.and_then(|foreground| foreground.group) == process.group)
        });
        let (group, session) = (process.group.map(|it| it.number.0), process.session.map(|it| it.number.0));
        let zombie = process.phase >= Phase::Zombie;
        (
            process.parent.map_or(0, |parent| parent.number.0),
            group.unwrap_or(0),
            session.unwrap_or(0),
            process.facts.session_leader,
            process.stopped.is_some(),
            zombie,
            tty,
        )
    };
    model.processes().map(|process| (process.key.number.0, facts(process))).collect()
}

/// Members, session, orphaned, state of the leader.
type GroupFacts = (BTreeSet<u32>, u32, Orphaned, LeaderState);

fn kernel_groups(kernel: &Kernel) -> BTreeMap<u32, GroupFacts> {
    let groups: BTreeSet<_> = kernel.tasks.values().map(|task| (task.pgrp, task.session.number)).collect();
    let facts = |(group, session): &(crate::event::RawId, u32)| {
        let leader = match kernel.tasks.get(&group.number) {
            None => LeaderState::Reaped,
            Some(task) if task.pgrp != *group => LeaderState::MovedAway,
            Some(task) if task.zombie => LeaderState::Zombie,
            Some(_) => LeaderState::Alive,
        };
        let orphaned = if kernel.orphaned(*group) { Orphaned::Yes } else { Orphaned::No };
        (group.number, (kernel.members(*group).into_iter().collect(), *session, orphaned, leader))
    };
    groups.iter().map(facts).collect()
}

fn model_groups(model: &Model) -> BTreeMap<u32, GroupFacts> {
    let facts = |group: &crate::state::ProcessGroup| {
        let members = group.members.iter().map(|member| member.number.0).collect();
        (group.key.number.0, (members, group.session.number.0, group.orphaned, model.leader_state(group)))
    };
    model.groups().map(facts).collect()
}

fn same(model: &Model, kernel: &Kernel) {
    assert_eq!(model_processes(model), kernel_processes(kernel));
    assert_eq!(model_groups(model), kernel_groups(kernel));
}

/// A reap was inside the bounds that are said of it.
fn bounds_hold(changes: &[Change], model: &Model, kernel: &Kernel) {
    for change in changes {
        if let Change::Reaped { process, bounds, .. } = change {
            let start = model.process(*process).unwrap().start;
            let at = kernel.released[&(process.number, start)];
            assert!(bounds.after <= at && at <= bounds.until, "{change:?}, it was {at:?}");
        }
    }
}

/// When everything is seen nothing is contradictory, unseen or unexplained.
fn nothing_odd(changes: &[Change]) {
    let odd = |change: &&Change| {
        matches!(
            change,
            Change::Anomaly(_)
                | Change::UnseenCall { .. }
                | Change::Gap { .. }
                | Change::Found { by_snapshot: false, .. }
                | Change::Refused { reason: Refusal::Unexplained, .. }
        )
    };
    assert_eq!(changes.iter().find(odd), None);
}

fn gap(event: &Event) -> Event {
    let gap = Gap { from: event.at, until: event.at, lost: 1, cause: GapCause::MissingSequence, probes: Vec::new() };
    Event {
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind: EventKind::Gap(gap),
        ..event.clone()
    }
}

/// The history as text, to be made a test of.
fn shown(kernel: &Kernel) -> String {
    dsl::write(&kernel.events)
}

proptest! {

    /// After each call of a history that is seen as a whole, the model is the kernel.
    #[test]
    fn the_model_is_the_kernel(ops in vec(op(), 1..60), old in prop::bool::weighted(0.3)) {
        let mut kernel = Kernel::new(old);
        let (mut model, mut lifetimes) = (Model::new(), Lifetimes::new());
        let mut applied = 0;
        for op in ops {
            kernel.run(op);
            for event in &kernel.events[applied..] {
                let delta = model.apply(event);
                let checked = std::panic::catch_unwind(|| {
                    nothing_odd(&delta.changes);
                    bounds_hold(&delta.changes, &model, &kernel);
                    invariants::hold(&model);
                });
                prop_assert!(checked.is_ok(), "after {op:?}\n{}", shown(&kernel));
                lifetimes.observe(event, &delta, &model);
            }
            applied = kernel.events.len();
            let checked = std::panic::catch_unwind(|| same(&model, &kernel));
            prop_assert!(checked.is_ok(), "after {op:?}\n{}", shown(&kernel));
        }
        let lives = lifetimes.finish(&model);
        let open: BTreeSet<_> = lives.groups.iter().filter(|life| life.end.is_none()).map(|life| life.key.number.0).collect();
        prop_assert_eq!(open, kernel_groups(&kernel).into_keys().collect(), "lifetimes of groups");
        for life in lives.groups.iter().filter(|life| life.end.is_none()) {
            let open = life.members.iter().filter(|member| member.until.is_none()).map(|member| member.process).collect();
            prop_assert_eq!(&model.group(life.key).unwrap().members, &open, "members of {}", life.key.number);
        }
    }

    /// With records lost, and the loss known, a complete snapshot makes the model the kernel again.
    #[test]
    fn a_snapshot_heals_what_a_loss_left(
        ops in vec(op(), 1..60),
        old in prop::bool::weighted(0.3),
        lost in vec(prop::bool::weighted(0.2), 400),
    ) {
        let mut kernel = Kernel::new(old);
        for op in ops {
            kernel.run(op);
        }
        let whole = kernel.events.len();
        kernel.snapshot(true);
        let mut model = Model::new();
        for (index, event) in kernel.events.iter().enumerate() {
            let dropped = index < whole && *lost.get(index).unwrap_or(&false);
            let event = if dropped { gap(event) } else { event.clone() };
            model.apply(&event);
            invariants::hold(&model);
        }
        let checked = std::panic::catch_unwind(|| same(&model, &kernel));
        prop_assert!(checked.is_ok(), "{}", shown(&kernel));
        prop_assert!(model.processes().all(|process| model.uncertain(process.key).is_none()));
    }

    /// Events that no kernel would write break nothing.
    #[test]
    fn garbage_breaks_nothing(events in vec(garbage::event(), 1..80)) {
        let mut model = Model::new();
        let mut lifetimes = Lifetimes::new();
        model.follow(Pid(3));
        for event in &events {
            let delta = model.apply(event);
            let checked = std::panic::catch_unwind(|| invariants::hold(&model));
            prop_assert!(checked.is_ok(), "{}", dsl::write(&events));
            lifetimes.observe(event, &delta, &model);
        }
        let seen = model.processes().filter(|process| process.knowledge == Knowledge::Seen).count();
        prop_assert_eq!(query::ps(&model).len(), seen);
        let in_tree: usize = query::tree(&model).iter().flat_map(|session| &session.groups).map(|it| it.processes.len()).sum();
        prop_assert_eq!(in_tree, model.processes().filter(|process| process.group.is_some()).count());
        let left = lifetimes.finish(&model).left_behind.len();
        prop_assert_eq!(left, model.processes().filter(|process| process.followed).count());
    }

    /// The same events give the same state and the same words.
    #[test]
    fn the_model_is_deterministic(events in vec(garbage::event(), 1..60)) {
        let run = || {
            let mut model = Model::new();
            let deltas: Vec<_> = events.iter().map(|event| model.apply(event)).collect();
            (model, deltas)
        };
        prop_assert_eq!(run(), run());
    }

    /// Any events can be written down and read again.
    #[test]
    fn every_event_can_be_written_down(events in vec(garbage::event(), 1..20)) {
        let text = dsl::write(&events);
        let read = dsl::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (read, event) in read.iter().zip(&events) {
            prop_assert_eq!(read, event, "{}", text);
        }
        prop_assert_eq!(read.len(), events.len());
    }
}

/// Whatever ended is forgotten: the model does not grow with history.
#[test]
fn memory_is_bounded_by_what_lives() {
    let mut kernel = Kernel::new(false);
    let mut model = Model::new();
    for event in kernel.events.drain(..) {
        model.apply(&event);
    }
    for round in 0..3_000_usize {
        for op in [
            Op::Fork { who: 0, clone_parent: false },
            Op::Setpgid { who: 1, target: 1, group: 1 },
            Op::Exit { who: 1, quick: round % 2 == 0 },
            Op::Wait { who: 0 },
        ] {
            kernel.run(op);
        }
        for event in kernel.events.drain(..) {
            model.apply(&event);
        }
    }
    assert_eq!(model.processes().count(), 1);
    let entities = model.processes.len() + model.groups.len() + model.sessions.len() + model.by_pid.len();
    assert!(entities < 8, "{entities}");
    assert!(model.referenced.len() < 8);
    assert_eq!(model.group_by_pgid(Pgid(1)).unwrap().members.len(), 1);
    assert!(model.now().at > BootNs(0));
}
