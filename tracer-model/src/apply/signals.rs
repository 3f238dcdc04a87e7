//! Signals: along which path each one came.
//!
//! The kernel's `signal_generate` has the target, `current` and whether the signal was made in the kernel; who caused it
//! follows from what `current` was doing. Must not decide the effect: stops and continues come from the bundle.

use super::{Cx, taken::taker};
use crate::{
    delta::{Change, Dropped, HangupKind, SignalPath},
    event::{
        Call, Disposition, SIGNAL_GROUP_EXIT, SIGNAL_UNKILLABLE, SignalGenerated, SignalOrigin, SignalOutcome,
        TtyRequest,
    },
    ids::{ProcKey, Seq, Signal, TtyKey},
    state::{LastStop, Model, OpenCall, Phase, Process},
};

/// `CLD_EXITED` to `CLD_DUMPED`: the child ended.
const CHILD_ENDED: std::ops::RangeInclusive<i32> = 1..=3;
/// `CLD_STOPPED`.
const CHILD_STOPPED: i32 = 5;
/// `CLD_EXITED` to `CLD_CONTINUED` (siginfo.h).
const CHILD_CODES: std::ops::RangeInclusive<i32> = 1..=6;
/// `SI_QUEUE`.
pub(crate) const SI_QUEUE: i32 = -1;
/// `SI_TIMER`.
pub(super) const SI_TIMER: i32 = -2;
/// `SI_TKILL`.
const SI_TKILL: i32 = -6;
/// `PIDFD_SIGNAL_PROCESS_GROUP`.
const PIDFD_PROCESS_GROUP: u32 = 4;

impl Model {
    /// `signal_generate`: the subject is the target, after the effect.
    pub(super) fn signal_generated(&mut self, cx: &mut Cx, sent: &SignalGenerated) {
        let known = cx.event.subject.as_ref().and_then(|state| self.lookup(state.id));
        let tty_before = known.and_then(|key| self.processes.get(&key)).and_then(|process| process.tty);
        let Some(target) = self.take_subject(cx) else { return };
        let path = if self.taken.is_some() {
            self.path_when_taken(cx, sent, target, tty_before)
        } else {
            let path = self.signal_path(cx, sent, target, tty_before);
            self.note_exit_progress(cx, sent, target, path);
            path
        };
        self.settle_orphans(cx);
        let flags = cx.event.subject.as_ref().map_or(0, |state| state.signal_flags);
        cx.push(Change::SignalSent { target, signal: *sent, path, dropped: dropped(sent, flags) });
        let dropped = matches!(sent.outcome, SignalOutcome::Ignored | SignalOutcome::Overflow);
        let Some(process) = self.processes.get_mut(&target) else { return };
        if sent.signal == Signal::CONT {
            // It takes pending stop signals with it, ignored or not.
            process.book.last_stop = None;
        } else if sent.signal.stops() && !dropped {
            let stop = LastStop { signal: sent.signal, sent: cx.event.seq, told: false };
            process.book.last_stop = Some(Box::new(stop));
        }
    }

    fn signal_path(
        &mut self,
        cx: &mut Cx,
        sent: &SignalGenerated,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        match sent.origin {
            SignalOrigin::Info(code) if sent.signal == Signal::CHLD && CHILD_CODES.contains(&code) => {
                self.child_status(cx, code, target)
            }
            SignalOrigin::Info(code) if code == 0 || code == SI_TKILL || code == SI_QUEUE => {
                self.user_signal(cx, sent, target)
            }
            SignalOrigin::Info(code) if code < 0 && self.open_signal(cx, sent).is_some() => {
                self.user_signal(cx, sent, target)
            }
            SignalOrigin::Info(SI_TIMER) => SignalPath::Timer,
            SignalOrigin::Info(code) if is_fault(sent.signal, code) => SignalPath::Fault,
            SignalOrigin::Info(_) => SignalPath::Kernel,
            SignalOrigin::KernelAsUser => self.kernel_as_user(cx, sent, target),
            SignalOrigin::Kernel => self.kernel_signal(cx, sent, target, tty_before),
        }
    }

    /// The open call of the acting thread.
    fn open_call(&self, cx: &Cx) -> Option<OpenCall> {
        let actor = self.lookup(cx.event.actor).and_then(|actor| self.processes.get(&actor))?;
        actor.book.calls.get(cx.event.actor.tid).copied()
    }

    /// The acting thread's open call, when it is one that sends this signal. (An interrupt can send another one on top.)
    fn open_signal(&self, cx: &Cx, sent: &SignalGenerated) -> Option<OpenCall> {
        self.open_call(cx).filter(|open| open.call.signal() == Some(sent.signal))
    }

    /// kill and relatives. What the call was aimed at is in its arguments; the group is that of the target.
    fn user_signal(&mut self, cx: &mut Cx, sent: &SignalGenerated, target: ProcKey) -> SignalPath {
        let open = self.open_signal(cx, sent).map(|open| (open.call, open.entered.seq));
        let Some(sender) = self.take_actor(cx) else { return SignalPath::Unknown };
        let call = if sent.at_delivery { self.earlier_call(cx, sent, sender, target) } else { open };
        let Some((call, intent)) = call else { return SignalPath::KillUnseen { sender } };
        self.path_of_call(call, intent, sender, target)
    }

    /// The path of a signal that a call sends to this target.
    pub(super) fn path_of_call(&self, call: Call, intent: Seq, sender: ProcKey, target: ProcKey) -> SignalPath {
        let group = self.processes.get(&target).and_then(|target| target.group);
        if let Call::Kill { target: -1, .. } = call {
            return SignalPath::KillAll { sender, intent };
        }
        let to_group = matches!(call, Call::Kill { target: ..=0, .. })
            || matches!(call, Call::PidfdSendSignal { flags, .. } if flags & PIDFD_PROCESS_GROUP != 0);
        if to_group {
            SignalPath::KillGroup { sender, intent, group }
        } else {
            SignalPath::KillProcess { sender, intent }
        }
    }

    /// The call of a sender that sent the signal which its target is taking now.
    pub(super) fn earlier_call(
        &mut self,
        cx: &Cx,
        sent: &SignalGenerated,
        sender: ProcKey,
        target: ProcKey,
    ) -> Option<(Call, Seq)> {
        let process = self.processes.get(&target)?;
        let taker = taker(process, cx.event.subject.as_ref()?.id.tid);
        self.sends.taken(sender, sent.signal, &taker)
    }

    /// SIGCHLD. A dying father also reports his zombie children to whoever adopts them.
    fn child_status(&mut self, cx: &mut Cx, code: i32, target: ProcKey) -> SignalPath {
        let Some(actor) = self.take_actor(cx) else { return SignalPath::Unknown };
        let stop = self.processes.get_mut(&actor).and_then(|process| process.book.last_stop.as_mut());
        if let Some(stop) = stop.filter(|_| code == CHILD_STOPPED) {
            stop.told = true;
        }
        let Some(process) = self.processes.get(&actor) else { return SignalPath::Unknown };
        // Each of them before itself (kernel/exit.c, `exit_notify`): to a parent that adopts as well, one after the other.
        let adopts = self.adopter(actor).map_or(process.parent != Some(target), |adopter| adopter == target);
        if process.phase != Phase::Alive && adopts {
            // Of one that is traced the adopter is told when the tracer has waited (kernel/exit.c, `reparent_leader`).
            let is_zombie = |it: &Process| {
                let is = it.phase == Phase::Zombie || it.book.zombie_by().is_some() && !it.is_zombie();
                is && !it.book.exit().is_some_and(|exit| exit.is_traced)
            };
            let zombie = |child: &&ProcKey| self.processes.get(child).is_some_and(is_zombie);
            let zombies: Vec<ProcKey> = process.children.iter().filter(zombie).copied().collect();
            let told = process.book.exit().map_or(0, |exit| exit.children_told);
            if told < zombies.len() {
                if let Some(process) = self.processes.get_mut(&actor) {
                    process.book.exit_mut().children_told += 1;
                }
                return if let [child] = zombies[..] { SignalPath::ChildStatus { child } } else { SignalPath::Kernel };
            }
        }
        let parent = process.parent.filter(|_| !process.parent_exited);
        if CHILD_ENDED.contains(&code) && process.phase >= Phase::Exiting {
            self.child_ended(cx, actor);
            // Who is told instead of the parent is a tracer (kernel/exit.c, `exit_notify`); later the parent is.
            if let Some(process) = self.processes.get_mut(&actor) {
                process.book.exit_mut().is_traced = parent.is_some_and(|parent| parent != target);
            }
        }
        SignalPath::ChildStatus { child: actor }
    }

    /// A process reports its own end: it is a zombie by now, and its children are somebody else's.
    fn child_ended(&mut self, cx: &mut Cx, key: ProcKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            let at = cx.event.at;
            process.book.exit_mut().zombie_by.get_or_insert(at);
        }
        self.exit_notify(cx, key);
    }

    /// Made in the kernel, shown to the receiver as if `current` had sent it.
    fn kernel_as_user(&mut self, cx: &mut Cx, sent: &SignalGenerated, target: ProcKey) -> SignalPath {
        let gives_up = matches!(
            self.open_call(cx).map(|open| open.call),
            Some(Call::TtyIoctl { request: TtyRequest::GiveUp, .. })
        );
        let hangup = sent.signal == Signal::HUP || sent.signal == Signal::CONT;
        let actor = self.lookup(cx.event.actor).and_then(|actor| self.processes.get(&actor));
        let exiting = actor.is_some_and(|actor| {
            actor.phase >= Phase::Exiting
                || actor.book.exit().is_some_and(|exit| exit.threads.contains(&cx.event.actor.tid))
        });
        if gives_up && hangup {
            SignalPath::Hangup { by: self.take_actor(cx), kind: HangupKind::GivenUp }
        } else if exiting && let Some(parent) = self.take_actor(cx) {
            SignalPath::ParentDeath { parent }
        } else if is_own_fault(sent.signal) && self.lookup(cx.event.actor) == Some(target) {
            SignalPath::Fault
        } else if sent.signal == Signal::KILL
            && let Some(by) = self.take_actor(cx)
        {
            // kernel/cgroup/cgroup.c, `__cgroup_kill`
            SignalPath::CgroupKill { by }
        } else {
            SignalPath::Kernel
        }
    }

    /// Made in the kernel: by a terminal, by the end of a session leader, or by the orphan rule.
    fn kernel_signal(
        &mut self,
        cx: &mut Cx,
        sent: &SignalGenerated,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        let by_ioctl = match (self.open_call(cx).map(|open| open.call), sent.signal) {
            (Some(Call::TtyIoctl { request, .. }), Signal::WINCH) => request == TtyRequest::SetWindowSize,
            (Some(Call::TtyIoctl { request, .. }), Signal::INT | Signal::QUIT | Signal::TSTP) => {
                request == TtyRequest::Inject || request == TtyRequest::Signal
            }
            _ => false,
        };
        match sent.signal {
            Signal::WINCH | Signal::INT | Signal::QUIT | Signal::TSTP if by_ioctl => {
                self.take_actor(cx).map_or(SignalPath::Kernel, |by| SignalPath::TerminalIoctl { by })
            }
            Signal::INT | Signal::QUIT | Signal::TSTP => {
                let group = self.processes.get(&target).and_then(|target| target.group);
                let tty = group.and_then(|group| self.foreground_of(group));
                // A terminal's characters go to its foreground group and to nobody else.
                tty.map_or(SignalPath::Kernel, |tty| SignalPath::TerminalCharacter { tty: Some(tty) })
            }
            Signal::TTIN | Signal::TTOU => self.background_access(cx, target),
            Signal::HUP | Signal::CONT => self.hangup_or_orphan(cx, sent.signal, target, tty_before),
            Signal::KILL => self.namespace_end(cx, target).unwrap_or(SignalPath::Kernel),
            signal if is_timer(signal) => SignalPath::Timer,
            signal if is_own_fault(signal) => SignalPath::Fault,
            _ => SignalPath::Kernel,
        }
    }

    /// The exiting init of a pid namespace kills the others (`kernel/pid_namespace.c`, `zap_pid_ns_processes`).
    fn namespace_end(&mut self, cx: &mut Cx, target: ProcKey) -> Option<SignalPath> {
        let init = self.lookup(cx.event.actor).and_then(|actor| self.processes.get(&actor))?;
        let (outer, inner) = (init.namespace?, self.processes.get(&target)?.namespace?);
        let ends = init.phase >= Phase::Exiting && outer.pid.0 == 1 && init.key != target;
        let init = (ends && inner.level >= outer.level).then_some(init.key)?;
        self.take_actor(cx);
        Some(SignalPath::NamespaceEnd { init })
    }

    /// `__tty_check_change` signals the group of the process that read, wrote or changed the terminal.
    fn background_access(&mut self, cx: &mut Cx, target: ProcKey) -> SignalPath {
        let group = |key: ProcKey| self.processes.get(&key).and_then(|process| process.group);
        let same = |actor: &ProcKey| group(*actor).is_some() && group(*actor) == group(target);
        match self.lookup(cx.event.actor).filter(same) {
            Some(by) => {
                self.take_actor(cx);
                SignalPath::BackgroundAccess { by: Some(by) }
            }
            None => SignalPath::Kernel,
        }
    }

    /// SIGHUP and SIGCONT made in the kernel. An exiting session leader first hangs up the foreground group of its terminal
    /// (and continues it only after an earlier hangup); what comes after that, or from another process that exits, is the
    /// orphan rule, unless it is to the leader of a session that has just lost its terminal.
    fn hangup_or_orphan(
        &mut self,
        cx: &mut Cx,
        signal: Signal,
        target: ProcKey,
        tty_before: Option<TtyKey>,
    ) -> SignalPath {
        let actor = self.lookup(cx.event.actor);
        let Some(process) = self.processes.get(&target) else { return SignalPath::Unknown };
        let exiting = actor.and_then(|actor| self.processes.get(&actor)).filter(|actor| actor.phase >= Phase::Exiting);
        let lost_tty = tty_before.is_some() && process.tty.is_none();
        let leads = process.facts.session_leader;
        let hung_up = |by: ProcKey| {
            let by = self.processes.get(&by);
            let exit = by.filter(|by| !by.book.exit_notified).and_then(|by| by.book.exit());
            exit.is_some_and(|exit| exit.hung_up.contains(&(target, Signal::HUP)))
        };
        match exiting.map(|exiting| (exiting.key, exiting.hangs_up(signal, process.group, target))) {
            Some((by, Some(kind))) => SignalPath::Hangup { by: Some(by), kind },
            Some((by, None)) if leads && by == target => {
                SignalPath::Hangup { by: Some(by), kind: HangupKind::LeaderExit }
            }
            Some((by, None)) if leads && (lost_tty || hung_up(by)) => {
                SignalPath::Hangup { by: Some(by), kind: HangupKind::Terminal }
            }
            Some((exiting, None)) => SignalPath::OrphanRule { exiting },
            None if leads => {
                let by = self.take_actor(cx).filter(|by| self.processes.get(by).is_some_and(|by| !by.kernel_thread));
                SignalPath::Hangup { by, kind: HangupKind::Terminal }
            }
            None => SignalPath::Kernel,
        }
    }

    /// What the signals of an exiting process prove about its exit.
    fn note_exit_progress(&mut self, cx: &mut Cx, sent: &SignalGenerated, target: ProcKey, path: SignalPath) {
        if let SignalPath::OrphanRule { exiting } = path {
            self.take_actor(cx);
            self.exit_notify(cx, exiting);
            let group = self.processes.get(&target).and_then(|target| target.group);
            if let (Some(group), Some(exiting)) = (group, self.processes.get_mut(&exiting)) {
                exiting.book.exit_mut().signalled.insert((group, sent.signal));
            }
        } else if let SignalPath::Hangup { by: Some(by), .. } = path {
            self.take_actor(cx);
            if let Some(by) = self.processes.get_mut(&by).filter(|by| by.phase >= Phase::Exiting) {
                by.book.exit_mut().hung_up.insert((target, sent.signal));
            }
        }
    }
}

/// A signal that a timer of the target sends (`kernel/time/itimer.c`, `posix-cpu-timers.c`).
pub(super) fn is_timer(signal: Signal) -> bool {
    matches!(signal, Signal::ALRM | Signal::VTALRM | Signal::PROF)
}

/// A signal that the kernel sends a process for what it did itself: a fault, a write that nobody reads, a limit.
pub(super) fn is_own_fault(signal: Signal) -> bool {
    const FAULTS: [u32; 10] = [4, 5, 7, 8, 11, 13, 16, 24, 25, 31];
    FAULTS.contains(&signal.0)
}

/// A fault of the processor or of a system call (siginfo.h, `ILL_*` to `SYS_*`).
fn is_fault(signal: Signal, code: i32) -> bool {
    code > 0 && is_own_fault(signal)
}

/// Why a signal was dropped that the target does not ignore.
fn dropped(sent: &SignalGenerated, signal_flags: u32) -> Option<Dropped> {
    if sent.outcome != SignalOutcome::Ignored {
        None
    } else if signal_flags & SIGNAL_GROUP_EXIT != 0 {
        Some(Dropped::Exiting)
    } else if signal_flags & SIGNAL_UNKILLABLE != 0 && sent.disposition == Disposition::Default {
        Some(Dropped::Init)
    } else {
        None
    }
}
