//! What the model said, as text: a line per event that changed something.
//!
//! A second life of a number is `11'2`, so that keys never show. Must not say anything that is not in the delta.

use std::collections::BTreeMap;

use super::statement::status_text;
use crate::{
    delta::{
        Bounds, Change, Delta, ForegroundGroup, GroupBirth, GroupEnd, LeaderRace, OrphanCause, Refusal, SignalPath,
    },
    event::Event,
    ids::{PgrpKey, ProcKey, Seq, SessionKey, TtyKey},
};

/// Names of keys: each number's lives in the order in which they appear.
#[derive(Clone, Debug, Default)]
pub struct Names {
    lives: BTreeMap<(&'static str, String), Vec<u32>>,
}

impl Names {
    fn name(&mut self, kind: &'static str, number: String, life: u32) -> String {
        let lives = self.lives.entry((kind, number.clone())).or_default();
        let place = lives.iter().position(|known| *known == life).unwrap_or_else(|| {
            lives.push(life);
            lives.len() - 1
        });
        if place == 0 { number } else { format!("{number}'{}", place + 1) }
    }

    /// A process.
    pub fn process(&mut self, key: ProcKey) -> String {
        self.name("process", key.number.to_string(), key.life.0)
    }
    /// A process group.
    pub fn group(&mut self, key: PgrpKey) -> String {
        self.name("group", key.number.to_string(), key.life.0)
    }
    /// A session.
    pub fn session(&mut self, key: SessionKey) -> String {
        self.name("session", key.number.to_string(), key.life.0)
    }
    /// A terminal.
    pub fn tty(&mut self, key: TtyKey) -> String {
        self.name("tty", key.tty.to_string(), key.life.0)
    }

    /// One event's changes, `None` when there are none.
    pub fn delta(&mut self, event: &Event, delta: &Delta) -> Option<String> {
        let changes: Vec<_> = delta.changes.iter().map(|change| self.change(change)).collect();
        (!changes.is_empty()).then(|| format!("#{} {}", event.seq.0, changes.join("; ")))
    }

    fn or_nobody(&mut self, key: Option<ProcKey>) -> String {
        key.map_or_else(|| "nobody".into(), |key| self.process(key))
    }

    fn change(&mut self, change: &Change) -> String {
        match *change {
            Change::Forked { child, parent } => format!("{} forks {}", self.process(parent), self.process(child)),
            Change::Found { process, by_snapshot } => {
                format!("found {}{}", self.process(process), if by_snapshot { "" } else { " (inferred)" })
            }
            Change::Executed { process } => format!("{} executes", self.process(process)),
            Change::Exited { process, status } => format!("{} exits {}", self.process(process), status_text(status)),
            Change::Zombie { process } => format!("{} is a zombie", self.process(process)),
            Change::Reaped { process, by, evidence, bounds } => {
                let (process, by) = (self.process(process), self.or_nobody(by));
                format!("{process} reaped by {by} ({evidence:?} {})", bounds_text(bounds))
            }
            Change::Reparented { process, from, to } => {
                format!("{} goes from parent {} to {}", self.process(process), self.process(from), self.process(to))
            }
            Change::GroupBorn { group, leader, birth } => self.group_born(group, leader, birth),
            Change::Joined { process, group, from, leader } => {
                let (process, group, from) = (self.process(process), self.group(group), self.group(from));
                format!("{process} joins {group} from {from} (leader {leader:?})")
            }
            Change::GroupEnded { group, end } => {
                let group = self.group(group);
                let end = match end {
                    GroupEnd::LastReaped { last } => format!("{} was reaped", self.process(last)),
                    GroupEnd::LastMoved { last } => format!("{} moved away", self.process(last)),
                    GroupEnd::NotSeen => "not seen".into(),
                };
                format!("group {group} ends: {end}")
            }
            Change::Leaderless { group, leader } => format!("group {} is leaderless: {leader:?}", self.group(group)),
            Change::HeldByZombies { group } => format!("group {} is held by zombies", self.group(group)),
            Change::Orphaned { group, cause, stopped_members } => {
                let cause = match cause {
                    OrphanCause::Exit(process) => format!("exit of {}", self.process(process)),
                    OrphanCause::Setpgid(process) => format!("setpgid of {}", self.process(process)),
                    OrphanCause::Setsid(process) => format!("setsid of {}", self.process(process)),
                    OrphanCause::Found => "found so".into(),
                };
                format!("group {} orphaned: {cause}, {stopped_members} stopped", self.group(group))
            }
            Change::NoLongerOrphaned { group } => format!("group {} no longer orphaned", self.group(group)),
            Change::SessionBorn { .. }
            | Change::SessionEnded { .. }
            | Change::SessionLeaderExited { .. }
            | Change::TtyGained { .. }
            | Change::TtyLost { .. }
            | Change::TtyLeft { .. }
            | Change::Foreground { .. } => self.session_change(change),
            Change::LeaderRace(race) => self.race(&race),
            Change::Refused { errno, reason, .. } => format!("refused {errno}: {}", self.refusal(reason)),
            Change::SignalSent { target, signal, path, dropped } => {
                let dropped = dropped.map_or_else(String::new, |why| format!(", dropped: {why:?}"));
                format!("{} to {} by {}{dropped}", signal.signal, self.process(target), self.path(path))
            }
            Change::Stopped { process, signal, sent } => {
                format!("{} stops by {signal}{}", self.process(process), sent_text(sent))
            }
            Change::Continued { process, sent } => format!("{} continues{}", self.process(process), sent_text(sent)),
            Change::WaitReported { child, status } => {
                format!("wait reports {} {}", self.process(child), status_text(status))
            }
            Change::UnseenCall { process, what } => format!("unseen call: {what:?} of {}", self.process(process)),
            Change::Gap { lost, cause } => format!("gap of {lost}: {cause:?}"),
            Change::Anomaly(anomaly) => self.anomaly(anomaly),
        }
    }

    fn group_born(&mut self, group: PgrpKey, leader: Option<ProcKey>, birth: GroupBirth) -> String {
        let birth = match birth {
            GroupBirth::BySelf => "by itself".into(),
            GroupBirth::ByParent { parent, on_zombie } => {
                format!("by parent {}{}", self.process(parent), if on_zombie { " on a zombie" } else { "" })
            }
            GroupBirth::BySetsid => "by setsid".into(),
            GroupBirth::Found => "found".into(),
        };
        format!("group {} of {} {birth}", self.group(group), self.or_nobody(leader))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other half of `change`")]
    fn session_change(&mut self, change: &Change) -> String {
        match *change {
            Change::SessionBorn { session, leader } => {
                format!("session {} of {}", self.session(session), self.process(leader))
            }
            Change::SessionEnded { session } => format!("session {} ends", self.session(session)),
            Change::SessionLeaderExited { session, tty } => {
                let tty = tty.map_or_else(|| "no terminal".into(), |tty| self.tty(tty));
                format!("session {} loses its leader, with {tty}", self.session(session))
            }
            Change::TtyGained { session, tty, how } => {
                format!("session {} gains {}: {how:?}", self.session(session), self.tty(tty))
            }
            Change::TtyLost { session, tty, how } => {
                format!("session {} loses {}: {how:?}", self.session(session), self.tty(tty))
            }
            Change::TtyLeft { process, tty } => format!("{} leaves {}", self.process(process), self.tty(tty)),
            Change::Foreground { tty, by, from, to } => {
                let (tty, from, to) = (self.tty(tty), self.foreground(from), self.foreground(to));
                let by = by.map_or_else(String::new, |by| format!(" by {}", self.process(by)));
                format!("{tty} foreground {from} → {to}{by}")
            }
            _ => String::new(),
        }
    }

    /// `11`, `11?` when the group is not known, or `11!` when no group of that identity exists.
    fn foreground(&mut self, group: Option<ForegroundGroup>) -> String {
        match group {
            None => "none".into(),
            Some(ForegroundGroup { number, group: None, empty: true }) => format!("{number}!"),
            Some(ForegroundGroup { number, group: None, empty: false }) => format!("{number}?"),
            Some(ForegroundGroup { group: Some(group), .. }) => self.group(group),
        }
    }

    fn race(&mut self, race: &LeaderRace) -> String {
        let margin = race.margin.map_or_else(String::new, |ns| format!(" by {ns} ns"));
        let (child, parent) = (self.process(race.child), self.process(race.parent));
        format!("leader race of {child} and parent {parent}: {:?} first{margin}, errno {}", race.winner, race.errno)
    }

    fn refusal(&mut self, reason: Refusal) -> String {
        if let Refusal::GroupEnded { group, ended } = reason {
            format!("group {} ended {}", self.group(group), bounds_text(ended))
        } else {
            format!("{reason:?}")
        }
    }

    fn path(&mut self, path: SignalPath) -> String {
        let call = |intent: Seq| format!(" in #{}", intent.0);
        match path {
            SignalPath::KillProcess { sender, intent } => format!("kill of {}{}", self.process(sender), call(intent)),
            SignalPath::KillUnseen { sender } => format!("an unseen call of {}", self.process(sender)),
            SignalPath::KillGroup { sender, intent, group } => {
                let group = group.map_or_else(|| "?".into(), |group| self.group(group));
                format!("kill of {} to group {group}{}", self.process(sender), call(intent))
            }
            SignalPath::KillAll { sender, intent } => {
                format!("kill of {} to all{}", self.process(sender), call(intent))
            }
            SignalPath::TerminalCharacter { tty } => {
                format!("a character at {}", tty.map_or_else(|| "?".into(), |tty| self.tty(tty)))
            }
            SignalPath::BackgroundAccess { by: Some(by) } => format!("background access of {}", self.process(by)),
            SignalPath::BackgroundAccess { by: None } => "background access".to_owned(),
            SignalPath::TerminalIoctl { by } => format!("terminal ioctl of {}", self.process(by)),
            SignalPath::Hangup { by, kind } => format!("hangup by {} ({kind:?})", self.or_nobody(by)),
            SignalPath::OrphanRule { exiting } => format!("the orphan rule, exit of {}", self.process(exiting)),
            SignalPath::ChildStatus { child } => format!("child {}", self.process(child)),
            SignalPath::ParentDeath { parent } => format!("death of parent {}", self.process(parent)),
            SignalPath::NamespaceEnd { init } => format!("the end of the namespace of {}", self.process(init)),
            SignalPath::CgroupKill { by } => format!("cgroup.kill of {}", self.process(by)),
            SignalPath::Timer => "a timer".into(),
            SignalPath::Fault => "a fault".into(),
            SignalPath::Kernel => "the kernel".into(),
            SignalPath::Unknown => "nobody known".into(),
        }
    }

    fn anomaly(&mut self, anomaly: crate::delta::Anomaly) -> String {
        use crate::delta::Anomaly;
        match anomaly {
            Anomaly::ActedAfterReap(process) => format!("anomaly: {} acted after its reap", self.process(process)),
            Anomaly::NumberInUse(process) => format!("anomaly: number of {} in use", self.process(process)),
            Anomaly::GroupSpansSessions(group) => format!("anomaly: group {} spans sessions", self.group(group)),
            Anomaly::OrphanSignalsDiffer(group) => format!("anomaly: orphan signals of group {}", self.group(group)),
        }
    }
}

/// The event that sent a signal.
fn sent_text(sent: Option<Seq>) -> String {
    sent.map_or_else(String::new, |seq| format!(" of #{}", seq.0))
}

/// An interval in µs.
fn bounds_text(bounds: Bounds) -> String {
    let us = |ns: u64| if ns.is_multiple_of(1000) { (ns / 1000).to_string() } else { format!("{ns}ns") };
    format!("{}–{}", us(bounds.after.0), us(bounds.until.0))
}
