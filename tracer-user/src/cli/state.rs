//! The state that `ps` and `tree` show: of the machine now, or of a recording at an instant.
//!
//! Must not: know how the state is shown.

use std::path::Path;

use tracer_model::{
    delta::Delta,
    event::{Coverage, Event, EventKind},
    ids::{Pid, SessionKey},
    state::{Model, Process},
};

use super::{
    at::{At, Limit},
    exit::{ExpectedError, say},
    progress::Progress,
};
use crate::{
    capture::procfs,
    live::unix_now,
    trace_file::{Place, Reader, Scope},
};

/// A state and whence it is.
pub struct Instant {
    /// The state.
    pub model: Model,
    /// Sessions that are shown unless all are asked for: those of the followed processes of a recording, that of the caller
    /// now. `None`: every session.
    pub sessions: Option<Vec<SessionKey>>,
    /// What the user must know of the recording.
    pub warnings: Vec<String>,
    /// The recording could be read whole.
    pub whole: bool,
}

impl Instant {
    /// Whether a process is shown unless all are asked for.
    pub fn shows(&self, process: &Process) -> bool {
        process.session.map_or(self.sessions.is_none(), |session| self.shows_session(session))
    }

    /// Whether a session is shown unless all are asked for.
    pub fn shows_session(&self, session: SessionKey) -> bool {
        self.sessions.as_ref().is_none_or(|sessions| sessions.contains(&session))
    }
}

/// Tells the user what a recording lacks.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        say(warning);
    }
}

/// The state of the machine, from `/proc`.
pub fn now() -> Instant {
    let mut model = Model::new();
    let mut events = procfs::snapshot(true);
    // Whoever sees pid 1 sees every process of the namespace (hidepid hides that of others first of all).
    let sees_all = events.iter().any(|event| event.subject.as_ref().is_some_and(|state| state.id.pid == Pid(1)));
    for event in &mut events {
        if let EventKind::SnapshotEnd { coverage, .. } = &mut event.kind
            && sees_all
        {
            *coverage = Coverage::All;
        }
        model.apply(event);
    }
    let caller = model.process_by_pid(Pid(std::process::id()));
    let sessions = caller.and_then(|process| process.session).map(|session| vec![session]);
    Instant { model, sessions, warnings: Vec::new(), whole: true }
}

/// The state of a recording, at its end or earlier.
pub fn of_recording(path: &Path, at: Option<At>) -> Result<Instant, ExpectedError> {
    let mut reader = Reader::open(path)?;
    let mut model = reader.header().model();
    let followed = matches!(reader.header().scope, Scope::Tree { .. });
    let mut limit = at.map(|at| Limit::new(at.resolve(unix_now()), reader.header()));
    let mut snapshot = Snapshot::default();
    // As if everything up to there had been read. An instant within the snapshot at the start has its rest, too.
    let suits = |place: &Place| place.snapshot_over && limit.is_none_or(|limit| !limit.is_passed(place));
    let mut too_early = None;
    if let Some((state, place)) = reader.begin_at(suits) {
        model = state;
        snapshot.ended = true;
        too_early = Some(false);
        if let Some(limit) = &mut limit {
            limit.go_to(&place);
        }
    }
    let (mut beyond, mut reached) = (false, true);
    let mut delta = Delta::default();
    let mut progress = Progress::of(path);
    while let Some(event) = reader.read() {
        progress.event();
        too_early.get_or_insert_with(|| limit.is_some_and(|limit| limit.precedes(event)));
        beyond = beyond || limit.as_mut().is_some_and(|limit| limit.is_before(event));
        reached = beyond || limit.is_none_or(|limit| limit.is_reached(event));
        if beyond && snapshot.is_over() {
            break;
        }
        if snapshot.take(event) || !beyond {
            model.apply_into(event, &mut delta);
        }
    }
    let mut warnings = reader.warnings().lines();
    let whole = warnings.is_empty();
    if !reached {
        warnings.push("the recording ends before that instant: this is its end".to_owned());
    }
    if too_early == Some(true) {
        warnings.push("the recording begins after that instant: what was there at its start is known".to_owned());
    }
    if reader.summary().events == 0 {
        warnings.push("the recording has no events".to_owned());
    }
    let sessions = followed.then(|| {
        let mut sessions: Vec<SessionKey> =
            model.processes().filter(|process| process.followed).filter_map(|process| process.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    });
    if beyond && sessions.as_ref().is_some_and(Vec::is_empty) {
        warnings.push("none of the followed processes was there at that instant; -e shows who was".to_owned());
    }
    Ok(Instant { model, sessions, warnings, whole })
}

/// The snapshot at the start of a recording. It takes some milliseconds and counts as a whole: an instant within it has the
/// processes that its rest shows.
#[derive(Debug, Default)]
struct Snapshot {
    begun: bool,
    ended: bool,
}

impl Snapshot {
    /// Whether the event belongs to it.
    fn take(&mut self, event: &Event) -> bool {
        if self.ended {
            return false;
        }
        let is_end = matches!(event.kind, EventKind::SnapshotEnd { .. });
        let is_part = is_end || matches!(event.kind, EventKind::Snapshot { .. });
        self.begun |= is_part;
        self.ended = is_end;
        is_part
    }

    fn is_over(&self) -> bool {
        self.ended
    }
}
