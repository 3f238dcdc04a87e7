//! Controlling terminals: gained, lost, left, and their foreground process groups.
//!
//! The kernel keeps a terminal twice: at the terminal (its session) and at each process. A leader that has lost it means that
//! the session has; another process can have left it alone (`drivers/tty/tty_jobctrl.c`). Must not judge refused calls.

use super::{Cx, groups::begins_setpgid};
use crate::{
    delta::{Change, ForegroundGroup, GroupBirth, HangupKind, TtyChange, UnseenChange},
    event::{Call, EXIT_DEAD, EventKind, RawId, SignalOrigin, State, TtyRequest, TtyState},
    ids::{Pgid, PgrpKey, ProcKey, SessionKey, Signal, Tid, TtyKey},
    state::{Model, Phase, Process, Session, Terminal, same_ino},
};

impl Model {
    /// Controlling terminal and foreground group.
    pub(super) fn absorb_tty(&mut self, cx: &mut Cx, key: ProcKey, state: &State, found: bool) {
        let Some(process) = self.processes.get(&key) else { return };
        let (known, session) = (process.tty, process.session.and_then(|session| self.sessions.get(&session)));
        if self.has_tty(process, session, state) {
            return;
        }
        match (known, &state.tty) {
            (None, None) => {}
            (Some(known), Some(tty)) if known.tty == tty.tty => {
                self.absorb_session_tty(cx, key, known, tty, found);
                self.absorb_foreground(cx, key, known, tty);
            }
            (Some(known), None) => self.absorb_loss(cx, key, known, state),
            (known, Some(tty)) => {
                if let Some(known) = known {
                    self.absorb_loss(cx, key, known, state);
                }
                let terminal = self.use_terminal(cx, key, tty);
                self.absorb_session_tty(cx, key, terminal, tty, found);
                self.absorb_foreground(cx, key, terminal, tty);
            }
        }
    }

    /// Whether a process, which is in this session, is known to have the terminal that a bundle shows, as its session's where it is
    /// that, with the foreground group.
    #[inline]
    pub(super) fn has_tty(&self, process: &Process, session: Option<&Session>, state: &State) -> bool {
        let (known, tty) = match (process.tty, &state.tty) {
            (Some(known), Some(tty)) if known.tty == tty.tty => (known, tty),
            (known, shown) => return known.is_none() && shown.is_none(),
        };
        let of_session = session.is_none_or(|it| it.key.number != tty.session || it.tty == Some(known));
        of_session && self.terminals.get(&known).is_some_and(|terminal| self.has_foreground(terminal, tty))
    }

    /// Whether the foreground group that a bundle shows is the one that is known.
    #[inline]
    fn has_foreground(&self, terminal: &Terminal, tty: &TtyState) -> bool {
        terminal.foreground_id == tty.foreground
            && match terminal.foreground {
                None => tty.foreground.number == 0,
                // Nobody is in it, and nothing of it can have changed.
                Some(known) if known.empty && tty.foreground_empty => known.number == tty.foreground.pgid(),
                known => known == self.foreground_shown(tty),
            }
    }

    /// The foreground group that a bundle shows.
    fn foreground_shown(&self, tty: &TtyState) -> Option<ForegroundGroup> {
        let shown = self.foreground_group(tty.foreground)?;
        let empty = tty.foreground_empty;
        Some(ForegroundGroup { group: shown.group.filter(|_| !empty), empty, ..shown })
    }

    /// The terminal of a bundle, begun when nobody had it, with this process among its users.
    fn use_terminal(&mut self, cx: &Cx, key: ProcKey, tty: &TtyState) -> TtyKey {
        let terminal = if let Some(terminal) = self.terminals.key_of(tty.tty) {
            terminal
        } else {
            let terminal = TtyKey { tty: tty.tty, life: self.new_life() };
            self.terminals.insert(Terminal::new(terminal, cx.event.at));
            terminal
        };
        if let Some(terminal) = self.terminals.get_mut(&terminal) {
            terminal.users.insert(key);
        }
        if let Some(process) = self.processes.get_mut(&key) {
            process.tty = Some(terminal);
        }
        terminal
    }

    /// The terminal's own idea of its session. A session that is found with a terminal has not gained it.
    fn absorb_session_tty(&mut self, cx: &mut Cx, key: ProcKey, terminal: TtyKey, tty: &TtyState, found: bool) {
        let Some(session) = self.processes.get(&key).and_then(|process| process.session) else { return };
        let Some(known) = self.sessions.get(&session) else { return };
        if tty.session != session.number || known.tty == Some(terminal) {
            return;
        }
        let (before, leader) = (known.tty, known.leader);
        let victim = self.terminals.get(&terminal).and_then(|terminal| terminal.session);
        if let Some(before) = before {
            self.lose_tty(cx, session, before, None);
        }
        if let Some(victim) = victim {
            self.lose_tty(cx, victim, terminal, Some(TtyChange::Stolen));
        }
        if let Some(known) = self.sessions.get_mut(&session) {
            known.tty = Some(terminal);
            known.controlling_process = leader;
        }
        if let Some(terminal) = self.terminals.get_mut(&terminal) {
            terminal.session = Some(session);
        }
        if found || cx.is_snapshot() {
            return;
        }
        let how = self.gain(cx, session);
        if how.is_none() {
            cx.push(Change::UnseenCall { process: key, what: UnseenChange::ControllingTty });
        }
        cx.push(Change::TtyGained { session, tty: terminal, how });
    }

    /// Which call of the session's leader gained a terminal: this one, or one that has not returned.
    fn gain(&self, cx: &Cx, session: SessionKey) -> Option<TtyChange> {
        let how = |call: &Call| match request(call) {
            Some(TtyRequest::SetControlling) => Some(TtyChange::Ioctl),
            Some(TtyRequest::OpenPeer) => Some(TtyChange::Open),
            Some(_) => None,
            None => (*call == Call::Open).then_some(TtyChange::Open),
        };
        if let EventKind::Leave(leave) = &cx.event.kind
            && let Some(how) = how(&leave.call)
        {
            return Some(how);
        }
        let leader = self.sessions.get(&session)?.leader.and_then(|leader| self.processes.get(&leader))?;
        let open = leader.book.calls.values().find_map(|open| how(&open.call));
        // A tracer sees no open, but every ioctl: a leader whom it traces can have got its terminal in no other way
        // (drivers/tty/tty_io.c, `tty_open_proc_set_tty`).
        open.or((self.taken.is_some() && leader.followed).then_some(TtyChange::Open))
    }

    /// A process has its terminal no more.
    fn absorb_loss(&mut self, cx: &mut Cx, key: ProcKey, known: TtyKey, state: &State) {
        let Some(process) = self.processes.get(&key) else { return };
        let session = process
            .session
            .filter(|session| self.terminals.get(&known).is_some_and(|terminal| terminal.session == Some(*session)));
        // By setsid a process leaves session and terminal; its own session never had this one.
        let Some(session) = session else {
            let setsid = |change: &Change| matches!(change, Change::SessionBorn { leader, .. } if *leader == key);
            if cx.delta.changes.iter().any(setsid) {
                cx.push(Change::TtyLeft { process: key, tty: known });
            }
            return self.drop_tty(key);
        };
        let leader = self.sessions.get(&session).and_then(|session| session.leader);
        let leader_phase = leader.and_then(|leader| self.processes.get(&leader)).map(|leader| leader.phase);
        let leader_gone = leader_phase.is_some_and(|phase| phase >= Phase::Exiting);
        // A process that does not lead gives up its own alone: the session keeps it.
        let own_alone = !state.facts.session_leader && self.in_call(cx, key, gives_up);
        let how = if leader_gone {
            Some(TtyChange::LeaderExit)
        } else if own_alone {
            None
        } else {
            self.loss(cx, key, leader.unwrap_or(key))
        };
        // Whoever of the session is seen first has lost it with the session; the call that takes it may not have returned.
        if state.facts.session_leader || how.is_some() {
            self.lose_tty(cx, session, known, how);
        } else if state.exit_state != EXIT_DEAD {
            if !own_alone {
                cx.push(Change::UnseenCall { process: key, what: UnseenChange::ControllingTty });
            }
            cx.push(Change::TtyLeft { process: key, tty: known });
        }
        self.drop_tty(key);
    }

    /// How the session of a living leader lost its terminal, as `member` shows: by a call that returns with this event, or has
    /// not returned.
    fn loss(&self, cx: &Cx, member: ProcKey, leader: ProcKey) -> Option<TtyChange> {
        if self.in_call(cx, leader, gives_up) {
            return Some(TtyChange::GivenUp);
        }
        // Of a hangup; a member gets one when an unseen leader ends. What somebody sends is no reason.
        let hangup_signal = matches!(&cx.event.kind, EventKind::SignalGenerated(sent)
            if (sent.signal == Signal::HUP || sent.signal == Signal::CONT)
                && (member == leader || sent.origin == SignalOrigin::Kernel));
        let acts = self.lookup(cx.event.actor).is_some_and(|actor| self.in_call(cx, actor, hangs_up));
        // Rare enough to ask everybody. What calls of other sessions are about cannot be told.
        let session = self.processes.get(&leader).and_then(|leader| leader.session);
        let hangs_own_up = || {
            let members = self.processes.all().filter(|process| process.session == session);
            members.flat_map(|process| process.book.calls.values()).any(|open| hangs_up(&open.call))
        };
        (hangup_signal || acts || hangs_own_up()).then_some(TtyChange::Hangup)
    }

    /// Whether a process is in such a call: this event is its return, or it has not returned.
    fn in_call(&self, cx: &Cx, key: ProcKey, is: impl Fn(&Call) -> bool) -> bool {
        if let EventKind::Leave(leave) = &cx.event.kind
            && is(&leave.call)
            && self.lookup(cx.event.actor) == Some(key)
        {
            return true;
        }
        self.processes.get(&key).is_some_and(|process| process.book.calls.values().any(|open| is(&open.call)))
    }

    /// A session loses its terminal, and with it every process in it (`session_clear_tty`).
    pub(super) fn lose_tty(&mut self, cx: &mut Cx, session: SessionKey, tty: TtyKey, how: Option<TtyChange>) {
        let Some(known) = self.sessions.get_mut(&session) else { return };
        if known.tty != Some(tty) {
            return;
        }
        known.tty = None;
        known.controlling_process = None;
        let leader = known.leader;
        cx.push(Change::TtyLost { session, tty, how });
        if let Some(leader) = leader.filter(|_| how == Some(TtyChange::Hangup)) {
            let foreground = self.terminals.get(&tty).and_then(|terminal| terminal.foreground);
            self.note_hung_up(foreground.and_then(|group| group.group), leader, HangupKind::LeaderExitAfterHangup);
        }
        let Some(known) = self.sessions.get(&session) else { return };
        let groups = known.groups.clone();
        if let Some(terminal) = self.terminals.get_mut(&tty) {
            terminal.session = None;
        }
        for group in groups {
            let members = self.groups.get(&group).map(|group| group.members.clone()).unwrap_or_default();
            for member in members {
                if self.processes.get(&member).is_some_and(|member| member.tty == Some(tty)) {
                    self.drop_tty(member);
                }
            }
        }
        self.end_unused(tty);
    }

    /// Takes its terminal from a process.
    pub(super) fn drop_tty(&mut self, key: ProcKey) {
        let Some(tty) = self.processes.get_mut(&key).and_then(|process| process.tty.take()) else { return };
        if let Some(terminal) = self.terminals.get_mut(&tty) {
            terminal.users.remove(&key);
            terminal.foreground_calls.retain(|caller| caller.0 != key);
        }
        self.end_unused(tty);
    }

    /// Ends the life of a terminal that nobody has.
    fn end_unused(&mut self, tty: TtyKey) {
        let Some(terminal) = self.terminals.get(&tty).filter(|terminal| terminal.users.is_empty()) else { return };
        let number = terminal.foreground_id.pgid();
        if let Some(session) = terminal.session.and_then(|session| self.sessions.get_mut(&session)) {
            session.tty = None;
            session.controlling_process = None;
        }
        self.index_foreground(tty, number, false);
        self.terminals.retire(&tty);
    }

    fn index_foreground(&mut self, tty: TtyKey, number: Pgid, present: bool) {
        if !present {
            let Some(ttys) = self.by_foreground.get_mut(&number) else { return };
            ttys.remove(&tty);
            if ttys.is_empty() {
                self.by_foreground.remove(&number);
            }
        } else if number.0 != 0
            && let Some(ttys) = self.by_foreground.or_insert_with(number, Default::default)
        {
            ttys.insert(tty);
        }
    }

    /// The foreground group as a process of that terminal shows it.
    fn absorb_foreground(&mut self, cx: &mut Cx, key: ProcKey, tty: TtyKey, state: &TtyState) {
        if self.terminals.get(&tty).is_none_or(|terminal| self.has_foreground(terminal, state)) {
            return;
        }
        let to = self.foreground_shown(state);
        let by = self.caller_of_tcsetpgrp(cx, tty, state.foreground);
        let session = self.terminals.get(&tty).and_then(|terminal| terminal.session);
        let leader = session.and_then(|session| self.sessions.get(&session)?.leader);
        let leader_exits =
            leader.and_then(|leader| self.processes.get(&leader)).is_some_and(|leader| leader.phase >= Phase::Exiting);
        // A leader that exits or gives the terminal up first takes the foreground away, then the terminal from each member
        // (drivers/tty/tty_jobctrl.c, `disassociate_ctty`).
        let leaves = || leader_exits || leader.is_some_and(|leader| self.in_call(cx, leader, gives_up));
        let given_up = state.foreground.number == 0 && leaves();
        let Some(terminal) = self.terminals.get_mut(&tty) else { return };
        let (before, from) = (terminal.foreground_id, terminal.foreground);
        let same = before.number == state.foreground.number && same_ino(before.ino, state.foreground.ino);
        let returning = matches!(&cx.event.kind, EventKind::Leave(leave)
            if leave.ret == 0 && request(&leave.call) == Some(TtyRequest::SetForeground));
        let calling = returning || !terminal.foreground_calls.is_empty();
        let new = from.is_none() && before.number == 0;
        let gained =
            cx.delta.changes.iter().any(|change| matches!(change, Change::TtyGained { tty: it, .. } if *it == tty));
        let unseen = !same && !gained && !calling && !new && !given_up;
        // As with its group (`absorb_membership`): a child whose parent's call begins can be further than its own records are.
        if unseen && begins_setpgid(&cx.event.kind) {
            return;
        }
        terminal.foreground_id = state.foreground;
        terminal.foreground = to;
        if !same {
            terminal.foreground_since = cx.event.at;
            self.index_foreground(tty, before.pgid(), false);
            self.index_foreground(tty, state.foreground.pgid(), true);
        }
        if from == to || cx.is_snapshot() && (same || new) {
            return;
        }
        if unseen {
            cx.push(Change::UnseenCall { process: key, what: UnseenChange::Foreground });
        }
        if !new || gained || calling {
            cx.push(Change::Foreground { tty, by, from, to });
        }
    }

    /// Who made this the foreground group: whose tcsetpgrp returns with this event, or who has called it and not returned.
    fn caller_of_tcsetpgrp(&self, cx: &Cx, tty: TtyKey, foreground: RawId) -> Option<ProcKey> {
        if let EventKind::Leave(leave) = &cx.event.kind
            && leave.ret == 0
            && request(&leave.call) == Some(TtyRequest::SetForeground)
        {
            return self.lookup(cx.event.actor);
        }
        let callers = &self.terminals.get(&tty)?.foreground_calls;
        let asks = |caller: &&(ProcKey, Tid)| {
            let call = self.processes.get(&caller.0).and_then(|caller_| caller_.book.calls.get(caller.1));
            // In a namespace the number that was asked for is another one.
            matches!(call.map(|open| open.call), Some(Call::TtyIoctl { value, .. }) if value as u32 == foreground.number)
        };
        let asking = callers.iter().find(asks).or_else(|| callers.iter().next().filter(|_| callers.len() == 1));
        asking.map(|(caller, _)| *caller)
    }

    /// A group appeared whose number some terminal has as its foreground: it may be that terminal's. Without `pid->ino` it
    /// is when the terminal got the number in the leader's life.
    pub(super) fn foreground_appears(&mut self, cx: &mut Cx, key: PgrpKey, birth: GroupBirth) {
        let Some(group) = self.groups.get(&key) else { return };
        let (ino, leader) = (group.ino, group.leader.and_then(|leader| self.processes.get(&leader)));
        let leader_born = leader.and_then(|leader| leader.born).unwrap_or_default();
        for tty in self.by_foreground.get(&key.number).cloned().unwrap_or_default() {
            let Some(terminal) = self.terminals.get_mut(&tty) else { continue };
            let id = terminal.foreground_id;
            let proven = ino != 0 && ino == id.ino;
            if !(proven || same_ino(ino, id.ino) && terminal.foreground_since >= leader_born) {
                continue;
            }
            let to = Some(ForegroundGroup { number: key.number, group: Some(key), empty: false });
            let from = std::mem::replace(&mut terminal.foreground, to);
            if birth != GroupBirth::Found && from != to {
                cx.push(Change::Foreground { tty, by: None, from, to });
            }
        }
    }

    /// A group ended: a terminal that has it in the foreground has a dangling foreground group now.
    pub(super) fn foreground_vanishes(&mut self, cx: &mut Cx, key: PgrpKey) {
        for tty in self.by_foreground.get(&key.number).cloned().unwrap_or_default() {
            let Some(terminal) = self.terminals.get_mut(&tty) else { continue };
            let from = terminal.foreground;
            if from.is_some_and(|from| from.group == Some(key)) {
                let to = Some(ForegroundGroup { number: key.number, group: None, empty: true });
                terminal.foreground = to;
                cx.push(Change::Foreground { tty, by: None, from, to });
            }
        }
    }
}

/// Whether a call gives up the caller's controlling terminal.
fn gives_up(call: &Call) -> bool {
    request(call) == Some(TtyRequest::GiveUp)
}

/// Whether a call hangs a terminal up.
fn hangs_up(call: &Call) -> bool {
    *call == Call::Vhangup || request(call) == Some(TtyRequest::Hangup)
}

/// The request of a terminal ioctl.
fn request(call: &Call) -> Option<TtyRequest> {
    if let Call::TtyIoctl { request, .. } = call { Some(*request) } else { None }
}
