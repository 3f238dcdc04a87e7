//! The first and the last line: what was recorded, where, how, and how it ended.
//!
//! Must not: hold what the events say.

use serde::{Deserialize, Serialize};
use tracer_model::{
    event::{Event, EventKind},
    ids::{BootNs, Pid},
    state::Model,
};

use super::{
    FORMAT_MAJOR, FORMAT_MINOR,
    task::{FileBytes, Wide},
};

/// What a reader must know before the first event. Everything in it may come from a file that somebody else made: printing
/// it needs [`crate::text::sanitize`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the sesstrace that recorded.
    pub tool: String,
    /// Name of the host.
    pub host: Vec<u8>,
    /// `uname -r`.
    pub kernel: String,
    /// `/proc/sys/kernel/random/boot_id`: times and numbers of two recordings compare only within one boot.
    pub boot_id: String,
    /// What captured: `ebpf`.
    pub backend: String,
    /// The tier of that backend: `tracepoint`.
    pub tier: String,
    /// Why this tier and no better one; empty when there is none better.
    pub tier_reason: String,
    /// The pid namespace in which numbers are, by the inum of `/proc/PID/ns/pid`.
    pub pid_namespace: u32,
    /// `CLOCK_BOOTTIME` at the start of the capture: time 0 of every report.
    pub boot_ns: BootNs,
    /// `CLOCK_REALTIME` at the same instant, ns since 1970.
    pub unix_ns: i64,
    /// The command that was traced; empty when none was started.
    pub command: Vec<Vec<u8>>,
    /// What was followed.
    pub scope: Scope,
    /// The user as whom the command ran, when that is not the one who called sesstrace.
    pub user: Option<String>,
}

/// [`Header::backend`] of a capture through ptrace.
pub const PTRACE: &str = "ptrace";

impl Header {
    /// An empty model for the events of this recording.
    #[must_use]
    pub fn model(&self) -> Model {
        let mut model = Model::new();
        if self.backend == PTRACE {
            model.seen_by_tracer();
        }
        if let Scope::Tree { root, .. } = self.scope {
            model.follow(root);
        }
        model
    }
}

/// What a capture follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every process of the machine.
    All,
    /// A process and all its descendants.
    Tree {
        /// Its number.
        root: Pid,
        /// Its name when the capture began: that of the program for a command, `comm` for a process that was there.
        name: Vec<u8>,
    },
}

/// How a capture or a recording ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events, gaps included.
    pub events: u64,
    /// Records that are known to be lost.
    pub lost: u64,
    /// The capture came to its own end and what it had is all there. False: it was cut off, or a recording is torn.
    pub complete: bool,
}

impl Summary {
    /// Counts one event in.
    pub fn count(&mut self, event: &Event) {
        self.events += 1;
        if let EventKind::Gap(gap) = &event.kind {
            self.lost = self.lost.saturating_add(gap.lost);
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileHeader {
    kind: HeaderKind,
    sesstrace: String,
    tool: String,
    #[serde(default)]
    host: FileBytes,
    #[serde(default)]
    kernel: String,
    #[serde(default)]
    boot_id: String,
    #[serde(default)]
    backend: String,
    #[serde(default)]
    tier: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tier_reason: String,
    #[serde(default)]
    pid_namespace: u32,
    boot_ns: Wide,
    unix_ns: Wide<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    command: Vec<FileBytes>,
    scope: FileScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeaderKind {
    Header,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileScope {
    All,
    Tree { root: u32, name: FileBytes },
}

/// What even a header of an unknown major version has.
#[derive(Deserialize)]
pub(super) struct HeaderVersion {
    pub sesstrace: String,
    #[serde(default)]
    pub tool: String,
}

impl HeaderVersion {
    /// Major and minor.
    pub(super) fn format(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.sesstrace.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileEnd {
    kind: EndKind,
    events: u64,
    #[serde(default)]
    lost: u64,
    #[serde(default)]
    complete: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndKind {
    End,
}

impl From<&Header> for FileHeader {
    fn from(header: &Header) -> Self {
        Self {
            kind: HeaderKind::Header,
            sesstrace: format!("{FORMAT_MAJOR}.{FORMAT_MINOR}"),
            tool: header.tool.clone(),
            host: FileBytes::from(&header.host),
            kernel: header.kernel.clone(),
            boot_id: header.boot_id.clone(),
            backend: header.backend.clone(),
            tier: header.tier.clone(),
            tier_reason: header.tier_reason.clone(),
            pid_namespace: header.pid_namespace,
            boot_ns: Wide(header.boot_ns.0),
            unix_ns: Wide(header.unix_ns),
            command: header.command.iter().map(FileBytes::from).collect(),
            scope: match &header.scope {
                Scope::All => FileScope::All,
                Scope::Tree { root, name } => FileScope::Tree { root: root.0, name: FileBytes::from(name) },
            },
            user: header.user.clone(),
        }
    }
}

impl From<FileHeader> for Header {
    fn from(file: FileHeader) -> Self {
        Self {
            tool: file.tool,
            host: file.host.into(),
            kernel: file.kernel,
            boot_id: file.boot_id,
            backend: file.backend,
            tier: file.tier,
            tier_reason: file.tier_reason,
            pid_namespace: file.pid_namespace,
            boot_ns: BootNs(file.boot_ns.0),
            unix_ns: file.unix_ns.0,
            command: file.command.into_iter().map(Into::into).collect(),
            scope: match file.scope {
                FileScope::All => Scope::All,
                FileScope::Tree { root, name } => Scope::Tree { root: Pid(root), name: name.into() },
            },
            user: file.user,
        }
    }
}

impl From<Summary> for FileEnd {
    fn from(summary: Summary) -> Self {
        let Summary { events, lost, complete } = summary;
        Self { kind: EndKind::End, events, lost, complete }
    }
}

impl From<FileEnd> for Summary {
    fn from(file: FileEnd) -> Self {
        Self { events: file.events, lost: file.lost, complete: file.complete }
    }
}
