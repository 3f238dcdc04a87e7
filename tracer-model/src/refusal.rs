//! Why a call failed, judged by the state after it and not by the errno alone.
//!
//! The order of the checks is the kernel's (kernel/sys.c, `setpgid` and `ksys_setsid`; `drivers/tty/tty_jobctrl.c`,
//! `tiocspgrp`, `tiocsctty`, `__tty_check_change`). Must not change the state.

use crate::{
    apply::Cx,
    delta::{Bounds, Refusal},
    event::{Call, Leave, TtyRequest},
    ids::{BootNs, Pgid, Pid, ProcKey},
    state::{Knowledge, Model, Orphaned, Process, ProcessGroup},
};

const EPERM: i64 = 1;
const ESRCH: i64 = 3;
const EIO: i64 = 5;
const EBADF: i64 = 9;
const EACCES: i64 = 13;
const EFAULT: i64 = 14;
const EINVAL: i64 = 22;
const ENOTTY: i64 = 25;
/// `ERESTARTSYS` to `ERESTART_RESTARTBLOCK`: the kernel restarts the call, or turns it into EINTR, after the signal.
const RESTARTED: std::ops::RangeInclusive<i64> = 512..=516;

impl Model {
    /// The reason, for calls of which the state can know one.
    pub(crate) fn refusal(&self, cx: &Cx, leave: &Leave, caller: ProcKey) -> Option<Refusal> {
        let errno = leave.ret.saturating_neg();
        let caller = self.processes.get(&caller)?;
        let began = leave.entered.map_or(cx.event.at, |(_, at)| at);
        let restarted = RESTARTED.contains(&errno).then_some(Refusal::Restarted);
        match leave.call {
            Call::Setpgid { pid, pgid } => {
                let target = cx.delta.subject.filter(|_| !leave.target_unknown);
                let target = target.and_then(|key| self.processes.get(&key));
                Some(self.setpgid_refusal(caller, target, (pid, pgid), errno, began))
            }
            Call::Setsid => Some(setsid_refusal(caller, errno)),
            Call::TtyIoctl { request, value, .. } => {
                Some(restarted.unwrap_or_else(|| self.ioctl_refusal(caller, request, value, errno)))
            }
            Call::Read { .. } => Some(restarted.unwrap_or_else(|| self.background_refusal(caller, true))),
            Call::Write { .. } => Some(restarted.unwrap_or_else(|| self.background_refusal(caller, false))),
            Call::Kill { target, .. } if target < -1 && errno == ESRCH && caller.namespace.is_none() => {
                Some(self.no_group(target.unsigned_abs()))
            }
            Call::Kill { .. }
            | Call::Tkill { .. }
            | Call::Tgkill { .. }
            | Call::Sigqueue { .. }
            | Call::Tgsigqueue { .. }
            | Call::PidfdSendSignal { .. }
            | Call::Wait4 { .. }
            | Call::Waitid { .. }
            | Call::SetSubreaper { .. }
            | Call::SetParentDeathSignal { .. }
            | Call::Vhangup
            | Call::Open => None,
        }
    }

    /// setpgid: `target` is the process of argument `pid`, when it is one that the caller can name.
    fn setpgid_refusal(
        &self,
        caller: &Process,
        target: Option<&Process>,
        (pid, pgid): (i32, i32),
        errno: i64,
        began: BootNs,
    ) -> Refusal {
        match (errno, target) {
            (EINVAL, _) => Refusal::Invalid,
            (ESRCH, _) => self.no_child(caller, target, pid),
            (EACCES, Some(target)) if !target.not_yet_execed => {
                let wanted = if pgid == 0 { pid } else { pgid };
                let there = in_its_namespace(target, target.group.map_or(0, |group| group.number.0));
                if i64::from(wanted) == there { Refusal::AlreadyThereAfterExec } else { Refusal::ExecutedBefore }
            }
            (EPERM, Some(target)) if target.facts.session_leader => Refusal::SessionLeader,
            (EPERM, Some(target)) if target.session != caller.session => Refusal::OtherSession,
            (EPERM, _) if pgid == 0 || pgid == pid || caller.namespace.is_some() => Refusal::Unexplained,
            (EPERM, _) => self.no_group_to_join(caller, pgid.unsigned_abs(), began),
            _ => Refusal::Unexplained,
        }
    }

    /// setpgid could not find its target among the caller's children.
    fn no_child(&self, caller: &Process, target: Option<&Process>, pid: i32) -> Refusal {
        let number = pid.unsigned_abs();
        match target {
            Some(target) if target.key == caller.key || target.parent == Some(caller.key) => Refusal::Unexplained,
            Some(_) => Refusal::NotAChild,
            None => {
                let was_child = |ended: &&crate::state::recent::EndedProcess| {
                    ended.parent == Some(caller.key) && ended.namespace.is_none()
                };
                // A number that is in use again is somebody else's.
                let free = self.process_by_pid(Pid(number)).is_none();
                let reaped = self.recent.processes(Pid(number)).take(1).any(|ended| was_child(&ended));
                if free && reaped && caller.namespace.is_none() { Refusal::ChildReaped } else { Refusal::NotAChild }
            }
        }
    }

    /// setpgid could not join a group: there is none, or it is in another session.
    fn no_group_to_join(&self, caller: &Process, number: u32, began: BootNs) -> Refusal {
        match self.group_by_pgid(Pgid(number)) {
            Some(group) if Some(group.session) != caller.session => Refusal::OtherSession,
            // It came into being while the call ran.
            Some(group) if group.born.is_some_and(|born| born >= began) => Refusal::GroupNotYet,
            // wait(2) releases its last members before it returns (kernel/exit.c, `wait_task_zombie`): that the call was
            // refused says that they were reaped, before the record of the wait can.
            Some(group) if group.living == 0 => {
                let exited = |key| self.processes.get(key).and_then(|member: &Process| member.exited_at);
                let after = group.members.iter().filter_map(exited).max().unwrap_or(began);
                Refusal::GroupEnded { group: group.key, ended: Bounds { after, until: self.now.at } }
            }
            Some(_) => Refusal::Unexplained,
            None => {
                let reason = self.no_group(number);
                let known = self.process_by_pid(Pid(number)).map(|process| process.knowledge);
                match (reason, known) {
                    (Refusal::NoSuchGroup, Some(Knowledge::Seen)) => Refusal::GroupNotYet,
                    // Of a process that is only named it is not known whether it leads a group, in some other session.
                    (Refusal::NoSuchGroup, Some(Knowledge::Referenced)) => Refusal::Unexplained,
                    _ => reason,
                }
            }
        }
    }

    /// The process that has this number now was born later than that.
    fn born_since(&self, number: u32, then: BootNs) -> bool {
        self.process_by_pid(Pid(number)).is_some_and(|process| process.start > then)
    }

    /// Nothing bears this number, as a group.
    fn no_group(&self, number: u32) -> Refusal {
        match self.recent.group(Pgid(number)) {
            // A process that was born since then may yet make a group with the number.
            Some(ended)
                if self.group_by_pgid(Pgid(number)).is_none() && !self.born_since(number, ended.ended.until) =>
            {
                Refusal::GroupEnded { group: ended.key, ended: ended.ended }
            }
            Some(_) | None => Refusal::NoSuchGroup,
        }
    }

    fn ioctl_refusal(&self, caller: &Process, request: TtyRequest, value: i32, errno: i64) -> Refusal {
        match (request, errno) {
            (_, EINVAL | EBADF | EFAULT) => Refusal::Invalid,
            (TtyRequest::SetForeground, ESRCH) if caller.namespace.is_some() => Refusal::NoSuchGroup,
            (TtyRequest::SetForeground, ESRCH) => self.no_group(value.unsigned_abs()),
            (TtyRequest::SetForeground, EPERM) => Refusal::OtherSession,
            (TtyRequest::SetControlling, EPERM) if !caller.facts.session_leader => Refusal::NotSessionLeader,
            (TtyRequest::SetControlling, EPERM) if caller.tty.is_some() => Refusal::HasControllingTty,
            (TtyRequest::SetControlling, EPERM) => Refusal::TtyOfOtherSession,
            (TtyRequest::SetForeground, ENOTTY) | (_, EIO) if self.in_orphaned_background(caller) => {
                Refusal::OrphanedBackground
            }
            // It may be the EIO of an orphaned process group: whether the caller's is orphaned is not known.
            (TtyRequest::SetForeground, ENOTTY) if self.may_be_orphaned_background(caller) => Refusal::Unexplained,
            // After a hangup every ioctl but TIOCSPGRP answers EIO (drivers/tty/tty_io.c, `hung_up_tty_ioctl`).
            (_, EIO) if caller.tty.is_none() => Refusal::NotControllingTty,
            (_, ENOTTY) => Refusal::NotControllingTty,
            _ => Refusal::Unexplained,
        }
    }

    /// read or write of the controlling terminal failed with EIO. For SIGTTIN the kernel looks at the disposition first.
    fn background_refusal(&self, caller: &Process, read: bool) -> Refusal {
        if caller.tty.is_none() {
            Refusal::NotControllingTty
        } else if !self.in_background(caller) {
            Refusal::Unexplained
        } else if read && caller.facts.ttin_ignored_or_blocked {
            Refusal::BackgroundSignalIgnored
        } else if self.in_orphaned_background(caller) {
            Refusal::OrphanedBackground
        } else {
            Refusal::Unexplained
        }
    }

    /// Has a controlling terminal, and another group is its foreground.
    fn in_background(&self, process: &Process) -> bool {
        let tty = process.tty.and_then(|tty| self.terminals.get(&tty));
        tty.is_some_and(|tty| tty.foreground.and_then(|foreground| foreground.group) != process.group)
    }

    fn may_be_orphaned_background(&self, process: &Process) -> bool {
        let group = process.group.and_then(|group| self.groups.get(&group));
        self.in_background(process) && group.is_none_or(|group| group.orphaned == Orphaned::Unknown)
    }

    fn in_orphaned_background(&self, process: &Process) -> bool {
        let group = process.group.and_then(|group| self.groups.get(&group));
        self.in_background(process) && group.is_some_and(ProcessGroup::is_orphaned)
    }
}

fn setsid_refusal(caller: &Process, errno: i64) -> Refusal {
    if errno != EPERM {
        Refusal::Unexplained
    } else if caller.facts.session_leader {
        Refusal::SessionLeader
    } else if caller.group.is_some_and(|group| group.number.0 == caller.key.number.0) {
        Refusal::GroupLeader
    } else {
        Refusal::NumberIsAGroup
    }
}

/// The number of a process's own group as the process itself would name it; -1 when that is not known.
fn in_its_namespace(process: &Process, number: u32) -> i64 {
    match process.namespace {
        None => i64::from(number),
        Some(namespace) if number == process.key.number.0 => i64::from(namespace.pid.0),
        // 0 for a group from outside, or one that is not known.
        Some(namespace) if namespace.pgid.0 != 0 => i64::from(namespace.pgid.0),
        Some(_) => -1,
    }
}
