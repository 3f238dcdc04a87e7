//! Walks for real: along the graph, so that each call of each state is made once, and at random.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use tracer_model::{
    reference::{
        agree,
        kernel::{Kernel, Step},
    },
    state::Model,
};

use super::{Graph, Rules, graph::Shape, machine::Driver};

/// Differences that are told.
const TOLD: usize = 10;
/// Calls of one walk at random.
const LENGTH: u32 = 24;

/// What was compared.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Walks.
    pub walks: u64,
    /// Calls whose return values were compared.
    pub calls: u64,
    /// States of the whole world that were compared.
    pub states: u64,
    /// What differed.
    pub differences: Vec<String>,
    took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { walks, calls, states, differences, took } = self;
        write!(
            f,
            "{walks} walks, {calls} calls, {states} states compared with the kernel and the model in {:.1} s, {} differences",
            took.as_secs_f64(),
            differences.len()
        )?;
        differences.iter().take(TOLD).try_for_each(|difference| write!(f, "\n{difference}"))
    }
}

/// One walk: the reference, the model and the machine, step by step.
pub(super) struct Walk<'a> {
    driver: &'a mut Driver,
    outcome: &'a mut Outcome,
    pub(super) kernel: Kernel,
    model: Model,
    steps: Vec<Step>,
    /// Something differed: nothing after it means anything.
    pub(super) over: bool,
}

impl<'a> Walk<'a> {
    /// To the initial state.
    pub(super) fn begin(rules: &Rules, driver: &'a mut Driver, outcome: &'a mut Outcome) -> Result<Self> {
        driver.begin()?;
        outcome.walks += 1;
        let kernel = Kernel::new(super::MACHINE);
        let mut walk = Self { driver, outcome, kernel, model: Model::new(), steps: Vec::new(), over: false };
        for step in rules.prologue() {
            walk.step(step);
        }
        Ok(walk)
    }

    /// One call: what it returns, and what is so then.
    pub(super) fn step(&mut self, step: Step) {
        if self.over {
            return;
        }
        let ret = self.kernel.step(step);
        self.steps.push(step);
        self.outcome.calls += 1;
        let difference = self.driver.step(step, ret, &self.kernel);
        self.note(difference);
        self.tell_model();
        self.compare();
    }

    /// The state, with the kernel and the model.
    fn compare(&mut self) {
        if self.over {
            return;
        }
        self.outcome.states += 1;
        let difference = self.driver.settles(&self.kernel);
        self.note(difference);
        let of_model = agree::difference(&self.model, &self.kernel);
        self.note(Ok(of_model));
    }

    fn note(&mut self, difference: Result<Option<String>>) {
        let difference = difference.unwrap_or_else(|error| Some(format!("{error:#}")));
        if let Some(difference) = difference.filter(|_| !self.over) {
            self.over = true;
            self.outcome.differences.push(format!("{difference}\n    after {:?}", self.steps));
        }
    }

    /// Calls that change nothing; then whether they did not.
    fn idle(&mut self, steps: &[Step]) {
        if self.over {
            return;
        }
        let calls: Vec<_> = steps.iter().map(|step| (*step, self.kernel.step(*step))).collect();
        self.outcome.calls += calls.len() as u64;
        let difference = self.driver.idle(&calls);
        self.note(difference);
        self.tell_model();
        self.compare();
    }

    fn tell_model(&mut self) {
        for event in self.kernel.events.drain(..) {
            self.model.apply(&event);
        }
    }

    pub(super) fn driver(&self) -> &Driver {
        self.driver
    }
}

/// Every call of every state of the graph, once.
pub fn tour(graph: &Graph) -> Result<Outcome> {
    let begin = Instant::now();
    let mut driver = Driver::new(graph.rules.births + 1)?;
    let mut outcome = Outcome::default();
    let mut visited = vec![false; graph.states.len()];
    let mut left: Vec<Vec<(Step, usize)>> = graph.states.iter().map(|state| state.changes.clone()).collect();
    for first in 0..graph.states.len() {
        while graph.states.get(first).is_some_and(|state| state.inner)
            && (!visited.get(first).copied().unwrap_or(true) || left.get(first).is_some_and(|left| !left.is_empty()))
            && outcome.differences.len() < TOLD
        {
            let way = graph.way(first);
            let mut walk = Walk::begin(&graph.rules, &mut driver, &mut outcome)?;
            let mut at = 0;
            for step in way {
                walk.step(step);
                at = take(&mut left, graph, at, step);
            }
            while let Some(state) = graph.states.get(at).filter(|state| state.inner && !walk.over) {
                if let Some(visited) = visited.get_mut(at).filter(|visited| !**visited) {
                    *visited = true;
                    let changing = |step: &Step| state.changes.iter().any(|(change, _)| change == step);
                    let steps: Vec<_> =
                        graph.rules.steps(&walk.kernel).into_iter().filter(|step| !changing(step)).collect();
                    walk.idle(&steps);
                }
                let open = |to: usize| {
                    left.get(to).is_some_and(|left| !left.is_empty()) || !visited.get(to).copied().unwrap_or(true)
                };
                let untried = left.get(at).and_then(|left| left.last()).copied();
                let onward = || state.changes.iter().find(|(_, to)| open(*to)).copied();
                let Some((step, _)) = untried.or_else(onward) else { break };
                walk.step(step);
                at = take(&mut left, graph, at, step);
            }
        }
    }
    outcome.took = begin.elapsed();
    Ok(outcome)
}

/// The state behind a call, which is tried now.
fn take(left: &mut [Vec<(Step, usize)>], graph: &Graph, at: usize, step: Step) -> usize {
    if let Some(left) = left.get_mut(at) {
        left.retain(|(untried, _)| *untried != step);
    }
    let changes = graph.states.get(at).map(|state| &state.changes[..]).unwrap_or_default();
    changes.iter().find(|(change, _)| *change == step).map_or(at, |(_, to)| *to)
}

/// So many walks at random. The same every time.
pub fn walks(rules: &Rules, number: u32) -> Result<Outcome> {
    let begin = Instant::now();
    let mut driver = Driver::new(rules.births + 1)?;
    let mut outcome = Outcome::default();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..number {
        let mut walk = Walk::begin(rules, &mut driver, &mut outcome)?;
        for _ in 0..LENGTH {
            let Some(step) = chance.step(rules, &walk.kernel) else { break };
            walk.step(step);
        }
        if outcome.differences.len() >= TOLD {
            break;
        }
    }
    outcome.took = begin.elapsed();
    Ok(outcome)
}

/// A generator of numbers (xorshift).
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// A step, one that changes something three times of four. `None`: nobody can do anything.
    pub(super) fn step(&mut self, rules: &Rules, kernel: &Kernel) -> Option<Step> {
        let steps = rules.steps(kernel);
        let here = Shape::of(kernel);
        let changing: Vec<Step> = steps
            .iter()
            .copied()
            .filter(|step| {
                let mut after = kernel.clone();
                after.step(*step);
                Shape::of(&after) != here
            })
            .collect();
        // Ends come early when they are as likely as everything else.
        let lively: Vec<Step> = changing.iter().copied().filter(|step| !matches!(step, Step::Exit { .. })).collect();
        let pool = match self.below(8) {
            0 | 1 => &steps,
            2 => &changing,
            _ if lively.is_empty() => &changing,
            _ => &lively,
        };
        pool.get(self.below(pool.len())).copied()
    }
}
