//! Bytes as choices: a history of the small kernel with some of its records lost, twice or late, or events that no kernel would
//! write; applied to the model, with its invariants asked after each, its rules, and what is made of it at the end.

use proptest::{
    prelude::Strategy,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tracer_model::{
    compare,
    event::{Event, EventKind},
    findings::{Findings, Look},
    ids::{Pid, Seq},
    query,
    reference::{
        agree, garbage,
        history::{self, damaged, fault, op},
        invariants,
        kernel::{Kernel, Machine},
    },
    state::Model,
    timeline::Lifetimes,
};

/// Bytes behind each choice: what is inserted or removed is a step or an event.
const EACH: usize = 4;

/// Runs the target. The first byte chooses, each four of the others are the seed of a step, a fault or an event, as the
/// generators of the property tests make them.
pub fn run(bytes: &[u8]) {
    let Some((first, choices)) = bytes.split_first() else { return };
    let choices = choices.as_chunks::<EACH>().0;
    if first & 1 == 0 {
        apply(&all(choices, &garbage::event()), first & 2 == 0);
        return;
    }
    let mut kernel = Kernel::new(Machine { new: first & 4 == 0, reuses_numbers: true });
    history::run(&mut kernel, &all(choices, &op()));
    let whole = kernel.events.len();
    kernel.snapshot(true);
    let mut events = damaged(&kernel.events[..whole], &all(choices, &fault()));
    events.extend_from_slice(&kernel.events[whole..]);
    let model = apply(&events, first & 2 == 0);
    assert_eq!(agree::difference(&model, &kernel), None, "a complete snapshot heals everything");
}

/// One of these for each choice.
fn all<S: Strategy>(choices: &[[u8; EACH]], strategy: &S) -> Vec<S::Value> {
    let one = |choice: &[u8; EACH]| {
        let mut seed = [0; 32];
        seed[..EACH].copy_from_slice(choice);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        strategy.new_tree(&mut runner).ok().map(|tree| tree.current())
    };
    choices.iter().take(MOST).filter_map(one).collect()
}

/// Steps or events of one history.
const MOST: usize = 100;

fn apply(events: &[Event], probes: bool) -> Model {
    let (mut model, mut lifetimes, mut findings) = (Model::new(), Lifetimes::new(), Findings::new());
    if !probes {
        model.seen_by_tracer();
    }
    model.follow(Pid(3));
    for event in events {
        let delta = model.apply(event);
        invariants::hold(&model);
        lifetimes.observe(event, &delta, &model);
        findings.observe(event, &delta, &model);
        if let (EventKind::Snapshot { .. }, Some(state)) = (&event.kind, &event.subject) {
            let _ = (compare::process(&model, state, !probes), compare::link(state));
        }
    }
    for pid in (0..16).map(Pid) {
        let _ = (findings.why(&model, pid, &Look::default()), findings.who_killed(&model, pid));
    }
    findings.advance(model.now().at, &model);
    findings.end(&model);
    let _ =
        (findings.take(), lifetimes.finish(&model), query::ps(&model), query::tree(&model), query::left_behind(&model));
    let _ = model.to_snapshot(Seq(1), model.now().at);
    model
}
