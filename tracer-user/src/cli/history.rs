//! What a recording shows up to an instant, and the machine as it is now: what answers are made from.
//!
//! Must not: know a verb.

use std::path::Path;

use tracer_model::{
    delta::Delta,
    findings::{Asked, Findings, Look},
    ids::{BootNs, Pid, Signal},
    state::Model,
};

use super::{
    at::{At, Limit},
    exit::ExpectedError,
    progress::Progress,
};
use crate::{
    capture::{boot_now, look},
    live::unix_now,
    trace_file::{Reader, Scope},
};

/// A state with what led to it.
pub struct History {
    /// The state at its end.
    pub model: Model,
    /// The rules after it.
    pub findings: Findings,
    /// Time 0.
    pub base: BootNs,
    /// What a look at the process shows, when it is the machine that is asked.
    pub look: Look,
    /// What the user must know of the recording.
    pub warnings: Vec<String>,
}

/// Reads a recording up to an instant. `asked`: whom the question is about, and which signal.
pub fn read(path: &Path, at: Option<At>, asked: Option<(Asked, Option<Signal>)>) -> Result<History, ExpectedError> {
    let mut reader = Reader::open(path)?;
    let (mut model, mut findings) = (reader.header().model(), Findings::new());
    if let Some((asked, signal)) = asked {
        findings.ask(asked, signal);
    }
    if let Scope::Tree { root, .. } = reader.header().scope {
        model.follow(root);
    }
    let base = reader.header().boot_ns;
    let mut limit = at.map(|at| Limit::new(at.resolve(unix_now()), reader.header()));
    let mut reached = limit.is_none();
    let (mut delta, mut progress) = (Delta::default(), Progress::of(path));
    while let Some(event) = reader.read() {
        progress.event();
        if limit.as_mut().is_some_and(|limit| limit.is_before(event)) {
            reached = true;
            // Nothing happened in between.
            if let Some(instant) = limit.and_then(|limit| limit.instant()) {
                findings.advance(instant.min(event.at), &model);
            }
            break;
        }
        findings.reach(event, &model);
        model.apply_into(event, &mut delta);
        findings.observe(event, &delta, &model);
        reached |= limit.is_some_and(|limit| limit.is_reached(event));
    }
    drop(progress);
    let mut warnings = reader.warnings().lines();
    if !reached {
        warnings.push("the recording ends before that instant: this is its end".to_owned());
    }
    Ok(History { model, findings, base, look: Look::default(), warnings })
}

/// Looks at the machine. `None`: no process has that number.
pub fn now(pid: Pid) -> Option<History> {
    let (events, look) = look::look(pid)?;
    let (mut model, mut findings) = (Model::new(), Findings::new());
    for event in &events {
        let delta = model.apply(event);
        findings.observe(event, &delta, &model);
    }
    Some(History { model, findings, base: boot_now(), look, warnings: Vec::new() })
}
