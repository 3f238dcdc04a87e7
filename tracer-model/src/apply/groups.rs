//! Process groups and sessions: births, moves, ends.
//!
//! A group ends when its last member is reaped or moves away, never at an exit; a session when its last group ends
//! (kernel/pid.c, `__change_pid`). Must not decide whether a group is orphaned (`orphan`).

use super::Cx;
use crate::{
    delta::{Anomaly, Bounds, Change, GroupBirth, GroupEnd, LeaderState, OrphanCause, ReapEvidence, UnseenChange},
    event::{Call, EXIT_DEAD, EventKind, RawId, State},
    ids::{BootNs, PgrpKey, ProcKey, SessionKey, Tid},
    state::{Model, OpenCall, Phase, Process, ProcessGroup, Session, recent, same_ino},
};

/// Why a bundle shows another group than was known.
#[derive(Clone, Copy, PartialEq)]
enum Move {
    /// The process was forked, or is seen for the first time.
    Found,
    /// By setpgid.
    Setpgid { caller: ProcKey, entered: BootNs },
    /// By setsid.
    Setsid,
    /// No call was seen.
    Unseen,
}

impl Move {
    fn cause(self, process: ProcKey) -> OrphanCause {
        match self {
            Self::Setpgid { .. } => OrphanCause::Setpgid(process),
            Self::Setsid => OrphanCause::Setsid(process),
            Self::Found | Self::Unseen => OrphanCause::Found,
        }
    }
}

impl Model {
    /// Group and session of a process. A bundle of a released process has none.
    pub(super) fn absorb_membership(&mut self, cx: &mut Cx, key: ProcKey, state: &State, found: bool) {
        let Some(process) = self.processes.get(&key) else { return };
        let (old_group, old_session) = (process.group, process.session);
        if self.is_in(process, old_session.and_then(|session| self.sessions.get(&session)), state) {
            return;
        }
        let same_session = old_session.and_then(|key| self.sessions.get_mut(&key)).is_some_and(|session| {
            let same = session.key.number == state.session.sid() && same_ino(session.ino, state.session.ino);
            session.ino = if same { session.ino.max(state.session.ino) } else { session.ino };
            same
        });
        let same_group = old_group.and_then(|key| self.groups.get_mut(&key)).is_some_and(|group| {
            let same = group.key.number == state.pgrp.pgid() && same_ino(group.ino, state.pgrp.ino);
            group.ino = if same { group.ino.max(state.pgrp.ino) } else { group.ino };
            same
        });
        if !(same_session && same_group) {
            let how = if found { Move::Found } else { self.explain_move(cx, key, state, same_session) };
            // A record takes its number, then looks: what another processor did in between has a later one. The return of the
            // call shows it again.
            if how == Move::Unseen && old_group.is_some() && begins_setpgid(&cx.event.kind) {
                return;
            }
            self.move_process(cx, key, state, how, same_session);
        }
    }

    /// Whether a process, which is in this session, is known to be in the group and session that a bundle shows, by all their
    /// numbers.
    #[inline]
    pub(super) fn is_in(&self, process: &Process, session: Option<&Session>, state: &State) -> bool {
        let same = |number: u32, ino: u64, id: RawId| number == id.number && (id.ino == 0 || id.ino == ino);
        let group = process.group.and_then(|group| self.groups.get(&group));
        state.exit_state == EXIT_DEAD
            || group.is_some_and(|group| same(group.key.number.0, group.ino, state.pgrp))
                && session.is_some_and(|session| same(session.key.number.0, session.ino, state.session))
    }

    /// Which call moved a process: the one that returns with this event, or one that has begun and not returned.
    fn explain_move(&self, cx: &Cx, key: ProcKey, state: &State, same_session: bool) -> Move {
        let fits = |call: &Call| {
            if same_session { matches!(call, Call::Setpgid { .. }) } else { *call == Call::Setsid }
        };
        if let EventKind::Leave(leave) = &cx.event.kind
            && leave.ret >= 0
            && fits(&leave.call)
            && !leave.target_unknown
            && let Some(caller) = self.lookup(cx.event.actor)
            && !self.saw(caller, cx.event.actor.tid, state.pgrp)
        {
            let entered = leave.entered.map_or(cx.event.at, |(_, at)| at);
            return if leave.call == Call::Setsid { Move::Setsid } else { Move::Setpgid { caller, entered } };
        }
        let callers = [Some(key), self.processes.get(&key).and_then(|process| process.parent)];
        for caller in callers.into_iter().flatten() {
            let calls = self.processes.get(&caller).into_iter().flat_map(|caller| caller.book.calls.values());
            let open = |open: &&OpenCall| open.target == key && fits(&open.call) && !open.found_in(state.pgrp);
            if let Some(open) = calls.into_iter().find(open) {
                let entered = open.entered.at;
                return if open.call == Call::Setsid { Move::Setsid } else { Move::Setpgid { caller, entered } };
            }
        }
        Move::Unseen
    }

    /// Whether the call of a thread, which is not closed yet, found the process in that group already.
    fn saw(&self, caller: ProcKey, tid: Tid, group: RawId) -> bool {
        let open = self.processes.get(&caller).and_then(|caller| caller.book.calls.get(tid));
        open.is_some_and(|open| open.found_in(group))
    }

    fn move_process(&mut self, cx: &mut Cx, key: ProcKey, state: &State, how: Move, same_session: bool) {
        let Some(process) = self.processes.get(&key) else { return };
        let old = process.group;
        if how == Move::Unseen && old.is_some() {
            let what = if same_session { UnseenChange::ProcessGroup } else { UnseenChange::Session };
            cx.push(Change::UnseenCall { process: key, what });
        }
        let session = self.session_of_bundle(cx, key, state.session, how);
        let (group, born) = self.group_of_bundle(cx, key, state.pgrp, session, how);
        if old == Some(group) {
            return;
        }
        let is_birth = born && state.pgrp.number == key.number.0;
        if let (Some(from), false) = (old, is_birth) {
            let leader = self.groups.get(&group).map_or(LeaderState::Unknown, |group| self.leader_state(group));
            cx.push(Change::Joined { process: key, group, from, leader });
        }
        let after = match how {
            Move::Setpgid { entered, .. } => entered,
            Move::Setsid | Move::Unseen | Move::Found => cx.event.at,
        };
        let bounds = Bounds { after, until: cx.event.at };
        self.leave_group(cx, key, GroupEnd::LastMoved { last: key }, bounds);
        self.enter_group(cx, key, group);
        self.requalify(cx, key, how.cause(key));
        self.requalify_children(cx, key, how.cause(key));
    }

    /// The session of a bundle, made when it is new.
    fn session_of_bundle(&mut self, cx: &mut Cx, key: ProcKey, id: RawId, how: Move) -> SessionKey {
        let known = self.sessions.current_mut(id.sid());
        if let Some(known) = known {
            let new_life = how == Move::Setsid && id.number == key.number.0 && known.leader != Some(key);
            if same_ino(known.ino, id.ino) && !(new_life && id.ino == 0) {
                known.ino = known.ino.max(id.ino);
                return known.key;
            }
            let stale = known.key;
            self.vacate_session(cx, stale, Some(key));
        }
        let leads = id.number == key.number.0;
        let born = leads && how != Move::Found;
        let session = SessionKey { number: id.sid(), life: self.new_life() };
        let mut new = Session::new(session, id.ino, born.then_some(cx.event.at), cx.event.at);
        new.leader = if leads { Some(key) } else { self.processes.key_of(crate::ids::Pid(id.number)) };
        self.sessions.insert(new);
        if born {
            cx.push(Change::SessionBorn { session, leader: key });
        }
        session
    }

    /// The group of a bundle, made when it is new, and whether it is.
    fn group_of_bundle(
        &mut self,
        cx: &mut Cx,
        key: ProcKey,
        id: RawId,
        session: SessionKey,
        how: Move,
    ) -> (PgrpKey, bool) {
        if let Some(known) = self.groups.current_mut(id.pgid()) {
            let (group, others) = (known.key, known.members.iter().any(|member| *member != key));
            let proven = known.ino != 0 && known.ino == id.ino;
            if same_ino(known.ino, id.ino) && (known.session == session || proven || others) {
                known.ino = known.ino.max(id.ino);
                if known.session != session {
                    cx.push(Change::Anomaly(Anomaly::GroupSpansSessions(group)));
                    self.change_session(cx, group, session);
                }
                return (group, false);
            }
        }
        let group = PgrpKey { number: id.pgid(), life: self.new_life() };
        // In its session before the old one goes, which may be the last one there.
        if let Some(session) = self.sessions.get_mut(&session) {
            session.groups.insert(group);
        }
        if let Some(stale) = self.groups.key_of(id.pgid()) {
            self.vacate_group(cx, stale, Some(key));
        }
        let leads = id.number == key.number.0;
        let exited = self.processes.get(&key).is_some_and(|process| process.phase >= Phase::Zombie);
        let birth = match how {
            Move::Setsid => GroupBirth::BySetsid,
            Move::Setpgid { caller, .. } if leads && caller == key => GroupBirth::BySelf,
            Move::Setpgid { caller, .. } if leads => GroupBirth::ByParent { parent: caller, on_zombie: exited },
            Move::Setpgid { .. } | Move::Found | Move::Unseen => GroupBirth::Found,
        };
        let mut new = ProcessGroup::new(group, id.ino, session, birth, cx.event.at);
        new.leader = if leads { Some(key) } else { self.processes.key_of(crate::ids::Pid(id.number)) };
        let leader = new.leader;
        self.groups.insert(new);
        cx.push(Change::GroupBorn { group, leader, birth });
        self.foreground_appears(cx, group, birth);
        (group, true)
    }

    /// Believes a bundle that has a group in another session than was known.
    fn change_session(&mut self, cx: &mut Cx, group: PgrpKey, session: SessionKey) {
        let Some(known) = self.groups.get_mut(&group) else { return };
        let old = std::mem::replace(&mut known.session, session);
        let members = known.members.clone();
        for member in &members {
            if let Some(member) = self.processes.get_mut(member) {
                member.session = Some(session);
            }
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.groups.insert(group);
        }
        self.session_loses_group(cx, old, group);
        for member in members {
            self.requalify(cx, member, OrphanCause::Found);
            self.requalify_children(cx, member, OrphanCause::Found);
        }
    }

    /// Makes a process a member.
    fn enter_group(&mut self, cx: &mut Cx, key: ProcKey, group: PgrpKey) {
        let Some(known) = self.groups.get_mut(&group) else { return };
        let Some(process) = self.processes.get_mut(&key) else { return };
        known.members.insert(key);
        known.living += usize::from(process.counts_for_orphan_rule());
        if known.key.number.0 == key.number.0 {
            known.leader = Some(key);
        }
        process.group = Some(group);
        process.session = Some(known.session);
        let session = known.session;
        if let Some(session) = self.sessions.get_mut(&session)
            && session.key.number.0 == key.number.0
        {
            session.leader = Some(key);
        }
        cx.touch(group, OrphanCause::Found);
    }

    /// Takes a process out of its group, which ends when it was the last member.
    pub(super) fn leave_group(&mut self, cx: &mut Cx, key: ProcKey, end: GroupEnd, bounds: Bounds) {
        self.uncount(cx, key);
        let Some(process) = self.processes.get_mut(&key) else { return };
        let was_living = process.counts_for_orphan_rule();
        process.session = None;
        let Some(group) = process.group.take() else { return };
        let Some(known) = self.groups.get_mut(&group) else { return };
        known.members.remove(&key);
        known.living = known.living.saturating_sub(usize::from(was_living));
        let (leader, living, members) = (known.leader, known.living, known.members.len());
        if members == 0 {
            self.end_group(cx, group, end, bounds);
        } else if end != GroupEnd::NotSeen {
            if leader == Some(key) {
                let reaped = matches!(end, GroupEnd::LastReaped { .. });
                let leader = if reaped { LeaderState::Reaped } else { LeaderState::MovedAway };
                cx.push(Change::Leaderless { group, leader });
            }
            if living == 0 && was_living {
                cx.push(Change::HeldByZombies { group });
            }
        }
    }

    fn end_group(&mut self, cx: &mut Cx, group: PgrpKey, end: GroupEnd, bounds: Bounds) {
        let Some(known) = self.groups.get_mut(&group) else { return };
        if known.ended.is_some() {
            return;
        }
        known.ended = Some((bounds, end));
        let session = known.session;
        self.recent.group_ended(recent::EndedGroup { key: group, ended: bounds });
        self.groups.retire(&group);
        cx.touched.retain(|(touched, _)| *touched != group);
        self.in_snapshot.remove(&group);
        cx.push(Change::GroupEnded { group, end });
        self.foreground_vanishes(cx, group);
        self.session_loses_group(cx, session, group);
    }

    fn session_loses_group(&mut self, cx: &mut Cx, key: SessionKey, group: PgrpKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.groups.remove(&group);
        if !session.groups.is_empty() || session.ended.is_some() {
            return;
        }
        session.ended = Some(cx.event.at);
        let tty = session.tty;
        self.sessions.retire(&key);
        if let Some(tty) = tty {
            self.lose_tty(cx, key, tty, None);
        }
        cx.push(Change::SessionEnded { session: key });
    }

    /// A new process has this number: whatever bore it before has ended (kernel/pid.c frees a number when nothing uses it).
    pub(super) fn vacate_number(&mut self, cx: &mut Cx, state: &State) {
        let id = state.id;
        if self.lookup(id).is_some_and(|known| self.processes.get(&known).is_some_and(|it| it.start == id.start)) {
            return;
        }
        if let Some(old) = self.processes.key_of(id.pid) {
            self.number_reused(cx, old);
        }
        if let Some(group) = self.groups.key_of(crate::ids::Pgid(id.pid.0)) {
            self.vacate_group(cx, group, None);
        }
        if let Some(session) = self.sessions.key_of(crate::ids::Sid(id.pid.0)) {
            self.vacate_session(cx, session, None);
        }
    }

    /// A group has ended unseen: its zombies were reaped, and where the others are is not known. `but` is known to be
    /// elsewhere.
    fn vacate_group(&mut self, cx: &mut Cx, group: PgrpKey, but: Option<ProcKey>) {
        let members = self.groups.get(&group).map(|group| group.members.clone()).unwrap_or_default();
        let seen = members.iter().filter_map(|member| self.processes.get(member)).map(|member| member.seen.at);
        let bounds = Bounds { after: seen.max().unwrap_or(cx.event.at).min(cx.event.at), until: cx.event.at };
        for member in members {
            let zombie = self.processes.get(&member).is_some_and(|process| process.phase >= Phase::Zombie);
            if zombie && but != Some(member) {
                self.reap_unseen(cx, member, ReapEvidence::NumberReused);
            } else {
                self.leave_group(cx, member, GroupEnd::NotSeen, bounds);
                self.requalify_children(cx, member, OrphanCause::Found);
            }
        }
        self.end_group(cx, group, GroupEnd::NotSeen, bounds);
    }

    fn vacate_session(&mut self, cx: &mut Cx, session: SessionKey, but: Option<ProcKey>) {
        let groups = self.sessions.get(&session).map(|session| session.groups.clone()).unwrap_or_default();
        for group in groups {
            self.vacate_group(cx, group, but);
        }
    }
}

/// ENTER of setpgid.
pub(super) fn begins_setpgid(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Enter { call: Call::Setpgid { .. }, .. })
}
