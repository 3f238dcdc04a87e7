//! Tests of the model as a whole: histories in the DSL with what must be said of them, and properties.
#![expect(clippy::format_push_string, reason = "short texts, written once per test")]

mod calls;
mod census;
mod dsl;
mod gaps;
mod groups;
mod intervals;
mod lifetimes;
mod properties;
mod reaps;
mod seeds;
mod sequences;
mod signals;
mod terminals;

use expect_test::Expect;

use crate::{
    dsl::{Names, parse},
    event::Event,
    query,
    state::Model,
};

/// A shell 10 on pts/0 that leads session 10, below init; 50 is a process elsewhere.
const SHELL: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot 50 tmux {pp=1 +leader}
    snapshot-end
";

/// The events of [`SHELL`] and then `text`.
fn history(text: &str) -> Vec<Event> {
    parse(&format!("{SHELL}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// What the model says of `text` after [`SHELL`].
#[expect(clippy::needless_pass_by_value, reason = "so that the calls read as `check(text, expect![…])`")]
fn check(text: &str, expect: Expect) -> Model {
    let mut model = Model::new();
    let mut names = Names::default();
    let mut said = String::new();
    for (index, event) in history(text).iter().enumerate() {
        let delta = model.apply(event);
        let line = names.delta(event, &delta);
        if let Some(line) = line.filter(|_| index >= 4) {
            said.push_str(&line);
            said.push('\n');
        }
    }
    expect.assert_eq(&said);
    model
}

/// The model after `text`.
fn model(text: &str) -> Model {
    let mut model = Model::new();
    for event in history(text) {
        model.apply(&event);
    }
    model
}

/// `ps -Ho` of a model, with the columns that ps lacks.
fn ps(model: &Model) -> String {
    let line = |row: query::PsRow| {
        let tty = row.tty.map_or_else(|| "?".into(), |tty| tty.to_string());
        let numbers = format!("{:<4} {:>4} {:>4} {:>4} {:>5}", row.pid, row.ppid, row.pgid, row.sid, row.tpgid);
        let name = String::from_utf8_lossy(&row.comm.0).into_owned();
        let marks = format!("{:?} {:?}", row.leader, row.orphaned);
        format!("{numbers} {tty:<5} {:<4} {:indent$}{name} ({marks})\n", row.state, "", indent = 2 * row.depth)
    };
    query::ps(model).into_iter().map(line).collect()
}
