//! Events as one-line evidence: who did what, in the words of the timeline.
//!
//! A line is put into words when a finding rests on it, which few do: until then it is a change and the names that go with it,
//! shared by all who remember it.
//! Must not: judge. A line says what one event showed and no more.

use std::{ops::Deref, sync::Arc};

use super::{
    Now,
    words::{Errno, Span, Word, Words, count, say},
};
use crate::{
    delta::{Change, ForegroundGroup, GroupBirth, HangupKind, OrphanCause, ReapEvidence, SignalPath},
    event::{Comm, Leave, WaitStatus},
    ids::{BootNs, ProcKey, Seq, Signal},
};

/// One event that a finding rests on, shared by all who remember it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(Arc<Shown>);

/// What an event showed.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub seq: Seq,
    /// When.
    pub at: BootNs,
    said: Said,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Words(Words),
    Change(Told),
}

impl Deref for Evidence {
    type Target = Shown;

    fn deref(&self) -> &Shown {
        &self.0
    }
}

impl From<Shown> for Evidence {
    fn from(shown: Shown) -> Self {
        Self(Arc::new(shown))
    }
}

impl Shown {
    /// It in words.
    #[must_use]
    pub fn text(&self) -> Words {
        match &self.said {
            Said::Words(words) => words.clone(),
            Said::Change(told) => told.text().unwrap_or_default(),
        }
    }

    /// What a process was called then, where the line names it.
    fn name(&self, key: ProcKey) -> Option<Word> {
        match &self.said {
            Said::Words(words) => {
                words.0.iter().find(|it| matches!(it, Word::Process(pid, _) if *pid == key.number)).cloned()
            }
            Said::Change(told) => told.comm(key).map(|comm| Word::Process(key.number, comm.clone())),
        }
    }

    /// Of a signal that was sent: the path along which it came.
    pub(super) fn path(&self) -> Words {
        match &self.said {
            Said::Change(told) => told.path().unwrap_or_default(),
            Said::Words(_) => Words::default(),
        }
    }
}

impl Now<'_> {
    /// The event at hand as evidence of something.
    pub(super) fn evidence(&self, text: Words) -> Evidence {
        Evidence::from(Shown { seq: self.seq, at: self.at, said: Said::Words(text) })
    }

    /// The inspection that the event at hand is, as evidence.
    pub(super) fn read(&self, process: ProcKey) -> Evidence {
        self.evidence(say!["/proc of ", self.name(process), " is read"])
    }

    /// A change of the event at hand as evidence; `None` for those that nothing rests on.
    pub(super) fn evidence_of(&self, change: &Change) -> Option<Evidence> {
        let mut shown = self.changes().zip(self.shown);
        if let Some((_, Some(evidence))) = shown.find(|(it, _)| std::ptr::eq(*it, change)) {
            return Some(evidence.clone());
        }
        self.new_evidence_of(change)
    }

    /// The same, for a change that is not shown yet.
    pub(super) fn new_evidence_of(&self, change: &Change) -> Option<Evidence> {
        self.note(change).map(Evidence::from)
    }

    /// The same, for one alone to keep, in whose hands it seldom becomes evidence.
    pub(super) fn note(&self, change: &Change) -> Option<Shown> {
        let by = self.delta.by;
        // A tracer sees a signal later than the call that sent it, and its sender may be another program by then.
        let sent = if let Change::SignalSent { path, .. } = *change { path.sender().zip(path.intent()) } else { None };
        let comm = |key: ProcKey| match sent {
            Some((sender, intent)) if sender == key => self.comm_at(key, intent),
            _ => self.comm(key),
        };
        let names = named(change, by)?.map(|key| key.map(|key| (key, comm(key))));
        Some(Shown { seq: self.seq, at: self.at, said: Said::Change(Told { change: *change, by, names }) })
    }

    /// The return of a call as evidence.
    pub(super) fn returned(&self, caller: ProcKey, leave: &Leave) -> Evidence {
        let caller = self.name(caller);
        self.evidence(match i32::try_from(leave.ret.saturating_neg()) {
            Ok(errno @ 1..) if errno < 512 => say![caller, ": ", leave.call, " = ", Errno(errno)],
            _ => say![caller, ": ", leave.call],
        })
    }

    /// A process as it was called when something happened: since then it may have executed another program.
    pub(super) fn name_at(&self, evidence: &Evidence, key: ProcKey) -> Word {
        evidence.name(key).unwrap_or_else(|| self.name(key))
    }

    /// `3.1 s before`: from then to now.
    pub(super) fn since(&self, then: BootNs) -> Span {
        Span(self.at.since(then))
    }
}

/// The processes whose names belong to a change, as far as something rests on it.
#[expect(clippy::wildcard_enum_match_arm, reason = "changes that nothing rests on have no line")]
fn named(change: &Change, by: Option<ProcKey>) -> Option<[Option<ProcKey>; 2]> {
    Some(match *change {
        Change::Forked { parent, .. } => [Some(parent), None],
        Change::Executed { process }
        | Change::Exited { process, .. }
        | Change::Stopped { process, .. }
        | Change::Continued { process, .. } => [Some(process), None],
        Change::Reaped { process, by, .. } => [Some(process), by],
        Change::GroupBorn { birth: GroupBirth::Found, .. } | Change::Orphaned { cause: OrphanCause::Found, .. } => {
            return None;
        }
        Change::GroupBorn { leader: Some(leader), birth, .. } => match birth {
            GroupBirth::ByParent { parent, .. } => [Some(leader), Some(parent)],
            GroupBirth::BySelf | GroupBirth::BySetsid | GroupBirth::Found => [Some(leader), None],
        },
        Change::Joined { process, .. } => [Some(process), by],
        Change::Foreground { by, .. } => [by, None],
        Change::Orphaned { cause, .. } => match cause {
            OrphanCause::Exit(by) | OrphanCause::Setpgid(by) | OrphanCause::Setsid(by) => [Some(by), None],
            OrphanCause::Found => return None,
        },
        Change::SignalSent { target, path, .. } => [Some(target), path.process()],
        Change::WaitReported { child, status: WaitStatus::Stopped(_) } => [Some(child), by],
        Change::Reparented { process, to, .. } => [Some(process), Some(to)],
        _ => return None,
    })
}

/// A change, and what the processes in it were called then.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    change: Change,
    by: Option<ProcKey>,
    names: [Option<(ProcKey, Comm)>; 2],
}

impl Told {
    fn comm(&self, key: ProcKey) -> Option<&Comm> {
        self.names.iter().flatten().find(|(named, _)| *named == key).map(|(_, comm)| comm)
    }

    fn name(&self, key: ProcKey) -> Word {
        Word::Process(key.number, self.comm(key).cloned().unwrap_or_default())
    }

    fn path(&self) -> Option<Words> {
        let Change::SignalSent { target, signal, path, .. } = self.change else { return None };
        Some(path_text(path, target, signal.signal, &|key| self.name(key)))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "changes that nothing rests on have no line")]
    fn text(&self) -> Option<Words> {
        Some(match self.change {
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
            Change::Joined { process, group, .. } => match self.by {
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
            Change::SignalSent { target, signal, .. } => {
                say![signal.signal, " to ", self.name(target), ": ", self.path()]
            }
            Change::WaitReported { child, status: WaitStatus::Stopped(signal) } => {
                let by = self.by.map(|by| self.name(by));
                say![by, " learns that ", self.name(child), " is stopped by ", signal]
            }
            Change::Reparented { process, to, .. } => say![self.name(process), " is now a child of ", self.name(to)],
            _ => return None,
        })
    }
}

/// The path along which a signal came to its target.
fn path_text(path: SignalPath, target: ProcKey, signal: Signal, name: &dyn Fn(ProcKey) -> Word) -> Words {
    match path {
        SignalPath::KillProcess { sender, .. } if sender == target => say!["sent by itself"],
        SignalPath::KillProcess { sender, .. } => {
            say!["sent by ", name(sender), ", to this process alone"]
        }
        SignalPath::KillGroup { sender, group: Some(group), .. } => {
            say!["sent by ", name(sender), ", to group ", group]
        }
        SignalPath::KillGroup { sender, group: None, .. } => say!["sent by ", name(sender), ", to its group"],
        SignalPath::KillAll { sender, .. } => {
            say!["sent by ", name(sender), " with kill(-1), to every process that it may signal"]
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
            say!["from the kernel, because ", name(by), " of its group used their terminal from the background"]
        }
        SignalPath::TerminalIoctl { by } => say!["from the kernel, by an ioctl of ", name(by)],
        SignalPath::Hangup { by, kind } => hangup(by.map(name), kind),
        SignalPath::KillUnseen { sender } => {
            say!["sent by ", name(sender), " with a call that was not seen"]
        }
        SignalPath::OrphanRule { exiting } => say![
            "from the kernel, because the exit of ",
            name(exiting),
            " orphaned its group while a member was stopped"
        ],
        SignalPath::ChildStatus { child } => say!["from the kernel, about child ", name(child)],
        SignalPath::ParentDeath { parent } => {
            say!["from the kernel, asked for by PR_SET_PDEATHSIG: a thread of ", name(parent), " ended"]
        }
        SignalPath::NamespaceEnd { init } => {
            say!["from the kernel, because ", name(init), ", the first process of its pid namespace, ended"]
        }
        SignalPath::CgroupKill { by } => {
            say!["sent by ", name(by), ", which wrote to cgroup.kill: to every process of its cgroup"]
        }
        SignalPath::Timer => {
            say!["from the kernel, when a timer of its own ran out (alarm, setitimer or the like)"]
        }
        SignalPath::Fault => say!["from the kernel, for what it did itself: ", fault(signal)],
        SignalPath::Kernel if signal == Signal::KILL => {
            say!["from the kernel, most likely because memory ran out (OOM): the kernel log (dmesg) says so"]
        }
        SignalPath::Kernel => say!["from the kernel"],
        SignalPath::Unknown => say!["sender unknown"],
    }
}

fn hangup(by: Option<Word>, kind: HangupKind) -> Words {
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

/// What a process did to get a signal that the kernel sends for that (signal(7)).
pub(super) fn fault(signal: Signal) -> &'static str {
    match signal.0 {
        4 => "an instruction that does not exist",
        5 => "a breakpoint",
        7 => "an access to memory that cannot be had",
        8 => "a division by zero or the like",
        11 => "an access to memory that is not its own",
        13 => "a write to a pipe or socket that nobody reads",
        24 => "more processor time than its limit allows",
        25 => "a file that it wrote larger than its limit",
        31 => "a system call that it may not make (seccomp)",
        _ => "a fault",
    }
}

/// Who sent a signal that was seen to end a process and not to be sent. `lost`: records were lost that could have shown it.
pub(super) fn unsent(signal: Signal, lost: bool) -> Words {
    match signal {
        _ if lost => say!["sender unknown: records were lost"],
        Signal::ALRM | Signal::VTALRM | Signal::PROF => {
            say!["no process sent it: a timer of its own ran out (alarm, setitimer or the like)"]
        }
        Signal(4 | 5 | 7 | 8 | 11 | 13 | 24 | 25 | 31) => {
            say!["no process sent it; it comes from ", fault(signal)]
        }
        _ => say!["sender unknown: it was sent before the capture, or to its parent while that forked it"],
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
