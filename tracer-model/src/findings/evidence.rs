//! Events as one-line evidence: who did what, in the words of the timeline.
//!
//! Must not: judge. A line says what one event showed and no more.

use super::{
    Now,
    words::{Errno, Span, Words, count, say},
};
use crate::{
    delta::{Change, ForegroundGroup, GroupBirth, HangupKind, OrphanCause, ReapEvidence, SignalPath},
    event::{Leave, WaitStatus},
    ids::{BootNs, ProcKey, Seq, Signal},
};

/// One event that a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its number.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    /// What it showed.
    pub text: Words,
}

impl Now<'_> {
    /// The event at hand as evidence of something.
    pub(super) fn evidence(&self, text: Words) -> Evidence {
        Evidence { seq: self.seq, at: self.at, text }
    }

    /// A change of the event at hand as evidence; `None` for those that nothing rests on.
    pub(super) fn evidence_of(&self, change: &Change) -> Option<Evidence> {
        self.told(change).map(|text| self.evidence(text))
    }

    /// The return of a call as evidence.
    pub(super) fn returned(&self, caller: ProcKey, leave: &Leave) -> Evidence {
        let caller = self.name(caller);
        self.evidence(match i32::try_from(leave.ret.saturating_neg()) {
            Ok(errno @ 1..) if errno < 512 => say![caller, ": ", leave.call, " = ", Errno(errno)],
            _ => say![caller, ": ", leave.call],
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "changes that nothing rests on have no line")]
    fn told(&self, change: &Change) -> Option<Words> {
        Some(match *change {
            Change::Forked { child, parent } => say![self.name(parent), " forks ", child.number.to_string()],
            Change::Executed { process } => say![self.name(process), " executes a program"],
            Change::Exited { process, status } => say![self.name(process), " ", ending(status)],
            Change::Reaped { process, by, evidence, .. } => match (by, evidence) {
                (Some(by), _) => say![self.name(by), " reaps ", self.name(process)],
                (None, ReapEvidence::AutoReap) => {
                    say![self.name(process), " is reaped by its own exit: its parent ignores SIGCHLD"]
                }
                (None, _) => say![self.name(process), " is reaped"],
            },
            Change::GroupBorn { group, leader: Some(leader), birth } => match birth {
                GroupBirth::BySelf => say![self.name(leader), ": setpgid, leads new group ", group],
                GroupBirth::ByParent { parent, .. } => {
                    say![self.name(parent), ": setpgid, makes ", self.name(leader), " lead new group ", group]
                }
                GroupBirth::BySetsid => say![self.name(leader), ": setsid, leads new session and group ", group],
                GroupBirth::Found => return None,
            },
            Change::Joined { process, group, .. } => match self.delta.by {
                Some(by) if by != process => {
                    say![self.name(by), ": setpgid, puts ", self.name(process), " into group ", group]
                }
                _ => say![self.name(process), ": setpgid, joins group ", group],
            },
            Change::Stopped { process, signal, .. } => say![self.name(process), " is stopped by ", signal],
            Change::Continued { process, .. } => say![self.name(process), " is continued"],
            Change::Foreground { tty, from, to, by } => {
                let held = |group: Option<ForegroundGroup>| {
                    group.map_or_else(|| "none".to_owned(), |group| group.number.to_string())
                };
                let by = by.map(|by| say![self.name(by), ": tcsetpgrp, "]);
                say![by, "foreground of ", tty, " ", held(from), " → ", held(to)]
            }
            Change::Orphaned { group, cause, stopped_members } => {
                let stopped = (stopped_members > 0)
                    .then(|| say![" (", count(stopped_members, "stopped member", "stopped members"), ")"]);
                let by = match cause {
                    OrphanCause::Exit(by) => say!["the exit of ", self.name(by)],
                    OrphanCause::Setpgid(by) => say!["setpgid of ", self.name(by)],
                    OrphanCause::Setsid(by) => say!["setsid of ", self.name(by)],
                    OrphanCause::Found => return None,
                };
                say![by, " orphans group ", group, stopped]
            }
            Change::SignalSent { target, signal, path, .. } => {
                say![signal.signal, " to ", self.name(target), ": ", self.path(path, target, signal.signal)]
            }
            Change::WaitReported { child, status: WaitStatus::Stopped(signal) } => {
                let by = self.delta.by.map(|by| self.name(by));
                say![by, " learns that ", self.name(child), " is stopped by ", signal]
            }
            Change::Reparented { process, to, .. } => say![self.name(process), " is now a child of ", self.name(to)],
            _ => return None,
        })
    }

    /// The path along which a signal came to its target.
    pub(super) fn path(&self, path: SignalPath, target: ProcKey, signal: Signal) -> Words {
        match path {
            SignalPath::KillProcess { sender, .. } if sender == target => say!["sent by itself"],
            SignalPath::KillProcess { sender, .. } => {
                say!["sent by ", self.name(sender), ", to this process alone"]
            }
            SignalPath::KillGroup { sender, group: Some(group), .. } => {
                say!["sent by ", self.name(sender), ", to group ", group]
            }
            SignalPath::KillGroup { sender, group: None, .. } => say!["sent by ", self.name(sender), ", to its group"],
            SignalPath::KillAll { sender, .. } => {
                say!["sent by ", self.name(sender), " with kill(-1), to every process that it may signal"]
            }
            SignalPath::TerminalCharacter { tty } => {
                let key = match signal {
                    Signal::INT => "Ctrl-C",
                    Signal::QUIT => "Ctrl-\\",
                    Signal::TSTP => "Ctrl-Z",
                    _ => "a character",
                };
                let at = tty.map(|tty| say![" at ", tty, ", to its foreground group"]);
                say![key, " typed", at]
            }
            SignalPath::BackgroundAccess { by: Some(by) } if by == target => {
                say!["from the kernel, because it used its terminal from the background"]
            }
            SignalPath::BackgroundAccess { by: None } => {
                say!["from the kernel, because a process of its group used their terminal from the background"]
            }
            SignalPath::BackgroundAccess { by: Some(by) } => {
                say![
                    "from the kernel, because ",
                    self.name(by),
                    " of its group used their terminal from the background"
                ]
            }
            SignalPath::TerminalIoctl { by } => say!["from the kernel, by an ioctl of ", self.name(by)],
            SignalPath::Hangup { by, kind } => self.hangup(by, kind),
            SignalPath::KillUnseen { sender } => {
                say!["sent by ", self.name(sender), " with a call that was not seen"]
            }
            SignalPath::OrphanRule { exiting } => say![
                "from the kernel, because the exit of ",
                self.name(exiting),
                " orphaned its group while a member was stopped"
            ],
            SignalPath::ChildStatus { child } => say!["from the kernel, about child ", self.name(child)],
            SignalPath::ParentDeath { parent } => {
                say!["from the kernel, asked for by PR_SET_PDEATHSIG: a thread of ", self.name(parent), " ended"]
            }
            SignalPath::Kernel => say!["from the kernel"],
            SignalPath::Unknown => say!["its sender was not seen"],
        }
    }

    fn hangup(&self, by: Option<ProcKey>, kind: HangupKind) -> Words {
        let by = by.map(|by| self.name(by));
        match kind {
            HangupKind::LeaderExit => say!["from the kernel, because session leader ", by, " exited"],
            HangupKind::LeaderExitAfterHangup => {
                say!["from the kernel, because session leader ", by, " exited after its terminal had been hung up"]
            }
            HangupKind::GivenUp => {
                say!["from the kernel, because session leader ", by, " gave up the terminal (TIOCNOTTY)"]
            }
            HangupKind::Terminal => {
                let by = by.map(|by| say![" by ", by]);
                say!["from the kernel, because the terminal was hung up", by]
            }
        }
    }

    /// `3.1 s before`: from then to now.
    pub(super) fn since(&self, then: BootNs) -> Span {
        Span(self.at.since(then))
    }
}

/// `exits 0`, `dies of SIGINT`.
pub(super) fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exits {code}"),
        WaitStatus::Killed { signal, .. } => format!("dies of {signal}"),
        WaitStatus::Stopped(_) | WaitStatus::Continued | WaitStatus::Unknown { .. } => "exits".to_owned(),
    }
}
