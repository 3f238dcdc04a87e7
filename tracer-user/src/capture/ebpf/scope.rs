//! Which processes are followed, and which events concern them: the probes' rule once more, for the events that came
//! before the probes knew whom to follow. Pure.
//!
//! Must not: touch a map, a clock or `/proc`.

use std::collections::{BTreeMap, BTreeSet};

use tracer_model::{
    event::{CLONE_THREAD, Call, Event, EventKind, RawTask, State, TtyRequest},
    ids::{BootNs, Pid, Seq},
};

/// A followed process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub pid: Pid,
    /// Its start: another start is another process.
    pub start: BootNs,
    /// Its children are followed too.
    pub children: bool,
}

/// What must be put into the probes' maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// For `FOLLOWED`.
    pub members: Vec<Member>,
    /// For `SESSIONS`: number, and start of the leader (0 when unknown).
    pub sessions: Vec<(u32, BootNs)>,
}

impl Additions {
    /// Nothing to add.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.sessions.is_empty()
    }

    /// These too.
    pub fn extend(&mut self, other: Self) {
        self.members.extend(other.members);
        self.sessions.extend(other.sessions);
    }
}

/// The followed processes and their sessions.
#[derive(Debug, Default)]
pub struct Scope {
    members: BTreeMap<Pid, Member>,
    sessions: BTreeMap<u32, BootNs>,
    /// Members whose end was read: an earlier record can be still to be read, that of their birth or of a child's.
    ended: Vec<RawTask>,
    /// ENTERs that were left out: their LEAVE must not refer to them.
    dropped_enters: BTreeSet<Seq>,
    /// Senders that hit a followed process with a call that does not name it, and when.
    touched: BTreeMap<RawTask, Seq>,
}

impl Scope {
    /// Begins to follow `root`: itself, its ancestors in its session (watched for what they do, not for their children),
    /// and its descendants, as `processes` shows them. `None` when it is not among them.
    pub fn begin<'a>(&mut self, processes: impl Iterator<Item = &'a State>, root: Pid) -> Option<Additions> {
        let table: BTreeMap<Pid, &State> = processes.map(|state| (state.id.pid, state)).collect();
        let mut additions = Additions::default();
        let first = *table.get(&root)?;
        self.add(first.id, true, &mut additions);
        let (mut below, mut session) = (first, first.session);
        while let Some(parent) = table.get(&below.parent.pid) {
            if parent.id.start != below.parent.start || parent.session != session || self.follows(parent.id) {
                break;
            }
            self.add(parent.id, false, &mut additions);
            (below, session) = (parent, parent.session);
        }
        // Children after their parents, however the numbers lie: repeat until a pass adds none.
        let mut before = 0;
        while before != additions.members.len() {
            before = additions.members.len();
            for state in table.values() {
                if self.follows_with_children(state.parent) && !self.follows_with_children(state.id) {
                    self.add(state.id, true, &mut additions);
                }
            }
        }
        for state in table.values() {
            if !self.follows(state.id) {
                continue;
            }
            let leader = table.get(&Pid(state.session.number)).map_or(BootNs(0), |leader| leader.id.start);
            self.add_session(state.session.number, leader, &mut additions);
        }
        Some(additions)
    }

    /// What the probes could not note by themselves when this event came before they followed its actor: a child, a
    /// session.
    #[must_use]
    pub fn missed(&mut self, event: &Event) -> Additions {
        let mut additions = Additions::default();
        let Some(subject) = &event.subject else { return additions };
        if let EventKind::NewTask { flags } = event.kind
            && flags & CLONE_THREAD == 0
            && self.follows_with_children(event.actor)
            && !self.follows(subject.id)
        {
            self.add(subject.id, true, &mut additions);
            self.add_session(subject.session.number, BootNs(0), &mut additions);
        }
        if let EventKind::Leave(leave) = &event.kind
            && leave.call == Call::Setsid
            && leave.ret > 0
            && self.follows(subject.id)
        {
            self.add_session(subject.session.number, subject.id.start, &mut additions);
        }
        additions
    }

    /// Takes note of one that the probes follow, and of its session.
    pub fn learn(&mut self, member: Member, session: u32) {
        self.members.insert(member.pid, member);
        self.add_session(session, BootNs(0), &mut Additions::default());
    }

    /// The followed process that this event says is no more.
    #[must_use]
    pub fn freed(&self, event: &Event) -> Option<u32> {
        let EventKind::Freed { task } = event.kind else { return None };
        (task.pid.0 == task.tid.0 && self.follows(task)).then_some(task.pid.0)
    }

    /// Takes note of births, new sessions and ends among the followed.
    pub fn observe(&mut self, event: &Event) {
        let _ = self.missed(event);
        if let EventKind::Freed { task } = event.kind
            && task.pid.0 == task.tid.0
        {
            self.ended.push(task);
        }
    }

    /// No record is left that is older than one that was observed: the rings are read in parts, one after the other, and a birth is
    /// in another one than an end.
    pub fn everything_is_read(&mut self) {
        for task in std::mem::take(&mut self.ended) {
            if self.follows(task) {
                self.members.remove(&task.pid);
            }
        }
    }

    /// Whether an event is wanted. `event.enter_emitted` is corrected when the ENTER was left out.
    pub fn admit(&mut self, event: &mut Event) -> bool {
        let wanted = self.concerns(event);
        if let EventKind::Leave(leave) = &mut event.kind {
            let entered = leave.entered.map(|(seq, _)| seq);
            if entered.is_some_and(|seq| self.dropped_enters.remove(&seq)) {
                leave.enter_emitted = false;
            }
        } else if matches!(event.kind, EventKind::Enter { .. }) && !wanted {
            self.dropped_enters.insert(event.seq);
        } else if matches!(event.kind, EventKind::SignalGenerated(_)) && wanted {
            self.touched.insert(event.actor, event.seq);
        }
        wanted
    }

    /// Whether this very process is followed.
    #[must_use]
    pub fn follows(&self, task: RawTask) -> bool {
        self.members.get(&task.pid).is_some_and(|member| member.start == task.start)
    }

    fn follows_with_children(&self, task: RawTask) -> bool {
        self.members.get(&task.pid).is_some_and(|member| member.start == task.start && member.children)
    }

    fn add(&mut self, task: RawTask, children: bool, additions: &mut Additions) {
        let member = Member { pid: task.pid, start: task.start, children };
        self.members.insert(task.pid, member);
        additions.members.push(member);
    }

    fn add_session(&mut self, session: u32, leader: BootNs, additions: &mut Additions) {
        if session != 0 && !self.sessions.contains_key(&session) {
            self.sessions.insert(session, leader);
            additions.sessions.push((session, leader));
        }
    }

    /// A followed process, or the leader of a session that has followed members.
    fn follows_subject(&self, subject: &State) -> bool {
        self.follows(subject.id) || subject.facts.session_leader && self.sessions.contains_key(&subject.id.pid.0)
    }

    /// Another process than the followed one has its number.
    fn reuses(&self, process: &State) -> bool {
        self.members.get(&Pid(process.id.tid.0)).is_some_and(|member| member.start != process.id.start)
    }

    fn concerns(&self, event: &Event) -> bool {
        let subject = event.subject.as_deref();
        let actor_or_subject =
            || self.follows(event.actor) || subject.is_some_and(|subject| self.follows_subject(subject));
        match &event.kind {
            EventKind::NewTask { flags } => {
                let reuses = |child: &State| self.reuses(child) || self.sessions.contains_key(&child.id.tid.0);
                self.follows(event.actor)
                    || subject.is_some_and(|child| self.follows(child.id) || flags & CLONE_THREAD == 0 && reuses(child))
            }
            EventKind::Exec { .. }
            | EventKind::Exit { .. }
            | EventKind::Dead
            | EventKind::Stopped { .. }
            | EventKind::Continued
            | EventKind::Attribute(_)
            | EventKind::SignalGenerated(_)
            | EventKind::SignalDelivered { .. } => actor_or_subject(),
            // Who has the number of one of them says that this one was reaped: the record of that may have been lost.
            EventKind::Snapshot { .. } => {
                subject.is_some_and(|subject| self.follows_subject(subject) || self.reuses(subject))
            }
            EventKind::Freed { task } => {
                self.follows(*task) || self.sessions.get(&task.pid.0).is_some_and(|leader| *leader == task.start)
            }
            EventKind::Enter { call, .. } => {
                self.follows(event.actor)
                    || subject.is_some_and(|subject| self.follows(subject.id))
                    || self.concerns_terminal(*call, subject)
                    || self.named(*call)
            }
            EventKind::Leave(leave) => {
                let entered = leave.entered.map(|(seq, _)| seq);
                let touched = self.touched.get(&event.actor).copied();
                self.follows(event.actor)
                    || subject.is_some_and(|subject| self.follows(subject.id))
                    || leave.waited.is_some_and(|waited| self.follows(waited.child))
                    || self.concerns_terminal(leave.call, subject)
                    || self.named(leave.call)
                    || leave.call.is_kill() && touched > entered && entered.is_some()
            }
            EventKind::SnapshotEnd { .. }
            | EventKind::ClockAnchor { .. }
            | EventKind::Gap(_)
            | EventKind::Inspected(_) => true,
        }
    }

    /// A call that can change the terminal, or its foreground process group, of a session that has followed members.
    fn concerns_terminal(&self, call: Call, caller: Option<&State>) -> bool {
        let in_session = || caller.is_some_and(|caller| self.sessions.contains_key(&caller.session.number));
        if let Call::TtyIoctl { request, arg, .. } = call {
            let changes = matches!(
                request,
                TtyRequest::SetControlling
                    | TtyRequest::SetForeground
                    | TtyRequest::GiveUp
                    | TtyRequest::Hangup
                    | TtyRequest::OpenPeer
            );
            // With argument 1 it takes the terminal of any session.
            return request == TtyRequest::SetControlling && arg == 1 || changes && in_session();
        }
        matches!(call, Call::Vhangup | Call::Open) && in_session()
    }

    /// A kill-family call that names a followed process, or the process group with its number.
    fn named(&self, call: Call) -> bool {
        let (Call::Kill { target: number, .. }
        | Call::Tkill { tid: number, .. }
        | Call::Tgkill { pid: number, .. }
        | Call::Sigqueue { pid: number, .. }
        | Call::Tgsigqueue { pid: number, .. }) = call
        else {
            return false;
        };
        number.unsigned_abs() > 1 && self.members.contains_key(&Pid(number.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests;
