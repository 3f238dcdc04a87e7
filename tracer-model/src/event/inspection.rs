//! What a process shares and holds beyond its job control, read at one instant.
//!
//! No call that the probes watch shows a descriptor, a directory or a mask: they are read from `/proc` when it matters, and
//! become an event, so that a recording has them and the rules stay pure. What could not be read says with which errno, and is
//! never taken for empty. Paths and names are hostile bytes.

use crate::{
    event::RawTask,
    ids::{RawTty, Signal},
};

/// Why a fact is not known: the errno of the read. ESRCH: the process was gone, or its number another's, before all was read.
/// ENOENT: it lives, and `/proc` does not show it (`hidepid`, proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread(pub i32);

impl Unread {
    /// ESRCH.
    pub const GONE: Self = Self(3);
}

/// A fact, or why it is not known.
pub type Known<T> = Result<T, Unread>;

/// When a process is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The command, before it is executed: it has what its launcher handed on.
    Launch,
    /// The command has ended, and this process lives on, or waits for what the command wrote.
    Left,
    /// Its parent has ended, and a second has passed.
    Settled,
    /// Somebody asked.
    Asked,
    /// A call of it on a terminal has failed: what its descriptors are tells why.
    Refused,
}

/// What a process shares and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Which process.
    pub task: RawTask,
    /// When, in its life.
    pub moment: Moment,
    /// Its open descriptors (`/proc/PID/fd`, `/proc/PID/fdinfo`).
    pub descriptors: Known<Descriptors>,
    /// What `/proc/PID/status` has.
    pub status: Known<Status>,
    /// Its working directory.
    pub directory: Known<Directory>,
    /// Names, not values, of the variables of [`MARKS`] in its environment at its last exec, sorted.
    pub marks: Known<Vec<Vec<u8>>>,
    /// Its cgroup v2, below the mount point of the reader's namespace.
    pub cgroup: Known<Vec<u8>>,
    /// The file that it executes.
    pub program: Known<Vec<u8>>,
}

/// Open descriptors in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// Of the lowest [`LOOKED_AT`] the terminals, the pipes, and the lowest others: at most [`MAX_DESCRIPTORS`].
    pub open: Vec<Descriptor>,
    /// How many more there are.
    pub more: u32,
    /// Why some, which are in neither, could not be looked at: what the first of them gave.
    pub unread: Option<Unread>,
}

/// One descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// What it refers to.
    pub target: Target,
    /// `st_dev` and `st_ino`: two descriptors of one pipe, socket or file have the same. What has no inode of its own
    /// ([`Target::Anonymous`]) shares one with everything like it.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// How it was opened.
    pub access: Access,
    /// An exec closes it.
    pub close_on_exec: bool,
    /// A stream socket that connections can be made to.
    pub listening: bool,
    /// What `/proc` calls it, cut after [`MAX_PATH`] bytes.
    pub path: Vec<u8>,
}

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/dev/null`.
    Null,
    /// A terminal; its device, as controlling terminals have it.
    Terminal(RawTty),
    /// A pipe or FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Another device.
    Device,
    /// Something without an inode of its own: an epoll, an eventfd, a program.
    Anonymous,
}

/// How a descriptor was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_WRONLY`.
    Write,
    /// `O_RDWR`.
    ReadWrite,
    /// `O_PATH`.
    Path,
}

/// From `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its umask.
    pub umask: u32,
    /// Signals that it blocks (its first thread): signal N is bit N - 1.
    pub blocked: u64,
    /// Signals that it ignores.
    pub ignored: u64,
    /// Signals that it handles.
    pub caught: u64,
    /// Real and effective user id, in the reader's user namespace.
    pub uids: [u32; 2],
    /// Real and effective group id.
    pub gids: [u32; 2],
    /// Permitted and effective capabilities.
    pub capabilities: [u64; 2],
    /// Its number in its own pid namespace, where that is not the reader's; else 0. 1: it is the init of one.
    pub inner_pid: u32,
    /// The state of its first thread, as `proc_pid_status(5)` has it: `S` sleeps, `D` sleeps and takes no signal. 0: not read.
    pub state: u8,
}

/// A working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its path, cut after [`MAX_PATH`] bytes.
    pub path: Vec<u8>,
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// It is on another mount than the root of the process: that mount cannot be removed.
    pub other_mount: bool,
}

/// Descriptors that an inspection lists; the others are counted.
pub const MAX_DESCRIPTORS: usize = 64;

/// Descriptors that an inspection looks at. Of a process that has more, not all are known.
pub const LOOKED_AT: usize = 1024;

/// Bytes of a path that an inspection keeps.
pub const MAX_PATH: usize = 256;

/// Variables whose names an inspection notes, `*` for any end: what tells the terminal, the login, the build or the supervisor
/// that a process was started from.
pub const MARKS: [&str; 17] = [
    "BUILD_ID",
    "CI",
    "DISPLAY",
    "INVOCATION_ID",
    "JOB_NAME",
    "JOURNAL_STREAM",
    "LISTEN_FDS",
    "NOTIFY_SOCKET",
    "SSH_*",
    "STY",
    "SUDO_*",
    "SUPERVISOR_*",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TMUX*",
    "WINDOWID",
    "XDG_SESSION_ID",
];

impl Inspection {
    /// Nothing of this process could be read.
    #[must_use]
    pub fn unread(task: RawTask, moment: Moment, why: Unread) -> Self {
        Self {
            task,
            moment,
            descriptors: Err(why),
            status: Err(why),
            directory: Err(why),
            marks: Err(why),
            cgroup: Err(why),
            program: Err(why),
        }
    }

    /// Whether it lived while it was looked at: whoever has begun to exit executes no file any more, and what else is read of it
    /// then is empty (`kernel/exit.c`, `do_exit`: `exit_mm` comes before `exit_files` and `exit_fs`).
    #[must_use]
    pub fn is_of_the_living(&self) -> bool {
        self.status != Err(Unread::GONE) && self.program != Err(Unread::GONE)
    }

    /// Nameless pipes of which it has one end.
    pub fn half_pipes(&self) -> impl Iterator<Item = &Descriptor> {
        self.descriptors.iter().flat_map(|all| {
            let half =
                |it: &&Descriptor| it.target == Target::Pipe && it.path.starts_with(b"pipe:") && !all.has_both_ends(it);
            all.open.iter().filter(half)
        })
    }

    /// Its descriptor of this number.
    #[must_use]
    pub fn descriptor(&self, number: u32) -> Option<&Descriptor> {
        self.descriptors.as_ref().ok()?.open.iter().find(|it| it.number == number)
    }
}

impl Target {
    /// What a character device is, as far as its numbers say (Documentation/admin-guide/devices.txt): old pseudo-terminals 3,
    /// virtual consoles and serial lines 4, `/dev/tty` and `/dev/console` 5, slaves 136 to 143, USB serial 166 and 188, serial
    /// lines of processors 204 and 207, Bluetooth 216, hypervisors' consoles 229. `instance`: the device of its file system,
    /// which counts for slaves. The multiplexer (5, 2) and masters belong to who is the terminal, not to its users.
    #[must_use]
    pub fn of_device(major: u32, minor: u32, instance: u32) -> Self {
        match (major, minor) {
            (1, 3) => Self::Null,
            (5, 2) => Self::Device,
            (136..=143, _) => Self::Terminal(RawTty { major, minor, instance }),
            (3 | 4 | 5 | 166 | 188 | 204 | 207 | 216 | 229, _) => Self::Terminal(RawTty { major, minor, instance: 0 }),
            _ => Self::Device,
        }
    }
}

impl Status {
    /// It is in the kernel and takes no signal until that is through, SIGKILL perhaps excepted.
    #[must_use]
    pub fn is_uninterruptible(&self) -> bool {
        self.state == b'D'
    }
}

impl Descriptors {
    /// Whether every terminal and pipe of it is among `open`: what finds no room is the others first.
    #[must_use]
    pub fn has_every_pipe(&self) -> bool {
        let is_other = |it: &Descriptor| !matches!(it.target, Target::Terminal(_) | Target::Pipe);
        let none_left_out = || self.looked_at_all() && self.open.iter().any(is_other);
        self.unread.is_none() && (self.more == 0 || none_left_out())
    }

    /// Whether all of them were looked at, and what is only counted found no room.
    #[must_use]
    pub fn looked_at_all(&self) -> bool {
        self.more as usize <= LOOKED_AT - MAX_DESCRIPTORS
    }

    /// It has both ends of this pipe: it wakes itself with it.
    #[must_use]
    pub fn has_both_ends(&self, pipe: &Descriptor) -> bool {
        let same = || self.open.iter().filter(|it| it.same_target(pipe));
        same().any(Descriptor::reads) && same().any(Descriptor::writes)
    }
}

impl Descriptor {
    /// It refers to the same thing, as far as an inode tells.
    #[must_use]
    pub fn same_target(&self, other: &Self) -> bool {
        self.target != Target::Anonymous
            && (self.target, self.device, self.inode) == (other.target, other.device, other.inode)
    }

    /// It can be written to.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.access, Access::Write | Access::ReadWrite)
    }

    /// It can be read from.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.access, Access::Read | Access::ReadWrite)
    }
}

/// 32 and 33: the C library keeps these two to itself, so that no program can reset them (nptl(7)).
pub const RESERVED: u64 = 1 << 31 | 1 << 32;

/// The signals of a mask, in order.
pub fn signals(mask: u64) -> impl Iterator<Item = Signal> {
    (1..=64).filter(move |number| mask >> (number - 1) & 1 != 0).map(Signal)
}
