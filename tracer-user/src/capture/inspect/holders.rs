//! Who has a pipe open: one pass over `/proc` for every pipe that is asked for.
//!
//! What a link says is enough to pass a descriptor over, so that a descriptor costs one system call, and one that is found
//! two. Must not: open what a descriptor refers to, or look at what is not asked for.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use tracer_model::{
    event::inspection::{Descriptor, Target},
    ids::Pid,
};

use super::{LOOKED_AT, descriptor, living_thread};
use crate::capture::procfs::{pids, read_stat};

/// `st_dev` and `st_ino`.
type Key = (u64, u64);

/// Pipes that are looked for. Nameless ones are all of one file system, and told by their inodes.
#[derive(Clone, Debug, Default)]
pub struct Pipes {
    nameless: BTreeMap<u64, Key>,
    named: Vec<Key>,
}

/// An end, or both, of a pipe in the hands of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whose.
    pub pid: Pid,
    /// `st_dev` and `st_ino` of the pipe.
    pub pipe: (u64, u64),
    /// It can read from it.
    pub reads: bool,
    /// It can write to it.
    pub writes: bool,
}

impl Pipes {
    /// Those among the descriptors.
    pub fn add<'a>(&mut self, descriptors: impl IntoIterator<Item = &'a Descriptor>) {
        for it in descriptors.into_iter().filter(|it| it.target == Target::Pipe) {
            let key = (it.device, it.inode);
            if is_nameless(&it.path) {
                self.nameless.insert(it.inode, key);
            } else {
                self.named.push(key);
            }
        }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        let key = (descriptor.device, descriptor.inode);
        descriptor.target == Target::Pipe
            && (self.nameless.get(&descriptor.inode) == Some(&key) || self.named.contains(&key))
    }

    fn is_empty(&self) -> bool {
        self.nameless.is_empty() && self.named.is_empty()
    }

    /// Whether it may be one of them, by what the link says.
    fn may_have(&self, link: &[u8]) -> bool {
        match inode(link) {
            Some(inode) => self.nameless.contains_key(&inode),
            None => !self.named.is_empty() && link.starts_with(b"/"),
        }
    }
}

fn is_nameless(path: &[u8]) -> bool {
    path.starts_with(b"pipe:")
}

/// `pipe:[815769]` (`fs/pipe.c`, `pipefs_dname`).
fn inode(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link.strip_prefix(b"pipe:[")?.strip_suffix(b"]")?).ok()?.parse().ok()
}

/// Who has one of these pipes open, by process. Processes that may not be looked at are passed over, and what a process has
/// open beyond the lowest [`LOOKED_AT`] descriptors: both show in an inspection of the process.
#[must_use]
pub fn holders(pipes: &Pipes) -> Vec<Holder> {
    if pipes.is_empty() {
        return Vec::new();
    }
    pids().flat_map(|pid| held(pid, pipes)).collect()
}

fn held(pid: Pid, pipes: &Pipes) -> Vec<Holder> {
    let own = PathBuf::from(format!("/proc/{pid}"));
    let (process, links) = match links(&own) {
        // Nothing is open where the first thread has ended, and another one shows what the process has.
        links if links.is_empty() => {
            let Some(thread) = read_stat(pid).map(|state| living_thread(&state)).filter(|it| *it != own) else {
                return Vec::new();
            };
            let links = self::links(&thread);
            (thread, links)
        }
        links => (own, links),
    };
    let mut held: BTreeMap<Key, Holder> = BTreeMap::new();
    for number in links {
        let link = fs::read_link(process.join("fd").join(number.to_string()));
        if !link.is_ok_and(|link| pipes.may_have(link.as_os_str().as_bytes())) {
            continue;
        }
        let Some(end) = descriptor(&process, number).ok().filter(|end| pipes.has(end)) else { continue };
        let pipe = (end.device, end.inode);
        let holder = held.entry(pipe).or_insert(Holder { pid, pipe, reads: false, writes: false });
        holder.reads |= end.reads();
        holder.writes |= end.writes();
    }
    held.into_values().collect()
}

/// Its descriptors, the lowest first (`fs/proc/fd.c`, `proc_readfd_common`).
fn links(process: &Path) -> Vec<u32> {
    let entries = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    entries.take(LOOKED_AT).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io, os::fd::AsRawFd};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn own() -> Pid {
        Pid(std::process::id())
    }

    fn find(end: &impl AsRawFd) -> Descriptor {
        descriptor(Path::new("/proc/self"), end.as_raw_fd().cast_unsigned()).unwrap()
    }

    fn ends(pipes: &Pipes) -> Vec<(Pid, bool, bool)> {
        holders(pipes).iter().map(|it| (it.pid, it.reads, it.writes)).collect()
    }

    #[test]
    fn who_has_which_end_of_a_pipe_is_found() {
        let (reader, writer) = io::pipe().unwrap();
        let mut pipes = Pipes::default();
        pipes.add([&find(&writer)]);
        assert_eq!(ends(&pipes), [(own(), true, true)]);
        drop(reader);
        assert_eq!(ends(&pipes), [(own(), false, true)]);
        drop(writer);
        assert_eq!(ends(&pipes), []);
    }

    #[test]
    fn a_pipe_with_a_name_is_found_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (_reader, writer) = io::pipe().unwrap();
        let mut pipes = Pipes::default();
        pipes.add([&find(&both)]);
        assert!(pipes.has(&find(&both)) && !pipes.has(&find(&writer)));
        assert_eq!(ends(&pipes), [(own(), true, true)]);
        pipes.add([&find(&writer)]);
        assert_eq!(ends(&pipes).len(), 2, "one pass, whatever is asked for");
    }

    #[test]
    fn nothing_asked_for_is_nobody_looked_at() {
        assert_eq!(holders(&Pipes::default()), []);
        assert_eq!((inode(b"pipe:[77]"), inode(b"/pipe:[77]"), inode(b"pipe:[x]")), (Some(77), None, None));
    }
}
