//! The end of a process (kernel/exit.c): its terminal, its children, the orphan rule, its release.

use super::{Kernel, Task};
use crate::{
    event::{Call, EXIT_ZOMBIE, EventKind, RawId, SignalOrigin, WaitStatus, Waited},
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
        let auto = self.tasks[&parent].ignores_chld;
        if auto {
            self.release(who, Some(who));
        } else {
            self.signal(who, parent, Signal::CHLD, SignalOrigin::Info(1));
            if quick {
                self.quick_wait(parent, who);
            } else {
                self.emit_state(who, who, EventKind::Dead);
            }
        }
        self.reap_adopted(reaper, &adopted);
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
    /// that it has already stay: only what ends or is adopted from then on is released (kernel/exit.c, `reparent_leader`).
    fn reap_adopted(&mut self, reaper: u32, adopted: &[u32]) {
        let ignores = self.tasks[&reaper].ignores_chld;
        for child in adopted.iter().copied().filter(|_| ignores) {
            if self.tasks.get(&child).is_some_and(|child| child.zombie) {
                self.release(child, None);
            }
        }
    }

    /// `release_task` by itself or by whoever adopts it: its last record if it is `current`, and its freeing.
    fn release(&mut self, who: u32, current: Option<u32>) {
        let state = self.state(who);
        debug_assert_eq!(state.exit_state, EXIT_ZOMBIE);
        let task = self.remove(who);
        if current.is_some() {
            self.emit_as(task.id, Some(Self::released_state(state)), EventKind::Dead);
        }
        self.emit(0, None, EventKind::Freed { task: task.id });
    }

    /// A process is gone, at a time between two events.
    pub(super) fn remove(&mut self, who: u32) -> Task {
        let task = self.tasks.remove(&who).expect("a process of this number");
        self.released.insert((task.id.pid, task.id.start), BootNs(self.seq * 1000 + 500));
        task
    }
}
