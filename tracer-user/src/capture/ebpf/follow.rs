//! Choosing whom to follow while the probes are running.
//!
//! Must not: decide what concerns the followed (that is `scope.rs`).

use aya::maps::{HashMap as BpfMap, MapData, MapError};
use tracer_common::control::{FOLLOW_CHILDREN, SCOPE_FOLLOWED};
use tracer_model::{
    event::{Event, EventKind, State},
    ids::{Pid, Seq},
};

use super::{
    rings::AT_MOST,
    scope::{Additions, Member, Scope},
    source::{EbpfSource, Read},
};
use crate::capture::{CaptureError, sys};

/// Rounds of looking for births that were missed. Each finds only what was born while the one before was at work, and a
/// process that forks faster than a map can be written is not to keep us here for ever.
const ROUNDS: usize = 16;

impl EbpfSource {
    /// Follows these processes with all their descendants, those that exist and those to come. Their ancestors in the same
    /// session are watched too. From then on the probes emit, and [`crate::capture::Source::poll`] yields, what concerns
    /// these; what was read before is judged by the same rule. To be called once, in follow mode.
    pub fn follow(&mut self, roots: &[Pid]) -> Result<(), CaptureError> {
        if !self.proc_has_our_numbers {
            return Err(CaptureError::InnerPidNamespace);
        }
        self.read();
        self.pending.make_contiguous().sort_by_key(Read::seq);
        let mut scope = Scope::default();
        let mut additions = Additions::default();
        for &root in roots {
            let found = scope.begin(self.pending.iter().filter_map(Read::subject), root);
            additions.extend(found.ok_or(CaptureError::NoSuchProcess(root.0))?);
        }
        // A child that was forked before its parent was in the map is in a record, once the programs that were running are
        // through; one that was forked later is in the map.
        for _ in 0..ROUNDS {
            self.insert(&additions)?;
            sys::wait_for_programs();
            self.read();
            additions = Additions::default();
            for event in self.pending.iter().filter_map(Read::event) {
                additions.extend(scope.missed(event));
            }
            if additions.is_empty() {
                break;
            }
        }
        self.control.set_scope(SCOPE_FOLLOWED);
        sys::wait_for_programs();
        // What was emitted of everybody is judged in the order in which it happened, so that all of it is needed.
        for _ in 0..ROUNDS {
            if !self.read_some(AT_MOST) {
                break;
            }
        }
        self.unscoped_until = self.control.last_seq();
        self.pending.make_contiguous().sort_by_key(Read::seq);
        self.forget_the_freed(&scope)?;
        self.scope = Some(scope);
        Ok(())
    }

    /// Whether an event is wanted.
    pub(super) fn admit(&mut self, event: &mut Event) -> bool {
        let snapshot = matches!(event.kind, EventKind::Snapshot { .. });
        // The record of its birth may have been lost: the probes follow it all the same.
        let lost =
            if snapshot { event.subject.as_ref().and_then(|state| self.followed_by_probes(state)) } else { None };
        let Some(scope) = &mut self.scope else { return true };
        if let (Some(member), Some(state)) = (lost, &event.subject) {
            scope.learn(member, state.session.number);
        }
        let entered = if let EventKind::Leave(leave) = &event.kind { leave.entered.map(|(seq, _)| seq) } else { None };
        // The probes judged by their own sets what came later, except the return from a call whose ENTER they emitted when
        // they emitted everything.
        let unscoped = event.seq <= self.unscoped_until || entered.is_some_and(|seq| seq <= self.unscoped_until);
        let wanted = if unscoped || snapshot { scope.admit(event) } else { true };
        scope.observe(event);
        wanted
    }

    /// A process that the probes follow, and of which the scope does not know.
    fn followed_by_probes(&mut self, state: &State) -> Option<Member> {
        if self.scope.as_ref().is_none_or(|scope| scope.follows(state.id)) {
            return None;
        }
        let followed: BpfMap<&mut MapData, u32, [u64; 2]> = map(self, "FOLLOWED").ok()?;
        let [start, flags] = followed.get(&state.id.pid.0, 0).ok()?;
        let (pid, children) = (state.id.pid, flags & FOLLOW_CHILDREN != 0);
        (start == state.id.start.0).then_some(Member { pid, start: state.id.start, children })
    }

    fn insert(&mut self, additions: &Additions) -> Result<(), CaptureError> {
        let mut followed: BpfMap<&mut MapData, u32, [u64; 2]> = map(self, "FOLLOWED")?;
        for member in &additions.members {
            let flags = if member.children { FOLLOW_CHILDREN } else { 0 };
            followed.insert(member.pid.0, [member.start.0, flags], 0).map_err(|error| refused("FOLLOWED", &error))?;
        }
        let mut sessions: BpfMap<&mut MapData, u32, u64> = map(self, "SESSIONS")?;
        for &(session, leader) in &additions.sessions {
            sessions.insert(session, leader.0, 0).map_err(|error| refused("SESSIONS", &error))?;
        }
        Ok(())
    }

    /// A process that was freed before it was put into the map would stay there.
    fn forget_the_freed(&mut self, scope: &Scope) -> Result<(), CaptureError> {
        let freed: Vec<u32> =
            self.pending.iter().filter_map(Read::event).filter_map(|event| scope.freed(event)).collect();
        let mut followed: BpfMap<&mut MapData, u32, [u64; 2]> = map(self, "FOLLOWED")?;
        for pid in freed {
            // It may be gone from the map already.
            let _ = followed.remove(&pid);
        }
        Ok(())
    }
}

impl Read {
    fn seq(&self) -> u64 {
        match self {
            Self::Event { event, .. } => event.seq.0 * 2 + 1,
            Self::Skip(seq) => seq.0 * 2 + 1,
            // Right before what has its number.
            Self::Unnumbered(event) => event.seq.0 * 2,
        }
    }

    /// The number that its record bears, if it is of one.
    pub(super) fn number(&self) -> Option<Seq> {
        match self {
            Self::Event { event, .. } => Some(event.seq),
            Self::Skip(seq) => Some(*seq),
            Self::Unnumbered(_) => None,
        }
    }

    fn event(&self) -> Option<&Event> {
        match self {
            Self::Event { event, .. } => Some(event),
            Self::Skip(_) | Self::Unnumbered(_) => None,
        }
    }

    fn subject(&self) -> Option<&State> {
        self.event().and_then(|event| event.subject.as_deref())
    }
}

/// A hash map of the object.
fn map<'a, K: aya::Pod, V: aya::Pod>(
    source: &'a mut EbpfSource,
    name: &'static str,
) -> Result<BpfMap<&'a mut MapData, K, V>, CaptureError> {
    let map = source.loaded.ebpf.map_mut(name).ok_or_else(|| CaptureError::Object(format!("it has no map {name}")))?;
    BpfMap::try_from(map).map_err(|error| CaptureError::Object(format!("{name}: {error}")))
}

fn refused(map: &str, error: &MapError) -> CaptureError {
    CaptureError::Probe { what: format!("put a process into the map {map}"), message: error.to_string() }
}
