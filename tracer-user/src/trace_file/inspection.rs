//! The file's form of an inspection, in both forms of a recording: a compact one holds this JSON.
//!
//! Must not: lose a bit, or change what a name means.

use serde::{Deserialize, Serialize};
use tracer_model::{
    event::inspection::{
        Access, Descriptor, Descriptors, Directory, Inspection, Known, Moment, Status, Target, Unread,
    },
    ids::RawTty,
};

use super::task::{FileBytes, FileTask, Wide, is_default};

/// An inspection.
#[derive(Serialize, Deserialize)]
pub(super) struct FileInspection {
    task: FileTask,
    moment: FileMoment,
    fds: FileKnown<FileDescriptors>,
    status: FileKnown<FileStatus>,
    cwd: FileKnown<FileDirectory>,
    environment: FileKnown<Vec<FileBytes>>,
    cgroup: FileKnown<FileBytes>,
    program: FileKnown<FileBytes>,
}

/// A fact, or the errno of reading it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileKnown<T> {
    Is(T),
    Errno(i32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileMoment {
    Launch,
    Left,
    Settled,
    Asked,
    Refused,
}

#[derive(Serialize, Deserialize)]
struct FileDescriptors {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<FileDescriptor>,
    #[serde(default, skip_serializing_if = "is_default")]
    more: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct FileDescriptor {
    fd: u32,
    is: FileTarget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tty: Option<(u32, u32, u32)>,
    dev: Wide,
    ino: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    access: FileAccess,
    #[serde(default, skip_serializing_if = "is_default")]
    cloexec: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    listening: bool,
    #[serde(default, skip_serializing_if = "FileBytes::is_empty")]
    path: FileBytes,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileTarget {
    Null,
    Terminal,
    Pipe,
    Socket,
    File,
    Directory,
    Device,
    Anonymous,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileAccess {
    Read,
    Write,
    #[default]
    ReadWrite,
    Path,
}

#[derive(Serialize, Deserialize)]
struct FileStatus {
    umask: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    blocked: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    ignored: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    caught: Wide,
    uids: [u32; 2],
    gids: [u32; 2],
    #[serde(default, skip_serializing_if = "is_default")]
    permitted: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    effective: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    inner_pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<char>,
}

#[derive(Serialize, Deserialize)]
struct FileDirectory {
    path: FileBytes,
    dev: Wide,
    ino: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    other_mount: bool,
}

impl<T> FileKnown<T> {
    fn of<U>(known: &Known<U>, file: impl FnOnce(&U) -> T) -> Self {
        known.as_ref().map_or_else(|Unread(errno)| Self::Errno(*errno), |fact| Self::Is(file(fact)))
    }

    fn known<U>(self, fact: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Is(file) => Ok(fact(file)),
            Self::Errno(errno) => Err(Unread(errno)),
        }
    }
}

impl From<&Inspection> for FileInspection {
    fn from(inspection: &Inspection) -> Self {
        let Inspection { task, moment, descriptors, status, directory, marks, cgroup, program } = inspection;
        Self {
            task: (*task).into(),
            moment: match moment {
                Moment::Launch => FileMoment::Launch,
                Moment::Left => FileMoment::Left,
                Moment::Settled => FileMoment::Settled,
                Moment::Asked => FileMoment::Asked,
                Moment::Refused => FileMoment::Refused,
            },
            fds: FileKnown::of(descriptors, |Descriptors { open, more, unread }| FileDescriptors {
                open: open.iter().map(FileDescriptor::from).collect(),
                more: *more,
                unread: unread.map(|Unread(errno)| errno),
            }),
            status: FileKnown::of(status, |status| (*status).into()),
            cwd: FileKnown::of(directory, |Directory { path, device, inode, other_mount }| FileDirectory {
                path: path.into(),
                dev: Wide(*device),
                ino: Wide(*inode),
                other_mount: *other_mount,
            }),
            environment: FileKnown::of(marks, |marks| marks.iter().map(FileBytes::from).collect()),
            cgroup: FileKnown::of(cgroup, |path| path.into()),
            program: FileKnown::of(program, |path| path.into()),
        }
    }
}

impl From<FileInspection> for Inspection {
    fn from(file: FileInspection) -> Self {
        let FileInspection { task, moment, fds, status, cwd, environment, cgroup, program } = file;
        Self {
            task: task.into(),
            moment: match moment {
                FileMoment::Launch => Moment::Launch,
                FileMoment::Left => Moment::Left,
                FileMoment::Settled => Moment::Settled,
                FileMoment::Asked => Moment::Asked,
                FileMoment::Refused => Moment::Refused,
            },
            descriptors: fds.known(|FileDescriptors { open, more, unread }| Descriptors {
                open: open.into_iter().map(Descriptor::from).collect(),
                more,
                unread: unread.map(Unread),
            }),
            status: status.known(Status::from),
            directory: cwd.known(|FileDirectory { path, dev, ino, other_mount }| Directory {
                path: path.into(),
                device: dev.0,
                inode: ino.0,
                other_mount,
            }),
            marks: environment.known(|names| names.into_iter().map(Vec::from).collect()),
            cgroup: cgroup.known(Vec::from),
            program: program.known(Vec::from),
        }
    }
}

impl FileTarget {
    /// What it is; of a terminal major, minor and devpts instance.
    pub(super) fn of(target: Target) -> (Self, Option<(u32, u32, u32)>) {
        match target {
            Target::Null => (Self::Null, None),
            Target::Terminal(tty) => (Self::Terminal, Some((tty.major, tty.minor, tty.instance))),
            Target::Pipe => (Self::Pipe, None),
            Target::Socket => (Self::Socket, None),
            Target::File => (Self::File, None),
            Target::Directory => (Self::Directory, None),
            Target::Device => (Self::Device, None),
            Target::Anonymous => (Self::Anonymous, None),
        }
    }

    pub(super) fn target(self, tty: Option<(u32, u32, u32)>) -> Target {
        let (major, minor, instance) = tty.unwrap_or_default();
        match self {
            Self::Null => Target::Null,
            Self::Terminal => Target::Terminal(RawTty { major, minor, instance }),
            Self::Pipe => Target::Pipe,
            Self::Socket => Target::Socket,
            Self::File => Target::File,
            Self::Directory => Target::Directory,
            Self::Device => Target::Device,
            Self::Anonymous => Target::Anonymous,
        }
    }
}

impl From<&Descriptor> for FileDescriptor {
    fn from(descriptor: &Descriptor) -> Self {
        let Descriptor { number, target, device, inode, access, close_on_exec, listening, path } = descriptor;
        let (is, tty) = FileTarget::of(*target);
        let access = match access {
            Access::Read => FileAccess::Read,
            Access::Write => FileAccess::Write,
            Access::ReadWrite => FileAccess::ReadWrite,
            Access::Path => FileAccess::Path,
        };
        let (dev, ino) = (Wide(*device), Wide(*inode));
        Self {
            fd: *number,
            is,
            tty,
            dev,
            ino,
            access,
            cloexec: *close_on_exec,
            listening: *listening,
            path: path.into(),
        }
    }
}

impl From<FileDescriptor> for Descriptor {
    fn from(file: FileDescriptor) -> Self {
        Self {
            number: file.fd,
            target: file.is.target(file.tty),
            device: file.dev.0,
            inode: file.ino.0,
            access: match file.access {
                FileAccess::Read => Access::Read,
                FileAccess::Write => Access::Write,
                FileAccess::ReadWrite => Access::ReadWrite,
                FileAccess::Path => Access::Path,
            },
            close_on_exec: file.cloexec,
            listening: file.listening,
            path: file.path.into(),
        }
    }
}

impl From<Status> for FileStatus {
    fn from(status: Status) -> Self {
        let Status { umask, blocked, ignored, caught, uids, gids, capabilities, inner_pid, state } = status;
        let [permitted, effective] = capabilities;
        let state = (state != 0).then(|| char::from(state));
        let [blocked, ignored, caught, permitted, effective] =
            [blocked, ignored, caught, permitted, effective].map(Wide);
        Self { umask, blocked, ignored, caught, uids, gids, permitted, effective, inner_pid, state }
    }
}

impl From<FileStatus> for Status {
    fn from(file: FileStatus) -> Self {
        let FileStatus { umask, blocked, ignored, caught, uids, gids, permitted, effective, inner_pid, state } = file;
        let [blocked, ignored, caught] = [blocked.0, ignored.0, caught.0];
        let state = state.and_then(|state| u8::try_from(state).ok()).unwrap_or(0);
        Self { umask, blocked, ignored, caught, uids, gids, capabilities: [permitted.0, effective.0], inner_pid, state }
    }
}

impl FileInspection {
    /// As a compact recording holds it.
    pub(super) fn to_json(inspection: &Inspection) -> Vec<u8> {
        // Strings, numbers and lists of them: nothing that JSON does not have.
        serde_json::to_vec(&Self::from(inspection)).unwrap_or_default()
    }

    /// The inspection of a compact recording. `None`: it holds a name that is newer than this release.
    pub(super) fn from_json(json: &[u8]) -> Option<Inspection> {
        serde_json::from_slice::<Self>(json).ok().map(Inspection::from)
    }
}
