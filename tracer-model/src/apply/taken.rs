//! Signals as a tracer sees them: not when they are sent, but when their target takes them.
//!
//! By then the call that sent the signal may have returned, the process whose exit made the kernel send it may be reaped, and
//! nothing says on whose behalf the kernel acted. What `siginfo` has (`si_code`, `si_pid`) is matched with what was seen
//! before: the calls of the sender ([`crate::state::sends`]), the groups that an exit orphaned, the foreground groups of
//! session leaders that exited. Where nothing matches, nothing is claimed. Must not be consulted for events that probes made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Cx,
    signals::{SI_TIMER, is_own_fault, is_timer},
};
use crate::{
    delta::{Change, HangupKind, SignalPath},
    event::{Call, Disposition, SignalGenerated, SignalOrigin, SignalOutcome},
    ids::{PgrpKey, ProcKey, Seq, Signal, Tid, TtyKey},
    state::{Knowledge, Model, OpenCall, Phase, Process, sends::Taker},
};

/// What a tracer's view needs to know of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Groups that an exit orphaned while a member was stopped: whose.
    orphaned: BTreeMap<PgrpKey, ProcKey>,
    /// Session leaders that gave up their terminal.
    gave_up: BTreeSet<ProcKey>,
    /// Processes that asked for a signal at their parent's death: which.
    asked: BTreeMap<ProcKey, u32>,
    /// Foreground groups of session leaders that exited, or whose terminal was hung up: whose.
    hung_up: BTreeMap<PgrpKey, (ProcKey, HangupKind)>,
}

impl Model {
    /// SIGKILL was sent. No tracer sees anybody take it, but whom it was sent to is what the call says: a process, or the
    /// members of a group as far as the sender may signal them (kernel/signal.c, `check_kill_permission`).
    pub(super) fn killed(&mut self, cx: &mut Cx, open: &OpenCall, sender: ProcKey) {
        if !says_whom(open.call) {
            return;
        }
        let uid = self.processes.get(&sender).and_then(|sender| sender.uid);
        let inside = |process: &Process| process.namespace.map(|namespace| namespace.inum);
        let from = self.processes.get(&sender).map(inside);
        // The init of a namespace takes nothing from inside.
        let immune = |target: &Process| {
            target.namespace.is_some_and(|namespace| namespace.pid.0 == 1) && from == Some(inside(target))
        };
        let may = |target: &&Process| (uid.is_some_and(|uid| uid.0 == 0) || uid == target.uid) && !immune(target);
        let seq = open.entered.seq;
        let reached = |target: &&Process| {
            target.knowledge == Knowledge::Seen && self.sends.reaches(seq, &taker(target, Tid(target.key.number.0)))
        };
        let targets: Vec<ProcKey> = self.processes().filter(reached).filter(may).map(|target| target.key).collect();
        for target in targets {
            self.tell_kill(cx, (sender, open.call, seq), target);
        }
    }

    /// A process dies of SIGKILL: a call that sent it may not have returned yet.
    pub(super) fn dies_of_kill(&mut self, cx: &mut Cx, key: ProcKey) {
        if self.taken.is_none() {
            return;
        }
        let Some(process) = self.processes.get(&key) else { return };
        // Of a call that can have meant anybody, or nobody that is seen, it is not known.
        let only = self.sends.only(Signal::KILL, &taker(process, Tid(key.number.0)));
        if let Some(send) = only.filter(|(_, call, _)| says_whom(*call)) {
            self.tell_kill(cx, send, key);
        }
    }

    fn tell_kill(&mut self, cx: &mut Cx, (sender, call, seq): (ProcKey, Call, Seq), target: ProcKey) {
        let signal = SignalGenerated {
            signal: Signal::KILL,
            origin: SignalOrigin::Info(0),
            process_directed: true,
            outcome: SignalOutcome::Delivered,
            disposition: Disposition::Default,
            blocked: false,
            at_delivery: true,
        };
        self.sends.reached(seq, target);
        let path = self.path_of_call(call, seq, sender, target);
        cx.push(Change::SignalSent { target, signal, path, dropped: None });
    }

    /// The exit of a process orphaned these groups, each with a stopped member.
    pub(super) fn note_orphaned(&mut self, groups: impl IntoIterator<Item = PgrpKey>, exiting: ProcKey) {
        let Self { taken, groups: alive, .. } = self;
        if let Some(taken) = taken {
            taken.orphaned.retain(|group, _| alive.contains_key(group));
            taken.orphaned.extend(groups.into_iter().map(|group| (group, exiting)));
        }
    }

    /// A session leader exits, and hangs up this group; or will when it exits, for its terminal is gone.
    pub(super) fn note_hung_up(&mut self, group: Option<PgrpKey>, leader: ProcKey, kind: HangupKind) {
        let Self { taken, groups: alive, .. } = self;
        if let (Some(taken), Some(group)) = (taken, group) {
            taken.hung_up.retain(|group, _| alive.contains_key(group));
            taken.hung_up.insert(group, (leader, kind));
        }
    }

    /// A call begins by which a session leader gives up its terminal.
    pub(super) fn note_gave_up(&mut self, leader: ProcKey) {
        let Self { taken, processes: alive, .. } = self;
        if let Some(taken) = taken {
            taken.gave_up.retain(|process| alive.contains_key(process));
            taken.gave_up.insert(leader);
        }
    }

    /// A process has asked for this signal at its parent's death (`PR_SET_PDEATHSIG`).
    pub(super) fn note_asked(&mut self, process: ProcKey, signal: u32) {
        let Self { taken, processes: alive, .. } = self;
        if let Some(taken) = taken {
            taken.asked.retain(|process, _| alive.contains_key(process));
            taken.asked.insert(process, signal);
        }
    }

    /// Along which path a signal came that its target takes now.
    pub(super) fn path_when_taken(
        &mut self,
        cx: &mut Cx,
        sent: &SignalGenerated,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        let group = self.processes.get(&target).and_then(|target| target.group);
        match sent.origin {
            SignalOrigin::Info(code) if code > 0 && sent.signal == Signal::CHLD => self.status_when_taken(cx),
            SignalOrigin::Info(SI_TIMER) => SignalPath::Timer,
            SignalOrigin::Info(code) if code <= 0 => self.kill_when_taken(cx, sent, target, tty_before),
            SignalOrigin::Info(_) if is_own_fault(sent.signal) => SignalPath::Fault,
            SignalOrigin::Info(_) | SignalOrigin::KernelAsUser => SignalPath::Kernel,
            SignalOrigin::Kernel => match sent.signal {
                Signal::INT | Signal::QUIT | Signal::TSTP => {
                    let tty = group.and_then(|group| self.foreground_of(group));
                    tty.map_or(SignalPath::Kernel, |tty| SignalPath::TerminalCharacter { tty: Some(tty) })
                }
                Signal::TTIN | Signal::TTOU => SignalPath::BackgroundAccess { by: self.only_member(group) },
                Signal::HUP => self.hangup_when_taken(target, group, tty_before),
                Signal::CONT => self.continued_when_taken(target, group),
                signal if is_timer(signal) => SignalPath::Timer,
                signal if is_own_fault(signal) => SignalPath::Fault,
                _ => SignalPath::Kernel,
            },
        }
    }

    /// SIGCHLD: `si_pid` is the child, which may be reaped by now.
    fn status_when_taken(&self, cx: &Cx) -> SignalPath {
        let actor = cx.event.actor;
        let reaped = || self.recent.process(actor.pid, actor.start, 0).map(|ended| ended.key);
        self.lookup(actor).or_else(reaped).map_or(SignalPath::Unknown, |child| SignalPath::ChildStatus { child })
    }

    /// kill and relatives: `si_pid` is the sender. Its one call that can have been aimed at the target is the one.
    fn kill_when_taken(
        &mut self,
        cx: &mut Cx,
        sent: &SignalGenerated,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        let actor = cx.event.actor;
        let reaped = self.recent.process(actor.pid, actor.start, 0).map(|ended| ended.key);
        let Some(sender) = self.lookup(actor).or(reaped) else {
            return self.take_actor(cx).map_or(SignalPath::Unknown, |sender| SignalPath::KillUnseen { sender });
        };
        cx.delta.by = Some(sender);
        if let Some((call, intent)) = self.earlier_call(cx, sent, sender, target) {
            return self.path_of_call(call, intent, sender, target);
        }
        if self.gave_up(sender, sent.signal, target, tty_before) {
            return SignalPath::Hangup { by: Some(sender), kind: HangupKind::GivenUp };
        }
        // The kernel tells a process in its own name that nobody reads (kernel/signal.c, `send_sig`).
        if sender == target && is_own_fault(sent.signal) {
            return SignalPath::Fault;
        }
        // The signal that a parent's death sends bears the parent's number (kernel/exit.c, `reparent_leader`).
        let asked = self.taken.as_ref().and_then(|taken| taken.asked.get(&target)) == Some(&sent.signal.0);
        let ends = self.processes.get(&sender).is_none_or(|sender| sender.phase >= Phase::Exiting);
        if asked && ends { SignalPath::ParentDeath { parent: sender } } else { SignalPath::KillUnseen { sender } }
    }

    /// Whether the signal is of a session leader that gave up its terminal: the foreground group gets it in its name
    /// (`drivers/tty/tty_jobctrl.c`, `disassociate_ctty`).
    fn gave_up(&self, sender: ProcKey, signal: Signal, target: ProcKey, tty_before: Option<TtyKey>) -> bool {
        let gave_up = self.taken.as_ref().is_some_and(|taken| taken.gave_up.contains(&sender));
        let session = |key: ProcKey| self.processes.get(&key).and_then(|process| process.session);
        let tty = self.processes.get(&target).and_then(|target| target.tty);
        matches!(signal, Signal::HUP | Signal::CONT)
            && gave_up
            && session(sender) == session(target)
            && (tty.is_none() || tty != tty_before)
    }

    /// SIGHUP from the kernel: of the end of a session leader, of the orphan rule, or of a terminal that is gone.
    fn hangup_when_taken(&self, target: ProcKey, group: Option<PgrpKey>, tty_before: Option<TtyKey>) -> SignalPath {
        if let Some((leader, kind)) = self.hung_up(group).filter(|(leader, _)| *leader != target) {
            return SignalPath::Hangup { by: Some(leader), kind };
        }
        let lost_tty = self.processes.get(&target).is_some_and(|it| tty_before.is_some() && it.tty.is_none());
        let leads = self.processes.get(&target).is_some_and(|target| target.facts.session_leader);
        if leads || lost_tty {
            return SignalPath::Hangup { by: None, kind: HangupKind::Terminal };
        }
        self.orphan_rule(target, group).unwrap_or(SignalPath::Kernel)
    }

    /// SIGCONT from the kernel: of the orphan rule, or after a hangup.
    fn continued_when_taken(&self, target: ProcKey, group: Option<PgrpKey>) -> SignalPath {
        let leads = self.processes.get(&target).is_some_and(|target| target.facts.session_leader);
        let hung_up = self.hung_up(group).filter(|(_, kind)| *kind == HangupKind::LeaderExitAfterHangup);
        match hung_up {
            _ if leads => SignalPath::Hangup { by: None, kind: HangupKind::Terminal },
            Some((leader, kind)) => SignalPath::Hangup { by: Some(leader), kind },
            None => self.orphan_rule(target, group).unwrap_or(SignalPath::Kernel),
        }
    }

    fn hung_up(&self, group: Option<PgrpKey>) -> Option<(ProcKey, HangupKind)> {
        self.taken.as_ref()?.hung_up.get(&group?).copied()
    }

    /// Whose exit orphaned the target's group, or is about to.
    fn orphan_rule(&self, target: ProcKey, group: Option<PgrpKey>) -> Option<SignalPath> {
        let known = self.taken.as_ref()?.orphaned.get(&group?).copied();
        let parent = || self.processes.get(&target).and_then(|target| self.processes.get(&target.parent?));
        let exits = |parent: &&Process| parent.phase >= Phase::Exiting && parent.group != group;
        let exiting = known.or_else(|| parent().filter(exits).map(|parent| parent.key))?;
        Some(SignalPath::OrphanRule { exiting })
    }

    /// The member of a group of one.
    fn only_member(&self, group: Option<PgrpKey>) -> Option<ProcKey> {
        let members = &self.groups.get(&group?)?.members;
        let mut living = members.iter().filter(|it| self.processes.get(it).is_some_and(|it| it.phase == Phase::Alive));
        living.next().copied().filter(|_| living.next().is_none())
    }
}

/// Whether a call says whom it signals.
fn says_whom(call: Call) -> bool {
    !matches!(call, Call::Kill { target: -1, .. } | Call::PidfdSendSignal { .. })
}

/// A process as one that takes a signal, in the thread of this number.
pub(super) fn taker(process: &Process, thread: Tid) -> Taker {
    Taker { key: process.key, thread, group: process.group, namespace: process.namespace }
}
