//! Names instead of numbers: a process is called by the last name that it had, a group and a session by their leader.
//!
//! A second process of the same name is `NAME#2`, in the order of their births; who was there before the recording comes
//! last. Must not depend on numbers or times.

use std::collections::BTreeMap;

use tracer_model::{
    delta::Change,
    ids::{PgrpKey, Pid, ProcKey, SessionKey},
};

use super::Recorded;

/// The names of one recording.
#[derive(Debug, Default)]
pub struct Names {
    processes: BTreeMap<ProcKey, String>,
    leaders: BTreeMap<PgrpKey, ProcKey>,
    session_leaders: BTreeMap<SessionKey, ProcKey>,
}

/// Who nobody is known to be.
const NOBODY: &str = "nobody";

impl Names {
    /// Applies a whole recording to learn every process's last name.
    pub fn learn(recorded: &Recorded) -> Self {
        let mut model = recorded.model();
        let mut names = Self::default();
        let mut comms: BTreeMap<ProcKey, String> = BTreeMap::new();
        let (mut born, mut found) = (Vec::new(), Vec::new());
        for event in &recorded.events {
            let delta = model.apply(event);
            for change in &delta.changes {
                if let Change::Forked { child, .. } = change {
                    born.push(*child);
                }
            }
            for process in model.processes().chain(delta.subject.and_then(|key| model.process(key))) {
                let name = String::from_utf8_lossy(&process.comm.0).into_owned();
                if comms.insert(process.key, name).is_none() && !born.contains(&process.key) {
                    found.push(process.key);
                }
            }
            names.leaders.extend(model.groups().filter_map(|group| Some((group.key, group.leader?))));
            names.session_leaders.extend(model.sessions().filter_map(|session| Some((session.key, session.leader?))));
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for key in born.into_iter().chain(found) {
            let Some(comm) = comms.get(&key).filter(|comm| !comm.is_empty()) else { continue };
            let count = seen.entry(comm.clone()).or_default();
            *count += 1;
            let name = if *count == 1 { comm.clone() } else { format!("{comm}#{count}") };
            names.processes.entry(key).or_insert(name);
        }
        names
    }

    /// A process.
    pub fn process(&self, key: ProcKey) -> &str {
        self.processes.get(&key).map_or(NOBODY, String::as_str)
    }

    /// A process that may be unknown.
    pub fn maybe(&self, key: Option<ProcKey>) -> &str {
        key.map_or(NOBODY, |key| self.process(key))
    }

    /// A process group, by its leader, or by who else had its number.
    pub fn group(&self, key: PgrpKey) -> &str {
        match self.leaders.get(&key) {
            Some(leader) => self.process(*leader),
            None => self.number(Pid(key.number.0)),
        }
    }

    /// A session, by its leader, or by who else had its number.
    pub fn session(&self, key: SessionKey) -> &str {
        match self.session_leaders.get(&key) {
            Some(leader) => self.process(*leader),
            None => self.number(Pid(key.number.0)),
        }
    }

    /// The first process that had this number.
    pub fn number(&self, number: Pid) -> &str {
        self.processes.iter().find(|(key, _)| key.number == number).map_or(NOBODY, |(_, name)| name)
    }

    /// The process of this name.
    pub fn find(&self, name: &str) -> Option<ProcKey> {
        self.processes.iter().find(|(_, known)| known.as_str() == name).map(|(key, _)| *key)
    }

    /// All of them, for a message.
    pub fn list(&self) -> String {
        self.processes.values().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Names for the numbers that a program prints.
#[derive(Debug)]
pub struct Numbers(Names);

impl Numbers {
    /// Learns them from a whole recording.
    #[must_use]
    pub fn learn(recorded: &Recorded) -> Self {
        Self(Names::learn(recorded))
    }

    /// The name of the first process with this number; any other text stays as it is, and so does init, which has another
    /// name on every machine.
    #[must_use]
    pub fn name(&self, text: &str) -> String {
        if text == "1" {
            return text.to_owned();
        }
        let name = text.parse().map(|number| self.0.number(Pid(number)));
        name.ok().filter(|name| *name != NOBODY).unwrap_or(text).to_owned()
    }
}
