//! What a process holds open of the output and the terminal of another: while it does, whoever reads that output waits for an
//! end that does not come, and the terminal cannot close.
//!
//! Must not: open or disturb what it looks at.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::{
        ffi::OsStringExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
};

use tracer_model::ids::Pid;

/// Standard descriptors and what they are called.
const STANDARD: [(i32, &str); 3] = [(0, "standard input"), (1, "standard output"), (2, "standard error")];

/// The standard descriptors of a process.
#[derive(Debug, Default)]
pub struct Outputs(Vec<Output>);

#[derive(Debug)]
struct Output {
    name: &'static str,
    file: (u64, u64),
    terminal: bool,
}

/// What is held of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The descriptors of the holder.
    pub fds: Vec<i32>,
    /// What it is, as `/proc` shows it: hostile bytes.
    pub path: Vec<u8>,
    /// What it is to the other: `standard output`.
    pub names: Vec<&'static str>,
    /// It is a terminal.
    pub terminal: bool,
}

impl Outputs {
    /// Those of this process, which its command was started with: pipes, sockets and terminals. Nobody waits for the end of a
    /// file.
    #[must_use]
    pub fn own() -> Self {
        let output = |(fd, name): (i32, &'static str)| {
            let file = fs::metadata(format!("/proc/self/fd/{fd}")).ok()?;
            let (kind, terminal) = (file.file_type(), is_terminal(&file));
            // The end of a pipe that is read from is no output.
            let waited_for = (kind.is_fifo() || kind.is_socket()) && fd != 0;
            (waited_for || terminal).then_some(Output { name, file: id(&file), terminal })
        };
        Self(STANDARD.into_iter().filter_map(output).collect())
    }

    /// What a process holds of them. An error: it may not be looked at.
    pub fn held_by(&self, pid: Pid) -> io::Result<Vec<Held>> {
        let mut held: Vec<((u64, u64), Held)> = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let link = entry?.path();
            let Some(fd) = link.file_name().and_then(|name| name.to_str()?.parse::<i32>().ok()) else { continue };
            // It may close it meanwhile.
            let Ok(file) = fs::metadata(&link) else { continue };
            let these: Vec<&Output> = self.0.iter().filter(|output| output.file == id(&file)).collect();
            let Some(first) = these.first() else { continue };
            if !first.terminal && !is_writable(pid, fd) {
                continue;
            }
            if let Some((_, held)) = held.iter_mut().find(|(of, _)| *of == first.file) {
                held.fds.push(fd);
                continue;
            }
            let path = fs::read_link(&link).map(|path| path.into_os_string().into_vec()).unwrap_or_default();
            let names = these.iter().map(|output| output.name).collect();
            held.push((first.file, Held { fds: vec![fd], path, names, terminal: first.terminal }));
        }
        let mut held: Vec<Held> = held.into_iter().map(|(_, held)| held).collect();
        for held in &mut held {
            held.fds.sort_unstable();
        }
        held.sort_by_key(|held| held.fds.first().copied());
        Ok(held)
    }
}

/// Which file it is; for a terminal which device, by whatever name it was opened.
fn id(file: &Metadata) -> (u64, u64) {
    if is_terminal(file) { (u64::MAX, file.rdev()) } else { (file.dev(), file.ino()) }
}

/// A device of a terminal driver (Documentation/admin-guide/devices.txt): virtual consoles and serial lines, the console, the
/// slaves of pseudo-terminals. `/dev/tty` is whatever its opener's is: not known.
pub(super) fn is_terminal(file: &Metadata) -> bool {
    const CONTROLLING: u64 = 0x500;
    let major = nix::sys::stat::major(file.rdev());
    file.file_type().is_char_device() && file.rdev() != CONTROLLING && matches!(major, 4 | 5 | 136..=143 | 188 | 204)
}

/// Whether a descriptor was opened for writing (`proc_pid_fdinfo(5)`: flags are in octal).
fn is_writable(pid: Pid, fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_none_or(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::fd::AsRawFd as _, process::Command};

    use super::*;

    #[test]
    fn the_writer_of_a_pipe_holds_it_and_its_reader_does_not() {
        let (mut reader, writer) = io::pipe().unwrap();
        let file = fs::metadata(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
        let outputs = Outputs(vec![
            Output { name: "standard output", file: id(&file), terminal: false },
            Output { name: "standard error", file: id(&file), terminal: false },
        ]);
        let mut child = Command::new("cat").stdin(io::pipe().unwrap().0).stdout(writer).spawn().unwrap();
        // That cat has ended is seen at the end of its output.
        let own = outputs.held_by(Pid(std::process::id())).unwrap();
        assert_eq!(own, []);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        child.wait().unwrap();
        let (input, held_open) = io::pipe().unwrap();
        let (_reader, writer) = io::pipe().unwrap();
        let file = fs::metadata(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
        let outputs = Outputs(vec![Output { name: "standard output", file: id(&file), terminal: false }]);
        let mut child = Command::new("cat").stdin(input).stdout(writer).spawn().unwrap();
        let held = outputs.held_by(Pid(child.id())).unwrap();
        assert_eq!(
            held.iter().map(|held| (held.fds.clone(), held.names.clone())).collect::<Vec<_>>(),
            [(vec![1], vec!["standard output"])]
        );
        drop(held_open);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Outputs::own().held_by(Pid(u32::MAX)).is_err());
    }
}
