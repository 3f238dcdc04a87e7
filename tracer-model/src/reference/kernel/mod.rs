//! A small kernel, obvious and slow: the reference that the model is compared with.
//!
//! Keeps processes in one table, finds groups by looking at everybody, and writes the events that the probes would write
//! ([`probes`]). The rules are those of kernel/sys.c, kernel/exit.c, kernel/signal.c and `drivers/tty/tty_jobctrl.c`.

mod calls;
mod exit;
mod probes;
mod signals;
mod terminal;

use std::collections::BTreeMap;

use crate::{
    event::{Event, RawId, RawTask},
    ids::{BootNs, Pid, Tid},
};

/// Errors, as calls return them.
pub mod errno {
    pub const EPERM: i64 = 1;
    pub const ESRCH: i64 = 3;
    pub const ECHILD: i64 = 10;
    pub const EACCES: i64 = 13;
    pub const EINVAL: i64 = 22;
    pub const ENOTTY: i64 = 25;
    /// The call is made again once its caller is continued; user space never sees it.
    pub const ERESTARTSYS: i64 = 512;
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Task {
    pub id: RawTask,
    pub ino: u64,
    pub parent: u32,
    pub pgrp: RawId,
    pub session: RawId,
    pub leader: bool,
    pub execed: bool,
    pub stopped: bool,
    /// It has begun to exit.
    pub exiting: bool,
    pub zombie: bool,
    pub subreaper: bool,
    pub ignores_chld: bool,
    pub ignores_ttou: bool,
    pub tty: Option<u32>,
    /// SIGHUP and SIGCONT are blocked by everybody, so that what was sent is still to be seen.
    pub hup_pending: bool,
    pub cont_pending: bool,
    /// The call that is made again when it is continued: tcsetpgrp with this argument.
    pub restarts: Option<i32>,
}

/// A terminal: its session and foreground group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tty {
    pub session: u32,
    pub foreground: RawId,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub tasks: BTreeMap<u32, Task>,
    pub ttys: BTreeMap<u32, Tty>,
    pub events: Vec<Event>,
    /// When each process was released.
    pub released: BTreeMap<(Pid, BootNs), BootNs>,
    /// Calls that the last step let be made again, and what they returned.
    pub restarted: Vec<(u32, i64)>,
    /// The highest number that was given out.
    pub last_number: u32,
    seq: u64,
    ino: u64,
    machine: Machine,
}

/// What kind of machine this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bundles have `pid->ino`, as on kernels since 6.9, and say whether an ancestor is a subreaper.
    pub new: bool,
    /// A number that is free again is given to the next process.
    pub reuses_numbers: bool,
}

/// One thing that one process does. Numbers are as the process passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Fork {
        who: u32,
        clone_parent: bool,
    },
    Setpgid {
        who: u32,
        pid: i32,
        pgid: i32,
    },
    Setsid {
        who: u32,
    },
    Exec {
        who: u32,
    },
    /// `quick`: the parent's wait returns before the last record of the exiting process.
    Exit {
        who: u32,
        quick: bool,
    },
    /// Without blocking, for one child.
    Wait {
        who: u32,
        child: u32,
    },
    /// For any child.
    WaitAny {
        who: u32,
    },
    /// SIGSTOP.
    Stop {
        who: u32,
        target: u32,
    },
    /// SIGCONT.
    Continue {
        who: u32,
        target: u32,
    },
    /// SIGKILL.
    Kill {
        who: u32,
        target: u32,
    },
    Subreaper {
        who: u32,
    },
    IgnoreChildren {
        who: u32,
    },
    IgnoreTtou {
        who: u32,
    },
    AcquireTty {
        who: u32,
        tty: u32,
    },
    GiveTtyUp {
        who: u32,
    },
    SetForeground {
        who: u32,
        pgid: i32,
    },
}

impl Step {
    /// Who does it.
    pub fn who(self) -> u32 {
        match self {
            Self::Fork { who, .. }
            | Self::Setpgid { who, .. }
            | Self::Setsid { who }
            | Self::Exec { who }
            | Self::Exit { who, .. }
            | Self::Wait { who, .. }
            | Self::WaitAny { who }
            | Self::Stop { who, .. }
            | Self::Continue { who, .. }
            | Self::Kill { who, .. }
            | Self::Subreaper { who }
            | Self::IgnoreChildren { who }
            | Self::IgnoreTtou { who }
            | Self::AcquireTty { who, .. }
            | Self::GiveTtyUp { who }
            | Self::SetForeground { who, .. } => who,
        }
    }
}

impl Kernel {
    /// Process 1 alone, in session and group 1, and a snapshot of it.
    pub fn new(machine: Machine) -> Self {
        let mut kernel = Self {
            tasks: BTreeMap::new(),
            ttys: BTreeMap::new(),
            events: Vec::new(),
            released: BTreeMap::new(),
            restarted: Vec::new(),
            last_number: 1,
            seq: 0,
            ino: 0,
            machine,
        };
        let own = kernel.new_id(1);
        let task = Task {
            id: RawTask { pid: Pid(1), tid: Tid(1), start: BootNs(1) },
            ino: own.ino,
            parent: 0,
            pgrp: own,
            session: own,
            leader: true,
            execed: true,
            stopped: false,
            exiting: false,
            zombie: false,
            subreaper: false,
            ignores_chld: false,
            ignores_ttou: false,
            tty: None,
            hup_pending: false,
            cont_pending: false,
            restarts: None,
        };
        kernel.tasks.insert(1, task);
        kernel.snapshot(true);
        kernel
    }

    fn new_id(&mut self, number: u32) -> RawId {
        self.ino += 1;
        RawId { number, ino: self.ino }
    }

    fn task(&mut self, pid: u32) -> &mut Task {
        self.tasks.get_mut(&pid).expect("a process of this number")
    }

    /// Members of a group, newest first.
    pub fn members(&self, group: RawId) -> Vec<u32> {
        let mut members: Vec<_> = self.tasks.values().filter(|task| task.pgrp == group).collect();
        members.sort_by_key(|task| std::cmp::Reverse(task.id.start));
        members.iter().map(|task| task.id.pid.0).collect()
    }

    /// A member of the group that has this number now.
    fn group(&self, number: u32) -> Option<&Task> {
        self.tasks.values().find(|task| task.pgrp.number == number)
    }

    /// Whether a number is used as anything: process, group or session.
    pub fn in_use(&self, number: u32) -> bool {
        self.tasks.values().any(|task| [task.id.pid.0, task.pgrp.number, task.session.number].contains(&number))
    }

    /// `will_become_orphaned_pgrp`, ignoring one process.
    fn orphaned_but(&self, group: RawId, ignored: Option<u32>) -> bool {
        !self.tasks.values().any(|task| {
            let parent = self.tasks.get(&task.parent);
            task.pgrp == group
                && Some(task.id.pid.0) != ignored
                && !task.zombie
                && task.parent > 1
                && parent.is_some_and(|parent| parent.pgrp != task.pgrp && parent.session == task.session)
        })
    }

    /// Whether a group is orphaned.
    pub fn orphaned(&self, group: RawId) -> bool {
        self.orphaned_but(group, None)
    }

    /// Whether a process can call anything.
    pub fn can_act(&self, pid: u32) -> bool {
        self.tasks.get(&pid).is_some_and(|task| !task.zombie && !task.stopped)
    }

    /// Does one thing, as far as the kernel allows, and what follows from it at once. What the call returns, a negative errno
    /// included; 0 for what is no call.
    pub fn step(&mut self, step: Step) -> i64 {
        self.restarted.clear();
        let ret = self.act(step);
        self.restart_continued();
        ret
    }

    fn act(&mut self, step: Step) -> i64 {
        match step {
            Step::Fork { who, clone_parent } => self.fork(who, clone_parent),
            Step::Setpgid { who, pid, pgid } => self.call_setpgid(who, pid, pgid),
            Step::Setsid { who } => self.call_setsid(who),
            Step::Exec { who } => self.exec(who),
            Step::Exit { who, quick } => self.exit(who, quick),
            Step::Wait { who, child } => self.wait(who, Some(child)),
            Step::WaitAny { who } => self.wait(who, None),
            Step::Stop { who, target } => self.send_stop(who, target),
            Step::Continue { who, target } => self.send_continue(who, target),
            Step::Kill { who, target } => self.send_kill(who, target),
            Step::Subreaper { who } => self.become_subreaper(who),
            Step::IgnoreChildren { who } => self.ignore_children(who),
            Step::IgnoreTtou { who } => self.ignore_ttou(who),
            Step::AcquireTty { who, tty } => self.call_acquire_tty(who, tty),
            Step::GiveTtyUp { who } => self.call_give_tty_up(who),
            Step::SetForeground { who, pgid } => self.call_set_foreground(who, pgid),
        }
    }

    /// Whoever was continued within a call makes it again.
    fn restart_continued(&mut self) {
        loop {
            let ready = |task: &&Task| task.restarts.is_some() && !task.stopped && !task.zombie;
            let Some((who, pgid)) =
                self.tasks.values().find(ready).and_then(|task| Some((task.id.pid.0, task.restarts?)))
            else {
                return;
            };
            self.task(who).restarts = None;
            let ret = self.call_set_foreground(who, pgid);
            self.restarted.push((who, ret));
        }
    }
}
