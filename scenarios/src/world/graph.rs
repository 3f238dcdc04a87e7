//! Every state of the reference within a number of calls, and the calls that lead from one to another.

use std::collections::BTreeMap;

use tracer_model::reference::kernel::{Kernel, Step, Task, Tty};

use super::Rules;

/// Number; parent, group and session; bits; terminal; the call that is made again.
type TaskShape = (u32, [u32; 3], u32, Option<u32>, Option<i32>);

/// What decides what comes next: all of the machine but its history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    last_number: u32,
    tasks: Vec<TaskShape>,
    ttys: Vec<(u32, u32, u32)>,
}

impl Shape {
    /// That of a machine. Numbers are never used again here, so that a number says which group or session.
    #[must_use]
    pub fn of(kernel: &Kernel) -> Self {
        let bits = |task: &Task| {
            let bits = [
                task.leader,
                task.execed,
                task.stopped,
                task.zombie,
                task.ignores_ttou,
                task.hup_pending,
                task.cont_pending,
            ];
            bits.iter().fold(0, |all, bit| all << 1 | u32::from(*bit))
        };
        let task = |(pid, task): (&u32, &Task)| {
            let numbers = [task.parent, task.pgrp.number, task.session.number];
            (*pid, numbers, bits(task), task.tty, task.restarts)
        };
        let tty = |(index, tty): (&u32, &Tty)| (*index, tty.session, tty.foreground.number);
        Self {
            last_number: kernel.last_number,
            tasks: kernel.tasks.iter().map(task).collect(),
            ttys: kernel.ttys.iter().map(tty).collect(),
        }
    }
}

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// The state before and the call that led here first; none for the initial state.
    pub from: Option<(usize, Step)>,
    /// Calls that change something, and what they lead to. Empty where the number of calls ends.
    pub changes: Vec<(Step, usize)>,
    /// Its calls are explored.
    pub inner: bool,
}

/// The graph.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Its rules.
    pub rules: Rules,
    /// Its states; the first is the initial one.
    pub states: Vec<State>,
    index: BTreeMap<Shape, usize>,
}

impl Graph {
    /// Explores.
    #[must_use]
    pub fn explore(rules: Rules) -> Self {
        let initial = rules.kernel();
        let mut graph = Self { rules, states: Vec::new(), index: BTreeMap::new() };
        graph.place(&initial, None);
        let mut frontier = vec![(0, initial)];
        for _ in 0..rules.depth {
            let mut next = Vec::new();
            for (from, kernel) in frontier {
                graph.leave(from, &kernel, &mut next);
            }
            frontier = next;
        }
        graph
    }

    /// Every call of one state; `next` gets the states that are new.
    fn leave(&mut self, from: usize, kernel: &Kernel, next: &mut Vec<(usize, Kernel)>) {
        let here = Shape::of(kernel);
        let mut changes = Vec::new();
        for step in self.rules.steps(kernel) {
            let mut after = kernel.clone();
            after.events.clear();
            after.released.clear();
            after.step(step);
            if Shape::of(&after) == here {
                continue;
            }
            let known = self.states.len();
            let to = self.place(&after, Some((from, step)));
            changes.push((step, to));
            if to == known {
                next.push((to, after));
            }
        }
        if let Some(state) = self.states.get_mut(from) {
            (state.changes, state.inner) = (changes, true);
        }
    }

    fn place(&mut self, kernel: &Kernel, from: Option<(usize, Step)>) -> usize {
        let place = *self.index.entry(Shape::of(kernel)).or_insert(self.states.len());
        if place == self.states.len() {
            self.states.push(State { from, changes: Vec::new(), inner: false });
        }
        place
    }

    /// States, and calls that change something.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.states.len(), self.states.iter().map(|state| state.changes.len()).sum())
    }

    /// The shortest way from the initial state.
    #[must_use]
    pub fn way(&self, mut to: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some((from, step)) = self.states.get(to).and_then(|state| state.from) {
            steps.push(step);
            to = from;
        }
        steps.reverse();
        steps
    }
}
