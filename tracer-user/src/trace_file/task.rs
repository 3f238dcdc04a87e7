//! The small file types that the others are made of: byte strings, wide numbers, signals, tasks, the state bundle.
//!
//! Must not: lose a bit: whatever is left out is a default.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tracer_model::{event::Facts, ids::Signal};

/// A byte string: `{"text":…}`, or `{"bytes":BASE64}` when it is not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileBytes {
    Text(String),
    Bytes(Base64),
}

pub(crate) struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

impl Default for FileBytes {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl FileBytes {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.0.is_empty(),
        }
    }
}

impl From<&Vec<u8>> for FileBytes {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<&[u8]> for FileBytes {
    fn from(bytes: &[u8]) -> Self {
        str::from_utf8(bytes).map_or_else(|_| Self::Bytes(Base64(bytes.to_vec())), |text| Self::Text(text.to_owned()))
    }
}

impl From<FileBytes> for Vec<u8> {
    fn from(file: FileBytes) -> Self {
        match file {
            FileBytes::Text(text) => text.into_bytes(),
            FileBytes::Bytes(bytes) => bytes.0,
        }
    }
}

/// A 64-bit number as a decimal string: JSON numbers are doubles in many readers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wide<T = u64>(pub T);

impl<T: fmt::Display> Serialize for Wide<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Wide<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A signal by its name.
#[derive(Clone, Copy)]
pub(super) struct FileSignal(pub Signal);

impl Serialize for FileSignal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FileSignal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Signal::from_name(&name).map(Self).ok_or_else(|| D::Error::custom(format!("{name:?} is no signal")))
    }
}

/// Whether a field may be left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A thread of a process; `tid` only where it differs from `pid`.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct FileTask {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Wide,
}

/// The actor: a task and its name.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct FileActor {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Wide,
    #[serde(default, skip_serializing_if = "FileBytes::is_empty")]
    pub comm: FileBytes,
}

/// The bundle.
#[derive(Serialize, Deserialize)]
pub(super) struct FileState {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Wide,
    #[serde(default, skip_serializing_if = "FileBytes::is_empty")]
    pub comm: FileBytes,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ino: Wide,
    #[serde(default)]
    pub parent: FileTask,
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent_pgid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent_pgid_ino: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent_sid: u32,
    #[serde(default)]
    pub pgid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pgid_ino: Wide,
    #[serde(default)]
    pub sid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sid_ino: Wide,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<FileTty>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub tty_old_pgrp: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub signal_flags: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub exit_state: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub task_exit_state: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub exit_code: i32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub group_exit_code: i32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub task_flags: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub jobctl: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub live: i32,
    #[serde(default, skip_serializing_if = "FileFacts::is_empty")]
    pub facts: FileFacts,
    #[serde(default, skip_serializing_if = "is_default")]
    pub uid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<FileNamespace>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cgroup: Wide,
}

/// A controlling terminal: the device and its job-control state.
#[derive(Serialize, Deserialize)]
pub(super) struct FileTty {
    pub major: u32,
    pub minor: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub instance: u32,
    #[serde(default)]
    pub foreground: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub foreground_ino: Wide,
    #[serde(default, skip_serializing_if = "is_default")]
    pub foreground_empty: bool,
    #[serde(default)]
    pub session: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileNamespace {
    pub inum: u32,
    pub level: u32,
    pub pid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pgid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sid: u32,
}

/// The facts that hold, by name. A name that this release does not know is ignored.
#[derive(Default)]
pub(super) struct FileFacts(pub Facts);

/// The place of a fact.
pub(super) type Bit = fn(&mut Facts) -> &mut bool;

/// Name and place of every fact.
pub(super) const FACTS: [(&str, Bit); 10] = [
    ("session_leader", |f| &mut f.session_leader),
    ("subreaper", |f| &mut f.subreaper),
    ("no_subreaper_above", |f| &mut f.no_subreaper_above),
    ("single_thread", |f| &mut f.single_thread),
    ("parent_is_init", |f| &mut f.parent_is_init),
    ("ttou_ignored_or_blocked", |f| &mut f.ttou_ignored_or_blocked),
    ("ttin_ignored_or_blocked", |f| &mut f.ttin_ignored_or_blocked),
    ("auto_reaps_children", |f| &mut f.auto_reaps_children),
    ("hup_ignored", |f| &mut f.hup_ignored),
    ("unreadable", |f| &mut f.unreadable),
];

impl FileFacts {
    fn is_empty(&self) -> bool {
        self.0 == Facts::default()
    }
}

impl Serialize for FileFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut facts = self.0;
        serializer.collect_seq(FACTS.iter().filter(|(_, bit)| *bit(&mut facts)).map(|(name, _)| name))
    }
}

impl<'de> Deserialize<'de> for FileFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut facts = Facts::default();
        for (name, bit) in FACTS {
            *bit(&mut facts) = names.iter().any(|n| n == name);
        }
        Ok(Self(facts))
    }
}
