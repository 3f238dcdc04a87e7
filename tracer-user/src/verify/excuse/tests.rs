//! Each change that nothing announces explains what it shows in, and nothing else.

use std::collections::BTreeSet;

use tracer_model::{
    compare::{Difference, Entity, Fact, Value},
    dsl,
    ids::{Pgid, Pid, RawTty, Sid},
    state::Model,
};

use super::{Excuse, RECORDS, of_process, unannounced};

/// A shell 10 at pts/0 with a stopped job 20 and one that has ended and is not reaped, 30; 50 leads a session without a terminal, and
/// has a child 60.
const HISTORY: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot 50 daemon {pp=1 +leader}
    snapshot-end
    10: fork 20
    20: setpgid(0,0) = 0
    10: fork 30
    30: exit 0
    30: dead
    50: fork 60
";

fn model() -> Model {
    let mut model = Model::new();
    for event in dsl::parse(HISTORY).unwrap() {
        model.apply(&event);
    }
    model
}

const fn of(pid: u32) -> Entity {
    Entity::Process(Pid(pid))
}

const GROUP: Entity = Entity::Group(Pgid(10));
const SESSION: Entity = Entity::Session(Sid(10));
const DAEMONS: Entity = Entity::Session(Sid(50));
const TTY: RawTty = RawTty { major: 136, minor: 0, instance: 0 };
const TERMINAL: Entity = Entity::Terminal(TTY);
const NONE: Value = Value::None;
const YES: Value = Value::Is(true);
const NO: Value = Value::Is(false);

const fn pid(number: u32) -> Value {
    Value::Number(number)
}

const FORK: &str = "a fork";
const OPEN: &str = "an open by which";
const HANGUP: &str = "a hangup when";
const CONTINUED: &str = "the SIGCONT of a hangup";

/// Whose difference in what, what the model has and what the kernel, and the row that it is of.
#[rustfmt::skip]
const CASES: &[(Entity, Fact, Value, Value, Option<&str>)] = &[
    (of(99), Fact::Existence, NONE, pid(99), Some(FORK)),
    // The number of a zombie that has been reaped.
    (of(30), Fact::Existence, NONE, pid(30), Some(FORK)),
    (of(20), Fact::Existence, pid(20), NONE, None),
    (GROUP, Fact::Members, NONE, pid(99), Some(FORK)),
    (SESSION, Fact::Members, NONE, pid(99), Some(FORK)),
    (TERMINAL, Fact::Members, NONE, pid(99), Some(FORK)),
    (GROUP, Fact::Members, NONE, pid(30), Some(FORK)),
    // Who was there before has moved, and a member that is missing was not forked.
    (GROUP, Fact::Members, NONE, pid(20), None),
    (SESSION, Fact::Members, NONE, pid(60), None),
    (GROUP, Fact::Members, pid(20), NONE, None),
    // A fork founds nothing.
    (GROUP, Fact::Existence, NONE, pid(10), None),
    (SESSION, Fact::Existence, NONE, pid(10), None),
    (of(99), Fact::Group, NONE, pid(99), None),
    (of(20), Fact::Parent, pid(10), pid(1), None),

    (of(50), Fact::Terminal, NONE, Value::Tty(TTY), Some(OPEN)),
    (DAEMONS, Fact::Terminal, NONE, Value::Tty(TTY), Some(OPEN)),
    (TERMINAL, Fact::Session, NONE, pid(50), Some(OPEN)),
    (TERMINAL, Fact::Members, NONE, pid(50), Some(OPEN)),
    // Only who leads a session acquires one, and not a second one.
    (of(60), Fact::Terminal, NONE, Value::Tty(TTY), None),
    (TERMINAL, Fact::Members, NONE, pid(60), None),
    (of(10), Fact::Terminal, Value::Tty(RawTty { minor: 7, ..TTY }), Value::Tty(TTY), None),
    (TERMINAL, Fact::Session, pid(10), pid(50), None),

    (of(10), Fact::Terminal, Value::Tty(TTY), NONE, Some(HANGUP)),
    (of(20), Fact::Terminal, Value::Tty(TTY), NONE, Some(HANGUP)),
    (SESSION, Fact::Terminal, Value::Tty(TTY), NONE, Some(HANGUP)),
    (TERMINAL, Fact::Existence, pid(10), NONE, Some(HANGUP)),
    (TERMINAL, Fact::Session, pid(10), NONE, Some(HANGUP)),
    (TERMINAL, Fact::Members, pid(20), NONE, Some(HANGUP)),
    (GROUP, Fact::Existence, pid(10), NONE, None),
    (SESSION, Fact::Existence, pid(10), NONE, None),
    // Each change of the foreground group is a call's, which is announced.
    (of(10), Fact::Foreground, pid(10), pid(20), None),
    (TERMINAL, Fact::Foreground, pid(10), pid(20), None),
    (TERMINAL, Fact::Foreground, NONE, pid(20), None),
    (TERMINAL, Fact::ForegroundExists, YES, NO, None),

    (of(10), Fact::Stopped, YES, NO, Some(CONTINUED)),
    // Of a hangup nobody else hears in this way, and nobody stops.
    (of(20), Fact::Stopped, YES, NO, None),
    (of(10), Fact::Stopped, NO, YES, None),
    (of(10), Fact::Zombie, YES, NO, None),
];

#[test]
fn a_change_that_nothing_announces_explains_what_it_shows_in_and_nothing_else() {
    let all = model();
    for &(whose, fact, model, kernel, expected) in CASES {
        let difference = Difference { fact, model, kernel };
        let row = unannounced(&all, whose, difference).map(|row| row.what);
        let is_it = match (row, expected) {
            (Some(row), Some(expected)) => row.starts_with(expected),
            (row, expected) => row.is_none() && expected.is_none(),
        };
        assert!(is_it, "{whose}: {difference:?} is {row:?} and not {expected:?}");
    }
}

#[test]
fn every_row_is_tried_and_says_where_the_kernel_does_it() {
    let tried: BTreeSet<&str> = CASES.iter().filter_map(|case| case.4).collect();
    for row in RECORDS {
        assert!(tried.iter().any(|it| row.what.starts_with(it)), "nothing tries {:?}", row.what);
        assert!(row.kernel.contains(".c, "), "{row:?}");
    }
}

#[test]
fn a_record_is_awaited_unless_an_interval_is_open() {
    let mut model = model();
    let continued = Difference { fact: Fact::Stopped, model: YES, kernel: NO };
    assert_eq!(of_process(&model, Pid(10), continued), Some(Excuse::Record));
    let calls = format!("{HISTORY}    50: > kill(10,SIGCONT)\n");
    let call = dsl::parse(&calls).unwrap().pop().unwrap();
    model.apply(&call);
    assert_eq!(of_process(&model, Pid(10), continued), Some(Excuse::Call));
}
