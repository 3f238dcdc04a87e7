//! Processes that were judged and live: when that was last, and who launched them.

use std::collections::{BTreeMap, BTreeSet};

use tracer_model::ids::{BootNs, Pid, ProcKey};

/// They.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// When, and who launched it, while that lives.
    all: BTreeMap<ProcKey, (BootNs, Option<ProcKey>)>,
    by_age: BTreeSet<(BootNs, ProcKey)>,
    by_launcher: BTreeSet<(ProcKey, ProcKey)>,
}

impl Judged {
    pub fn has(&self, process: ProcKey) -> bool {
        self.all.contains_key(&process)
    }

    /// When it was judged last.
    pub fn at(&self, process: ProcKey) -> Option<BootNs> {
        Some(self.all.get(&process)?.0)
    }

    /// It was judged now.
    pub fn insert(&mut self, process: ProcKey, now: BootNs, launcher: Option<ProcKey>) {
        self.remove(process);
        self.all.insert(process, (now, launcher));
        self.by_age.insert((now, process));
        self.by_launcher.extend(launcher.map(|launcher| (launcher, process)));
    }

    pub fn remove(&mut self, process: ProcKey) {
        if let Some((at, launcher)) = self.all.remove(&process) {
            self.by_age.remove(&(at, process));
            if let Some(launcher) = launcher {
                self.by_launcher.remove(&(launcher, process));
            }
        }
    }

    /// The longest ago first, those of which it is `age_ns` or more: no more than `many`. Each counts as judged now.
    pub fn take_older_than(&mut self, age_ns: u64, many: usize, now: BootNs) -> Vec<ProcKey> {
        let old = self.by_age.iter().take(many).take_while(|(at, _)| now.since(*at) >= age_ns);
        let old: Vec<ProcKey> = old.map(|(_, process)| *process).collect();
        for process in &old {
            if let Some((_, launcher)) = self.all.get(process).copied() {
                self.insert(*process, now, launcher);
            }
        }
        old
    }

    /// Whom this one launched.
    pub fn launched_by(&self, launcher: ProcKey) -> Vec<ProcKey> {
        let (first, last) = (ProcKey::lives(Pid(0)).0, ProcKey::lives(Pid(u32::MAX)).1);
        self.by_launcher.range((launcher, first)..=(launcher, last)).map(|row| row.1).collect()
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn entries(&self) -> usize {
        self.all.len() + self.by_age.len() + self.by_launcher.len()
    }
}
