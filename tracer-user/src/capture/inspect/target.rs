//! What a link of `/proc` leads to, without asking who serves it.
//!
//! A file system whose server is dead answers nobody: only what is cached here is looked at (`statx(2)`, `AT_STATX_DONT_SYNC`).
//! Must not: open anything, or wait for a server.

use std::{ffi::CString, io, mem::MaybeUninit, os::unix::ffi::OsStrExt as _, path::Path};

use tracer_model::{event::inspection::Target, ids::RawTty};

use crate::capture::procfs::whole;

/// A look at a file. Devices as `st_dev` and `st_rdev` have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub device: u64,
    pub inode: u64,
    /// `S_IFMT` of its mode.
    kind: u32,
    /// Major and minor number of a device.
    is: (u32, u32),
    /// Major and minor number of the file system.
    on: (u32, u32),
    /// Number of the mount that the link leads to (`STATX_MNT_ID`, Linux 5.8).
    pub mount: u64,
}

impl Look {
    /// Of what the link leads to.
    pub fn at(link: &Path) -> io::Result<Self> {
        statx(link, libc::STATX_BASIC_STATS | libc::STATX_MNT_ID)
    }

    /// Of a regular file, or a directory, on a file system that shows nothing of it but which it is (`fs/fuse/dir.c`,
    /// `fuse_getattr`: who asks for nothing is not refused).
    pub fn of_a_file(link: &Path, inode: u64) -> io::Result<Self> {
        Ok(Self { inode, kind: libc::S_IFREG, ..statx(link, 0)? })
    }
}

fn statx(link: &Path, mask: u32) -> io::Result<Look> {
    const FLAGS: libc::c_int = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    let path = CString::new(link.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path ends with NUL, and the kernel writes one statx, which is valid with any bytes.
    let (result, found) = unsafe {
        let result = libc::statx(libc::AT_FDCWD, path.as_ptr(), FLAGS, mask, found.as_mut_ptr());
        (result, found.assume_init())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Look {
        device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        kind: u32::from(found.stx_mode) & libc::S_IFMT,
        is: (found.stx_rdev_major, found.stx_rdev_minor),
        on: (found.stx_dev_major, found.stx_dev_minor),
        mount: found.stx_mnt_id,
    })
}

/// What it is. `path`: what the link says.
pub(super) fn kind(look: &Look, path: &[u8]) -> Target {
    match look.kind {
        _ if path.starts_with(b"anon_inode:") => Target::Anonymous,
        libc::S_IFCHR => character_device(look),
        libc::S_IFBLK => Target::Device,
        libc::S_IFIFO => Target::Pipe,
        libc::S_IFSOCK => Target::Socket,
        libc::S_IFDIR => Target::Directory,
        _ => Target::File,
    }
}

fn character_device(look: &Look) -> Target {
    let (major, minor) = look.is;
    let (upper, lower) = look.on;
    let known = Target::of_device(major, minor, upper << 20 | lower);
    let loaded = known == Target::Device && is_loaded(look.is, || whole("/proc/tty/drivers").unwrap_or_default());
    if loaded { Target::Terminal(RawTty { major, minor, instance: 0 }) } else { known }
}

/// Whether a device that no terminal's number has is one all the same: drivers are in `/proc/tty/drivers`, also those whose major
/// is given out when they are loaded.
fn is_loaded((major, minor): (u32, u32), drivers: impl FnOnce() -> Vec<u8>) -> bool {
    // The multiplexer and masters belong to who is the terminal, not to its users.
    let master = (major, minor) == (5, 2) || major == 2 || (128..136).contains(&major);
    !master && major != 1 && has_driver(&drivers(), (major, minor))
}

/// `usbserial            /dev/ttyUSB   188 0-511 serial` (`fs/proc/proc_tty.c`, `drivers/tty/tty_io.c`).
fn has_driver(drivers: &[u8], (major, minor): (u32, u32)) -> bool {
    let lines = drivers.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let mut rows = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace().rev();
        let (kind, minors, its) = (words.next()?, words.next()?, words.next()?.parse::<u32>().ok()?);
        let (first, last) = minors.split_once('-').unwrap_or((minors, minors));
        let minors = first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?;
        Some((kind, its, minors))
    });
    rows.any(|(kind, its, minors)| its == major && minors.contains(&minor) && !kind.ends_with("master"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVERS: &[u8] = b"/dev/ptmx            /dev/ptmx       5       2 system
ttyprintk            /dev/ttyprintk   5       3 console
g_serial             /dev/ttyGS     244 0-7 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
\xff";

    #[test]
    fn terminals_are_those_of_a_driver() {
        let numbered = |(major, minor)| matches!(Target::of_device(major, minor, 7), Target::Terminal(_));
        let is = |device| numbered(device) || is_loaded(device, || DRIVERS.to_vec());
        for terminal in [(244, 3), (5, 0), (5, 1), (5, 3), (4, 1), (3, 9), (229, 0), (188, 2), (136, 5)] {
            assert!(is(terminal), "{terminal:?}");
        }
        for other in [(244, 8), (5, 2), (128, 0), (2, 0), (10, 200), (1, 5)] {
            assert!(!is(other), "{other:?}");
        }
        assert!(!is_loaded((244, 3), Vec::new), "whose major is given out at run time is only known from the list");
    }

    #[test]
    fn a_link_shows_what_stat_shows() {
        use std::os::unix::fs::MetadataExt as _;
        for path in ["/dev/null", "/proc/self/exe", "/proc/self/cwd"] {
            let (look, stat) = (Look::at(Path::new(path)).unwrap(), std::fs::metadata(path).unwrap());
            assert_eq!((look.device, look.inode, look.kind), (stat.dev(), stat.ino(), stat.mode() & libc::S_IFMT));
        }
        assert_eq!(kind(&Look::at(Path::new("/dev/null")).unwrap(), b"/dev/null"), Target::Null);
        let file = Look::of_a_file(Path::new("/proc/self/exe"), 77).unwrap();
        assert_eq!((file.inode, kind(&file, b"/x")), (77, Target::File));
        assert_eq!(file.device, std::fs::metadata("/proc/self/exe").unwrap().dev());
    }
}
