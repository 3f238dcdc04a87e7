//! What a process shares and holds, from `/proc`.
//!
//! A process is read file by file, so its facts are of slightly different instants; its start time is read before and after,
//! and when either is another's, or nobody's, nothing of it is kept. What may not be read is a fact with an errno.
//! Must not: fail because of a process, open what a descriptor refers to or ask a server about it, or keep a value of an
//! environment.

mod holders;
mod sockets;
mod target;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use tracer_model::{
    event::{
        Attributes, Disposition, RawTask, State,
        inspection::{
            Access, Descriptor, Descriptors, Directory, Inspection, Known, MARKS, MAX_DESCRIPTORS, MAX_PATH, Moment,
            Status, Target, Unread,
        },
    },
    ids::{BootNs, Pid, Signal, Tid},
};

pub use self::{
    holders::{Holder, Pipes, holders},
    sockets::Sockets,
};

use self::target::{Look, kind};
use super::procfs::{parse_stat, read_stat, same_tick, whole};

/// Descriptors that are looked at, of which the terminals and the lowest others are kept.
const LOOKED_AT: usize = tracer_model::event::inspection::LOOKED_AT;

/// So often a process is read whose threads end meanwhile.
const ATTEMPTS: usize = 3;

/// Bytes of an environment that are looked at.
const ENVIRONMENT: u64 = 1 << 17;
/// Names of variables that are kept.
const MANY_MARKS: usize = 32;
/// Bytes of a variable's name that are kept.
const MARK: usize = 64;

/// `O_PATH` and `O_CLOEXEC` as `/proc/PID/fdinfo` prints them, in octal (`proc_pid_fdinfo(5)`).
const O_PATH: u32 = libc::O_PATH.cast_unsigned();
const O_CLOEXEC: u32 = libc::O_CLOEXEC.cast_unsigned();

/// Inspects a process. A start time of 0 stands for whoever has the number now. `sockets` is of the processes that are
/// inspected together.
#[must_use]
pub fn inspect(task: RawTask, moment: Moment, sockets: &mut Sockets) -> Inspection {
    let is_it = |state: &State| task.start.0 == 0 || same_tick(state.id.start, task.start);
    let found = read_stat(task.pid);
    if found.is_none() && is_hidden(task.pid) {
        return Inspection::unread(task, moment, Unread(libc::ENOENT));
    }
    let Some(mut before) = found.filter(is_it) else {
        return Inspection::unread(task, moment, Unread(libc::ESRCH));
    };
    for _ in 0..ATTEMPTS {
        let thread = living_thread(&before);
        let inspection = read(task, moment, &thread, sockets);
        let Some(after) = read_stat(task.pid).filter(|after| after.id.start == before.id.start) else {
            return Inspection::unread(task, moment, Unread(libc::ESRCH));
        };
        let ends = !inspection.is_of_the_living();
        // What a thread shows when it has ended is empty, and not what the process has.
        if living_thread(&after) == thread && !ends {
            return inspection;
        }
        if ends && after.facts.single_thread {
            return Inspection::unread(task, moment, Unread(libc::ESRCH));
        }
        before = after;
    }
    // It lives, and nothing of it is known.
    Inspection::unread(task, moment, Unread(libc::EAGAIN))
}

/// Whether a process that `/proc` does not show is there: the option `hidepid` of that mount (proc(5)) keeps nobody from asking
/// for its session (`kernel/sys.c`, `getsid`: no check but that of a security module).
fn is_hidden(pid: Pid) -> bool {
    let asked = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid.0.cast_signed())));
    pid.0 > 0 && asked != Err(nix::errno::Errno::ESRCH)
}

fn read(task: RawTask, moment: Moment, directory: &Path, sockets: &mut Sockets) -> Inspection {
    let number_inside = || whole(format!("/proc/{}/status", task.pid)).map(|bytes| status(&bytes).inner_pid);
    let status = whole(directory.join("status")).and_then(|bytes| {
        // Who has begun to exit has no umask any more (`fs/proc/array.c`, `get_task_umask`), and what it has is 0.
        if !bytes.windows(7).any(|it| it == b"\nUmask:") {
            return Err(io::ErrorKind::NotFound.into());
        }
        // `NSpid` of a thread is the thread's own number.
        Ok(Status { inner_pid: number_inside()?, ..status(&bytes) })
    });
    Inspection {
        task,
        moment,
        descriptors: descriptors(directory, sockets),
        status: status.map_err(|error| unread(&error)),
        directory: working_directory(directory),
        marks: marks(directory),
        cgroup: whole(directory.join("cgroup")).map(|bytes| cgroup(&bytes)).map_err(|error| unread(&error)),
        program: fs::read_link(directory.join("exe")).map(|path| path_bytes(&path)).map_err(|error| unread(&error)),
    }
}

/// Where what a process has is shown: its own folder, and when its first thread has ended before others, that of one of them.
/// A task that has ended has no files, no directory and no program any more (`kernel/exit.c`, `exit_files`, `exit_fs`, `exit_mm`),
/// and `/proc/PID` shows the first one's.
fn living_thread(process: &State) -> PathBuf {
    let own = PathBuf::from(format!("/proc/{}", process.id.pid));
    if process.exit_state == 0 || process.facts.single_thread {
        return own;
    }
    let threads = fs::read_dir(own.join("task")).into_iter().flatten().flatten().map(|thread| thread.path());
    let lives = |thread: &PathBuf| {
        let stat = whole(thread.join("stat")).ok().and_then(|bytes| parse_stat(&bytes));
        stat.is_some_and(|state| state.exit_state == 0)
    };
    let mut threads = threads.filter(lives);
    threads.next().unwrap_or(own)
}

fn unread(error: &io::Error) -> Unread {
    // What is removed with the process is ENOENT; to a reader that is the same as no process.
    match error.raw_os_error() {
        None | Some(libc::ENOENT) => Unread(libc::ESRCH),
        Some(errno) => Unread(errno),
    }
}

fn path_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = path.as_os_str().as_bytes().to_vec();
    bytes.truncate(MAX_PATH);
    bytes
}

fn descriptors(process: &Path, sockets: &mut Sockets) -> Known<Descriptors> {
    let entries = fs::read_dir(process.join("fd")).map_err(|error| unread(&error))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| unread(&error))?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    let unseen = numbers.len().saturating_sub(LOOKED_AT);
    let (mut open, refused) = gather(numbers.into_iter().take(LOOKED_AT).map(|number| descriptor(process, number)));
    // Some may be closed meanwhile: that others were not looked at shows all the same.
    let least = if unseen > 0 { LOOKED_AT - MAX_DESCRIPTORS } else { 0 };
    let more = (open.len().saturating_sub(MAX_DESCRIPTORS).max(least) + unseen) as u32;
    // What keeps a terminal, or a pipe of somebody, is counted only when there are very many.
    open.sort_by_key(|it| match it.target {
        Target::Terminal(_) => 0,
        Target::Pipe => 1,
        Target::Null | Target::Socket | Target::File | Target::Directory | Target::Device | Target::Anonymous => 2,
    });
    open.truncate(MAX_DESCRIPTORS);
    open.sort_by_key(|it| it.number);
    for it in open.iter_mut().filter(|it| it.target == Target::Socket) {
        it.listening = sockets.listens(process, it.inode);
    }
    Ok(Descriptors { open, more, unread: refused })
}

/// Those that could be looked at, and why the first of the others could not.
fn gather(looks: impl Iterator<Item = io::Result<Descriptor>>) -> (Vec<Descriptor>, Option<Unread>) {
    let (mut open, mut refused) = (Vec::new(), None);
    for look in looks {
        match look {
            Ok(descriptor) => open.push(descriptor),
            // One that is closed between the list and the look is not open.
            Err(error) if unread(&error) == Unread(libc::ESRCH) => {}
            Err(error) => refused = refused.or(Some(unread(&error))),
        }
    }
    (open, refused)
}

fn descriptor(process: &Path, number: u32) -> io::Result<Descriptor> {
    let link = process.join("fd").join(number.to_string());
    let path = path_bytes(&fs::read_link(&link)?);
    let info = whole(process.join("fdinfo").join(number.to_string()))?;
    let flags = fdinfo(&info, "flags:", 8).ok_or(io::ErrorKind::InvalidData)? as u32;
    let look = Look::at(&link).or_else(|error| {
        // FUSE shows its files to nobody but who mounted it; which one this is, is no secret of its.
        let inode = fdinfo(&info, "ino:", 10).filter(|_| error.raw_os_error() == Some(libc::EACCES)).ok_or(error)?;
        Look::of_a_file(&link, inode)
    })?;
    Ok(Descriptor {
        number,
        target: kind(&look, &path),
        device: look.device,
        inode: look.inode,
        access: match flags {
            _ if flags & O_PATH != 0 => Access::Path,
            _ if flags & 3 == libc::O_RDONLY.cast_unsigned() => Access::Read,
            _ if flags & 3 == libc::O_WRONLY.cast_unsigned() => Access::Write,
            _ => Access::ReadWrite,
        },
        close_on_exec: flags & O_CLOEXEC != 0,
        listening: false,
        path,
    })
}

/// A field of `/proc/PID/fdinfo/N`: `flags:\t0100002`, and since Linux 5.14 `ino:\t77` (`proc_pid_fdinfo(5)`).
fn fdinfo(bytes: &[u8], key: &str, radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    u64::from_str_radix(value.trim(), radix).ok()
}

fn status(bytes: &[u8]) -> Status {
    let mut status = Status::default();
    let mask = |value: &str| u64::from_str_radix(value.trim(), 16).unwrap_or(0);
    for line in bytes.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let mut numbers = value.split_ascii_whitespace().map(|number| number.parse::<u32>().unwrap_or(0));
        match key {
            "State" => status.state = value.trim().bytes().next().unwrap_or(0),
            "Umask" => status.umask = u32::from_str_radix(value.trim(), 8).unwrap_or(0),
            "Uid" => status.uids = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)],
            "Gid" => status.gids = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)],
            "NSpid" => status.inner_pid = numbers.skip(1).last().unwrap_or(0),
            "SigBlk" => status.blocked = mask(value),
            "SigIgn" => status.ignored = mask(value),
            "SigCgt" => status.caught = mask(value),
            "CapPrm" => status.capabilities = [mask(value), status.capabilities[1]],
            "CapEff" => status.capabilities = [status.capabilities[0], mask(value)],
            _ => {}
        }
    }
    status
}

fn working_directory(process: &Path) -> Known<Directory> {
    let link = process.join("cwd");
    let path = path_bytes(&fs::read_link(&link).map_err(|error| unread(&error))?);
    let own = Look::at(&link).map_err(|error| unread(&error))?;
    let root = Look::at(&process.join("root")).map_err(|error| unread(&error))?;
    Ok(Directory { path, device: own.device, inode: own.inode, other_mount: own.mount != root.mount })
}

/// Whether a thread's working directory is its root directory, on the same mount. `false`: also when it could not be looked at.
pub(super) fn is_at_root(tid: Tid) -> bool {
    let look = |link: &str| Look::at(&PathBuf::from(format!("/proc/{tid}/{link}"))).ok();
    let same = |(own, root): (Look, Look)| (own.device, own.inode, own.mount) == (root.device, root.inode, root.mount);
    look("cwd").zip(look("root")).is_some_and(same)
}

/// What a descriptor of a thread refers to. `None`: it could not be looked at.
pub(super) fn target(tid: Tid, number: u32) -> Option<Target> {
    let link = PathBuf::from(format!("/proc/{tid}/fd/{number}"));
    let path = path_bytes(&fs::read_link(&link).ok()?);
    Look::at(&link).ok().map(|look| kind(&look, &path))
}

/// What is done with a signal. `None`: that could not be read.
pub(super) fn disposition(tid: Tid, signal: Signal) -> Option<Disposition> {
    let status = status(&whole(format!("/proc/{tid}/status")).ok()?);
    let has = |mask: u64| mask >> (signal.0.wrapping_sub(1) & 63) & 1 != 0;
    Some(match (has(status.ignored), has(status.caught)) {
        (true, _) => Disposition::Ignored,
        (_, true) => Disposition::Handler,
        (false, false) => Disposition::Default,
    })
}

/// Descriptors, dispositions and blocked signals of this process that it would hand on to a command, beside what every daemon
/// changes.
#[must_use]
pub fn handed_on() -> Attributes {
    let pid = std::process::id();
    let own = RawTask { pid: Pid(pid), tid: Tid(pid), start: BootNs(0) };
    let own = inspect(own, Moment::Asked, &mut Sockets::default());
    let numbers = own.descriptors.iter().flat_map(|it| &it.open).filter(|it| !it.close_on_exec).map(|it| it.number);
    let descriptors = numbers.filter(|number| *number < u32::BITS).fold(0, |set, number| set | 1 << number);
    let status = own.status.unwrap_or_default();
    let usual = Attributes::USUAL;
    Attributes {
        descriptors: usual.descriptors | descriptors,
        dispositions: usual.dispositions | status.ignored as u32,
        blocked: usual.blocked | status.blocked as u32,
    }
}

fn marks(process: &Path) -> Known<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    let file = File::open(process.join("environ")).map_err(|error| unread(&error))?;
    file.take(ENVIRONMENT).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    let names = bytes.split(|&byte| byte == 0).filter_map(|variable| variable.split(|&byte| byte == b'=').next());
    let noted = names.filter(|name| name.len() <= MARK && MARKS.iter().any(|mark| is_mark(mark, name)));
    let mut noted: Vec<Vec<u8>> = noted.map(<[u8]>::to_vec).collect();
    noted.sort_unstable();
    noted.dedup();
    noted.truncate(MANY_MARKS);
    Ok(noted)
}

fn is_mark(mark: &str, name: &[u8]) -> bool {
    match mark.strip_suffix('*') {
        Some(begin) => name.starts_with(begin.as_bytes()),
        None => name == mark.as_bytes(),
    }
}

/// The path in `0::/system.slice/ssh.service` (`cgroups(7)`); where there is no version 2, that of the named hierarchy of systemd.
fn cgroup(bytes: &[u8]) -> Vec<u8> {
    let lines = || bytes.split(|&byte| byte == b'\n');
    let after = |start: &[u8]| {
        lines().find_map(|line| {
            let at = line.windows(start.len()).position(|window| window == start)?;
            line.get(at + start.len()..)
        })
    };
    let mut path = after(b"0::").or_else(|| after(b":name=systemd:")).unwrap_or_default().to_vec();
    path.truncate(MAX_PATH);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> RawTask {
        let pid = std::process::id();
        RawTask { pid: Pid(pid), tid: Tid(pid), start: BootNs(0) }
    }

    #[test]
    fn this_process_holds_what_it_opens() {
        let (file, null) = (tempfile::tempfile().unwrap(), File::open("/dev/null").unwrap());
        let inspection = inspect(own(), Moment::Asked, &mut Sockets::default());
        let find = |fd: i32| inspection.descriptor(fd as u32).unwrap();
        let (kept, silent) =
            (find(std::os::fd::AsRawFd::as_raw_fd(&file)), find(std::os::fd::AsRawFd::as_raw_fd(&null)));
        assert_eq!((kept.target, kept.access, kept.close_on_exec), (Target::File, Access::ReadWrite, true));
        assert_eq!(kept.inode, std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap()));
        assert_eq!((silent.target, silent.access), (Target::Null, Access::Read));
        let status = inspection.status.unwrap();
        assert_eq!(status.uids, [nix::unistd::getuid().as_raw(), nix::unistd::geteuid().as_raw()]);
        let cwd = std::env::current_dir().unwrap();
        assert_eq!(inspection.directory.unwrap().path, cwd.as_os_str().as_bytes());
    }

    #[test]
    fn another_life_of_the_number_is_not_inspected() {
        let task = RawTask { start: BootNs(1), ..own() };
        assert_eq!(
            inspect(task, Moment::Settled, &mut Sockets::default()),
            Inspection::unread(task, Moment::Settled, Unread(libc::ESRCH))
        );
        let nobody = RawTask { pid: Pid(u32::MAX), ..own() };
        assert_eq!(inspect(nobody, Moment::Asked, &mut Sockets::default()).status, Err(Unread(libc::ESRCH)));
    }

    #[test]
    fn many_descriptors_are_counted() {
        let many: Vec<File> = (0..MAX_DESCRIPTORS + 9).map(|_| File::open("/dev/null").unwrap()).collect();
        let descriptors = inspect(own(), Moment::Asked, &mut Sockets::default()).descriptors.unwrap();
        assert_eq!(descriptors.open.len(), MAX_DESCRIPTORS);
        // The list itself is read through a descriptor of this process, and other tests may hold some.
        assert!(descriptors.more > 9, "{}", descriptors.more);
        drop(many);
    }

    #[test]
    fn what_was_refused_is_not_taken_for_closed() {
        let own = || inspect(own(), Moment::Asked, &mut Sockets::default()).descriptors.unwrap().open.remove(0);
        let error = |errno| Err(io::Error::from_raw_os_error(errno));
        let closed = gather([Ok(own()), error(libc::ENOENT)].into_iter());
        assert_eq!((closed.0.len(), closed.1), (1, None));
        let refused = gather([error(libc::EACCES), Ok(own()), error(libc::EIO)].into_iter());
        assert_eq!((refused.0.len(), refused.1), (1, Some(Unread(libc::EACCES))));
    }

    #[test]
    fn only_names_that_tell_the_origin_are_marks() {
        let mark = |name: &[u8]| MARKS.iter().any(|mark| is_mark(mark, name));
        assert!(mark(b"TERM") && mark(b"SSH_TTY") && mark(b"TMUX_PANE") && mark(b"LISTEN_FDS"));
        assert!(!mark(b"TERMCAP") && !mark(b"PATH") && !mark(b"AWS_SECRET"));
    }

    #[test]
    fn a_status_and_a_cgroup_are_parsed_whatever_stands_in_them() {
        let read = status(b"Name:\t\xffSigBlk: 1\nUmask:\t0027\nUid:\t1\t2\t3\t4\nNSpid:\t99\t1\nSigIgn:\t0000000000000800\nCapPrm:\t3\nCapEff:\t1\n");
        assert_eq!((read.umask, read.uids, read.inner_pid, read.ignored), (0o27, [1, 2], 1, 0x800));
        assert_eq!((read.capabilities, read.blocked), ([3, 1], 0));
        assert_eq!(status(b"garbage"), Status::default());
        assert_eq!(cgroup(b"1:name=systemd:/a\n0::/b.slice/c.service\n"), b"/b.slice/c.service");
        assert_eq!(cgroup(b"5:memory:/x\n1:name=systemd:/a\n"), b"/a");
        assert_eq!(cgroup(b"\xff"), b"");
        let info = b"pos:\t0\nflags:\t02100001\nmnt_id:\t1\nino:\t77\n";
        assert_eq!((fdinfo(info, "flags:", 8), fdinfo(info, "ino:", 10)), (Some(0o2_100_001), Some(77)));
    }
}
