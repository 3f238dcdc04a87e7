//! Groups, sessions and terminals beside a census of the kernel: what agrees, and that each thing which does not is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{history, model};
use crate::{
    compare::{self, Census, Entity, Fact, Value},
    delta::LeaderState,
    event::{EXIT_ZOMBIE, RawId, State},
    ids::{Pgid, Pid, Sid},
};

/// The shell has put the pipeline 20, 21 into the foreground.
const JOB: &str = "
    10: fork 20
    20: setpgid(0,0) = 0
    10: fork 21
    21: setpgid(0,20) = 0
    10: ioctl(0,TIOCSPGRP,0,20) = 0 {fg=20/0 -fgempty}
";

/// The last bundle of each process.
fn states(text: &str) -> BTreeMap<Pid, State> {
    let mut states = BTreeMap::new();
    for state in history(text).into_iter().filter_map(|event| event.subject) {
        states.insert(state.id.pid, *state);
    }
    // Every bundle of a terminal's users shows the same foreground group at one instant.
    let last = states.get(&Pid(10)).and_then(|state: &State| state.tty);
    for state in states.values_mut().filter(|state| state.tty.is_some()) {
        state.tty = last;
    }
    states
}

/// What the model of [`JOB`] differs in from these.
fn differences(states: &BTreeMap<Pid, State>) -> Vec<(Entity, Fact, Value, Value)> {
    let model = model(JOB);
    let census = Census::new(states.values(), BTreeSet::new());
    let compared = census.compare(&model, |_| true, true);
    assert!(!compared.is_empty());
    let told = |it: &crate::compare::Compared| {
        let entity = it.entity;
        it.comparison.differences.iter().map(move |it| (entity, it.fact, it.model, it.kernel)).collect::<Vec<_>>()
    };
    compared.iter().flat_map(told).collect()
}

/// Who descends from an init that never called setsid is in the kernel's own group and session, number 0.
#[test]
fn a_process_in_group_0_is_compared_as_any_other() {
    let text = "10: fork 20 {pg=0/0 sid=0/0}";
    let (model, states) = (model(text), states(text));
    let compared = |state: &State| compare::process(&model, state, true).unwrap();
    let found = states.get(&Pid(20)).unwrap();
    let comparison = compared(found);
    assert_eq!(comparison.differences, []);
    assert!(comparison.compared > 5, "{comparison:?}");
    let mut adopted = found.clone();
    adopted.parent.pid = Pid(1);
    let facts: Vec<Fact> = compared(&adopted).differences.iter().map(|difference| difference.fact).collect();
    assert_eq!(facts, [Fact::Parent]);
}

#[test]
fn what_is_the_same_does_not_differ() {
    let model = model(JOB);
    let states = states(JOB);
    let compared = Census::new(states.values(), BTreeSet::new()).compare(&model, |_| true, true);
    for entity in [Entity::Group(Pgid(20)), Entity::Group(Pgid(10)), Entity::Session(Sid(10))] {
        assert!(compared.iter().any(|it| it.entity == entity), "{entity}");
    }
    assert!(compared.iter().any(|it| matches!(it.entity, Entity::Terminal(_))));
    assert_eq!(differences(&states), []);
}

#[test]
fn a_member_that_only_one_side_has_is_told() {
    let mut states = states(JOB);
    states.get_mut(&Pid(21)).unwrap().pgrp = RawId { number: 10, ino: 0 };
    let told = differences(&states);
    assert!(told.contains(&(Entity::Group(Pgid(20)), Fact::Members, Value::Number(21), Value::None)), "{told:?}");
    assert!(told.contains(&(Entity::Group(Pgid(10)), Fact::Members, Value::None, Value::Number(21))), "{told:?}");
}

#[test]
fn a_group_or_session_that_only_one_side_has_is_told() {
    let mut states = states(JOB);
    let job = states.get_mut(&Pid(21)).unwrap();
    (job.pgrp, job.session, job.tty) = (RawId { number: 21, ino: 0 }, RawId { number: 21, ino: 0 }, None);
    states.remove(&Pid(20));
    let told = differences(&states);
    assert!(told.contains(&(Entity::Group(Pgid(20)), Fact::Existence, Value::Number(20), Value::None)), "{told:?}");
    assert!(told.contains(&(Entity::Group(Pgid(21)), Fact::Existence, Value::None, Value::Number(21))), "{told:?}");
    assert!(told.contains(&(Entity::Session(Sid(21)), Fact::Existence, Value::None, Value::Number(21))), "{told:?}");
}

#[test]
fn a_leader_in_another_state_is_told() {
    let mut states = states(JOB);
    let leader = states.get_mut(&Pid(20)).unwrap();
    (leader.exit_state, leader.facts.single_thread) = (EXIT_ZOMBIE, true);
    let (alive, zombie) = (Value::Leader(LeaderState::Alive), Value::Leader(LeaderState::Zombie));
    assert_eq!(differences(&states), [(Entity::Group(Pgid(20)), Fact::Leader, alive, zombie)]);
    states.remove(&Pid(20));
    let told = differences(&states);
    let reaped = Value::Leader(LeaderState::Reaped);
    assert!(told.contains(&(Entity::Group(Pgid(20)), Fact::Leader, alive, reaped)), "{told:?}");
}

#[test]
fn an_orphaned_group_is_told() {
    let mut states = states(JOB);
    for pid in [20, 21] {
        let job = states.get_mut(&Pid(pid)).unwrap();
        job.facts.parent_is_init = true;
    }
    let told = differences(&states);
    assert_eq!(told, [(Entity::Group(Pgid(20)), Fact::Orphaned, Value::Is(false), Value::Is(true))]);
}

#[test]
fn another_foreground_group_is_told_of_the_terminal() {
    let mut states = states(JOB);
    for state in states.values_mut() {
        if let Some(tty) = &mut state.tty {
            tty.foreground = RawId { number: 10, ino: 0 };
        }
    }
    let told = differences(&states);
    let is_told = |it: &(Entity, Fact, Value, Value)| {
        matches!(it, (Entity::Terminal(_), Fact::Foreground, Value::Number(20), Value::Number(10)))
    };
    assert!(told.iter().any(is_told), "{told:?}");
}

#[test]
fn a_foreground_group_that_is_no_more_is_told_of_the_terminal() {
    let mut states = states(JOB);
    states.retain(|pid, _| ![Pid(20), Pid(21)].contains(pid));
    let told = differences(&states);
    let is_told = |it: &(Entity, Fact, Value, Value)| {
        matches!(it, (Entity::Terminal(_), Fact::ForegroundExists, Value::Is(true), Value::Is(false)))
    };
    assert!(told.iter().any(is_told), "{told:?}");
}

#[test]
fn of_those_who_are_not_followed_nothing_is_told() {
    let mut states = states(JOB);
    let stranger = State { pgrp: RawId { number: 60, ino: 0 }, ..states[&Pid(50)].clone() };
    states.insert(Pid(60), State { id: crate::event::RawTask { pid: Pid(60), ..stranger.id }, ..stranger });
    let model = model(JOB);
    let census = Census::new(states.values(), BTreeSet::new());
    let compared = census.compare(&model, |process| process.key.number == Pid(20), false);
    assert!(compared.iter().any(|it| it.entity == Entity::Group(Pgid(20))));
    assert!(compared.iter().all(|it| it.comparison.differences.is_empty()), "{compared:?}");
}

#[test]
fn of_what_is_hidden_or_being_released_nothing_is_told() {
    let mut states = states(JOB);
    states.remove(&Pid(21));
    let model = model(JOB);
    let census = Census::new(states.values(), BTreeSet::from([Pid(21)]));
    for compared in census.compare(&model, |_| true, true) {
        assert!(compared.comparison.differences.is_empty(), "{compared:?}");
        assert_ne!(compared.entity, Entity::Group(Pgid(20)));
    }
}
