//! Which sockets listen: a table of a network namespace, however many processes of it are looked at.
//!
//! Must not: ask a namespace twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::capture::procfs::whole;

/// The sockets that listen, for processes that are inspected together: each namespace's tables are read once, when the first
/// socket of a process in it is looked at.
#[derive(Debug, Default)]
pub struct Sockets {
    of: BTreeMap<PathBuf, BTreeSet<u64>>,
    unwanted: bool,
}

impl Sockets {
    /// Nobody asks which of them listen, and none is told to.
    #[must_use]
    pub fn unwanted() -> Self {
        Self { unwanted: true, ..Self::default() }
    }

    /// Whether a socket that this process has open takes connections.
    pub(super) fn listens(&mut self, process: &Path, inode: u64) -> bool {
        if self.unwanted {
            return false;
        }
        // net:[4026531840]. Whose is not to be seen has one of its own.
        let namespace = fs::read_link(process.join("ns/net")).unwrap_or_else(|_| process.to_owned());
        self.of.entry(namespace).or_insert_with(|| listening(process)).contains(&inode)
    }
}

/// Inodes of the sockets that listen in the network namespace of a process: those of `/proc/PID/net/tcp` in state
/// `TCP_LISTEN`, and of `unix` with the flag `__SO_ACCEPTCON` (`include/net/tcp_states.h`, `include/linux/net.h`).
fn listening(process: &Path) -> BTreeSet<u64> {
    let mut inodes = BTreeSet::new();
    for (table, column, inode) in [("tcp", 3, 9), ("tcp6", 3, 9), ("unix", 3, 6)] {
        let text = whole(process.join("net").join(table)).unwrap_or_default();
        let lines = text.split(|&byte| byte == b'\n').skip(1).filter_map(|line| std::str::from_utf8(line).ok());
        inodes.extend(lines.filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let state = u32::from_str_radix(fields.get(column)?, 16).ok()?;
            let listens = if table == "unix" { state & 0x1_0000 != 0 } else { state == 0x0A };
            listens.then(|| fields.get(inode)?.parse::<u64>().ok())?
        }));
    }
    inodes
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        os::{
            fd::AsFd,
            unix::net::{UnixListener, UnixStream},
        },
    };

    use super::*;

    fn inode(socket: &impl AsFd) -> u64 {
        nix::sys::stat::fstat(socket).unwrap().st_ino
    }

    #[test]
    fn a_socket_that_listens_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (tcp, unix) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(folder.path().join("x")).unwrap());
        let (one, _other) = UnixStream::pair().unwrap();
        let mut sockets = Sockets::default();
        let mut listens = |socket: u64| sockets.listens(Path::new("/proc/self"), socket);
        assert!(listens(inode(&tcp)) && listens(inode(&unix)) && !listens(inode(&one)));
        assert!(!Sockets::unwanted().listens(Path::new("/proc/self"), inode(&tcp)));
    }

    #[test]
    fn processes_of_one_namespace_share_its_tables() {
        let mut sockets = Sockets::default();
        for _ in 0..3 {
            sockets.listens(Path::new("/proc/self"), 0);
            sockets.listens(Path::new("/proc/thread-self"), 0);
        }
        assert_eq!(sockets.of.len(), 1);
    }
}
