//! One event as facts: short sentences in names. Every change of a [`Delta`] is one, and so are the return of a watched call and a
//! step of a daemon.
//!
//! Must say only what the delta says.

use nix::errno::Errno;
use tracer_model::{
    delta::{
        Change, Delta, ForegroundGroup, GroupBirth, GroupEnd, LeaderRace, LeaderState, OrphanCause, RaceWinner,
        ReapEvidence, Refusal, SignalPath, TtyChange,
    },
    event::{Call, Event, EventKind, Leave, SignalGenerated, SignalOutcome, TtyRequest, WaitStatus},
    ids::{Pid, ProcKey},
};
use tracer_user::sink::{Style, attribute::words};

use super::names::Names;

/// The facts of one event, in the order of its changes; the return of a call comes last.
pub fn of(event: &Event, delta: &Delta, names: &Names) -> Vec<String> {
    let teller = Teller { names };
    let mut facts: Vec<String> = delta.changes.iter().map(|change| teller.change(change, delta)).collect();
    if let EventKind::Leave(leave) = &event.kind {
        facts.push(teller.leave(leave, delta.by));
    }
    if let EventKind::Attribute(attribute) = &event.kind {
        facts.push(format!("{} takes {}", names.maybe(delta.by), words(attribute, Style::PLAIN)));
    }
    facts
}

/// The name of a leader's state, also an item of [`super::state`].
pub fn leader(state: LeaderState) -> &'static str {
    match state {
        LeaderState::Alive => "leader alive",
        LeaderState::Zombie => "leader zombie",
        LeaderState::Reaped => "leader reaped",
        LeaderState::MovedAway => "leader moved away",
        LeaderState::Unknown => "leader unknown",
    }
}

/// A foreground group by name; `no group NAME` when no group of that number exists: not yet, or no more.
pub fn foreground(group: Option<ForegroundGroup>, names: &Names) -> String {
    match group {
        None => "none".to_owned(),
        Some(ForegroundGroup { group: Some(key), .. }) => names.group(key).to_owned(),
        Some(ForegroundGroup { number, group: None, .. }) => format!("no group {}", names.number(Pid(number.0))),
    }
}

struct Teller<'a> {
    names: &'a Names,
}

impl Teller<'_> {
    fn change(&self, change: &Change, delta: &Delta) -> String {
        let names = self.names;
        match *change {
            Change::Forked { child, parent } => format!("{} forks {}", names.process(parent), names.process(child)),
            Change::Found { process, by_snapshot: true } => format!("{} is found", names.process(process)),
            Change::Found { process, by_snapshot: false } => format!("{} is inferred", names.process(process)),
            Change::Executed { process } => format!("{} execs", names.process(process)),
            Change::Exited { process, status } => format!("{} {}", names.process(process), ending(status)),
            Change::Zombie { process } => format!("{} is a zombie", names.process(process)),
            Change::Reaped { process, by, evidence, .. } => {
                format!("{} is reaped {}", names.process(process), self.reaper(by, evidence))
            }
            Change::Reparented { process, from, to } => {
                let (from, to) = (names.process(from), names.process(to));
                format!("{} is reparented from {from} to {to}", names.process(process))
            }
            Change::GroupBorn { group, birth, .. } => {
                format!("group {} is {}", names.group(group), self.birth(birth))
            }
            Change::Joined { process, group, from, leader: state } => {
                let (group, from) = (names.group(group), names.group(from));
                format!("{} joins group {group} from {from}, {}", names.process(process), leader(state))
            }
            Change::GroupEnded { group, end } => format!("group {} ends, {}", names.group(group), self.end(end)),
            Change::Leaderless { group, leader: state } => {
                format!("group {} is leaderless, {}", names.group(group), leader(state))
            }
            Change::HeldByZombies { group } => format!("group {} is held by zombies", names.group(group)),
            Change::Orphaned { group, cause, stopped_members } => {
                format!("group {} is orphaned {}, {stopped_members} stopped", names.group(group), self.cause(cause))
            }
            Change::NoLongerOrphaned { group } => format!("group {} is no longer orphaned", names.group(group)),
            Change::SessionBorn { session, .. } => format!("session {} is born", names.session(session)),
            Change::SessionEnded { session } => format!("session {} ends", names.session(session)),
            Change::SessionLeaderExited { session, .. } => {
                format!("session {} loses its leader", names.session(session))
            }
            Change::TtyGained { session, how, .. } => {
                format!("session {} gains terminal {}", names.session(session), tty_change(how))
            }
            Change::TtyLost { session, how, .. } => {
                format!("session {} loses terminal {}", names.session(session), tty_change(how))
            }
            Change::TtyLeft { process, .. } => format!("{} leaves terminal", names.process(process)),
            Change::Foreground { from, to, .. } => {
                format!("foreground {} -> {}", foreground(from, names), foreground(to, names))
            }
            Change::LeaderRace(ref race) => self.race(race),
            Change::Refused { call, errno, reason } => {
                let who = names.maybe(delta.by);
                format!("{who} is refused {}: {:?}, {}", name(call), Errno::from_raw(errno), self.refusal(reason))
            }
            Change::SignalSent { target, ref signal, path, .. } => self.signal(target, signal, path),
            Change::Stopped { process, signal, .. } => format!("{} is stopped by {signal}", names.process(process)),
            Change::Continued { process, .. } => format!("{} is continued", names.process(process)),
            Change::WaitReported { child, status } => {
                format!("{} learns that {} {}", names.maybe(delta.by), names.process(child), ending(status))
            }
            Change::UnseenCall { process, what } => format!("unseen change of {}: {what:?}", names.process(process)),
            Change::Gap { lost, cause } => format!("gap of {lost}: {cause:?}"),
            Change::Anomaly(ref anomaly) => format!("anomaly {anomaly:?}"),
        }
    }

    fn leave(&self, leave: &Leave, by: Option<ProcKey>) -> String {
        let outcome = match leave.ret {
            -516..=-512 => "restart".to_owned(),
            ret if ret < 0 => {
                i32::try_from(-ret).map_or_else(|_| ret.to_string(), |n| format!("{:?}", Errno::from_raw(n)))
            }
            _ => "success".to_owned(),
        };
        format!("{} {} = {outcome}", self.names.maybe(by), name(leave.call))
    }

    fn reaper(&self, by: Option<ProcKey>, evidence: ReapEvidence) -> String {
        match (evidence, by) {
            (ReapEvidence::AutoReap, _) => "by its own exit".to_owned(),
            (_, Some(by)) => format!("by {}", self.names.process(by)),
            (ReapEvidence::Wait, None) => "by nobody known".to_owned(),
            (ReapEvidence::NumberReused, None) => "unseen, its number is reused".to_owned(),
            (ReapEvidence::Freed, None) => "unseen, it is freed".to_owned(),
            (ReapEvidence::Snapshot, None) => "unseen, it is not in a snapshot".to_owned(),
        }
    }

    fn birth(&self, birth: GroupBirth) -> String {
        match birth {
            GroupBirth::BySelf => "born by itself".to_owned(),
            GroupBirth::ByParent { parent, on_zombie: false } => {
                format!("born by parent {}", self.names.process(parent))
            }
            GroupBirth::ByParent { parent, on_zombie: true } => {
                format!("born by parent {} on a zombie", self.names.process(parent))
            }
            GroupBirth::BySetsid => "born by setsid".to_owned(),
            GroupBirth::Found => "found".to_owned(),
        }
    }

    fn end(&self, end: GroupEnd) -> String {
        match end {
            GroupEnd::LastReaped { last } => format!("{} reaped", self.names.process(last)),
            GroupEnd::LastMoved { last } => format!("{} moved", self.names.process(last)),
            GroupEnd::NotSeen => "unseen".to_owned(),
        }
    }

    fn cause(&self, cause: OrphanCause) -> String {
        match cause {
            OrphanCause::Exit(key) => format!("by exit of {}", self.names.process(key)),
            OrphanCause::Setpgid(key) => format!("by setpgid of {}", self.names.process(key)),
            OrphanCause::Setsid(key) => format!("by setsid of {}", self.names.process(key)),
            OrphanCause::Found => "as found".to_owned(),
        }
    }

    fn race(&self, race: &LeaderRace) -> String {
        let winner = match race.winner {
            RaceWinner::Child => "child first",
            RaceWinner::Parent => "parent first",
            RaceWinner::Undecided => "undecided",
        };
        let errno = match race.errno {
            0 => "success".to_owned(),
            errno => format!("{:?}", Errno::from_raw(errno)),
        };
        format!("race of {} and {}: {winner}, {errno}", self.names.process(race.child), self.names.process(race.parent))
    }

    fn refusal(&self, reason: Refusal) -> String {
        let text = match reason {
            Refusal::GroupEnded { group, .. } => return format!("group {} ended", self.names.group(group)),
            Refusal::AlreadyThereAfterExec => "already there after exec",
            Refusal::ExecutedBefore => "executed before",
            Refusal::NotAChild => "not a child",
            Refusal::ChildReaped => "child reaped",
            Refusal::GroupNotYet => "group not yet",
            Refusal::OtherSession => "other session",
            Refusal::SessionLeader => "session leader",
            Refusal::GroupLeader => "group leader",
            Refusal::NumberIsAGroup => "number is a group",
            Refusal::OrphanedBackground => "orphaned background",
            Refusal::NotControllingTty => "not the controlling terminal",
            Refusal::NotSessionLeader => "not a session leader",
            Refusal::HasControllingTty => "has a terminal",
            Refusal::TtyOfOtherSession => "terminal of another session",
            Refusal::NoSuchGroup => "no such group",
            Refusal::BackgroundSignalIgnored => "signal ignored",
            Refusal::Restarted => "restarted",
            Refusal::Invalid => "invalid",
            Refusal::Unexplained => "unexplained",
        };
        text.to_owned()
    }

    fn signal(&self, target: ProcKey, signal: &SignalGenerated, path: SignalPath) -> String {
        let outcome = match signal.outcome {
            SignalOutcome::Delivered => "",
            SignalOutcome::Ignored => ", ignored",
            SignalOutcome::AlreadyPending => ", pending already",
            SignalOutcome::Overflow => ", no room",
            SignalOutcome::InfoLost => ", information lost",
        };
        format!("{} gets {} {}{outcome}", self.names.process(target), signal.signal, self.path(path))
    }

    fn path(&self, path: SignalPath) -> String {
        let names = self.names;
        match path {
            SignalPath::KillProcess { sender, .. } => format!("by kill of {}", names.process(sender)),
            SignalPath::KillUnseen { sender } => format!("by unseen call of {}", names.process(sender)),
            SignalPath::KillGroup { sender, group, .. } => {
                let group = group.map_or("nobody", |group| names.group(group));
                format!("by kill of {} to group {group}", names.process(sender))
            }
            SignalPath::KillAll { sender, .. } => format!("by kill of {} to all", names.process(sender)),
            SignalPath::TerminalCharacter { .. } => "by terminal character".to_owned(),
            SignalPath::BackgroundAccess { by } => format!("by background access of {}", names.maybe(by)),
            SignalPath::TerminalIoctl { by } => format!("by terminal ioctl of {}", names.process(by)),
            SignalPath::Hangup { by, .. } => format!("by hangup of {}", names.maybe(by)),
            SignalPath::OrphanRule { exiting } => format!("by orphan rule of {}", names.process(exiting)),
            SignalPath::ChildStatus { child } => format!("as status of {}", names.process(child)),
            SignalPath::ParentDeath { parent } => format!("by death of {}", names.process(parent)),
            SignalPath::NamespaceEnd { init } => format!("by namespace end of {}", names.process(init)),
            SignalPath::CgroupKill { by } => format!("by cgroup.kill of {}", names.process(by)),
            SignalPath::Timer => "by timer".to_owned(),
            SignalPath::Fault => "by own fault".to_owned(),
            SignalPath::Kernel => "by kernel".to_owned(),
            SignalPath::Unknown => "by unknown".to_owned(),
        }
    }
}

fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exits {code}"),
        WaitStatus::Killed { signal, .. } => format!("dies of {signal}"),
        WaitStatus::Stopped(signal) => format!("is stopped by {signal}"),
        WaitStatus::Continued => "is continued".to_owned(),
        WaitStatus::Unknown { .. } => "ends somehow".to_owned(),
    }
}

fn tty_change(how: Option<TtyChange>) -> &'static str {
    match how {
        Some(TtyChange::Ioctl) => "by ioctl",
        Some(TtyChange::Open) => "by open",
        Some(TtyChange::Stolen) => "by theft",
        Some(TtyChange::LeaderExit) => "by leader exit",
        Some(TtyChange::Hangup) => "by hangup",
        Some(TtyChange::GivenUp) => "by being given up",
        None => "unseen",
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Setpgid { .. } => "setpgid",
        Call::Setsid => "setsid",
        Call::Kill { .. } => "kill",
        Call::Tkill { .. } => "tkill",
        Call::Tgkill { .. } => "tgkill",
        Call::Sigqueue { .. } => "sigqueue",
        Call::Tgsigqueue { .. } => "tgsigqueue",
        Call::PidfdSendSignal { .. } => "pidfd_send_signal",
        Call::TtyIoctl { request: TtyRequest::SetForeground, .. } => "tcsetpgrp",
        Call::TtyIoctl { request, .. } => request.name(),
        Call::Wait4 { .. } => "wait4",
        Call::Waitid { .. } => "waitid",
        Call::SetSubreaper { .. } => "set_child_subreaper",
        Call::SetParentDeathSignal { .. } => "set_pdeathsig",
        Call::Vhangup => "vhangup",
        Call::Open => "open",
        Call::Read { .. } => "read",
        Call::Write { .. } => "write",
    }
}
