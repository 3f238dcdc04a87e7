//! fork, setpgid, setsid, exec, wait, prctl (kernel/fork.c, kernel/sys.c, kernel/exit.c).

use super::{
    Kernel, Task,
    errno::{EACCES, ECHILD, EINVAL, EPERM, ESRCH},
};
use crate::{
    event::{Call, EventKind, RawId, RawTask, WaitStatus, Waited},
    ids::{BootNs, Pid, Tid},
};

/// `CLONE_PARENT`.
const CLONE_PARENT: u64 = 0x8000;

impl Kernel {
    /// The number of the child; 0 when no number is free.
    pub(super) fn fork(&mut self, who: u32, clone_parent: bool) -> i64 {
        let number = if self.machine.reuses_numbers {
            let Some(free) = (2..14).find(|number| !self.in_use(*number)) else { return 0 };
            free
        } else {
            self.last_number + 1
        };
        self.last_number = self.last_number.max(number);
        let forker = self.tasks[&who].clone();
        // The init of a namespace may not make siblings (EINVAL).
        let clone_parent = clone_parent && who != 1;
        let parent = if clone_parent { forker.parent } else { who };
        let ino = self.new_id(number).ino;
        let start = BootNs((self.seq + 1) * 1000 + 1);
        let id = RawTask { pid: Pid(number), tid: Tid(number), start };
        let task = Task {
            id,
            ino,
            parent,
            leader: false,
            execed: false,
            stopped: false,
            subreaper: false,
            hup_pending: false,
            cont_pending: false,
            restarts: None,
            ..forker
        };
        self.tasks.insert(number, task);
        self.emit_state(who, number, EventKind::NewTask { flags: if clone_parent { CLONE_PARENT } else { 0 } });
        i64::from(number)
    }

    pub(super) fn call_setpgid(&mut self, who: u32, pid: i32, pgid: i32) -> i64 {
        let target = if pid == 0 { who } else { pid.unsigned_abs() };
        self.call(who, target, Call::Setpgid { pid, pgid }, |kernel| (kernel.setpgid(who, pid, pgid), None))
    }

    /// In the order of the checks in `sys_setpgid`.
    fn setpgid(&mut self, who: u32, pid: i32, pgid: i32) -> i64 {
        let pid = if pid == 0 { who.cast_signed() } else { pid };
        let pgid = if pgid == 0 { pid } else { pgid };
        if pgid < 0 {
            return -EINVAL;
        }
        let caller = self.tasks[&who].clone();
        let Some(task) = u32::try_from(pid).ok().and_then(|pid| self.tasks.get(&pid)).cloned() else { return -ESRCH };
        let target = task.id.pid.0;
        if task.parent == who {
            if task.session != caller.session {
                return -EPERM;
            }
            if task.execed {
                return -EACCES;
            }
        } else if target != who {
            return -ESRCH;
        }
        if task.leader {
            return -EPERM;
        }
        let id = if pgid == pid {
            RawId { number: target, ino: task.ino }
        } else {
            match self.group(pgid.cast_unsigned()) {
                Some(member) if member.session == caller.session => member.pgrp,
                _ => return -EPERM,
            }
        };
        self.task(target).pgrp = id;
        0
    }

    pub(super) fn call_setsid(&mut self, who: u32) -> i64 {
        self.call(who, who, Call::Setsid, |kernel| (kernel.setsid(who), None))
    }

    fn setsid(&mut self, who: u32) -> i64 {
        if self.tasks[&who].leader || self.group(who).is_some() {
            return -EPERM;
        }
        let task = self.task(who);
        let own = RawId { number: who, ino: task.ino };
        (task.pgrp, task.session, task.leader, task.tty) = (own, own, true, None);
        i64::from(who)
    }

    pub(super) fn exec(&mut self, who: u32) -> i64 {
        self.task(who).execed = true;
        let exec = EventKind::Exec { old_tid: Tid(who), args: vec![b"x".to_vec()], truncated: false };
        self.emit_state(who, who, exec);
        0
    }

    /// wait4 with `WNOHANG`.
    pub(super) fn wait(&mut self, who: u32, child: Option<u32>) -> i64 {
        let mine = |task: &&Task| task.parent == who && child.is_none_or(|child| child == task.id.pid.0);
        let any = self.tasks.values().any(|task| mine(&task));
        let zombie = self.tasks.values().filter(mine).find(|task| task.zombie).map(|task| task.id);
        let pid = child.map_or(-1, u32::cast_signed);
        self.call(who, who, Call::Wait4 { pid, options: 1 }, |kernel| {
            let Some(child) = zombie else { return (if any { 0 } else { -ECHILD }, None) };
            kernel.remove(child.pid.0);
            let waited = Waited { child, status: WaitStatus::Exited(0), left_waitable: false };
            (i64::from(child.pid.0), Some(waited))
        })
    }

    pub(super) fn become_subreaper(&mut self, who: u32) -> i64 {
        self.call(who, who, Call::SetSubreaper { on: 1 }, |kernel| {
            kernel.task(who).subreaper = true;
            (0, None)
        })
    }

    /// sigaction(SIGCHLD, `SIG_IGN`), which no probe sees, within a call that one does.
    pub(super) fn ignore_children(&mut self, who: u32) -> i64 {
        self.call(who, who, Call::Wait4 { pid: -1, options: 1 }, |kernel| {
            kernel.task(who).ignores_chld |= who != 1;
            (-ECHILD, None)
        });
        0
    }

    /// sigaction(SIGTTOU, `SIG_IGN`): the next bundle shows it.
    pub(super) fn ignore_ttou(&mut self, who: u32) -> i64 {
        self.task(who).ignores_ttou = true;
        0
    }
}
