//! The file's form of an attribute, in both forms of a recording: a compact one holds this JSON. An audit writes it, too.
//!
//! Must not: change what a name means.

use serde::{Deserialize, Serialize};
use tracer_model::event::{Attribute, inspection::Target};

use super::{
    event::FileDisposition,
    inspection::FileTarget,
    task::{FileSignal, Wide, is_default},
};

/// An attribute, by the call that changed it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(super) enum FileAttribute {
    Chdir {
        #[serde(default, skip_serializing_if = "is_default")]
        root: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        errno: i32,
    },
    Umask {
        old: u32,
        new: u32,
    },
    Open(FileOpened),
    Dup(FileOpened),
    Close {
        fd: u32,
        /// Absent: that one alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u32>,
    },
    Sigaction {
        signal: FileSignal,
        disposition: FileDisposition,
    },
    Sigprocmask {
        old: Wide,
        new: Wide,
    },
}

/// A new descriptor.
#[derive(Serialize, Deserialize)]
pub(super) struct FileOpened {
    fd: u32,
    is: FileTarget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tty: Option<(u32, u32, u32)>,
}

impl FileOpened {
    fn new(fd: u32, target: Target) -> Self {
        let (is, tty) = FileTarget::of(target);
        Self { fd, is, tty }
    }

    fn target(&self) -> Target {
        self.is.target(self.tty)
    }
}

impl From<Attribute> for FileAttribute {
    fn from(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Chdir { root, errno } => Self::Chdir { root, errno },
            Attribute::Umask { old, new } => Self::Umask { old, new },
            Attribute::Open { fd, target } => Self::Open(FileOpened::new(fd, target)),
            Attribute::Dup { fd, target } => Self::Dup(FileOpened::new(fd, target)),
            Attribute::Close { first, last } => Self::Close { fd: first, last: (first != last).then_some(last) },
            Attribute::Sigaction { signal, disposition } => {
                Self::Sigaction { signal: FileSignal(signal), disposition: disposition.into() }
            }
            Attribute::Sigprocmask { old, new } => Self::Sigprocmask { old: Wide(old), new: Wide(new) },
        }
    }
}

impl From<FileAttribute> for Attribute {
    fn from(file: FileAttribute) -> Self {
        match file {
            FileAttribute::Chdir { root, errno } => Self::Chdir { root, errno },
            FileAttribute::Umask { old, new } => Self::Umask { old, new },
            FileAttribute::Open(opened) => Self::Open { fd: opened.fd, target: opened.target() },
            FileAttribute::Dup(opened) => Self::Dup { fd: opened.fd, target: opened.target() },
            FileAttribute::Close { fd, last } => Self::Close { first: fd, last: last.unwrap_or(fd) },
            FileAttribute::Sigaction { signal, disposition } => {
                Self::Sigaction { signal: signal.0, disposition: disposition.into() }
            }
            FileAttribute::Sigprocmask { old, new } => Self::Sigprocmask { old: old.0, new: new.0 },
        }
    }
}

/// An attribute as JSON Lines have it, for an audit.
pub(crate) fn attribute_value(attribute: Attribute) -> serde_json::Value {
    // Strings and numbers: nothing that JSON does not have.
    serde_json::to_value(FileAttribute::from(attribute)).unwrap_or_default()
}

impl FileAttribute {
    /// As a compact recording holds it.
    pub(super) fn to_json(attribute: Attribute) -> Vec<u8> {
        // Strings and numbers: nothing that JSON does not have.
        serde_json::to_vec(&Self::from(attribute)).unwrap_or_default()
    }

    /// The attribute of a compact recording. `None`: it holds a name that is newer than this release.
    pub(super) fn from_json(json: &[u8]) -> Option<Attribute> {
        serde_json::from_slice::<Self>(json).ok().map(Attribute::from)
    }
}
