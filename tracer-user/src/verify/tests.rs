//! What becomes of a difference, by hand: a model that knows less than the kernel, and looks at it after a while.

use std::time::Duration;

use tracer_model::{
    dsl,
    event::{Event, State},
    ids::{BootNs, Seq},
    state::Model,
};

use super::{
    Checker, Counts, Excuse, Mutation, Options, SETTLE_NS, Whose, comparison::Comparison, mutate::Mutator,
    too_many_in_flight,
};
use crate::{
    capture::{Item, Observation},
    sink::Check as _,
};

const MS: u64 = 1_000_000;

/// What is compared: a model, and looks at the processes of another one, which is the kernel.
struct Stage {
    model: Model,
    kernel: Vec<State>,
    comparison: Comparison,
    last: Seq,
    at: BootNs,
}

/// Why something was in flight.
fn excuses(counts: &Counts) -> Vec<Excuse> {
    counts.in_flight.keys().copied().collect()
}

/// The events of a history, each a microsecond after the other.
fn events(history: &str) -> Vec<Event> {
    dsl::parse(history).unwrap()
}

/// Every process as the last bundle of it shows it.
fn states(events: &[Event]) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    for state in events.iter().filter_map(|event| event.subject.clone()) {
        states.retain(|it| it.id.pid != state.id.pid);
        states.push(*state);
    }
    states
}

impl Stage {
    /// The model knows of `known`, the kernel is as it is after `all`.
    fn new(known: &str, all: &str) -> Self {
        let mut stage = Self {
            model: Model::new(),
            kernel: states(&events(all)),
            comparison: Comparison::new(Whose::Everyone),
            last: Seq(0),
            at: BootNs(0),
        };
        for event in events(known) {
            let delta = stage.model.apply(&event);
            stage.comparison.note(&event, &delta);
            (stage.last, stage.at) = (event.seq, event.at);
        }
        stage
    }

    /// Looks so long after the last event or look.
    fn look_after(&mut self, ns: u64) {
        self.at = BootNs(self.at.0 + ns);
        let numbered = self.kernel.iter().zip(self.last.0 + 1..).map(|(state, number)| Observation {
            since: Seq(number),
            seq: Seq(number),
            at: self.at,
            state: state.clone(),
            stop_known: true,
        });
        let observations: Vec<Observation> = numbered.collect();
        let since = self.last;
        self.last = observations.last().unwrap().seq;
        self.comparison.observed(since, self.last, observations);
        self.comparison.advance(Seq(self.last.0 + 1), &self.model);
    }

    fn counts(mut self) -> Counts {
        self.comparison.take_result().0
    }
}

/// Numbers that no process of this machine has (`PID_MAX_LIMIT` is 2^22): `/proc` is asked after who is missing.
const SHELL: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1}
    snapshot-end
    4999910: fork 4999911
";
const CALL: &str = "    4999911: > setpgid(0,0)\n";

/// The model knows that the job calls setpgid, and the kernel has moved it.
fn in_a_call() -> Stage {
    Stage::new(&format!("{SHELL}{CALL}"), &format!("{SHELL}    4999911: setpgid(0,0) = 0\n"))
}

#[test]
fn what_differs_inside_a_call_is_in_flight() {
    let mut stage = in_a_call();
    stage.look_after(MS);
    let counts = stage.counts();
    assert_eq!((excuses(&counts), counts.divergences, counts.quiet), (vec![Excuse::Call], 0, 0));
    assert!(counts.unsettled > 0, "{counts:?}");
}

#[test]
fn and_a_divergence_when_it_has_not_settled_after_100_ms() {
    let mut stage = in_a_call();
    stage.look_after(MS);
    stage.look_after(SETTLE_NS);
    assert_eq!(stage.comparison.take_result().0.divergences, 0, "100 ms are allowed");
    let mut stage = in_a_call();
    stage.look_after(MS);
    stage.look_after(SETTLE_NS + 1);
    let counts = stage.counts();
    assert!(counts.divergences > 0 && counts.unsettled == 0, "{counts:?}");
    assert_eq!(counts.quiet, 0, "a call is open: it may be on its way for long on a busy machine");
}

#[test]
fn what_differs_when_nothing_is_under_way_is_a_divergence_at_once() {
    let mut stage = Stage::new(SHELL, &format!("{SHELL}    4999911: setpgid(0,0) = 0\n"));
    stage.look_after(MS);
    let counts = stage.counts();
    assert!(counts.divergences > 0 && !excuses(&counts).contains(&Excuse::Call), "{counts:?}");
}

#[test]
fn nothing_is_in_flight_at_a_quiet_point() {
    let at_terminal = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1 tty=pts/0 fg=4999910}
        snapshot-end
    ";
    let hung_up = format!("{at_terminal}    4999910: takes SIGWINCH 0 {{tty=-}}\n");
    // A hangup has no ENTER: for a moment it may be seen before its record.
    let mut stage = Stage::new(at_terminal, &hung_up);
    stage.look_after(MS);
    let counts = stage.counts();
    assert_eq!((counts.divergences, counts.quiet), (0, 0));
    assert!(counts.in_flight.contains_key(&Excuse::Record));
    // When nothing has happened for 10 ms that moment is over.
    let mut stage = Stage::new(at_terminal, &hung_up);
    stage.look_after(20 * MS);
    let counts = stage.counts();
    assert!(counts.divergences > 0 && counts.in_flight.is_empty(), "{counts:?}");
    assert_eq!(counts.quiet, 1);
    // So it is for what was in flight before.
    let mut stage = Stage::new(at_terminal, &hung_up);
    stage.look_after(MS);
    stage.look_after(20 * MS);
    assert!(stage.counts().divergences > 0);
}

#[test]
fn while_somebody_is_being_forked_it_is_not_quiet_and_not_for_ever() {
    let forked = format!("{SHELL}    4999910: fork 4999912\n");
    let mut stage = Stage::new(SHELL, &forked);
    stage.look_after(20 * MS);
    let counts = stage.comparison.take_result().0;
    assert_eq!((counts.divergences, counts.quiet, excuses(&counts)), (0, 0, vec![Excuse::Record]), "{counts:?}");
    stage.look_after(SETTLE_NS + 1);
    let counts = stage.comparison.take_result().0;
    assert!(counts.divergences > 0 && counts.quiet == 0, "100 ms are allowed: {counts:?}");
    // It is told once, and keeps nothing else from being compared at a quiet point.
    for _ in 0..2 {
        stage.look_after(SETTLE_NS + 1);
        let counts = stage.comparison.take_result().0;
        assert_eq!((counts.divergences, counts.quiet), (0, 1), "{counts:?}");
    }
    // Who is a zombie has been forked.
    let ended = format!("{forked}    4999912: exit 0\n    4999912: dead\n");
    let mut stage = Stage::new(SHELL, &ended);
    stage.look_after(20 * MS);
    let counts = stage.counts();
    assert!(counts.divergences > 0 && counts.quiet == 1, "{counts:?}");
}

#[test]
fn after_a_loss_a_second_is_allowed() {
    let lost = format!("{SHELL}    gap 3 sequence 4000 5000\n");
    let all = format!("{SHELL}    4999911: setpgid(0,0) = 0\n");
    for (later, diverges) in [(1_000_000_000, false), (1_000_000_001, true)] {
        let mut stage = Stage::new(&lost, &all);
        stage.look_after(20 * MS);
        stage.look_after(later);
        let counts = stage.counts();
        assert!(counts.in_flight.contains_key(&Excuse::Loss), "{counts:?}");
        assert_eq!((counts.divergences > 0, counts.quiet), (diverges, 0), "{counts:?}");
    }
}

#[test]
fn a_process_that_is_gone_and_whose_reap_would_be_seen_diverges() {
    let zombie = format!("{SHELL}    4999911: exit 0\n    4999911: dead\n");
    let gone = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1}
        snapshot-end
    ";
    let mut stage = Stage::new(&zombie, gone);
    stage.look_after(MS);
    let counts = stage.counts();
    // No call of bash was seen yet: its wait may be one that is not.
    assert_eq!((counts.divergences, excuses(&counts)), (0, vec![Excuse::Release]), "{counts:?}");
    let mut stage = Stage::new(&format!("{zombie}    4999910: setpgid(0,0) = 0\n"), gone);
    stage.look_after(MS);
    let counts = stage.counts();
    assert!(counts.divergences > 0 && !excuses(&counts).contains(&Excuse::Release), "{counts:?}");
}

#[test]
fn a_zombie_that_stays_keeps_nothing_from_being_quiet_and_one_that_goes_does() {
    let zombie = format!("{SHELL}    4999911: exit 0\n    4999911: dead\n");
    // No call of bash was seen yet: its wait may be one that is not, and would be under way.
    let mut stage = Stage::new(&zombie, &zombie);
    stage.look_after(20 * MS);
    let counts = stage.counts();
    assert_eq!((counts.quiet, counts.divergences), (1, 0), "{counts:?}");
    let gone = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1}
        snapshot-end
    ";
    let mut stage = Stage::new(&zombie, gone);
    stage.look_after(20 * MS);
    let counts = stage.counts();
    assert_eq!((counts.quiet, counts.divergences, excuses(&counts)), (0, 0, vec![Excuse::Release]), "{counts:?}");
}

#[test]
fn the_end_waits_for_a_quiet_point_and_not_for_ever() {
    let options =
        Options { whose: Whose::Everyone, every: Duration::ZERO, rest: Duration::from_millis(5), mutation: None };
    let mut checker = Checker::new(&options, Box::new(|_| Ok(())));
    let mut stage = Stage::new(SHELL, SHELL);
    let begun = stage.at;
    assert!(checker.is_to_go_on(begun), "nothing was compared yet");
    assert!(checker.is_to_go_on(BootNs(begun.0 + 4 * MS)));
    assert!(!checker.is_to_go_on(BootNs(begun.0 + 5 * MS)), "5 ms are allowed");
    stage.look_after(20 * MS);
    checker.comparison = stage.comparison;
    assert!(!checker.is_to_go_on(begun), "a quiet point was compared");
}

#[test]
fn to_a_tracer_the_end_of_a_stop_shows_itself_when_the_process_runs() {
    let stopped = format!("{SHELL}    4999911: stops SIGSTOP\n");
    let continued = format!("{stopped}    4999910: SIGCONT -> 4999911\n");
    for (by_tracer, divergences) in [(true, 0), (false, 1)] {
        let mut stage = Stage::new(&stopped, &continued);
        if by_tracer {
            stage.model.seen_by_tracer();
        }
        stage.look_after(MS);
        let counts = stage.comparison.take_result().0;
        assert_eq!((counts.divergences, counts.in_flight.contains_key(&Excuse::Stop)), (divergences, by_tracer));
        stage.look_after(SETTLE_NS + 1);
        assert!(!by_tracer || stage.counts().divergences > 0, "100 ms are allowed");
    }
}

/// A snapshot that has the job in its shell's group, where the kernel has it in one of its own.
const WRONG: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1}
    snapshot 4999911 sleep {pg=4999910 sid=4999910 pp=4999910}
    snapshot-end
";
const RIGHT: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 4999910 bash {pg=4999910 sid=4999910 +leader pp=1}
    snapshot 4999911 sleep {pg=4999911 sid=4999910 pp=4999910}
    snapshot-end
";

#[test]
fn what_sets_the_state_is_compared_with_what_is_seen_by_another_look() {
    // At the begin, and after a loss: neither is right because it was said.
    let again = WRONG.replace("snapshot-end", "snapshot-end from=6");
    for known in [WRONG.to_owned(), format!("{RIGHT}    gap 3 sequence 1000 2000\n{again}")] {
        let mut stage = Stage::new(&known, RIGHT);
        stage.look_after(20 * MS);
        let counts = stage.counts();
        assert!(counts.divergences > 0 && !excuses(&counts).contains(&Excuse::Loss), "{counts:?}");
    }
}

#[test]
fn what_sets_the_state_is_no_comparison() {
    let mut stage = Stage::new(RIGHT, RIGHT);
    let counts = stage.comparison.take_result().0;
    assert_eq!((counts.checks, counts.entities(), counts.facts), (0, 0, 0));
    stage.look_after(20 * MS);
    assert!(stage.counts().entities() > 0);
}

#[test]
fn more_than_a_hundredth_in_flight_is_too_much_unless_records_were_lost() {
    let counts = |excuse, in_flight| Counts {
        processes: 900,
        groups: 60,
        sessions: 30,
        terminals: 10,
        in_flight: [(excuse, in_flight)].into(),
        ..Counts::default()
    };
    assert!(!too_many_in_flight(&counts(Excuse::Call, 10)) && too_many_in_flight(&counts(Excuse::Call, 11)));
    assert!(!too_many_in_flight(&counts(Excuse::Loss, 500)));
}

/// The child's own call begins when its parent's has moved it and not returned.
#[test]
fn what_the_begin_of_another_call_shows_is_still_swallowed() {
    let history = format!(
        "{SHELL}
        4999910: > setpgid(4999911,4999911)
        4999911: > setpgid(0,0) {{pg=4999911}}
        4999910: < setpgid(4999911,4999911) = 0
        "
    );
    let mut mutator = Mutator::new(Some(Mutation::Setpgid));
    for event in events(&history) {
        mutator.pass(Item::Event(event), true);
    }
    let swallowed = mutator.swallowed();
    assert!(swallowed.as_ref().is_some_and(|it| it.contains("the setpgid of 4999911")), "{swallowed:?}");
}
