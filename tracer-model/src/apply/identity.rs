//! Which process an event means: by number and start time and, where the kernel has it, `pid->ino`.
//!
//! Makes entities and forgets them; must not interpret events.

use super::Cx;
use crate::{
    delta::{Anomaly, Bounds, Change, OrphanCause, ReapEvidence},
    event::{EXIT_DEAD, RawTask, State},
    ids::{BootNs, Pgid, Pid, ProcKey, Sid},
    state::{Knowledge, Model, Phase, Process, same_ino, same_start},
};

/// How many processes are remembered of which nothing is known but that they were named, and that have no known child.
const REFERENCED: usize = 4096;

/// How an identity compares with the current life of its number.
enum Match {
    /// The same process, and whether something of the identity was not known.
    Same(ProcKey, bool),
    /// A later process: the known one is gone.
    Newer(ProcKey),
    /// An earlier one.
    Older,
    /// The number is free, as far as is known.
    Free,
}

impl Model {
    /// Compares an identity with the current life of its number.
    fn match_identity(&self, pid: Pid, start: BootNs, ino: u64) -> Match {
        let Some(known) = self.process_by_pid(pid) else { return Match::Free };
        if same_start(known.start, start) && same_ino(known.ino, ino) {
            return Match::Same(known.key, known.start < start || ino != 0 && ino != known.ino);
        }
        // `pid->ino` counts up; without it the start time tells.
        let (old, new) =
            if known.ino != 0 && ino != 0 && known.ino != ino { (known.ino, ino) } else { (known.start.0, start.0) };
        if new > old { Match::Newer(known.key) } else { Match::Older }
    }

    /// The process that is meant, if it is known and not reaped.
    pub(super) fn lookup(&self, task: RawTask) -> Option<ProcKey> {
        match self.match_identity(task.pid, task.start, 0) {
            Match::Same(key, _) => Some(key),
            Match::Newer(_) | Match::Older | Match::Free => None,
        }
    }

    /// The process that is named, known from now on. `None` for process 0 and for one that has ended.
    pub(super) fn reference(&mut self, cx: &mut Cx, task: RawTask) -> Option<ProcKey> {
        if task.pid.0 == 0 {
            return None;
        }
        match self.match_identity(task.pid, task.start, 0) {
            Match::Same(key, new) => {
                if new {
                    self.learn_identity(key, task.start, 0);
                }
                return Some(key);
            }
            Match::Older => return None,
            Match::Newer(old) => self.number_reused(cx, old),
            Match::Free if self.recent.process(task.pid, task.start, 0).is_some() => return None,
            Match::Free => {}
        }
        let key = self.create(cx, task.pid, task.start);
        self.referenced.push_back(key);
        self.trim_referenced(cx);
        Some(key)
    }

    /// The process that a bundle is of, made when it is new. `None` when it has ended, so that its late records say nothing.
    pub(super) fn identify(&mut self, cx: &mut Cx, state: &State) -> Option<ProcKey> {
        let RawTask { pid, start, .. } = state.id;
        if pid.0 == 0 {
            return None;
        }
        let released = state.exit_state == EXIT_DEAD;
        match self.match_identity(pid, start, state.ino) {
            Match::Same(key, new) => {
                if new {
                    self.learn_identity(key, start, state.ino);
                }
                return Some(key);
            }
            Match::Older => return None,
            Match::Newer(_) | Match::Free if released => return None,
            Match::Newer(old) => self.number_reused(cx, old),
            Match::Free => {}
        }
        let revived = self.recent.process(pid, start, state.ino).is_some();
        let key = self.create(cx, pid, start);
        self.learn_identity(key, start, state.ino);
        if revived {
            cx.push(Change::Anomaly(Anomaly::ActedAfterReap(key)));
        }
        Some(key)
    }

    /// Fills in what was not known of an identity, or was known less exactly.
    fn learn_identity(&mut self, key: ProcKey, start: BootNs, ino: u64) {
        if let Some(process) = self.processes.get_mut(&key) {
            process.start = process.start.max(start);
            if ino != 0 {
                process.ino = ino;
            }
        }
    }

    /// Makes a process that is only named so far.
    pub(super) fn create(&mut self, cx: &Cx, pid: Pid, start: BootNs) -> ProcKey {
        let key = ProcKey { number: pid, life: self.new_life() };
        let mut process = Process::new(key, start, cx.stamp());
        if let Some((root, seen @ None)) = &mut self.root
            && *root == pid
        {
            *seen = Some(key);
            process.followed = true;
        }
        self.processes.insert(process);
        self.leads_what_bears_its_number(key);
        key
    }

    /// A group or a session that was found before the process of its number, which may be in another group: while either lives,
    /// the number is of both (kernel/pid.c, `free_pid`).
    fn leads_what_bears_its_number(&mut self, key: ProcKey) {
        let number = key.number.0;
        let group = self.groups.current_mut(Pgid(number));
        if let Some(group) = group.filter(|group| group.leader.is_none() && !group.leader_reaped) {
            group.leader = Some(key);
        }
        let session = self.sessions.current_mut(Sid(number));
        if let Some(session) = session.filter(|session| session.leader.is_none() && !session.leader_reaped) {
            session.leader = Some(key);
        }
    }

    /// A process's number belongs to another now: it was reaped before.
    pub(super) fn number_reused(&mut self, cx: &mut Cx, old: ProcKey) {
        let Some(process) = self.processes.get(&old) else { return };
        if process.knowledge == Knowledge::Referenced {
            self.forget_reference(cx, old);
            return;
        }
        // When one command is followed, the end of an outsider is no event.
        let end_is_an_event = self.root.is_none() || process.followed;
        if process.phase == Phase::Alive && end_is_an_event && self.uncertain(old).is_none() {
            cx.push(Change::Anomaly(Anomaly::NumberInUse(old)));
        }
        self.reap_unseen(cx, old, ReapEvidence::NumberReused);
    }

    /// Ends a process whose reap was not seen. It was over by now, or by when it was seen released.
    pub(super) fn reap_unseen(&mut self, cx: &mut Cx, key: ProcKey, evidence: ReapEvidence) {
        if cx.shown == Some(key) && evidence != ReapEvidence::NumberReused {
            return;
        }
        let Some(process) = self.processes.get(&key) else { return };
        let after = process.book.zombie_by().or(process.exited_at).unwrap_or(process.seen.at);
        let (evidence, until) = match process.book.released_at() {
            Some(released) => (ReapEvidence::AutoReap, released),
            None => (evidence, cx.event.at),
        };
        self.reap(cx, key, None, evidence, Bounds { after: after.min(until), until });
    }

    /// Forgets a process that was only named. Its children keep naming it, as one that has exited.
    pub(super) fn forget_reference(&mut self, cx: &mut Cx, key: ProcKey) {
        let Some(process) = self.processes.remove(&key) else { return };
        if let Some(parent) = process.parent.and_then(|parent| self.processes.get_mut(&parent)) {
            parent.children.remove(&key);
        }
        for key in process.children {
            if let Some(child) = self.processes.get_mut(&key) {
                child.parent_exited = true;
                self.requalify(cx, key, OrphanCause::Found);
            }
        }
        // Whoever is found with that number leads what bears it; if a complete snapshot finds nobody, the leader was reaped.
        let number = key.number.0;
        if let Some(group) = self.groups.current_mut(Pgid(number)).filter(|group| group.leader == Some(key)) {
            group.leader = None;
        }
        if let Some(session) = self.sessions.current_mut(Sid(number)).filter(|session| session.leader == Some(key)) {
            session.leader = None;
        }
    }

    /// Keeps the number of processes without any state bounded: looks at the two oldest for each new one.
    fn trim_referenced(&mut self, cx: &mut Cx) {
        for _ in 0..2 {
            let full = self.referenced.len() > REFERENCED;
            let Some(key) = self.referenced.pop_front_if(|_| full) else { return };
            match self.processes.get(&key) {
                Some(process) if process.knowledge == Knowledge::Seen => {}
                Some(process) if !process.children.is_empty() => self.referenced.push_back(key),
                Some(_) => self.forget_reference(cx, key),
                None => {}
            }
        }
    }

    /// Forgets what the previous event ended.
    pub(super) fn forget_departed(&mut self) {
        self.processes.forget_departed();
        self.groups.forget_departed();
        self.sessions.forget_departed();
        self.terminals.forget_departed();
    }
}
