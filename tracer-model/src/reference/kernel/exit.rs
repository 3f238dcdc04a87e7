//! The end of a process (kernel/exit.c): its terminal, its children, the orphan rule, its release.

use super::{Kernel, Task};
use crate::{
    event::{Call, EventKind, RawId, RawTask, SignalOrigin, WaitStatus, Waited},
    ids::{BootNs, Signal},
};

impl Kernel {
    /// `do_exit`. `quick`: its parent waits already.
    pub(super) fn exit(&mut self, who: u32, quick: bool) -> i64 {
        let task = self.task(who);
        (task.stopped, task.exiting) = (false, true);
        self.emit_state(who, who, EventKind::Exit { group_dead: true });
        // `disassociate_ctty`, of a pseudo-terminal.
        if let Some(index) = self.tasks[&who].tty.filter(|_| self.tasks[&who].leader) {
            for member in self.members(self.ttys[&index].foreground) {
                self.signal(who, member, Signal::HUP, SignalOrigin::Kernel);
            }
            self.clear_tty(who, index);
        }
        // `exit_notify`
        let reaper = self.reaper(who);
        let adopted: Vec<_> = self.tasks.values().filter(|task| task.parent == who).map(|task| task.id.pid.0).collect();
        for child in adopted.iter().copied() {
            self.task(child).parent = reaper;
            self.kill_if_orphaned(who, child, who, None);
        }
        let parent = self.tasks[&who].parent;
        self.kill_if_orphaned(who, who, parent, Some(who));
        self.task(who).zombie = true;
        // It releases itself and whom it has found released before it is switched from for the last time, which is its last record.
        let own = self.tasks[&parent].ignores_chld.then(|| Self::released_state(self.state(who)));
        if own.is_some() {
            self.remove(who);
        } else {
            self.signal(who, parent, Signal::CHLD, SignalOrigin::Info(1));
        }
        let freed = self.reap_adopted(reaper, &adopted);
        let own_task = own.as_ref().map(|state| state.id);
        match own {
            Some(state) => self.emit_as(state.id, Some(state), EventKind::Dead),
            None if quick => self.quick_wait(parent, who),
            None => self.emit_state(who, who, EventKind::Dead),
        }
        for task in freed.into_iter().chain(own_task) {
            self.emit(0, None, EventKind::Freed { task });
        }
        0
    }

    /// A parent that waits already gets the child before its last record, and returns before that or after.
    fn quick_wait(&mut self, parent: u32, child: u32) {
        let gone = self.tasks[&child].id;
        let dead = Self::released_state(self.state(child));
        let waited = Waited { child: gone, status: WaitStatus::Exited(0), left_waitable: false };
        let early = self.seq.is_multiple_of(2);
        self.call(parent, parent, Call::Wait4 { pid: -1, options: 0 }, |kernel| {
            kernel.remove(child);
            if early {
                kernel.emit_as(gone, Some(dead.clone()), EventKind::Dead);
            }
            (i64::from(child), Some(waited))
        });
        if !early {
            self.emit_as(gone, Some(dead), EventKind::Dead);
        }
    }

    /// `find_new_reaper`.
    pub(super) fn reaper(&self, who: u32) -> u32 {
        let mut next = self.tasks[&who].parent;
        while next > 1 && !self.tasks[&next].subreaper {
            next = self.tasks[&next].parent;
        }
        next.max(1)
    }

    /// `kill_orphaned_pgrp`: the link from `task` to `parent` was a real one, and the group has no other.
    fn kill_if_orphaned(&mut self, current: u32, task: u32, parent: u32, ignored: Option<u32>) {
        let (member, outside) = (&self.tasks[&task], &self.tasks[&parent]);
        let group = member.pgrp;
        let linked = outside.pgrp != group && outside.session == member.session;
        if linked && self.orphaned_but(group, ignored) && self.has_stopped(group) {
            for signal in [Signal::HUP, Signal::CONT] {
                for member in self.members(group) {
                    self.signal(current, member, signal, SignalOrigin::Kernel);
                }
            }
        }
    }

    fn has_stopped(&self, group: RawId) -> bool {
        self.tasks.values().any(|task| task.pgrp == group && task.stopped)
    }

    /// Zombies that are adopted by a process that ignores SIGCHLD are released at once, without an event of their own. Those
    /// that it has already stay: only what ends or is adopted from then on is released (kernel/exit.c, `reparent_leader`). They are to
    /// be freed.
    fn reap_adopted(&mut self, reaper: u32, adopted: &[u32]) -> Vec<RawTask> {
        let ignores = self.tasks[&reaper].ignores_chld;
        let zombies = adopted.iter().copied().filter(|child| ignores && self.tasks[child].zombie).collect::<Vec<_>>();
        zombies.into_iter().map(|child| self.remove(child).id).collect()
    }

    /// A process is gone, at a time between two events.
    pub(super) fn remove(&mut self, who: u32) -> Task {
        let task = self.tasks.remove(&who).expect("a process of this number");
        self.released.insert((task.id.pid, task.id.start), BootNs(self.seq * 1000 + 500));
        task
    }
}
