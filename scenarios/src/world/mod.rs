//! The small world: two or three processes of one session on one terminal, everything that they can call, in every order, on
//! the kernel that runs and in the reference ([`tracer_model::reference::kernel`]), with the model beside.
//!
//! ```text
//! initial state: process 2 leads a session with a terminal; its parent, the driver, stands for init
//!
//! graph      every state of the reference within a number of calls, and which call leads where
//! tour       walks on that graph, for real: each call of each state once, what it returns and all that /proc shows compared
//! walks      calls at random, without regard for the graph: whether a state is all that decides what comes next
//! traced     such walks under a tracer, with what /proc showed after each call
//! ```
//!
//! Processes are named by the order of their births, which is the only symmetry that is used: two interleavings that differ in
//! numbers alone are one. States that the reference holds equal are visited once for each call, whatever led there: that
//! loses nothing if what the kernel does depends on nothing but the state that is compared, which the walks try.

mod graph;
mod machine;
mod tour;
pub mod traced;
mod worker;

use anyhow::{Context as _, Result, ensure};
use tracer_model::reference::kernel::{Kernel, Machine, Step};

use crate::kit::process;

pub use graph::Graph;
pub use tour::{Outcome, tour, walks};
pub use worker::{NAME as WORKER, after_exec};

/// The terminal of the world.
const TERMINAL: u32 = 0;

/// Numbers are never used again.
const MACHINE: Machine = Machine { new: true, reuses_numbers: false };

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Processes that are ever born.
    pub births: u32,
    /// Calls after the initial state.
    pub depth: u32,
    /// SIGTTOU is ignored; else a call from the background stops its caller's group.
    pub ignore_ttou: bool,
    /// Also SIGSTOP and SIGCONT to each other, the acquisition and the loss of the terminal, and siblings by `CLONE_PARENT`.
    pub more: bool,
}

impl Rules {
    /// The initial state.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        let mut kernel = Kernel::new(MACHINE);
        for step in self.prologue() {
            kernel.step(step);
        }
        kernel
    }

    /// What leads to it.
    #[must_use]
    pub fn prologue(&self) -> Vec<Step> {
        let mut steps = vec![
            Step::Fork { who: 1, clone_parent: false },
            Step::Setsid { who: 2 },
            Step::AcquireTty { who: 2, tty: TERMINAL },
        ];
        if self.ignore_ttou {
            steps.push(Step::IgnoreTtou { who: 2 });
        }
        steps
    }

    /// Everything that somebody can call in this state.
    #[must_use]
    pub fn steps(&self, kernel: &Kernel) -> Vec<Step> {
        let able = (2..=kernel.last_number).filter(|pid| kernel.can_act(*pid));
        able.flat_map(|who| self.steps_of(kernel, who)).collect()
    }

    fn steps_of(&self, kernel: &Kernel, who: u32) -> Vec<Step> {
        let everybody = || 1..=kernel.last_number;
        let born = || 2..=kernel.last_number;
        let mut steps = vec![Step::Setsid { who }, Step::Exit { who, quick: false }];
        if kernel.last_number <= self.births {
            steps.push(Step::Fork { who, clone_parent: false });
            if self.more {
                steps.push(Step::Fork { who, clone_parent: true });
            }
        }
        if !kernel.tasks.get(&who).is_some_and(|task| task.execed) {
            steps.push(Step::Exec { who });
        }
        for pid in everybody().map(u32::cast_signed) {
            let groups = everybody().map(u32::cast_signed).chain([-1]);
            steps.extend(groups.map(|pgid| Step::Setpgid { who, pid, pgid }));
        }
        steps.push(Step::Setpgid { who, pid: 0, pgid: 0 });
        steps.extend(born().map(|child| Step::Wait { who, child }));
        let foreground = everybody().map(u32::cast_signed).chain([0, -1]);
        steps.extend(foreground.map(|pgid| Step::SetForeground { who, pgid }));
        if self.more {
            steps.extend([Step::AcquireTty { who, tty: TERMINAL }, Step::GiveTtyUp { who }]);
            let others = born().filter(|target| *target != who && kernel.tasks.contains_key(target));
            for target in others {
                steps.extend([Step::Stop { who, target }, Step::Continue { who, target }]);
            }
        }
        steps
    }
}

/// `scenarios world [births N] [depth N] [stop] [more] [walks N]`: explores, says what was compared, and fails when something
/// differs.
pub fn run(words: &[&str]) -> Result<()> {
    as_init(|| explore(words))
}

/// Runs a driver where nothing outside is in its session, as init is.
fn as_init(body: impl FnOnce() -> Result<()>) -> Result<()> {
    process::in_session("world-driver", || {
        // It takes as long as it takes.
        nix::unistd::alarm::cancel();
        body()
    })
}

fn explore(words: &[&str]) -> Result<()> {
    let mut rules = Rules { births: 3, depth: 4, ignore_ttou: true, more: false };
    let (mut number_of_walks, mut words) = (200, words.iter());
    let number = |word: Option<&&str>| word.context("a number")?.parse::<u32>().context("a number");
    while let Some(word) = words.next() {
        match *word {
            "births" => rules.births = number(words.next())?,
            "depth" => rules.depth = number(words.next())?,
            "walks" => number_of_walks = number(words.next())?,
            "stop" => rules.ignore_ttou = false,
            "more" => rules.more = true,
            other => anyhow::bail!("{other}? world [births N] [depth N] [walks N] [stop] [more]"),
        }
    }
    let graph = Graph::explore(rules);
    let (states, changes) = graph.size();
    say(&format!("{rules:?}: {states} states, {changes} calls that change something"))?;
    let toured = tour(&graph)?;
    say(&format!("every call in every state: {toured}"))?;
    let walked = walks(&rules, number_of_walks)?;
    say(&format!("at random: {walked}"))?;
    let differences = toured.differences.len() + walked.differences.len();
    ensure!(differences == 0, "{differences} differences");
    Ok(())
}

fn say(line: &str) -> Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").context("stdout")
}
