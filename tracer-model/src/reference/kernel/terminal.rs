//! Terminals (`drivers/tty/tty_jobctrl.c`). All are pseudo-terminals whose master stays open.

use super::{
    Kernel, Tty,
    errno::{EINVAL, ENOTTY, EPERM, ERESTARTSYS, ESRCH},
};
use crate::{
    event::{Call, Disposition, EventKind, RawId, SignalOrigin, TtyRequest},
    ids::Signal,
};

impl Kernel {
    fn call_tty(&mut self, who: u32, request: TtyRequest, value: i32, run: impl FnOnce(&mut Self) -> i64) -> i64 {
        self.call(who, who, Call::TtyIoctl { fd: 0, request, arg: 0, value }, |kernel| (run(kernel), None))
    }

    pub(super) fn call_acquire_tty(&mut self, who: u32, index: u32) -> i64 {
        self.call_tty(who, TtyRequest::SetControlling, 0, |kernel| kernel.acquire_tty(who, index))
    }

    fn acquire_tty(&mut self, who: u32, index: u32) -> i64 {
        let task = self.tasks[&who].clone();
        let owner = self.ttys.get(&index).map_or(0, |tty| tty.session);
        if task.leader && owner == task.session.number {
            return 0;
        }
        if !task.leader || task.tty.is_some() || owner != 0 {
            return -EPERM;
        }
        self.ttys.insert(index, Tty { session: who, foreground: task.pgrp });
        self.task(who).tty = Some(index);
        0
    }

    pub(super) fn call_give_tty_up(&mut self, who: u32) -> i64 {
        self.call_tty(who, TtyRequest::GiveUp, 0, |kernel| kernel.give_tty_up(who))
    }

    fn give_tty_up(&mut self, who: u32) -> i64 {
        let Some(index) = self.tasks[&who].tty else { return -ENOTTY };
        if self.tasks[&who].leader {
            let foreground = self.ttys[&index].foreground;
            for signal in [Signal::HUP, Signal::CONT] {
                for member in self.members(foreground) {
                    self.signal(who, member, signal, SignalOrigin::KernelAsUser);
                }
            }
            self.clear_tty(who, index);
        } else {
            self.task(who).tty = None;
        }
        0
    }

    /// The session of `leader` loses its terminal.
    pub(super) fn clear_tty(&mut self, leader: u32, index: u32) {
        let session = self.tasks[&leader].session;
        self.ttys.remove(&index);
        for task in self.tasks.values_mut().filter(|task| task.session == session) {
            task.tty = None;
        }
    }

    pub(super) fn call_set_foreground(&mut self, who: u32, pgid: i32) -> i64 {
        let ret = self.call_tty(who, TtyRequest::SetForeground, pgid, |kernel| kernel.set_foreground(who, pgid));
        if ret == -ERESTARTSYS {
            self.task(who).restarts = Some(pgid);
            self.stop_group(self.tasks[&who].pgrp);
        }
        ret
    }

    /// `tiocspgrp`.
    fn set_foreground(&mut self, who: u32, pgid: i32) -> i64 {
        let task = self.tasks[&who].clone();
        let tty = task.tty.map(|index| (index, self.ttys[&index]));
        // `tty_check_change`
        if tty.is_some_and(|(_, tty)| tty.foreground != task.pgrp) && !task.ignores_ttou {
            if self.orphaned(task.pgrp) {
                return -ENOTTY;
            }
            for member in self.members(task.pgrp) {
                self.signal(who, member, Signal::TTOU, SignalOrigin::Kernel);
            }
            return -ERESTARTSYS;
        }
        let Ok(pgid) = u32::try_from(pgid) else { return -EINVAL };
        let Some((index, _)) = tty.filter(|(_, tty)| tty.session == task.session.number) else { return -ENOTTY };
        if !self.in_use(pgid) {
            return -ESRCH;
        }
        // A group's session is that of a member; a plain process counts as well (`session_of_pgrp`).
        let of_group = self.group(pgid).map(|member| (member.pgrp, member.session));
        let of_process = || {
            let process = self.tasks.get(&pgid)?;
            Some((RawId { number: pgid, ino: process.ino }, process.session))
        };
        match of_group.or_else(of_process) {
            Some((id, session)) if session == task.session => {
                self.ttys.get_mut(&index).expect("its terminal").foreground = id;
                0
            }
            _ => -EPERM,
        }
    }

    /// Every member takes SIGTTOU, and stops unless its group is orphaned, it ignores the signal, or it is stopped.
    fn stop_group(&mut self, group: RawId) {
        for member in self.members(group) {
            let task = &self.tasks[&member];
            if task.zombie || task.stopped || task.ignores_ttou {
                continue;
            }
            let taken =
                EventKind::SignalDelivered { signal: Signal::TTOU, code: 0x80, disposition: Disposition::Default };
            self.emit_state(member, member, taken);
            self.take_stop(member, Signal::TTOU);
        }
    }
}
