//! Signals as a tracer sees them: not when they are sent, but when their target takes them.
//!
//! By then the call that sent the signal may have returned, the process whose exit made the kernel send it may be reaped, and
//! nothing says on whose behalf the kernel acted. What `siginfo` has (`si_code`, `si_pid`) is matched with what was seen
//! before: the calls of the sender, the groups that an exit orphaned, the foreground groups of session leaders that exited.
//! Where nothing matches, nothing is claimed. Must not be consulted for events that probes made.

use std::collections::{BTreeMap, VecDeque};

use super::{Cx, signals::signal_of};
use crate::{
    delta::{Change, HangupKind, SignalPath},
    event::{Call, Disposition, Leave, SignalGenerated, SignalOrigin, SignalOutcome, TtyRequest},
    ids::{PgrpKey, ProcKey, Seq, Signal, TtyKey},
    state::{Knowledge, Model, Phase, Process},
};

/// Calls of the kill family that are remembered: a signal that is blocked can be taken long after it was sent.
const INTENTS: usize = 4096;

/// `PIDFD_SIGNAL_PROCESS_GROUP`.
const PIDFD_PROCESS_GROUP: u32 = 4;

/// What a tracer's view needs to know of the past.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taken {
    /// Calls that have sent signals, or are about to; the oldest first.
    intents: VecDeque<Intent>,
    /// Groups that an exit orphaned while a member was stopped: whose.
    orphaned: BTreeMap<PgrpKey, ProcKey>,
    /// Foreground groups of session leaders that exited, or whose terminal was hung up: whose.
    hung_up: BTreeMap<PgrpKey, (ProcKey, HangupKind)>,
}

/// A call of the kill family.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Intent {
    seq: Seq,
    sender: ProcKey,
    /// The sender's group, for `kill(0)`.
    group: Option<PgrpKey>,
    call: Call,
}

impl Model {
    /// A call begins that may send a signal.
    pub(super) fn note_intent(&mut self, seq: Seq, sender: ProcKey, call: &Call) {
        let group = self.processes.get(&sender).and_then(|sender| sender.group);
        let sends = signal_of(call).is_some() || gives_up(call);
        let Some(taken) = self.taken.as_mut().filter(|_| sends) else { return };
        if taken.intents.len() == INTENTS {
            taken.intents.pop_front();
        }
        taken.intents.push_back(Intent { seq, sender, group, call: *call });
    }

    /// A call has returned. One that failed has sent nothing. No tracer sees anybody take SIGKILL, but whom it was sent to is
    /// what the call says.
    pub(super) fn intent_returned(&mut self, cx: &mut Cx, seq: Seq, leave: &Leave) {
        let Some(taken) = &mut self.taken else { return };
        let Some(place) = taken.intents.iter().rposition(|intent| intent.seq == seq) else { return };
        if leave.ret < 0 {
            taken.intents.remove(place);
            return;
        }
        let Some(intent) = taken.intents.get(place).copied() else { return };
        if signal_of(&intent.call) == Some(Signal::KILL.0) {
            self.killed(cx, &intent);
        }
    }

    /// SIGKILL to one process that the call names, or to a group of processes all of which the sender may signal.
    fn killed(&mut self, cx: &mut Cx, intent: &Intent) {
        if matches!(intent.call, Call::Kill { target: -1, .. } | Call::PidfdSendSignal { .. } | Call::Tkill { .. }) {
            return;
        }
        let sender = self.processes.get(&intent.sender);
        let may =
            |target: &&Process| sender.is_some_and(|it| it.uid.is_some_and(|uid| uid.0 == 0) || it.uid == target.uid);
        let reached = |target: &&Process| target.knowledge == Knowledge::Seen && is_aimed_at(intent, sender, target);
        let targets: Vec<ProcKey> = self.processes().filter(reached).filter(may).map(|target| target.key).collect();
        let signal = SignalGenerated {
            signal: Signal::KILL,
            origin: SignalOrigin::Info(0),
            process_directed: true,
            outcome: SignalOutcome::Delivered,
            disposition: Disposition::Default,
            blocked: false,
        };
        for target in targets {
            let path = self.path_of(intent, target);
            cx.push(Change::SignalSent { target, signal, path, dropped: None });
        }
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
            SignalOrigin::Info(code) if code <= 0 => self.kill_when_taken(cx, sent, target, tty_before),
            SignalOrigin::Info(_) | SignalOrigin::KernelAsUser => SignalPath::Kernel,
            SignalOrigin::Kernel => match sent.signal {
                Signal::INT | Signal::QUIT | Signal::TSTP => {
                    let tty = group.and_then(|group| self.foreground_of(group));
                    tty.map_or(SignalPath::Kernel, |tty| SignalPath::TerminalCharacter { tty: Some(tty) })
                }
                Signal::TTIN | Signal::TTOU => SignalPath::BackgroundAccess { by: self.only_member(group) },
                Signal::HUP => self.hangup_when_taken(target, group, tty_before),
                Signal::CONT => self.continued_when_taken(target, group),
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

    /// kill and relatives: `si_pid` is the sender. The last of its calls that was aimed at the target is the one.
    fn kill_when_taken(
        &mut self,
        cx: &mut Cx,
        sent: &SignalGenerated,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        let actor = cx.event.actor;
        let ended = self.recent.process(actor.pid, actor.start, 0).map(|ended| (ended.key, ended.parent));
        let Some(sender) = self.lookup(actor).or(ended.map(|(key, _)| key)) else {
            return self.take_actor(cx).map_or(SignalPath::Unknown, |sender| SignalPath::KillUnseen { sender });
        };
        cx.delta.by = Some(sender);
        let Some(process) = self.processes.get(&target) else { return SignalPath::Unknown };
        let calls = self.taken.iter().flat_map(|taken| taken.intents.iter().rev());
        let mut own = calls.filter(|it| it.sender == sender && signal_of(&it.call) == Some(sent.signal.0));
        let aimed = own.find(|intent| is_aimed_at(intent, self.processes.get(&sender), process));
        let Some(intent) = aimed.copied() else {
            if self.gave_up(sender, sent.signal, process, tty_before) {
                return SignalPath::Hangup { by: Some(sender), kind: HangupKind::GivenUp };
            }
            // The signal that a parent's death sends bears the parent's number (kernel/exit.c, `reparent_leader`).
            let exited = self.processes.get(&sender).is_none_or(|sender| sender.phase >= Phase::Exiting);
            let parent = SignalPath::ParentDeath { parent: sender };
            return if exited { parent } else { SignalPath::KillUnseen { sender } };
        };
        self.path_of(&intent, target)
    }

    /// The path of a signal that a call sends to this target.
    fn path_of(&self, intent: &Intent, target: ProcKey) -> SignalPath {
        let Intent { sender, seq: intent, call, .. } = *intent;
        let group = self.processes.get(&target).and_then(|target| target.group);
        match call {
            Call::Kill { target: -1, .. } => SignalPath::KillAll { sender, intent },
            Call::Kill { target: ..=0, .. } => SignalPath::KillGroup { sender, intent, group },
            Call::PidfdSendSignal { flags, .. } if flags & PIDFD_PROCESS_GROUP != 0 => {
                SignalPath::KillGroup { sender, intent, group }
            }
            _ => SignalPath::KillProcess { sender, intent },
        }
    }

    /// Whether the signal is of a session leader that gave up its terminal: the foreground group gets it in its name
    /// (`drivers/tty/tty_jobctrl.c`, `disassociate_ctty`).
    fn gave_up(&self, sender: ProcKey, signal: Signal, target: &Process, tty_before: Option<TtyKey>) -> bool {
        let mut calls = self.taken.iter().flat_map(|taken| &taken.intents);
        let same_session = self.processes.get(&sender).is_some_and(|sender| sender.session == target.session);
        matches!(signal, Signal::HUP | Signal::CONT)
            && same_session
            && target.tty.is_none_or(|tty| Some(tty) != tty_before)
            && calls.any(|intent| intent.sender == sender && gives_up(&intent.call))
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

/// `TIOCNOTTY`.
fn gives_up(call: &Call) -> bool {
    matches!(call, Call::TtyIoctl { request: TtyRequest::GiveUp, .. })
}

/// Whether a call is one that can have reached the target. Numbers are those of the sender's pid namespace.
fn is_aimed_at(intent: &Intent, sender: Option<&Process>, target: &Process) -> bool {
    let inside = sender.and_then(|sender| sender.namespace).zip(target.namespace);
    let same = inside.filter(|(sender, target)| sender.inum == target.inum).map(|(_, target)| target.pid.0);
    let number = same.unwrap_or(target.key.number.0);
    // The group may be known by its number in the capture's namespace only.
    let group = |number: u32| inside.is_some() || target.group.is_none_or(|group| group.number.0 == number);
    match intent.call {
        Call::Kill { target: -1, .. } | Call::PidfdSendSignal { .. } | Call::Tkill { .. } => true,
        Call::Kill { target: 0, .. } => intent.group == target.group,
        Call::Kill { target: aim @ ..0, .. } => group(aim.unsigned_abs()),
        Call::Kill { target: pid, .. }
        | Call::Tgkill { pid, .. }
        | Call::Sigqueue { pid, .. }
        | Call::Tgsigqueue { pid, .. } => u32::try_from(pid) == Ok(number),
        Call::Setpgid { .. }
        | Call::Setsid
        | Call::TtyIoctl { .. }
        | Call::Wait4 { .. }
        | Call::Waitid { .. }
        | Call::SetSubreaper { .. }
        | Call::SetParentDeathSignal { .. }
        | Call::Vhangup
        | Call::Open
        | Call::Read { .. }
        | Call::Write { .. } => false,
    }
}
